//! Takes a line apart as far as its encoding matters: behind the name all is ASCII.

use super::{Encoding, Skip, malformed};

const CUT_OFF: Skip = Skip::Malformed { field: 0, why: "begins a line that is cut off" };
const NO_LINE: Skip = Skip::Malformed { field: 0, why: "is not within v_<symbol>=\"…\";" };
const NO_NAME: Skip = Skip::Malformed { field: 1, why: "does not end" };
const SEPARATOR: u8 = b'~';
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

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
        let ends = body.iter().rev().take_while(|it| it.is_ascii_whitespace() || **it == b';');
        let body = &body[..body.len() - ends.count()];
        let body = body.strip_suffix(b"\"").ok_or(CUT_OFF)?;
        // these have other fields, or none
        let (market, code) = split_symbol(symbol)?;
        if body.trim_ascii().is_empty() {
            return Err(Skip::Empty);
        }
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

/// The statements of an answer, each of which usually is a line; what stands between is left to the one
/// before it.
pub fn lines(answer: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = answer.strip_prefix(BYTE_ORDER_MARK).unwrap_or(answer);
    let statements = std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (statement, behind) = rest.split_at(statement_len(rest));
        rest = behind;
        Some(statement.trim_ascii())
    });
    statements.filter(|statement| !statement.is_empty())
}

/// Length of the first statement of a text: up to its line end, or to where the next one begins without
/// one.
pub fn statement_len(text: &[u8]) -> usize {
    let end = memchr::memchr(b'\n', text).map_or(text.len(), |at| at + 1);
    let line = &text[..end];
    let skipped = line.len() - line.trim_ascii_start().len();
    let mut begins = memchr::memchr_iter(b'=', line)
        .filter(|at| line.get(at + 1) == Some(&b'"'))
        .filter_map(|at| statement_start(&line[..at]));
    begins.find(|at| *at > skipped).unwrap_or(end)
}

/// Where `v_<symbol>` begins that ends a text, which may be glued to what is before it.
fn statement_start(text: &[u8]) -> Option<usize> {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    let from = text.len() - text.iter().rev().take_while(|byte| is_name(byte)).count();
    let name = &text[from..];
    let last = name.windows(2).rposition(|pair| pair == b"v_")?;
    // `v_pv_none_match` has it twice
    let start = if name[..last + 2].ends_with(b"v_pv_") { last - 3 } else { last };
    Some(from + start)
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
