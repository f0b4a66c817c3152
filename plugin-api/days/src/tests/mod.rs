//! What the ledger says of days.

mod bars;
mod damage;
mod days;
mod life;
mod recorded;
mod size;

use std::{collections::BTreeSet, path::PathBuf};

use schemas::{symbol::Symbol, time::parse_exchange_time};
use tempfile::TempDir;

use crate::{ClosedBar, Counted, Day, DayReport, Ledger, Mark, Quote, Rules, Writer};

/// Microseconds since 1970 UTC.
pub fn us(time: &str) -> i64 {
    parse_exchange_time(time).unwrap()
}

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(end).unwrap()).unwrap()
    }
}

/// A quote of a security of Shanghai.
pub fn quote(code: &str, time_us: i64, volume: u64) -> Quote<'_> {
    Quote {
        symbol: Symbol { market: "SH", code },
        time_us,
        recv_time_us: 0,
        pre_close: 10.0,
        open: 10.0,
        volume,
        amount: 10.0,
        is_doubtful: false,
        source: "qq",
        is_polled: false,
    }
}

pub fn bar<'a>(code: &'a str, period: &'a str, time_us: i64, volume: u64) -> ClosedBar<'a> {
    ClosedBar {
        symbol: Symbol { market: "SH", code },
        period,
        time_us,
        volume,
        amount: 10.0,
        is_doubtful: false,
        source: "bars",
    }
}

/// A ledger in a folder of its own, long after the days that it counts.
pub struct Desk {
    folder: TempDir,
    pub writer: Writer,
    pub now_us: i64,
}

impl Desk {
    pub fn new() -> Self {
        Self::with(&Rules::default())
    }

    pub fn with(rules: &Rules) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let writer = Ledger::open(&folder.path().join("ledger.sqlite"), "test", rules).unwrap();
        Self { folder, writer, now_us: us("2026-11-30 20:00") }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("ledger.sqlite")
    }

    #[track_caller]
    pub fn quote(&mut self, quote: &Quote<'_>) {
        assert_eq!(self.writer.count_quote(quote, self.now_us).unwrap(), Counted::Yes);
    }

    #[track_caller]
    pub fn bar(&mut self, bar: &ClosedBar<'_>) {
        assert_eq!(self.writer.count_bar(bar, self.now_us).unwrap(), Counted::Yes);
    }

    /// Quotes every three seconds of whole minutes of a day, as `09:30`, the last one left out.
    pub fn quotes(&mut self, code: &str, date: &str, from: &str, to: &str) {
        let (from_us, to_us) = (us(&format!("{date} {from}")), us(&format!("{date} {to}")));
        for time_us in (from_us..to_us).step_by(3_000_000) {
            self.quote(&quote(code, time_us, 100));
        }
    }

    /// All quotes of a whole day.
    pub fn whole_day(&mut self, code: &str, date: &str) {
        for (from, to) in [("09:15", "09:25"), ("09:30", "11:30"), ("13:00", "15:00")] {
            self.quotes(code, date, from, to);
        }
    }

    pub fn commit(&mut self) {
        self.writer.commit(Mark::default(), self.now_us).unwrap();
    }

    /// Seals all that is over.
    pub fn seal(&mut self) {
        self.commit();
        self.now_us += 3_600_000_000;
        while self.writer.tidy(self.now_us, None).unwrap() {}
    }

    /// What somebody else reads.
    pub fn report(&mut self, date: &str) -> DayReport {
        self.commit();
        Ledger::read(&self.path()).unwrap().day(date.parse().unwrap(), self.now_us).unwrap()
    }
}

/// Gaps of a day as `600000.SH spot 09:31-09:40`.
pub fn shown(report: &DayReport) -> Vec<String> {
    let time = |text: &str| text[11..16].to_owned();
    let shown = report.gaps.iter().map(|gap| {
        let kind = gap.period.as_deref().unwrap_or(&gap.kind);
        format!("{} {kind} {}-{}", gap.symbol, time(&gap.from), time(&gap.to))
    });
    shown.collect()
}

/// Gaps of quotes, minute by minute.
pub fn by_minute(report: &DayReport) -> BTreeSet<(String, u16)> {
    let minute = |text: &str| {
        text[11..13].parse::<u16>().unwrap() * 60 + text[14..16].parse::<u16>().unwrap()
    };
    let spots = report.gaps.iter().filter(|gap| gap.kind == "spot");
    let each = |gap: &crate::Gap| {
        (minute(&gap.from)..=minute(&gap.to)).map(|it| (gap.symbol.clone(), it)).collect::<Vec<_>>()
    };
    spots.flat_map(each).collect()
}

pub fn day(date: &str) -> Day {
    date.parse().unwrap()
}
