//! What the file asks of the machine, and what it shows.

use std::fs;

use object::{
    Endianness, Object, ObjectSymbol,
    elf::{DF_1_NODELETE, DT_FLAGS_1, FileHeader64},
    read::elf::{Dyn, ElfFile64, FileHeader},
};

use super::driver::library;

/// The newest that Debian 12 has.
const NEWEST: [(&str, &str); 3] =
    [("GLIBC_", "2.36"), ("GLIBCXX_", "3.4.30"), ("CXXABI_", "1.3.13")];

fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map(|part| part.parse().unwrap()).collect()
}

#[test]
fn it_needs_no_newer_libraries_than_debian_12_has() {
    let bytes = fs::read(library()).unwrap();
    let header = FileHeader64::<Endianness>::parse(&*bytes).unwrap();
    let endian = header.endian().unwrap();
    let sections = header.sections(endian, &*bytes).unwrap();
    let (mut needs, strings) = sections.gnu_verneed(endian, &*bytes).unwrap().unwrap();
    let strings = sections.strings(endian, &*bytes, strings).unwrap();
    let mut seen = Vec::new();
    while let Some((_, mut versions)) = needs.next().unwrap() {
        while let Some(version) = versions.next().unwrap() {
            let name = version.name(endian, strings).unwrap();
            let name = std::str::from_utf8(name).unwrap();
            for (prefix, newest) in NEWEST {
                if let Some(version) = name.strip_prefix(prefix) {
                    assert!(numbers(version) <= numbers(newest), "{name} is newer than {newest}");
                    seen.push(prefix);
                }
            }
        }
    }
    assert!(NEWEST.iter().all(|(prefix, _)| seen.contains(prefix)), "{seen:?}");
}

#[test]
fn it_shows_one_symbol_and_stays_loaded() {
    let bytes = fs::read(library()).unwrap();
    let file = ElfFile64::<Endianness>::parse(&*bytes).unwrap();
    let defined = file.dynamic_symbols().filter(|symbol| symbol.is_definition());
    let names: Vec<_> = defined.map(|symbol| symbol.name().unwrap()).collect();
    assert_eq!(names, ["createPlugin"]);

    let endian = file.endian();
    let sections = file.elf_section_table();
    let (entries, _) = sections.dynamic(endian, &*bytes).unwrap().unwrap();
    let flags = entries.iter().find(|entry| entry.d_tag(endian) == DT_FLAGS_1).unwrap();
    assert_ne!(flags.d_val(endian) & u64::from(DF_1_NODELETE.0), 0);
}
