//! Each security of a day.

use std::collections::BTreeMap;

use schemas::time::{DatetimeText, SECOND_US};

use crate::{
    Day, Ledger, LedgerError, SecurityDay,
    calendar::{bits_of, source_name},
    facts::{Facts, names},
};

impl Ledger {
    /// What is known of each security of a day, by symbol; nothing of a day of which nothing came.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn securities(&self, day: Day) -> Result<Vec<SecurityDay>, LedgerError> {
        let _snapshot = self.db.unchecked_transaction().map_err(self.fault())?;
        let Some(facts) = Facts::read(&self.db, &self.path, day)? else { return Ok(Vec::new()) };
        let (securities, sources) =
            (names(&self.db, &self.path, "securities")?, names(&self.db, &self.path, "sources")?);
        let rules = self.rules()?;
        let mut found = BTreeMap::new();
        for (id, total) in &facts.totals {
            let seen = Seen::of(&facts, *id, &rules);
            let (volume, amount) = total.of_day().unwrap_or_default();
            let symbol = securities.name(*id).to_owned();
            let mut of: Vec<_> =
                bits_of(seen.sources).map(|bit| source_name(bit, &sources)).collect();
            of.sort();
            found.insert(
                symbol.clone(),
                SecurityDay {
                    symbol,
                    records: seen.records,
                    first: seen.first.map(|second| text(day, second)),
                    last: seen.last.map(|second| text(day, second)),
                    longest_silence_s: u64::from(seen.silence),
                    doubtful: seen.doubtful,
                    volume,
                    amount,
                    sources: of,
                },
            );
        }
        Ok(found.into_values().collect())
    }
}

/// The quotes of a security, in seconds of the day.
#[derive(Default)]
struct Seen {
    records: u64,
    doubtful: u64,
    sources: u16,
    first: Option<u32>,
    last: Option<u32>,
    silence: u32,
}

impl Seen {
    fn of(facts: &Facts, id: u32, rules: &crate::Rules) -> Self {
        let mut seen = Self::default();
        for (minute, cells) in &facts.spots {
            let Some(cell) = cells.get(id as usize).filter(|cell| cell.count > 0) else { continue };
            let start = u32::from(*minute) * 60;
            let (first, last) = (start + u32::from(cell.first), start + u32::from(cell.last));
            for span in &rules.sessions {
                let (from, to) = (u32::from(span.from) * 60, u32::from(span.to) * 60);
                let before = seen.last.map_or(from, |last| last.max(from));
                seen.silence = seen.silence.max(first.min(to).saturating_sub(before));
            }
            seen.records += u64::from(cell.count);
            seen.doubtful += u64::from(cell.doubtful);
            seen.sources |= cell.sources;
            seen.first = seen.first.or(Some(first));
            seen.last = Some(last);
        }
        seen
    }
}

fn text(day: Day, second: u32) -> String {
    let at_us = day.start_us() + i64::from(second) * SECOND_US;
    moment_text(at_us)
}

/// A moment as `2021-12-01T09:31:05+08:00`.
pub(crate) fn moment_text(at_us: i64) -> String {
    let whole = at_us - at_us.rem_euclid(SECOND_US);
    let text = String::from_utf8_lossy(DatetimeText::default().format(whole)).replace(' ', "T");
    format!("{text}+08:00")
}
