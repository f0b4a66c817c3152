//! Names of securities in the spellings of vendors and tools: one rule for all who read them.

use std::fmt;

/// Digits of every code of the three exchanges.
const CODE_LEN: usize = 6;
/// What may stand between code and exchange.
const SEPARATORS: [char; 5] = ['.', ':', '_', '-', ' '];
/// Exchanges with the names that others give them: MIC, Yahoo, VeighNa, GoldMiner.
const MARKETS: [(&str, &[&str]); 3] = [
    ("SH", &["SH", "SSE", "SHSE", "XSHG", "SS"]),
    ("SZ", &["SZ", "SZSE", "XSHE"]),
    ("BJ", &["BJ", "BSE", "BJSE", "XBSE"]),
];

/// A security: exchange and code, shown as `600000.SH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol<'a> {
    /// Exchange in upper case.
    pub market: &'a str,
    /// Code without the exchange.
    pub code: &'a str,
}

/// A code of six digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code([u8; CODE_LEN]);

/// Why a text names no security.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SymbolFault {
    /// Nothing is there.
    Empty,
    /// A code alone, where nothing else says which exchange.
    NoMarket,
    /// The exchange is none of the three.
    OtherMarket,
    /// The code has not six digits.
    NoCode,
}

impl<'a> Symbol<'a> {
    /// Reads `600000.SH`, `SH600000`, `sh.600000`, `600000.XSHG` and the like; with
    /// `default_market` also `600000`. `None` when the exchange is missing or is not one of SH,
    /// SZ, BJ, and when the code has not six digits; see [`parse_symbol`] for those that lost
    /// zeros.
    pub fn parse(text: &'a str, default_market: Option<&'static str>) -> Option<Self> {
        let (market, code) = split(text, default_market).ok()?;
        (code.len() == CODE_LEN).then_some(Self { market, code })
    }
}

impl Code {
    /// The six digits.
    pub fn as_str(&self) -> &str {
        // made of ASCII digits alone
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    fn of(digits: &str) -> Self {
        let mut code = [b'0'; CODE_LEN];
        code[CODE_LEN - digits.len()..].copy_from_slice(digits.as_bytes());
        Self(code)
    }
}

impl SymbolFault {
    /// The fault as the end of a sentence that begins with the text.
    pub const fn why(self) -> &'static str {
        match self {
            Self::Empty => "is empty",
            Self::NoMarket => "names no exchange; set `market`",
            Self::OtherMarket => "names another exchange; SH, SZ and BJ are read",
            Self::NoCode => "is no code of six digits; write 600000.SH, or 600000 with `market`",
        }
    }
}

/// Exchange and code of a text; zeros that a column of numbers lost are restored, and `600519.0`
/// of a column of floats is a code.
///
/// # Errors
/// Why it names no security.
pub fn parse_symbol(
    text: &str,
    default_market: Option<&'static str>,
) -> Result<(&'static str, Code), SymbolFault> {
    let (market, digits) = split(text, default_market)?;
    Ok((market, Code::of(digits)))
}

/// The upper-case name of an exchange in any case, also for the names that others give it (`XSHG`,
/// `SZSE`); `None` when it is none of the three.
pub fn market_name(text: &str) -> Option<&'static str> {
    let is_called = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(text));
    MARKETS.iter().find(|(_, names)| is_called(names)).map(|(market, _)| *market)
}

impl fmt::Display for Symbol<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.code, self.market)
    }
}

/// Exchange, and one to six digits of a code.
fn split<'a>(
    text: &'a str,
    default_market: Option<&'static str>,
) -> Result<(&'static str, &'a str), SymbolFault> {
    let text = unquoted(text.trim());
    if text.is_empty() {
        return Err(SymbolFault::Empty);
    }
    let Some(at) = text.find(SEPARATORS) else {
        let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
        if letters > 0 {
            let market = market_name(&text[..letters]).ok_or(SymbolFault::NoCode)?;
            return Ok((market, code(&text[letters..])?));
        }
        let code = code(text)?;
        return Ok((default_market.ok_or(SymbolFault::NoMarket)?, code));
    };
    let (front, back) = (text[..at].trim(), text[at + 1..].trim());
    if let Some(market) = market_name(back) {
        return Ok((market, code(front)?));
    }
    if let Some(market) = market_name(front) {
        return Ok((market, code(back)?));
    }
    let is_float = text[at..].starts_with('.') && back.bytes().all(|byte| byte == b'0');
    if is_float {
        let code = code(front)?;
        return Ok((default_market.ok_or(SymbolFault::NoMarket)?, code));
    }
    let names_market = !back.is_empty() && back.bytes().all(|byte| byte.is_ascii_alphabetic());
    Err(if names_market && code(front).is_ok() {
        SymbolFault::OtherMarket
    } else {
        SymbolFault::NoCode
    })
}

/// Spreadsheets are told that a code is no number: `="600000"`, `'600000`.
fn unquoted(text: &str) -> &str {
    let text = text.strip_prefix('=').unwrap_or(text);
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    inner.unwrap_or(text.strip_prefix('\'').unwrap_or(text)).trim()
}

fn code(text: &str) -> Result<&str, SymbolFault> {
    let is_code = (1..=CODE_LEN).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && (text.len() == CODE_LEN || text.bytes().any(|byte| byte != b'0'));
    if is_code { Ok(text) } else { Err(SymbolFault::NoCode) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_read_in_every_common_spelling() {
        let pudong = Some(Symbol { market: "SH", code: "600000" });
        for text in [
            "600000.SH",
            "SH600000",
            "sh600000",
            "600000.sh",
            " 600000.SH ",
            "sh.600000",
            "600000.XSHG",
            "XSHG.600000",
            "600000.SSE",
            "SSE:600000",
            "SHSE.600000",
            "600000.SS",
            "600000_SH",
            "600000-SH",
            "SH 600000",
            "\"600000.SH\"",
        ] {
            assert_eq!(Symbol::parse(text, None), pudong, "{text}");
            assert_eq!(Symbol::parse(text, Some("SZ")), pudong, "{text}");
        }
        for text in ["600000", "600000.0", "600000.00", "=\"600000\"", "'600000"] {
            assert_eq!(Symbol::parse(text, Some("SH")), pudong, "{text}");
            assert_eq!(parse_symbol(text, None), Err(SymbolFault::NoMarket), "{text}");
        }
        for (text, market) in [
            ("000001.XSHE", "SZ"),
            ("sz.000001", "SZ"),
            ("SZ000001", "SZ"),
            ("000001.SZSE", "SZ"),
            ("430047.BSE", "BJ"),
            ("bj430047", "BJ"),
            ("BJSE.430047", "BJ"),
        ] {
            assert_eq!(
                Symbol::parse(text, None).map(|symbol| symbol.market),
                Some(market),
                "{text}"
            );
        }
        assert_eq!(pudong.map(|symbol| symbol.to_string()).as_deref(), Some("600000.SH"));
    }

    #[test]
    fn what_has_not_six_digits_is_no_code() {
        for market in [None, Some("SH")] {
            for text in [
                "SH",
                ".SH",
                "浦发",
                "60 000.SH",
                "600519SH",
                "ABC",
                "ABC.SH",
                "0",
                "00000",
                "0.SZ",
                "6000000",
                "6000000.SH",
                "600000.5",
                "-600000",
                "600000.SH.SH",
                "SH60000x",
                "NaN",
                "６０００００",
            ] {
                assert_eq!(parse_symbol(text, market), Err(SymbolFault::NoCode), "{text}");
                assert_eq!(Symbol::parse(text, market), None, "{text}");
            }
        }
        for text in ["", " ", "\"\"", "'"] {
            assert_eq!(parse_symbol(text, Some("SH")), Err(SymbolFault::Empty), "{text}");
        }
        for text in ["600000.XX", "00700.HK"] {
            assert_eq!(parse_symbol(text, Some("SH")), Err(SymbolFault::OtherMarket), "{text}");
        }
    }

    #[test]
    fn zeros_that_a_column_of_numbers_lost_are_restored() {
        for (text, code) in
            [("1", "000001"), ("1.0", "000001"), ("600", "000600"), ("2.SZ", "000002")]
        {
            let read = parse_symbol(text, Some("SZ"));
            assert_eq!(
                read.map(|(market, it)| (market, it.as_str() == code)),
                Ok(("SZ", true)),
                "{text}"
            );
        }
        assert_eq!(Symbol::parse("1", Some("SZ")), None, "a list of symbols is no column");
    }
}
