//! Lists of securities that are expected.

use plugin_api::schemas::symbol::{SymbolFault, parse_symbol};

/// Wrong entries that are named at once.
const MOST_NAMED: usize = 5;

/// Adds those of a list, as `600000.SH`.
///
/// # Errors
/// The entries that are no security.
pub fn add_all(symbols: &mut Vec<String>, texts: &[String]) -> Result<(), String> {
    let entries = texts.iter().map(|text| (text.clone(), read(text)));
    add(symbols, entries)
}

/// Adds those of a text or csv file; `#` starts a comment.
///
/// The entry is the first cell of a line; if the first line names columns, it is in `symbol`, `ts_code`,
/// or in `market` and `code`.
///
/// # Errors
/// The lines that name no security.
pub fn add_file(symbols: &mut Vec<String>, text: &str) -> Result<(), String> {
    let lines = text.trim_start_matches('\u{feff}').lines();
    let lines = lines.map(|line| line.split('#').next().unwrap_or_default().trim());
    let mut lines = lines.filter(|line| !line.is_empty()).peekable();
    let columns = lines.peek().and_then(|line| Columns::of_header(&cells(line)));
    let rows = lines.skip(usize::from(columns.is_some()));
    let columns = columns.unwrap_or_default();
    let entries = rows.map(|line| {
        let entry = columns.entry(&cells(line));
        let symbol = read(&entry);
        (entry, symbol)
    });
    add(symbols, entries)
}

/// Where a line has its security.
#[derive(Default)]
struct Columns {
    code: usize,
    market: Option<usize>,
}

impl Columns {
    /// The columns that a header names; `None` for a line that is none.
    fn of_header(cells: &[&str]) -> Option<Self> {
        let place = |name: &str| cells.iter().position(|cell| cell.eq_ignore_ascii_case(name));
        match (place("symbol").or_else(|| place("ts_code")), place("code"), place("market")) {
            (Some(code), ..) => Some(Self { code, market: None }),
            (None, Some(code), market) => Some(Self { code, market }),
            // a header in another language: no digit, so no code
            _ => {
                let first = cells.first()?;
                (!first.bytes().any(|it| it.is_ascii_digit())).then(Self::default)
            }
        }
    }

    fn entry(&self, cells: &[&str]) -> String {
        let cell = |place: usize| cells.get(place).copied().unwrap_or_default();
        self.market.map(cell).unwrap_or_default().to_owned() + cell(self.code)
    }
}

fn cells(line: &str) -> Vec<&str> {
    line.split([',', ';', '\t']).map(|cell| cell.trim().trim_matches('"')).collect()
}

/// A security as `600000.SH`. The exchange of a code alone follows from its first digits; an index must
/// be named with it (000001 is a share of Shenzhen).
fn read(text: &str) -> Option<String> {
    let symbol = match parse_symbol(text, None) {
        Err(SymbolFault::NoMarket) => parse_symbol(text, market_of(text.trim())),
        symbol => symbol,
    };
    symbol.ok().map(|(market, code)| format!("{}.{market}", code.as_str()))
}

fn market_of(code: &str) -> Option<&'static str> {
    match code.as_bytes() {
        [b'9', b'2', ..] | [b'4' | b'8', ..] => Some("BJ"),
        [b'5' | b'6' | b'9', ..] | [b'1', b'1', ..] => Some("SH"),
        [b'0'..=b'3', ..] => Some("SZ"),
        _ => None,
    }
}

fn add(
    symbols: &mut Vec<String>,
    entries: impl Iterator<Item = (String, Option<String>)>,
) -> Result<(), String> {
    let mut wrong = Vec::new();
    for (entry, symbol) in entries {
        match symbol {
            Some(symbol) => symbols.push(symbol),
            None => wrong.push(format!("\"{entry}\"")),
        }
    }
    let more = match wrong.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    if wrong.is_empty() {
        return Ok(());
    }
    wrong.truncate(MOST_NAMED);
    Err(format!("no security: {}{more}; write e.g. 600000.SH", wrong.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_in_the_forms_of_the_quote_source() {
        for text in [
            "600000.SH\n000001.SZ\n430047.BJ\n",
            "\u{feff}# a list\nsymbol,name\nsh600000,x\n000001.SZ,y # z\nbj430047\n",
            "market,code\nSH,600000\nSZ,000001\nBJ,430047\n",
            "代码;名称\n600000;a\n000001;b\n430047;c\n",
        ] {
            let mut symbols = Vec::new();
            add_file(&mut symbols, text).unwrap();
            assert_eq!(symbols, ["600000.SH", "000001.SZ", "430047.BJ"], "{text}");
        }
        let error = add_all(&mut Vec::new(), &vec!["x".to_owned(); 7]).unwrap_err();
        assert!(error.contains("\"x\"") && error.contains("and 2 more"), "{error}");
    }

    #[test]
    fn the_list_of_the_release_is_read() {
        let mut symbols = Vec::new();
        add_file(&mut symbols, include_str!("../../../config/universe.csv")).unwrap();
        assert!(symbols.len() > 5_000, "{}", symbols.len());
    }
}
