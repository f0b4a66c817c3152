//! What the ledger says when it is asked.

use std::collections::BTreeMap;

use rusqlite::OptionalExtension as _;
use schemas::session::TradingCalendar;

use crate::{
    Backfill, Day, DayReport, DaySummary, Ledger, LedgerError, Rules, Stretch, Verdict,
    cells::{BarState, SOURCES},
    day::{MINUTE_US, MINUTES},
    facts::{Before, Facts, names},
    judge::{Finding, Question, judge},
    names::Names,
    rules::LATE_MINUTES,
};

/// Everything about a day, as it is judged.
pub(crate) struct Judged {
    pub facts: Facts,
    pub finding: Finding,
    pub verdict: Verdict,
    pub is_over: bool,
}

impl Ledger {
    /// First and last day of which something is known.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn span(&self) -> Result<Option<(Day, Day)>, LedgerError> {
        let ends =
            self.db.query_row("SELECT min(day), max(day) FROM days WHERE known", [], |row| {
                Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?))
            });
        let (first, last) = ends.map_err(self.fault())?;
        Ok(first.zip(last).map(|(first, last)| (Day(first), Day(last))))
    }

    /// Every day from the first to the last, both included, up to today.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn calendar(
        &self,
        from: Day,
        to: Day,
        now_us: i64,
    ) -> Result<Vec<DaySummary>, LedgerError> {
        let _snapshot = self.db.unchecked_transaction().map_err(self.fault())?;
        let rules = self.rules()?;
        let calendar = rules.calendar();
        let last = to.0.min(Day::of(now_us).0);
        let days = (from.0..=last).map(Day);
        days.map(|day| match self.kept_summary(day)? {
            Some(summary) if now_us >= rules.over_us(day) => Ok(summary),
            _ => Ok(self.report(day, now_us, &rules, &calendar)?.summary()),
        })
        .collect()
    }

    /// A day with its gaps.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn day(&self, day: Day, now_us: i64) -> Result<DayReport, LedgerError> {
        let _snapshot = self.db.unchecked_transaction().map_err(self.fault())?;
        let rules = self.rules()?;
        let calendar = rules.calendar();
        self.report(day, now_us, &rules, &calendar)
    }

    /// The verdict that was written down when the day was sealed.
    fn kept_summary(&self, day: Day) -> Result<Option<DaySummary>, LedgerError> {
        let read = "SELECT verdict, expected, seen, complete, missing FROM days
                    WHERE day = ?1 AND verdict IS NOT NULL";
        let summary = self.db.query_row(read, [day.0], |row| {
            let number = |at| row.get::<_, i64>(at).map(i64::unsigned_abs);
            let verdict = match row.get::<_, String>(0)?.as_str() {
                "complete" => Verdict::Complete,
                "no host" => Verdict::NoHost,
                _ => Verdict::Incomplete,
            };
            let (expected, seen) = (number(1)?, number(2)?);
            let (complete, missing) = (number(3)?, number(4)?);
            Ok(DaySummary { date: day, verdict, expected, seen, complete, missing, open: false })
        });
        summary.optional().map_err(self.fault())
    }

    fn report(
        &self,
        day: Day,
        now_us: i64,
        rules: &Rules,
        calendar: &TradingCalendar,
    ) -> Result<DayReport, LedgerError> {
        let securities = names(&self.db, &self.path, "securities")?;
        let periods = names(&self.db, &self.path, "periods")?;
        if !calendar.is_trading_day(day.0) {
            return self.with_notes(
                day,
                rules,
                empty(day, Verdict::Holiday, now_us < rules.over_us(day)),
            );
        }
        let judged = self.judged(day, now_us, rules, &securities, &periods)?;
        let Judged { facts, finding, verdict, is_over } = judged;
        let sources = names(&self.db, &self.path, "sources")?;
        let report = DayReport {
            expected: finding.expected.count(),
            seen: if facts.is_known || !is_over { facts.totals.len() as u64 } else { 0 },
            complete: finding.complete,
            gaps: finding.gaps,
            rounds: finding.rounds,
            sources: stretches(day, &facts, &sources),
            sums: finding.sums,
            doubtful: doubtful(&facts, &securities),
            ..empty(day, verdict, !is_over)
        };
        self.with_notes(day, rules, report)
    }

    pub(crate) fn judged(
        &self,
        day: Day,
        now_us: i64,
        rules: &Rules,
        securities: &Names,
        periods: &Names,
    ) -> Result<Judged, LedgerError> {
        let found = Facts::read(&self.db, &self.path, day)?;
        let before = Before::read(&self.db, &self.path, day)?;
        let is_over = now_us >= rules.over_us(day);
        // a few strays make no day; of today the first quote does
        let facts = found.filter(|facts| facts.is_known || !is_over).unwrap_or_default();
        let until = if is_over { MINUTES } else { minutes_gone(day, now_us) };
        let question = Question {
            day,
            facts: &facts,
            before: before.as_ref(),
            rules,
            securities,
            periods,
            until,
        };
        let mut finding = judge(&question);
        let verdict = match (facts.totals.is_empty(), finding.gaps.is_empty()) {
            (true, _) => Verdict::NoHost,
            (false, true) => Verdict::Complete,
            (false, false) => Verdict::Incomplete,
        };
        if verdict == Verdict::NoHost {
            // also before it begins: of nothing, nothing is whole
            finding.complete = 0;
        }
        Ok(Judged { facts, finding, verdict, is_over })
    }

    fn with_notes(
        &self,
        day: Day,
        rules: &Rules,
        report: DayReport,
    ) -> Result<DayReport, LedgerError> {
        let outages = self.outages(day, rules)?;
        let backfills: Vec<Backfill> = self.backfills(day)?;
        let deviations = self.deviations(day)?;
        Ok(DayReport { outages, backfills, deviations, ..report })
    }
}

/// The first minute of today that need not have come yet.
fn minutes_gone(day: Day, now_us: i64) -> u16 {
    let gone = (now_us - day.start_us()).div_euclid(MINUTE_US) - i64::from(LATE_MINUTES);
    u16::try_from(gone.max(0)).unwrap_or(u16::MAX).min(MINUTES)
}

fn empty(day: Day, verdict: Verdict, open: bool) -> DayReport {
    DayReport {
        date: day,
        verdict,
        expected: 0,
        seen: 0,
        complete: 0,
        gaps: Vec::new(),
        open,
        rounds: crate::Rounds::default(),
        outages: Vec::new(),
        sources: Vec::new(),
        sums: Vec::new(),
        doubtful: Vec::new(),
        backfills: Vec::new(),
        deviations: Vec::new(),
    }
}

/// Which source gave what: by kind and source, stretches of minutes.
fn stretches(day: Day, facts: &Facts, sources: &Names) -> Vec<Stretch> {
    let mut by_source: BTreeMap<(u32, &str), BTreeMap<u16, u64>> = BTreeMap::new();
    for (minute, cells) in &facts.spots {
        for bit in cells.iter().flat_map(|cell| bits_of(cell.sources)) {
            *by_source.entry((bit, "spot")).or_default().entry(*minute).or_default() += 1;
        }
    }
    for (minute, cells) in facts.bars.values().flatten() {
        for bit in cells.iter().flat_map(|cell| bits_of(cell.sources)) {
            *by_source.entry((bit, "bar")).or_default().entry(*minute).or_default() += 1;
        }
    }
    let mut found = Vec::new();
    for ((bit, kind), minutes) in by_source {
        let mut stretch: Option<(u16, u16, u64)> = None;
        let mut tell = |(first, last, securities): (u16, u16, u64)| {
            found.push(Stretch {
                source: source_name(bit, sources),
                kind: kind.to_owned(),
                from: day.minute_text(first),
                to: day.minute_text(last),
                securities,
            });
        };
        for (minute, securities) in minutes {
            stretch = match stretch {
                Some((first, last, most)) if last + 1 == minute => {
                    Some((first, minute, most.max(securities)))
                }
                before => {
                    before.into_iter().for_each(&mut tell);
                    Some((minute, minute, securities))
                }
            };
        }
        stretch.into_iter().for_each(&mut tell);
    }
    // the numbers of sources are those in which they came
    let key = |it: &Stretch| (it.kind.clone(), it.source.clone(), it.from.clone());
    found.sort_by_key(key);
    found
}

pub(crate) fn bits_of(sources: u16) -> impl Iterator<Item = u32> {
    (0..SOURCES).filter(move |bit| sources & (1 << bit) != 0)
}

pub(crate) fn source_name(bit: u32, sources: &Names) -> String {
    if bit + 1 == SOURCES && sources.len() > SOURCES as usize {
        return "others".to_owned();
    }
    sources.name(bit).to_owned()
}

/// Records that failed a rule of quality, by security.
fn doubtful(facts: &Facts, securities: &Names) -> Vec<(String, u64)> {
    let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
    for cells in facts.spots.values() {
        for (cell, id) in cells.iter().zip(0..).filter(|(cell, _)| cell.doubtful > 0) {
            *counts.entry(id).or_default() += u64::from(cell.doubtful);
        }
    }
    for cells in facts.bars.values().flat_map(BTreeMap::values) {
        let there = cells.iter().zip(0..).filter(|(cell, _)| cell.state == BarState::There);
        for (_, id) in there.filter(|(cell, _)| cell.is_doubtful) {
            *counts.entry(id).or_default() += 1;
        }
    }
    let mut named: Vec<_> =
        counts.into_iter().map(|(id, count)| (securities.name(id).to_owned(), count)).collect();
    named.sort();
    named
}
