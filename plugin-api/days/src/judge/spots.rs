//! Quotes that are missing.

use std::collections::{BTreeMap, BTreeSet};

use super::{FEW, Missing, Question, rounds, stretches};
use crate::{Gap, Rounds, bits::Bits, cells::SpotCell, rules::Span};

/// A minute that had to come.
struct Minute<'a> {
    minute: u16,
    cells: &'a [SpotCell],
    /// Nobody, or nearly nobody, gave a quote in it.
    is_empty: bool,
    /// Most of those expected gave none.
    is_poor: bool,
}

/// Finds what is missing; tells how many rounds came.
pub fn judge(question: &Question<'_>, expected: &Bits, missing: &mut Missing) -> Rounds {
    let sessions: Vec<_> = minutes(question, &question.rules.sessions, expected);
    let auction: Vec<_> = minutes(question, &question.rules.auction, expected);
    let market_rate = market_rate(question, &sessions);
    let (rounds, holes) = rounds::judge(question);
    let mut market: BTreeMap<u16, f64> = BTreeMap::new();
    for minute in sessions.iter().chain(&auction).flatten().filter(|it| it.is_empty) {
        market.insert(minute.minute, 1.0);
    }
    missing.is_market |= sessions.iter().flatten().any(|it| it.is_empty);
    // where most securities are missing, so are their rounds, and that is told of each of them
    let poor = sessions.iter().flatten().filter(|it| it.is_poor).map(|it| it.minute);
    let poor: BTreeSet<_> = poor.collect();
    for (minute, share) in holes.into_iter().filter(|(minute, _)| !poor.contains(minute)) {
        market.entry(minute).or_insert(share);
    }
    if !expected.is_empty() {
        tell_market(question, &market, market_rate, missing);
    }
    for id in expected.iter() {
        for session in &sessions {
            tell_security(question, id, session, &sessions, market_rate, missing);
        }
    }
    rounds
}

/// The minutes of each span that had to come by now.
fn minutes<'a>(question: &Question<'a>, spans: &[Span], expected: &Bits) -> Vec<Vec<Minute<'a>>> {
    let facts = question.facts;
    let minute = |minute: u16| {
        let cells = facts.spots.get(&minute).map_or(&[][..], Vec::as_slice);
        let present = expected.iter().filter(|id| is_present(cells, *id)).count() as u64;
        let all = expected.count();
        Minute { minute, cells, is_empty: present * FEW < all, is_poor: present * 2 < all }
    };
    let span = |span: &Span| (span.from..span.to.min(question.until)).map(minute).collect();
    spans.iter().map(span).collect()
}

fn is_present(cells: &[SpotCell], id: u32) -> bool {
    cells.get(id as usize).is_some_and(|cell| cell.count > 0)
}

/// Quotes of the whole market in a minute, as on this day, or else the day before.
#[allow(clippy::cast_precision_loss)] // some million quotes
fn market_rate(question: &Question<'_>, sessions: &[Vec<Minute<'_>>]) -> f64 {
    let full = sessions.iter().flatten().filter(|it| !it.is_empty);
    let (mut minutes, mut records) = (0_u64, 0_u64);
    for minute in full {
        minutes += 1;
        records += minute.cells.iter().map(|cell| u64::from(cell.count)).sum::<u64>();
    }
    if minutes > 0 {
        return records as f64 / minutes as f64;
    }
    let a_day: u64 = question.rules.sessions.iter().map(|it| u64::from(it.to - it.from)).sum();
    question.before.map_or(1.0, |before| before.records as f64 / a_day.max(1) as f64)
}

/// Tells what the whole market lacks, with the share of each minute.
fn tell_market(
    question: &Question<'_>,
    market: &BTreeMap<u16, f64>,
    rate: f64,
    missing: &mut Missing,
) {
    let Question { rules, day, .. } = question;
    for span in rules.auction.iter().chain(&rules.sessions) {
        let within = market.keys().filter(|minute| (span.from..span.to).contains(minute));
        for (first, last) in stretches(within.map(|minute| usize::from(*minute))) {
            let minutes = (first..=last).filter_map(|it| u16::try_from(it).ok());
            let share: f64 = minutes.clone().filter_map(|minute| market.get(&minute)).sum();
            let ends = minutes.clone().min().zip(minutes.max());
            let Some((from, to)) = ends else { continue };
            missing.gaps.push(Gap {
                symbol: "*".to_owned(),
                kind: "spot".to_owned(),
                from: day.minute_text(from),
                to: day.minute_text(to),
                records: about(share * rate),
                period: None,
            });
        }
    }
}

/// Tells what a security lacks in a session beyond what all lack.
#[allow(clippy::cast_precision_loss)] // some thousand quotes
fn tell_security(
    question: &Question<'_>,
    id: u32,
    session: &[Minute<'_>],
    sessions: &[Vec<Minute<'_>>],
    market_rate: f64,
    missing: &mut Missing,
) {
    let absent = |at: &usize| !is_present(session[*at].cells, id);
    let long_enough = usize::from(question.rules.expect_minutes.max(1));
    let runs = stretches((0..session.len()).filter(absent));
    let runs = runs.into_iter().filter(|(first, last)| last - first + 1 >= long_enough);
    let own = runs.flat_map(|(first, last)| first..=last).filter(|at| !session[*at].is_empty);
    let own = stretches(own);
    if own.is_empty() {
        return;
    }
    let counts = sessions.iter().flatten().filter_map(|minute| minute.cells.get(id as usize));
    let counts: Vec<_> = counts.map(|cell| cell.count).filter(|count| *count > 0).collect();
    let securities = question.facts.totals.len().max(1) as f64;
    let rate = match counts.len() {
        0 => market_rate / securities,
        minutes => counts.iter().map(|count| f64::from(*count)).sum::<f64>() / minutes as f64,
    };
    missing.lacking.insert(id);
    missing.gaps.extend(own.into_iter().map(|(first, last)| Gap {
        symbol: question.securities.name(id).to_owned(),
        kind: "spot".to_owned(),
        from: question.day.minute_text(session[first].minute),
        to: question.day.minute_text(session[last].minute),
        records: about((last - first + 1) as f64 * rate),
        period: None,
    }));
}

/// A number of records, at least one.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a cast saturates
fn about(records: f64) -> u64 {
    (records.round() as u64).max(1)
}
