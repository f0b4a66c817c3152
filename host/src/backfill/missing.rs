//! What is missing: as the ledger knows it, or without one all that was named.

mod of_ledger;
mod present;

use std::collections::{BTreeMap, BTreeSet};

use ::days::{Day, Ledger, LedgerError, MinuteCount};
use dataserver_backfill::{Gap, Job, Series, Tally};
use dataserver_config::Pipeline;
use plugin_api::schemas::{session::TradingCalendar, time::DAY_US};

use self::of_ledger::{of_ledger, whole_days};
use crate::days::place::Place;

const MINUTE_US: i64 = 60_000_000;

/// What is looked for; days since 1970-01-01 on the exchange's calendar, both inclusive.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// First day.
    pub from: i64,
    /// Last day.
    pub to: i64,
    /// Securities; all when empty.
    pub symbols: &'a [String],
    /// What is looked for.
    pub series: &'a Series,
    /// Whether what is there is looked for as well.
    pub replace: bool,
}

impl Wanted<'_> {
    fn has(&self, symbol: &str) -> bool {
        self.symbols.is_empty() || self.symbols.iter().any(|it| it == symbol)
    }
}

/// What is missing of what is looked for.
#[derive(Debug, Default)]
pub struct Missing {
    /// What can be asked for.
    pub gaps: Vec<Gap>,
    /// Records, about, that nobody can be asked for: of rounds that were lost within minutes of which
    /// other quotes came.
    pub out_of_reach: u64,
    /// A ledger says so, which knows what the stores have.
    pub by_ledger: bool,
}

/// What is missing of that. Without a ledger it is every trading day of each security that was
/// named, which counts as one record.
///
/// # Errors
/// When the ledger cannot be read, or there is none and no security was named.
pub fn missing(pipeline: &Pipeline, wanted: &Wanted<'_>, now_us: i64) -> Result<Missing, String> {
    match ledger(pipeline)? {
        Some(ledger) if wanted.replace => whole_days(&ledger, wanted, now_us),
        Some(ledger) => of_ledger(&ledger, wanted, now_us),
        None if wanted.symbols.is_empty() => {
            let none = Place::of(pipeline).err().map(|it| it.to_string());
            let none = none.unwrap_or_else(|| "the ledger knows no day yet".to_owned());
            Err(format!("nobody knows what is missing; name securities with --symbols. {none}"))
        }
        None => Ok(Missing { gaps: all(wanted), ..Missing::default() }),
    }
}

/// What a job has left missing, in the units of what it asked for, with what nobody could be asked
/// for; as of the moment in which it began, because what is lost since is no matter of it. Blocks as
/// reading does.
///
/// # Errors
/// When the ledger cannot be read.
pub fn still_missing(pipeline: &Pipeline, job: &Job, tally: &Tally) -> Result<u64, String> {
    let Some(ledger) = ledger(pipeline)? else { return Ok(tally.without_any) };
    let (Day(from), Day(to)) = (job.days.0.parse()?, job.days.1.parse()?);
    let (symbols, series) = (&job.symbols, &job.series);
    let wanted = Wanted { from, to, symbols, series, replace: false };
    let began_us = i64::try_from(job.epoch).unwrap_or(i64::MAX);
    let left = of_ledger(&ledger, &wanted, began_us)?;
    // what was to be replaced and of which history has nothing is there, but not as it was wanted
    let kept = if job.replace { tally.without_any } else { 0 };
    Ok(within(&left.gaps, job).saturating_add(left.out_of_reach).max(kept))
}

/// The bars that came on a day, by series. Nothing without a ledger.
///
/// # Errors
/// When the ledger cannot be read.
pub fn bars_of(pipeline: &Pipeline, day: i64) -> Result<Vec<Series>, String> {
    let Some(ledger) = ledger(pipeline)? else { return Ok(Vec::new()) };
    let mut periods = BTreeSet::new();
    let mut add = |count: MinuteCount<'_>| {
        if let Some(period) = count.period.filter(|period| !periods.contains(*period)) {
            periods.insert(period.to_owned());
        }
    };
    ledger.counts(Day(day), &mut add).map_err(|error| error.to_string())?;
    Ok(periods.iter().map(|period| Series::bars(period)).collect())
}

/// What of a pipeline's days is missing, by series, bars first. Nothing without a ledger.
///
/// # Errors
/// When the ledger cannot be read.
pub fn series(
    pipeline: &Pipeline,
    (from, to): (i64, i64),
    now_us: i64,
) -> Result<Vec<Series>, String> {
    let Some(ledger) = ledger(pipeline)? else { return Ok(Vec::new()) };
    let mut found = BTreeSet::new();
    for day in from..=to {
        let report = ledger.day(Day(day), now_us).map_err(|error| error.to_string())?;
        found.extend(report.gaps.into_iter().map(|gap| (gap.kind, gap.period)));
    }
    Ok(found.into_iter().map(|(kind, period)| Series { kind, period }).collect())
}

fn ledger(pipeline: &Pipeline) -> Result<Option<Ledger>, String> {
    let Ok(place) = Place::of(pipeline) else { return Ok(None) };
    match place.read() {
        Ok(ledger) => Ok(Some(ledger)),
        Err(LedgerError::Absent(_)) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

fn all(wanted: &Wanted<'_>) -> Vec<Gap> {
    let calendar = TradingCalendar::shipped();
    let days = (wanted.from..=wanted.to).filter(|day| calendar.is_trading_day(*day));
    let of_day = |day| {
        let from_us = Day(day).start_us();
        wanted.symbols.iter().map(move |symbol| Gap {
            symbol: symbol.clone(),
            from_us,
            to_us: from_us + DAY_US - 1,
            records: 1,
        })
    };
    days.flat_map(of_day).collect()
}

/// Records of gaps, as far as a job has asked for their time.
fn within(gaps: &[Gap], job: &Job) -> u64 {
    let mut by_symbol: BTreeMap<&str, Vec<(i64, i64)>> = BTreeMap::new();
    for piece in &job.pieces {
        for symbol in &piece.symbols {
            by_symbol.entry(symbol).or_default().extend(&piece.spans);
        }
    }
    let share = |gap: &Gap| {
        let spans = by_symbol.get(gap.symbol.as_str()).map(Vec::as_slice).unwrap_or_default();
        let shared = spans
            .iter()
            .map(|(from_us, to_us)| (gap.to_us.min(*to_us) - gap.from_us.max(*from_us) + 1).max(0));
        let (shared, all) = (shared.sum::<i64>(), gap.to_us - gap.from_us + 1);
        let part = i128::from(gap.records) * i128::from(shared) / i128::from(all.max(1));
        u64::try_from(part).unwrap_or(gap.records).max(u64::from(shared > 0))
    };
    gaps.iter().map(share).sum()
}

/// Notes in the ledger what came of a job; without a ledger nothing. Blocks as writing does.
///
/// # Errors
/// When the ledger cannot be written.
pub fn note(pipeline: &Pipeline, outcome: &dataserver_backfill::Outcome) -> Result<(), String> {
    let Ok(place) = Place::of(pipeline) else { return Ok(()) };
    let (first, last): (Day, Day) = (outcome.from.parse()?, outcome.to.parse()?);
    let tally = &outcome.tally;
    let entry = ::days::Backfill {
        from: first.to_string(),
        to: last.to_string(),
        asked: outcome.asked,
        received: tally.received,
        written: tally.written,
        still_missing: outcome.still_missing,
        refused_as_padding: tally.refused_as_padding,
        at_us: outcome.ended_us,
        source: outcome.sources.join(", "),
        stores: outcome.stores.clone(),
    };
    let ledger = Ledger::annotate(&place.path);
    ledger
        .and_then(|mut ledger| ledger.note_backfill(first, last, &entry))
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use dataserver_backfill::plan;

    use super::*;

    #[test]
    fn without_a_ledger_each_trading_day_of_each_security_is_asked_for() {
        let symbols = ["600000.SH".to_owned(), "000001.SZ".to_owned()];
        // from Thursday over New Year's day and the weekend to Monday
        let day = |text: &str| text.parse::<Day>().unwrap().0;
        let (from, to) = (day("2025-12-31"), day("2026-01-05"));
        let series = &Series::bars("1m");
        let wanted = Wanted { from, to, symbols: &symbols, series, replace: false };
        let gaps = all(&wanted);
        assert_eq!(gaps.len(), 4, "{gaps:?}");
        assert_eq!(gaps[3].to_us - gaps[3].from_us, DAY_US - 1);
    }

    #[test]
    fn what_is_missing_counts_as_far_as_it_was_asked_for() {
        let of = |symbol: &str, from: i64, to: i64, records| Gap {
            symbol: symbol.to_owned(),
            from_us: from * MINUTE_US,
            to_us: (to + 1) * MINUTE_US - 1,
            records,
        };
        let mut job = Job::new("x".to_owned(), 1, Series::bars("1m"));
        job.pieces = plan(&[of("600000.SH", 0, 9, 10), of("600001.SH", 0, 9, 10)]);
        let left = [
            of("600000.SH", 2, 3, 2),
            // half of it came up later
            of("600001.SH", 8, 11, 4),
            of("600002.SH", 0, 9, 10),
        ];
        assert_eq!(within(&left, &job), 4);
    }
}
