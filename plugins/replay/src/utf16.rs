//! Text in UTF-16, as Excel, Notepad and PowerShell write it, brought to UTF-8.

use std::{
    borrow::Cow,
    io::{self, BufRead, Read},
};

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_16BE, UTF_16LE};

/// Bytes of a text without a mark that are looked at.
const SAMPLE_BYTES: usize = 4_096;
const OUTPUT_BYTES: usize = 1 << 16;

/// The byte order of a text in UTF-16; `None` for other text, and where that is not certain.
///
/// Without a mark it is one when the zero bytes of its Latin letters and digits all stand on the
/// same side, and what comes out are characters of a table.
pub fn order(head: &[u8]) -> Option<&'static Encoding> {
    match head {
        [0xff, 0xfe, ..] => return Some(UTF_16LE),
        [0xfe, 0xff, ..] => return Some(UTF_16BE),
        _ => {}
    }
    let sample = &head[..head.len().min(SAMPLE_BYTES) & !1];
    let zeros =
        |side: usize| sample.iter().skip(side).step_by(2).filter(|byte| **byte == 0).count();
    let order = match (zeros(0), zeros(1)) {
        (0, little) if little >= 2 => UTF_16LE,
        (big, 0) if big >= 2 => UTF_16BE,
        _ => return None,
    };
    let to_unit = if order == UTF_16LE { u16::from_le_bytes } else { u16::from_be_bytes };
    let is_text = |unit: u16| match unit {
        0x09 | 0x0a | 0x0d | 0x20..=0x7e => true,
        // Latin, punctuation, Chinese, full-width forms
        _ => matches!(unit, 0xa0..=0x2ff | 0x2000..=0x9fff | 0xff00..=0xffef),
    };
    sample.chunks_exact(2).all(|pair| is_text(to_unit([pair[0], pair[1]]))).then_some(order)
}

/// The first bytes of a text as UTF-8, if they are UTF-16.
pub fn decoded(head: &[u8]) -> Cow<'_, [u8]> {
    let Some(order) = order(head) else { return head.into() };
    order.decode(head).0.into_owned().into_bytes().into()
}

/// Reads UTF-16 as UTF-8. What is no character becomes U+FFFD.
pub struct Utf16<R> {
    input: R,
    decoder: Decoder,
    output: Vec<u8>,
    /// What of `output` was given out.
    given: usize,
    is_over: bool,
}

impl<R: BufRead> Utf16<R> {
    pub fn new(input: R, order: &'static Encoding) -> Self {
        let decoder = order.new_decoder_with_bom_removal();
        Self { input, decoder, output: Vec::new(), given: 0, is_over: false }
    }

    fn refill(&mut self) -> io::Result<()> {
        self.given = 0;
        self.output.resize(OUTPUT_BYTES, 0);
        let mut written = 0;
        while written == 0 && !self.is_over {
            let input = self.input.fill_buf()?;
            let is_last = input.is_empty();
            let (result, read, count, _) =
                self.decoder.decode_to_utf8(input, &mut self.output, is_last);
            self.input.consume(read);
            written = count;
            self.is_over = is_last && result == CoderResult::InputEmpty;
        }
        self.output.truncate(written);
        Ok(())
    }
}

impl<R: BufRead> Read for Utf16<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.output.len() {
            self.output.clear();
            self.refill()?;
        }
        let count = buffer.len().min(self.output.len() - self.given);
        buffer[..count].copy_from_slice(&self.output[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    const TEXT: &str = "symbol,time,close,名称\r\n600000.SH,2021-12-01 09:30:00,9.4,浦发银行\r\n";

    fn encoded(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(to_bytes).collect()
    }

    #[test]
    fn both_orders_are_told_and_read_with_and_without_a_mark() {
        for mark in ["", "\u{feff}"] {
            let text = format!("{mark}{TEXT}");
            for (bytes, expected) in [
                (encoded(&text, u16::to_le_bytes), UTF_16LE),
                (encoded(&text, u16::to_be_bytes), UTF_16BE),
            ] {
                assert_eq!(order(&bytes), Some(expected));
                let mut read = String::new();
                // a buffer of an odd size cuts characters in half
                let input = BufReader::with_capacity(7, &bytes[..]);
                Utf16::new(input, expected).read_to_string(&mut read).unwrap();
                assert_eq!(read, TEXT);
            }
        }
    }

    #[test]
    fn other_text_and_binary_data_is_not_taken_for_it() {
        let gbk = encoding_rs::GBK.encode(TEXT).0;
        for bytes in [TEXT.as_bytes(), &gbk, b"", b"a", b"\0\0\0\0", b"a\0\x01\0b\0", b"a\0\0b"] {
            assert_eq!(order(bytes), None, "{bytes:?}");
        }
    }
}
