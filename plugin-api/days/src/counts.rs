//! What was counted of a day, minute by minute.

use crate::{
    Day, Ledger, LedgerError,
    cells::{BarCell, BarState},
    facts::{Facts, names},
    totals,
};

/// Records of a security in a minute of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinuteCount<'a> {
    /// As `600000.SH`.
    pub symbol: &'a str,
    /// `spot` or `bar`.
    pub kind: &'a str,
    /// Period of bars, as `1m`; `None` for quotes.
    pub period: Option<&'a str>,
    /// Minute of the day, 0 to 1439; of bars, that of their time.
    pub minute: u16,
    /// Quotes that came; 1 for a closed bar that is there, however often it came.
    pub records: u32,
}

impl Ledger {
    /// Tells everything that was counted on a day: quotes by the minute of which they speak, then the
    /// bars that are there.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn counts(
        &self,
        day: Day,
        each: &mut dyn FnMut(MinuteCount<'_>),
    ) -> Result<(), LedgerError> {
        let _snapshot = self.db.unchecked_transaction().map_err(self.fault())?;
        let Some(facts) = Facts::read(&self.db, &self.path, day)? else { return Ok(()) };
        let securities = names(&self.db, &self.path, "securities")?;
        let periods = names(&self.db, &self.path, "periods")?;
        for (minute, cells) in &facts.spots {
            for (id, cell) in (0..).zip(cells).filter(|(_, cell)| cell.count > 0) {
                each(MinuteCount {
                    symbol: securities.name(id),
                    kind: "spot",
                    period: None,
                    minute: *minute,
                    records: cell.count.into(),
                });
            }
        }
        for (period, rows) in &facts.bars {
            for (minute, cells) in rows {
                let is_there = |cell: &BarCell| cell.state == BarState::There;
                for (id, _) in (0..).zip(cells).filter(|(_, cell)| is_there(cell)) {
                    each(MinuteCount {
                        symbol: securities.name(id),
                        kind: "bar",
                        period: Some(periods.name(*period)),
                        minute: *minute,
                        records: 1,
                    });
                }
            }
        }
        Ok(())
    }
}

impl Ledger {
    /// Volume in shares and turnover in CNY of each security's bar of a day, as it came last.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn day_bars(&self, day: Day) -> Result<Vec<(String, u64, f64)>, LedgerError> {
        let _snapshot = self.db.unchecked_transaction().map_err(self.fault())?;
        let securities = names(&self.db, &self.path, "securities")?;
        let totals = totals::read(&self.db, day.0).map_err(self.fault())?;
        let bar = |(id, total): (u32, totals::Total)| {
            let (volume, amount) = total.day?;
            Some((securities.name(id).to_owned(), volume, amount))
        };
        Ok(totals.into_iter().filter_map(bar).collect())
    }
}

#[cfg(test)]
mod tests {
    use schemas::{symbol::Symbol, time::parse_exchange_time};

    use super::*;
    use crate::{ClosedBar, Mark, Quote, Rules};

    const SYMBOL: Symbol<'static> = Symbol { market: "SH", code: "600000" };

    fn at(time: &str) -> i64 {
        parse_exchange_time(&format!("2021-12-01 {time}")).unwrap()
    }

    fn quote(time: &str) -> Quote<'static> {
        Quote {
            symbol: SYMBOL,
            time_us: at(time),
            recv_time_us: at(time),
            pre_close: 8.5,
            open: 8.5,
            volume: 100,
            amount: 850.0,
            is_doubtful: false,
            source: "qq",
            is_polled: false,
        }
    }

    #[test]
    fn what_was_counted_comes_back_by_the_minute() {
        let folder = tempfile::tempdir().unwrap();
        let (path, evening) = (folder.path().join("days.db"), at("16:00:00"));
        let mut writer = Ledger::open(&path, "test", &Rules::default()).unwrap();
        // before the sessions, too
        for time in ["09:20:00", "09:31:05", "09:31:08", "09:33:00"] {
            writer.count_quote(&quote(time), evening).unwrap();
        }
        let bar = ClosedBar {
            symbol: SYMBOL,
            period: "1m",
            time_us: at("09:32:00"),
            volume: 100,
            amount: 850.0,
            is_doubtful: false,
            source: "qq",
        };
        writer.count_bar(&bar, evening).unwrap();
        writer.count_bar(&bar, evening).unwrap();
        writer.commit(Mark::default(), evening).unwrap();
        let ledger = Ledger::read(&path).unwrap();
        let told = |day: &str| {
            let mut told = Vec::new();
            let mut each = |it: MinuteCount<'_>| {
                let (kind, period) = (it.kind, it.period.unwrap_or_default());
                told.push(format!("{} {kind} {period} {} {}", it.symbol, it.minute, it.records));
            };
            ledger.counts(day.parse().unwrap(), &mut each).unwrap();
            told
        };
        let expected = [
            "600000.SH spot  560 1",
            "600000.SH spot  571 2",
            "600000.SH spot  573 1",
            "600000.SH bar 1m 572 1",
        ];
        assert_eq!(told("2021-12-01"), expected);
        assert!(told("2021-12-02").is_empty());
    }
}
