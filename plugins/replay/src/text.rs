//! Opens text files, packed or not.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use flate2::bufread::MultiGzDecoder;

const BUFFER_BYTES: usize = 1 << 17;
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The text of a file, unpacked when it starts like gzip or zstd.
///
/// # Errors
/// When the file cannot be opened or read.
pub fn open_text(path: &Path) -> io::Result<Box<dyn BufRead>> {
    let mut file = BufReader::with_capacity(BUFFER_BYTES, File::open(path)?);
    let start = file.fill_buf()?;
    if start.starts_with(&GZIP) {
        return Ok(buffered(MultiGzDecoder::new(file)));
    }
    if start.starts_with(&ZSTD) {
        return Ok(buffered(zstd::stream::read::Decoder::with_buffer(file)?));
    }
    Ok(Box::new(file))
}

/// What went wrong within a file, and what that means.
pub fn describe(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return format!("ends too early ({error}): the file is truncated or still being written");
    }
    format!("{error}: the file is damaged or cannot be read")
}

fn buffered(reader: impl Read + 'static) -> Box<dyn BufRead> {
    Box::new(BufReader::with_capacity(BUFFER_BYTES, reader))
}
