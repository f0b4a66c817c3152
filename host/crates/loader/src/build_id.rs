//! Whether a library is what its linker wrote.
//!
//! LLD, which Rust links with on x86_64 Linux, puts a checksum of the whole file into it, as the GNU
//! build ID. So damage anywhere is found, also in code that no trial runs. Format: lld/ELF/Writer.cpp,
//! `writeBuildId`: BLAKE3, cut to 20 bytes, of the BLAKE3s, cut likewise, of each mebibyte of the file,
//! where the build ID itself counts as zeros. The table of sections is the file's end; what somebody
//! put behind it is mapped nowhere, and not counted.

use memchr::memmem;
use object::{
    Object, ObjectSection,
    elf::PT_NOTE,
    read::elf::{ElfFile64, ProgramHeader},
};

use crate::problem::Problem;

const LINKER: &[u8] = b"Linker: LLD ";
const SECTION: &str = ".note.gnu.build-id";
/// Length, length, type `NT_GNU_BUILD_ID`, and the owner.
const NOTE_HEAD: &[u8] = b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0";
const ID_LEN: usize = 20;
const CHUNK: usize = 1 << 20;
/// The first version of LLD whose build IDs are made in this way, with some to spare.
const FIRST_VERSION: u32 = 17;
/// A section that LLD alone writes, since version 18.
const PADDING: &str = ".relro_padding";

/// Checks the bytes of a library, which have that SHA-256, against the build ID in it, where it has
/// one that can be checked.
pub(super) fn check(bytes: &[u8], sha256: &str) -> Result<(), Problem> {
    if is_as_linked(bytes) {
        return Ok(());
    }
    Err(Problem::new(
        "is damaged: its content is not what its linker wrote (build ID)",
        format!(
            "copy or build the file again; if it was stripped or patched on purpose, add its \
             SHA-256 to [host.pins]: {sha256}"
        ),
    ))
}

fn is_as_linked(bytes: &[u8]) -> bool {
    let Ok(file) = ElfFile64::<object::Endianness>::parse(bytes) else { return false };
    if !names_are_whole(&file) {
        return false;
    }
    // two traces in two places: damage may have hit one
    let is_of_lld = lld_version(bytes).is_some_and(|version| version >= FIRST_VERSION)
        || file.section_by_name(PADDING).is_some();
    if !is_of_lld {
        return true;
    }
    let section = file.section_by_name(SECTION).and_then(|it| it.file_range());
    let endian = file.endian();
    let segments = file.elf_program_headers().iter().filter(|it| it.p_type(endian) == PT_NOTE);
    // by its name, and where the loader looks: damage may have hit either
    let ranges = section.into_iter().chain(segments.map(|it| it.file_range(endian)));
    let notes: Vec<_> = ranges.filter_map(|(start, len)| part(bytes, start, len)).collect();
    if notes.is_empty() {
        return true;
    }
    let is_other = |note: &[u8]| {
        // of another length it was made otherwise, as the linker's command line said
        let len = note.get(4..8).and_then(|it| it.try_into().ok()).map(u32::from_le_bytes);
        len.is_some_and(|len| {
            len as usize != ID_LEN && len as usize + NOTE_HEAD.len() == note.len()
        })
    };
    let found = notes.iter().find_map(|(start, note)| {
        let at = memmem::find(note, NOTE_HEAD)? + NOTE_HEAD.len();
        Some((start + at, note.get(at..at + ID_LEN)?))
    });
    match (found, linked_part(&file, bytes)) {
        (Some((at, id)), Some(whole)) => build_id(whole, at) == id,
        (Some(_), None) => false,
        (None, _) => notes.iter().any(|(_, note)| is_other(note)),
    }
}

/// Whether each section has a name, as linkers of every kind write them.
fn names_are_whole(file: &ElfFile64) -> bool {
    file.sections().all(|section| {
        let is_name = |it: &str| !it.is_empty() && !it.contains(char::is_control);
        section.name().is_ok_and(is_name)
    })
}

/// A part of the file, and where it begins.
fn part(bytes: &[u8], start: u64, len: u64) -> Option<(usize, &[u8])> {
    let start = usize::try_from(start).ok()?;
    Some((start, bytes.get(start..start.checked_add(usize::try_from(len).ok()?)?)?))
}

/// What the linker wrote, up to the end of the table of sections.
fn linked_part<'data>(file: &ElfFile64<'data>, bytes: &'data [u8]) -> Option<&'data [u8]> {
    let (header, endian) = (file.elf_header(), file.endian());
    let entries = u64::from(header.e_shnum.get(endian)) * u64::from(header.e_shentsize.get(endian));
    let end = header.e_shoff.get(endian).checked_add(entries)?;
    bytes.get(..usize::try_from(end).ok()?)
}

/// The version of the LLD that made a file: it leaves a text as `Linker: LLD 22.1.2 (…)`, which is
/// found also where the names of sections are damaged.
fn lld_version(bytes: &[u8]) -> Option<u32> {
    let at = memmem::find(bytes, LINKER)? + LINKER.len();
    let version = bytes[at..].split(|byte| *byte == b'.').next()?;
    str::from_utf8(version).ok()?.parse().ok()
}

/// The build ID of a file that has one at that place.
fn build_id(bytes: &[u8], at: usize) -> [u8; ID_LEN] {
    let mut hashes = Vec::new();
    for (index, chunk) in bytes.chunks(CHUNK).enumerate() {
        let (start, end) = (index * CHUNK, index * CHUNK + chunk.len());
        // the part of the build ID that lies in this chunk, as it mostly does
        let (from, to) = (at.clamp(start, end) - start, (at + ID_LEN).clamp(start, end) - start);
        let mut hash = blake3::Hasher::new();
        hash.update(&chunk[..from]).update(&[0; ID_LEN][..to - from]).update(&chunk[to..]);
        hashes.extend(cut(&hash.finalize()));
    }
    cut(&blake3::hash(&hashes))
}

fn cut(hash: &blake3::Hash) -> [u8; ID_LEN] {
    let mut cut = [0; ID_LEN];
    cut.copy_from_slice(&hash.as_bytes()[..ID_LEN]);
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_id_is_that_of_the_linker_wherever_it_lies() {
        let bytes: Vec<u8> = (0..2_500_000_u32).map(|it| u8::try_from(it % 251).unwrap()).collect();
        let expected = |at: usize| {
            let mut zeroed = bytes.clone();
            zeroed[at..at + ID_LEN].fill(0);
            let hashes: Vec<u8> =
                zeroed.chunks(CHUNK).flat_map(|chunk| cut(&blake3::hash(chunk))).collect();
            cut(&blake3::hash(&hashes))
        };
        for at in [0, 700, CHUNK - 20, CHUNK - 7, CHUNK, 2 * CHUNK - 1, bytes.len() - ID_LEN] {
            assert_eq!(build_id(&bytes, at), expected(at), "{at}");
        }
    }

    #[test]
    fn the_linker_is_read_from_what_it_left() {
        let comment = b"\0rustc version 1.95.0\0Linker: LLD 22.1.2 (/checkout)\0GCC: 12\0";
        assert_eq!(lld_version(comment), Some(22));
        for other in [&b"GCC: (Debian 12.2.0) 12.2.0\0"[..], b"Linker: LLD ", b"Linker: LLD x.1"] {
            assert_eq!(lld_version(other), None);
        }
    }
}
