//! Reads what can be read of a file on a failing disk.

use std::io;

const CHUNK: usize = 1 << 20;
const PAGE: usize = 4 << 10;
/// `EIO`, the error for a sector that cannot be read.
const UNREADABLE: i32 = 5;
/// Reading stops after so many zeros: a damaged file length can claim anything.
const MAX_ZEROS: usize = 64 << 20;

/// Whether the error is an unreadable sector, which counts as damage.
pub(super) fn is_unreadable(error: &io::Error) -> bool {
    error.raw_os_error() == Some(UNREADABLE)
}

/// The bytes of a file of that length; pages that cannot be read are zeros.
pub(super) fn read(
    length: u64,
    read_at: impl Fn(&mut [u8], u64) -> io::Result<usize>,
) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut zeros = 0;
    while (bytes.len() as u64) < length && zeros < MAX_ZEROS {
        let at = bytes.len();
        let left = usize::try_from(length - at as u64).unwrap_or(CHUNK).min(CHUNK);
        bytes.try_reserve(left)?;
        bytes.resize(at + left, 0);
        let read = match read_at(&mut bytes[at..], at as u64) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) if is_unreadable(&error) => {
                read_pages(&mut bytes[at..], at as u64, &read_at)?
            }
            Ok(0) => {
                bytes.truncate(at);
                break;
            }
            read => read?,
        };
        bytes.truncate(at + read);
        let tail = bytes[at..].iter().rev().take_while(|byte| **byte == 0).count();
        zeros = if tail == read { zeros + tail } else { tail };
    }
    if zeros >= MAX_ZEROS {
        bytes.truncate(bytes.len() - zeros);
    }
    Ok(bytes)
}

/// Fills the buffer page by page; those that cannot be read stay zeros.
fn read_pages(
    buffer: &mut [u8],
    at: u64,
    read_at: impl Fn(&mut [u8], u64) -> io::Result<usize>,
) -> io::Result<usize> {
    buffer.fill(0);
    let mut done = 0;
    for page in buffer.chunks_mut(PAGE) {
        match read_at(page, at + done as u64) {
            Err(error) if is_unreadable(&error) => {}
            Ok(read) if read < page.len() => return Ok(done + read),
            read => drop(read?),
        }
        done += page.len();
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sector_that_cannot_be_read_costs_its_page_alone() {
        let disk: Vec<u8> = (0..3 * CHUNK + 100).map(|at| at.to_le_bytes()[1] | 1).collect();
        let bad = CHUNK + 5 * PAGE + 7;
        let read_at = |bytes: &mut [u8], at: u64| {
            let at = usize::try_from(at).unwrap();
            let end = disk.len().min(at + bytes.len());
            if (at..end).contains(&bad) {
                return Err(io::Error::from_raw_os_error(UNREADABLE));
            }
            bytes[..end - at].copy_from_slice(&disk[at..end]);
            Ok(end - at)
        };
        let mut wanted = disk.clone();
        wanted[CHUNK + 5 * PAGE..CHUNK + 6 * PAGE].fill(0);
        assert!(read(disk.len() as u64, read_at).unwrap() == wanted);
    }

    #[test]
    fn a_length_that_claims_too_much_is_not_believed() {
        let read_at = |bytes: &mut [u8], at: u64| {
            bytes.fill(u8::from(at < CHUNK as u64));
            Ok(bytes.len())
        };
        assert_eq!(read(1 << 50, read_at).unwrap(), vec![1; CHUNK]);
    }
}
