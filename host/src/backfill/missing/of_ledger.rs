//! What a ledger lacks, or has, as stretches of single securities.

use std::collections::{BTreeMap, BTreeSet};

use ::days::{Day, Ledger};
use dataserver_backfill::{Gap, Series};
use plugin_api::{
    RecordKind,
    schemas::{
        session::TradingCalendar,
        time::{DAY_US, parse_exchange_time},
    },
};

use super::{MINUTE_US, Missing, Wanted, present::Present};
use crate::days::report::WHOLE_MARKET;

/// Days before one of which nothing is known in which its securities are looked for.
const DAYS_BEFORE: i64 = 15;

/// What the ledger lacks.
///
/// # Errors
/// When it cannot be read.
pub fn of_ledger(ledger: &Ledger, wanted: &Wanted<'_>, now_us: i64) -> Result<Missing, String> {
    let mut missing = Missing { by_ledger: true, ..Missing::default() };
    for day in wanted.from..=wanted.to {
        let report = ledger.day(Day(day), now_us).map_err(|error| error.to_string())?;
        let present = Present::read(ledger, Day(day), wanted.series)?;
        let mut market = None;
        for gap in report.gaps.into_iter().filter(|gap| is_of(gap, wanted.series)) {
            let Some((from_us, to_us)) = span(&gap) else {
                return Err(format!("the ledger says \"{}\" to \"{}\"", gap.from, gap.to));
            };
            let gap = Gap { symbol: gap.symbol, from_us, to_us, records: gap.records };
            if gap.symbol != WHOLE_MARKET {
                if wanted.has(&gap.symbol) {
                    missing.gaps.extend(present.without(gap));
                }
                continue;
            }
            let of_market = match market.take() {
                Some(found) => found,
                None => securities(ledger, day)?,
            };
            let all = of_market.len() as u64;
            let records = (gap.records / all.max(1)).max(1);
            let symbols: Vec<_> = of_market.iter().filter(|it| wanted.has(it)).collect();
            let of = |symbol: &&String| Gap { symbol: (*symbol).clone(), records, ..gap };
            missing.gaps.extend(symbols.iter().map(of).flat_map(|gap| present.without(gap)));
            missing.out_of_reach += present.lost(&gap, &symbols, all);
            market = Some(of_market);
        }
    }
    Ok(missing)
}

/// Whole trading days of each security, of which the ledger has something or lacks it.
///
/// # Errors
/// When it cannot be read.
pub fn whole_days(ledger: &Ledger, wanted: &Wanted<'_>, now_us: i64) -> Result<Missing, String> {
    let found = of_ledger(ledger, wanted, now_us)?;
    let mut lacking: BTreeMap<(i64, String), u64> = BTreeMap::new();
    for gap in found.gaps {
        *lacking.entry((Day::of(gap.from_us).0, gap.symbol)).or_default() += gap.records;
    }
    let calendar = TradingCalendar::shipped();
    let mut gaps = Vec::new();
    for day in (wanted.from..=wanted.to).filter(|day| calendar.is_trading_day(*day)) {
        let present = Present::read(ledger, Day(day), wanted.series)?;
        let symbols = securities(ledger, day)?.into_iter().filter(|it| wanted.has(it));
        gaps.extend(symbols.filter_map(|symbol| {
            let lacks = lacking.remove(&(day, symbol.clone())).unwrap_or_default();
            let records = present.minutes_of(&symbol) + lacks;
            let from_us = Day(day).start_us();
            let to_us = from_us + DAY_US - 1;
            (records > 0).then_some(Gap { symbol, from_us, to_us, records })
        }));
    }
    Ok(Missing { gaps, out_of_reach: 0, by_ledger: true })
}

/// The securities of a day: those of which the ledger knows something, on it or on the last day
/// before.
fn securities(ledger: &Ledger, day: i64) -> Result<Vec<String>, String> {
    let mut found = BTreeSet::new();
    let of = |day| ledger.securities(Day(day)).map_err(|error| error.to_string());
    found.extend(of(day)?.into_iter().map(|it| it.symbol));
    for before in (day - DAYS_BEFORE..day).rev() {
        let known = of(before)?;
        if !known.is_empty() {
            found.extend(known.into_iter().map(|it| it.symbol));
            break;
        }
    }
    Ok(found.into_iter().collect())
}

/// A gap of bars without a period is one of minutes.
fn is_of(gap: &::days::Gap, series: &Series) -> bool {
    let period =
        (gap.kind == RecordKind::Bar.as_str()).then(|| gap.period.as_deref().unwrap_or("1m"));
    gap.kind == series.kind && period == series.period.as_deref()
}

/// First and last moment: the last minute of a gap is in it to its end.
fn span(gap: &::days::Gap) -> Option<(i64, i64)> {
    let (from_us, to_us) = (parse_exchange_time(&gap.from)?, parse_exchange_time(&gap.to)?);
    Some((from_us, to_us + MINUTE_US - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(kind: &str, period: Option<&str>) -> ::days::Gap {
        ::days::Gap {
            symbol: "600000.SH".to_owned(),
            kind: kind.to_owned(),
            from: "2026-01-05T09:31+08:00".to_owned(),
            to: "2026-01-05T09:32+08:00".to_owned(),
            records: 2,
            period: period.map(str::to_owned),
        }
    }

    #[test]
    fn a_gap_lasts_to_the_end_of_its_last_minute() {
        let (from_us, to_us) = span(&gap("bar", None)).unwrap();
        assert_eq!(from_us, 1_767_576_660_000_000);
        assert_eq!(to_us - from_us, 2 * MINUTE_US - 1);
        let odd = ::days::Gap { to: "soon".to_owned(), ..gap("bar", None) };
        assert_eq!(span(&odd), None);
    }

    #[test]
    fn gaps_are_those_of_the_series_that_is_asked_for() {
        let cases = [
            (gap("bar", None), Series::bars("1m"), true),
            (gap("bar", Some("1m")), Series::bars("1m"), true),
            (gap("bar", Some("5m")), Series::bars("1m"), false),
            (gap("spot", None), Series::bars("1m"), false),
            (gap("spot", None), Series::spots(), true),
        ];
        for (gap, series, expected) in cases {
            assert_eq!(is_of(&gap, &series), expected, "{gap:?} {series:?}");
        }
    }
}
