//! What to ask for: lists, files, and Hikyuu's database.

mod database;

use std::collections::HashSet;

use plugin_api::schemas::qq::decode;

pub use database::add_database;

/// The list that comes with the project; its head tells where it is from.
const SHIPPED: &str = include_str!("../../../config/universe.csv");
/// Wrong entries that are named at once.
const MOST_NAMED: usize = 5;

/// Symbols as the service writes them, each once, in the order in which they were added.
#[derive(Debug, Default, Clone)]
pub struct Listing {
    symbols: Vec<String>,
    seen: HashSet<String>,
    foreign: Vec<String>,
}

/// What an entry names.
enum Entry {
    /// `sh600000`.
    Listed(String),
    /// A security of Hong Kong or New York.
    Foreign,
}

impl Listing {
    /// Symbols as the service writes them, e.g. `sh600000`.
    pub fn symbols(&self) -> &[String] {
        &self.symbols
    }

    /// Entries of Hong Kong and New York, which are not asked for.
    pub fn foreign(&self) -> &[String] {
        &self.foreign
    }

    /// Adds a list.
    ///
    /// # Errors
    /// The entries that are no symbol.
    pub fn add_all(&mut self, texts: &[String]) -> Result<(), String> {
        let wrong: Vec<_> =
            texts.iter().filter(|text| !self.add(text)).map(String::as_str).collect();
        if wrong.is_empty() { Ok(()) } else { Err(no_symbols(&wrong)) }
    }

    /// Adds an entry; false when it is no symbol.
    fn add(&mut self, text: &str) -> bool {
        match read(text) {
            Some(Entry::Listed(symbol)) => {
                if self.seen.insert(symbol.clone()) {
                    self.symbols.push(symbol);
                }
            }
            Some(Entry::Foreign) => self.foreign.push(text.trim().to_owned()),
            None => return false,
        }
        true
    }
}

/// Adds all that comes with the project.
///
/// # Errors
/// Never in practice: a test reads the list.
pub fn add_shipped(listing: &mut Listing) -> Result<(), String> {
    add_file(listing, SHIPPED.as_bytes())
}

/// Adds the entries of a text or csv file in UTF-8 or GBK; `#` starts a comment.
///
/// The entry is the first cell of a line; if the first line names columns, it is in `symbol`,
/// `ts_code`, or in `market` and `code`.
///
/// # Errors
/// The lines that name no symbol.
pub fn add_file(listing: &mut Listing, bytes: &[u8]) -> Result<(), String> {
    let text = decode(bytes);
    let mut columns = Columns::default();
    let mut wrong = Vec::new();
    let lines = text.trim_start_matches('\u{feff}').lines();
    let entries = lines.map(|line| line.split('#').next().unwrap_or_default().trim());
    for (index, line) in entries.filter(|line| !line.is_empty()).enumerate() {
        let cells: Vec<_> =
            line.split([',', ';', '\t', ' ']).map(|cell| cell.trim().trim_matches('"')).collect();
        if index == 0
            && let Some(named) = Columns::of_header(&cells)
        {
            columns = named;
            continue;
        }
        let entry = columns.entry(&cells);
        if !listing.add(&entry) {
            wrong.push(entry);
        }
    }
    let wrong: Vec<_> = wrong.iter().map(String::as_str).collect();
    if wrong.is_empty() { Ok(()) } else { Err(no_symbols(&wrong)) }
}

/// Where a line has its symbol.
#[derive(Default)]
struct Columns {
    code: usize,
    market: Option<usize>,
}

impl Columns {
    /// The columns that a header names; `None` for a line that is none.
    fn of_header(cells: &[&str]) -> Option<Self> {
        let place = |name: &str| cells.iter().position(|cell| cell.eq_ignore_ascii_case(name));
        let whole = place("ts_code").or_else(|| place("symbol"));
        match (whole, place("code"), place("market")) {
            (Some(code), ..) | (None, Some(code), None) => Some(Self { code, market: None }),
            (None, Some(code), market) => Some(Self { code, market }),
            // a header in another language: letters, and no symbol
            _ => cells
                .first()
                .filter(|cell| read(cell).is_none() && !cell.bytes().any(|it| it.is_ascii_digit()))
                .map(|_| Self::default()),
        }
    }

    fn entry(&self, cells: &[&str]) -> String {
        let cell = |place: usize| cells.get(place).copied().unwrap_or_default();
        self.market.map(cell).unwrap_or_default().to_owned() + cell(self.code)
    }
}

/// Reads `sh600000`, `SH600000`, `sh.600000`, `600000.SH` or `600000`, whose exchange then follows
/// from its first digits; an index must be named with it (000001 is a share of Shenzhen).
fn read(text: &str) -> Option<Entry> {
    let text = text.trim().to_ascii_lowercase();
    let is_code = |code: &str| code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit());
    let (market, code) = match text.split_once('.') {
        Some((market, code)) if matches!(market, "sh" | "sz" | "bj" | "hk" | "us") => {
            (market, code)
        }
        Some((code, market)) => (market, code),
        None if is_code(&text) => (market_of(&text)?, text.as_str()),
        None => text.split_at_checked(2)?,
    };
    match market {
        "sh" | "sz" | "bj" if is_code(code) => Some(Entry::Listed(format!("{market}{code}"))),
        "hk" | "us" if !code.is_empty() => Some(Entry::Foreign),
        _ => None,
    }
}

fn market_of(code: &str) -> Option<&'static str> {
    match code.as_bytes() {
        [b'9', b'2', ..] | [b'4' | b'8', ..] => Some("bj"),
        [b'5' | b'6' | b'9', ..] | [b'1', b'1', ..] => Some("sh"),
        [b'0'..=b'3', ..] => Some("sz"),
        _ => None,
    }
}

fn no_symbols(wrong: &[&str]) -> String {
    let more = match wrong.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let named: Vec<_> = wrong.iter().take(MOST_NAMED).map(|text| format!("\"{text}\"")).collect();
    format!("no symbol: {}{more}; write e.g. sh600000 or 600000.SH", named.join(", "))
}
