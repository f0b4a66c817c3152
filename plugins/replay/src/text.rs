//! Opens text files: packed or not, in UTF-8, GBK or UTF-16.

use std::{
    io::{self, BufRead, BufReader, Cursor, Read},
    path::Path,
};

use flate2::bufread::MultiGzDecoder;

use crate::{
    foreign::{self, Packing},
    reader::{OpenFault, in_file},
    utf16::{self, Utf16},
};

const BUFFER_BYTES: usize = 1 << 17;
/// Bytes that are looked at before anything is read.
const HEAD_BYTES: usize = 1 << 16;
/// As many tell what a file is.
const ENOUGH_BYTES: usize = 1 << 10;
const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// The text of a file as UTF-8 or GBK, unpacked when it starts like gzip or zstd. What its first
/// `fill_buf` gives is a sample of it.
///
/// # Errors
/// When the file cannot be opened or read, or is no text; the error says what it is instead.
pub fn open_text(path: &Path) -> Result<Box<dyn BufRead>, OpenFault> {
    let failed = |error: io::Error| OpenFault::Unreadable(in_file(path, describe(&error)));
    let (head, rest, packing) = unpacked(path).map_err(failed)?;
    if let Some(what) = foreign::named(&head, packing) {
        return Err(OpenFault::Unreadable(in_file(path, what)));
    }
    let order = utf16::order(&head);
    let skipped = if head.starts_with(UTF8_MARK) { UTF8_MARK.len() } else { 0 };
    let mut start = Cursor::new(head);
    start.consume(skipped);
    let whole = start.chain(rest);
    Ok(match order {
        Some(order) => buffered(Utf16::new(whole, order)),
        None => Box::new(whole),
    })
}

/// The first bytes of a file, unpacked.
///
/// # Errors
/// When the file cannot be opened or read.
pub fn peek(path: &Path) -> io::Result<(Vec<u8>, Packing)> {
    unpacked(path).map(|(head, _, packing)| (head, packing))
}

/// What went wrong within a file, and what that means.
pub fn describe(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return format!("ends too early ({error}): the file is truncated or still being written");
    }
    format!("{error}: the file is damaged or cannot be read")
}

/// The first bytes of a file and what follows them, unpacked.
fn unpacked(path: &Path) -> io::Result<(Vec<u8>, Box<dyn BufRead>, Packing)> {
    let mut file = BufReader::with_capacity(BUFFER_BYTES, kit::file::open(path)?);
    let packing = Packing::of(file.fill_buf()?);
    let mut text: Box<dyn BufRead> = match packing {
        Packing::None => Box::new(file),
        Packing::Gzip => buffered(MultiGzDecoder::new(file)),
        Packing::Zstd => buffered(zstd::stream::read::Decoder::with_buffer(file)?),
    };
    let mut head = Vec::new();
    while head.len() < ENOUGH_BYTES {
        let part = match text.fill_buf() {
            Ok(part) => &part[..part.len().min(HEAD_BYTES)],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // what is there is read before it is told
            Err(error) if !head.is_empty() => {
                return Ok((head, Box::new(BufReader::new(Broken(Some(error)))), packing));
            }
            Err(error) => return Err(error),
        };
        let count = part.len();
        head.extend_from_slice(part);
        text.consume(count);
        if count == 0 {
            break;
        }
    }
    Ok((head, text, packing))
}

/// The end of a file that cannot be read further.
struct Broken(Option<io::Error>);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

fn buffered(reader: impl Read + 'static) -> Box<dyn BufRead> {
    Box::new(BufReader::with_capacity(BUFFER_BYTES, reader))
}
