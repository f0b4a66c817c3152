//! Which folder of the lake a record belongs to.

use std::fmt::Write as _;

use plugin_api::{
    RecordKind, Symbol,
    schemas::time::{DAY_US, EXCHANGE_OFFSET_US, ExchangeTime},
};

use crate::{fnv::fnv1a, options::PartitionBy};

/// What Hive-style readers take for a null.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";
/// 0001-01-01 and the end of 9999 on the exchange's clock, days since 1970.
const DAYS: std::ops::RangeInclusive<i64> = -719_162..=2_932_896;
/// Longest value of a folder's name, bytes; names end at 255.
const MAX_VALUE: usize = 96;

/// Names folders, and remembers the last name because neighbours share it.
pub struct Folders {
    by: Vec<PartitionBy>,
    uses_date: bool,
    uses_market: bool,
    uses_code: bool,
    last: Option<(RecordKind, i64)>,
    last_market: String,
    last_code: String,
    folder: String,
}

impl Folders {
    /// Folders of those levels, outermost first.
    pub fn new(by: &[PartitionBy]) -> Self {
        let uses = |wanted| by.contains(&wanted);
        Self {
            by: by.to_vec(),
            uses_date: uses(PartitionBy::Date),
            uses_market: uses(PartitionBy::Market) || uses(PartitionBy::Symbol),
            uses_code: uses(PartitionBy::Symbol),
            last: None,
            last_market: String::new(),
            last_code: String::new(),
            folder: String::new(),
        }
    }

    /// Whether a record belongs to the same folder as the one before; if not, the folder changes.
    #[inline]
    pub fn is_same(&mut self, kind: RecordKind, time_us: i64, symbol: Symbol<'_>) -> bool {
        let day = if self.uses_date { day_of(time_us) } else { 0 };
        if self.last == Some((kind, day))
            && (!self.uses_market || self.last_market == symbol.market)
            && (!self.uses_code || self.last_code == symbol.code)
        {
            return true;
        }
        self.change(kind, day, symbol);
        false
    }

    /// The folder of the last record, relative to the lake: `kind=spot/date=2021-12-01`.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    fn change(&mut self, kind: RecordKind, day: i64, symbol: Symbol<'_>) {
        self.last = Some((kind, day));
        symbol.market.clone_into(&mut self.last_market);
        symbol.code.clone_into(&mut self.last_code);
        self.folder.clear();
        for by in &self.by {
            if !self.folder.is_empty() {
                self.folder.push('/');
            }
            let folder = &mut self.folder;
            match by {
                PartitionBy::Kind => push_level(folder, "kind", &[kind.as_str()]),
                PartitionBy::Date if DAYS.contains(&day) => {
                    let (year, month, day) = ExchangeTime { day, of_day_us: 0 }.date();
                    // writing to a string cannot fail
                    let _ = write!(folder, "date={year:04}-{month:02}-{day:02}");
                }
                PartitionBy::Date => push_level(folder, "date", &[]),
                PartitionBy::Market => push_level(folder, "market", &[symbol.market]),
                PartitionBy::Symbol => {
                    push_level(folder, "symbol", &[symbol.code, ".", symbol.market])
                }
            }
        }
    }
}

/// Local day of a moment; of an unknown one (0) and of one beyond all calendars, a day that is in
/// no calendar.
#[inline]
fn day_of(time_us: i64) -> i64 {
    if time_us == 0 {
        return i64::MAX;
    }
    let day = time_us.saturating_add(EXCHANGE_OFFSET_US).div_euclid(DAY_US);
    if DAYS.contains(&day) { day } else { i64::MAX }
}

fn push_level(folder: &mut String, name: &str, value: &[&str]) {
    folder.push_str(name);
    folder.push('=');
    let start = folder.len();
    value.iter().for_each(|part| push_escaped(folder, part));
    if folder.len() == start {
        folder.push_str(NULL);
    }
    shorten(folder, start);
}

/// Text of any origin as part of a file name: what is not a letter, a digit or one of `-_.`
/// becomes `%XX`, as Hive writes it.
pub fn escaped(text: &str) -> String {
    let mut name = String::new();
    push_escaped(&mut name, text);
    shorten(&mut name, 0);
    name
}

fn push_escaped(name: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            name.push(char::from(byte));
        } else {
            let _ = write!(name, "%{byte:02X}");
        }
    }
}

/// Keeps a value that no exchange would send from exceeding the length of a file name: its end
/// gives way to a hash of the whole.
fn shorten(name: &mut String, start: usize) {
    if name.len() - start > MAX_VALUE {
        let hash = fnv1a(&name[start..]);
        name.truncate(start + MAX_VALUE);
        let _ = write!(name, "~{hash:016x}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: i64 = 1_638_321_301_000_000; // 2021-12-01 09:15:01 in Shanghai

    fn folder(by: &[PartitionBy], time_us: i64, market: &str, code: &str) -> String {
        let mut folders = Folders::new(by);
        assert!(!folders.is_same(RecordKind::Spot, time_us, Symbol { market, code }));
        folders.folder().to_owned()
    }

    #[test]
    fn folders_are_named_as_hive_names_them() {
        use PartitionBy::{Date, Kind, Market, Symbol};
        for (by, time_us, market, code, expected) in [
            (&[Kind, Date][..], MOMENT, "SH", "600000", "kind=spot/date=2021-12-01"),
            (&[Date, Market], MOMENT, "SH", "600000", "date=2021-12-01/market=SH"),
            (&[Symbol], MOMENT, "SH", "600000", "symbol=600000.SH"),
            (&[], MOMENT, "SH", "600000", ""),
            // unknown and impossible moments
            (&[Date], 0, "SH", "600000", "date=__HIVE_DEFAULT_PARTITION__"),
            (&[Date], i64::MAX, "SH", "600000", "date=__HIVE_DEFAULT_PARTITION__"),
            (&[Date], i64::MIN, "SH", "600000", "date=__HIVE_DEFAULT_PARTITION__"),
            (&[Date], -1, "SH", "600000", "date=1970-01-01"),
            // names that would leave the lake
            (&[Market], MOMENT, "../..", "x", "market=..%2F.."),
            (&[Market], MOMENT, "", "x", "market=__HIVE_DEFAULT_PARTITION__"),
            (&[Symbol], MOMENT, "SH", "测", "symbol=%E6%B5%8B.SH"),
        ] {
            assert_eq!(folder(by, time_us, market, code), expected);
        }
        let long = folder(&[PartitionBy::Market], MOMENT, &"x".repeat(5_000), "x");
        assert!(long.len() < 200, "{long}");
        assert_ne!(long, folder(&[PartitionBy::Market], MOMENT, &"x".repeat(5_001), "x"));
    }

    #[test]
    fn the_day_changes_at_midnight_in_shanghai() {
        let midnight = 1_638_288_000_000_000; // 2021-12-01 00:00 in Shanghai
        let by = [PartitionBy::Date];
        assert_eq!(folder(&by, midnight - 1, "SH", "1"), "date=2021-11-30");
        assert_eq!(folder(&by, midnight, "SH", "1"), "date=2021-12-01");
    }

    #[test]
    fn levels_that_are_not_used_change_no_folder() {
        let mut folders = Folders::new(&[PartitionBy::Kind]);
        let symbol = |code| Symbol { market: "SH", code };
        assert!(!folders.is_same(RecordKind::Spot, MOMENT, symbol("1")));
        assert!(folders.is_same(RecordKind::Spot, 0, symbol("2")));
        assert!(!folders.is_same(RecordKind::Bar, 0, symbol("2")));
    }
}
