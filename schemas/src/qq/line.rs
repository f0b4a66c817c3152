//! Takes a line apart as far as its encoding matters: behind the name all is ASCII.

use super::{Encoding, Skip, malformed};

const CUT_OFF: Skip = Skip::Malformed { field: 0, why: "begins a line that is cut off" };
const NO_LINE: Skip = Skip::Malformed { field: 0, why: "is not within v_<symbol>=\"…\";" };
const NO_NAME: Skip = Skip::Malformed { field: 1, why: "does not end" };
const SEPARATOR: u8 = b'~';

/// `v_<symbol>="<market>~<name>~<rest>";`
pub struct Line<'a> {
    /// Exchange of the symbol that was asked for.
    pub market: &'static str,
    /// Its code.
    pub code: &'a str,
    /// Field 1 in the encoding of the answer.
    pub name: &'a [u8],
    /// Field 2 and all behind it.
    pub rest: &'a [u8],
}

impl<'a> Line<'a> {
    /// Takes a line apart; blanks around it are allowed.
    ///
    /// Without the closing quote the line was cut off, and its last number may be half of one.
    ///
    /// # Errors
    /// `Malformed` for what is no such line; the other reasons as far as the symbol tells them.
    pub fn split(line: &'a [u8], encoding: Encoding) -> Result<Self, Skip> {
        let line = line.trim_ascii();
        let symbol = symbol_of(line).ok_or(NO_LINE)?;
        let body = line[b"v_".len() + symbol.len()..].strip_prefix(b"=\"").ok_or(NO_LINE)?;
        let body = body.strip_suffix(b";").unwrap_or(body).strip_suffix(b"\"").ok_or(CUT_OFF)?;
        // these have other fields, or none
        let (market, code) = split_symbol(symbol)?;
        let end = body.iter().position(|byte| *byte == SEPARATOR).ok_or(NO_NAME)?;
        let behind = &body[end + 1..];
        let end = name_len(behind, encoding).ok_or(NO_NAME)?;
        Ok(Self { market, code, name: &behind[..end], rest: &behind[end + 1..] })
    }
}

/// The symbol of a line, e.g. `sh600000`, as far as the line goes; `None` for what is no line.
pub fn symbol_of(line: &[u8]) -> Option<&[u8]> {
    let line = line.trim_ascii_start().strip_prefix(b"v_")?;
    line.get(..line.iter().position(|byte| *byte == b'=')?)
}

/// The lines of an answer that are not empty.
pub fn lines(answer: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    let ends = memchr::memchr_iter(b'\n', answer).chain([answer.len()]);
    let lines = ends.map(move |end| {
        let line = answer.get(start..end).unwrap_or_default();
        start = end + 1;
        line.trim_ascii()
    });
    lines.filter(|line| !line.is_empty())
}

/// Exchange and code.
///
/// # Errors
/// What the symbol is instead of one that is read here.
#[inline]
fn split_symbol(symbol: &[u8]) -> Result<(&'static str, &str), Skip> {
    let market = match symbol {
        b"pv_none_match" => return Err(Skip::NoneMatch),
        [b's', b'_', ..] => return Err(Skip::Short),
        [b's', b'h', ..] => "SH",
        [b's', b'z', ..] => "SZ",
        [b'b', b'j', ..] => "BJ",
        _ => return Err(Skip::Foreign),
    };
    let code = &symbol[2..];
    let is_code = !code.is_empty() && code.iter().all(u8::is_ascii_alphanumeric);
    match std::str::from_utf8(code) {
        Ok(code) if is_code => Ok((market, code)),
        _ => Err(malformed(0, "names no security")),
    }
}

/// Length of the name; the second byte of a GBK character may look like a separator.
#[inline]
fn name_len(text: &[u8], encoding: Encoding) -> Option<usize> {
    let is_gbk = encoding == Encoding::Gbk;
    let mut at = 0;
    loop {
        match *text.get(at)? {
            SEPARATOR => return Some(at),
            0x81..=0xfe if is_gbk && text.get(at + 1).is_some_and(|it| is_second(*it)) => at += 2,
            _ => at += 1,
        }
    }
}

/// Whether a byte can be the second of a GBK character.
pub fn is_second(byte: u8) -> bool {
    matches!(byte, 0x40..=0x7e | 0x80..=0xfe)
}
