//! Reads a native library's file before any code of it runs.
//!
//! The dynamic loader maps a file as it is: a truncated one kills the process with a bus error, and
//! one for another machine gives an obscure error. Both are detected here from the bytes.

use object::{
    Object, ObjectKind, ObjectSection, ObjectSegment, ObjectSymbol, read::elf::ElfFile64,
};
use plugin_api::native::{DESCRIPTOR_SYMBOL, Descriptor, ROOT_MODULE_SYMBOL};

use crate::{descriptor::check_descriptor, problem::Problem};

/// Checks a library's bytes and reads what plugin it says it is.
pub fn inspect(bytes: &[u8]) -> Result<Descriptor, Problem> {
    if !bytes.starts_with(b"\x7fELF") {
        return Err(Problem::new(
            "is not a shared library",
            "build the plugin with crate-type = [\"cdylib\"], or remove the file",
        ));
    }
    let file = ElfFile64::<object::Endianness>::parse(bytes).map_err(|_| damaged(bytes.len()))?;
    let whole = file.segments().all(|segment| {
        let (start, len) = segment.file_range();
        start.checked_add(len).is_some_and(|end| end <= bytes.len() as u64)
    });
    if !whole {
        return Err(damaged(bytes.len()));
    }
    if file.kind() != ObjectKind::Dynamic {
        return Err(Problem::new(
            "is a program or an object file, not a shared library",
            "build the plugin with crate-type = [\"cdylib\"]",
        ));
    }
    let machine = format!("{:?}", file.architecture()).to_lowercase();
    if machine != std::env::consts::ARCH {
        return Err(Problem::new(
            format!("was built for {machine}, this machine is {}", std::env::consts::ARCH),
            "build the plugin on or for this kind of machine",
        ));
    }
    let descriptor = read_descriptor(&file).ok_or_else(|| {
        Problem::new(
            "is a shared library but no plugin: it has no plugin descriptor",
            "call `export_plugin!` in the plugin's crate, or move the file out of the folder",
        )
    })?;
    let descriptor = check_descriptor(descriptor)?;
    let exports_root = file.dynamic_symbols().any(|symbol| symbol.name() == Ok(ROOT_MODULE_SYMBOL));
    if !exports_root {
        return Err(Problem::new(
            format!("plugin \"{}\" has a descriptor but no root module", descriptor.name()),
            "call `export_plugin!` in the plugin's crate, and do not strip its dynamic symbols",
        )
        .of(descriptor.name()));
    }
    Ok(descriptor)
}

fn damaged(len: usize) -> Problem {
    Problem::new(
        format!("is damaged or cut short ({len} bytes)"),
        "copy or build the file again; write to a temporary name and rename when it is complete",
    )
}

fn read_descriptor(file: &ElfFile64<'_>) -> Option<Descriptor> {
    let symbol = file.dynamic_symbols().find(|symbol| symbol.name() == Ok(DESCRIPTOR_SYMBOL))?;
    let section = file.section_by_index(symbol.section_index()?).ok()?;
    let bytes = section.data_range(symbol.address(), Descriptor::LEN as u64).ok()??;
    Descriptor::read(bytes)
}
