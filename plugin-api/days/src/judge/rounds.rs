//! Rounds of the market, and holes between them.

use super::Question;
use crate::{Rounds, bits::Bits};

/// Rounds from which on their usual interval is told.
const ENOUGH: usize = 20;
/// Exchanges publish Level-1 quotes every three seconds; no hole is looked for below that.
const LEAST_INTERVAL: f64 = 3.0;
/// What is longer than usual by so much lacks a round.
const HOLE: f64 = 1.5;
/// From here on an exchange takes orders for its closing auction, in irregular steps: 14:57.
const CLOSING_AUCTION: u16 = 897;
const MINUTE: f64 = 60.0;

/// Minutes in which rounds are missing, each with its share that is.
pub type Holes = Vec<(u16, f64)>;

/// How many rounds came, and where they are missing. Where no source tells its rounds, every second in
/// which anything came is one.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
pub fn judge(question: &Question<'_>) -> (Rounds, Holes) {
    let told = Told::of(question, &told_or_filled(question));
    let told =
        if told.count() >= ENOUGH { told } else { Told::of(question, &question.facts.moments) };
    if told.count() < ENOUGH {
        return (Rounds { received: told.count() as u64, ..Rounds::default() }, Holes::new());
    }
    let interval = told.median();
    let usual = interval.max(LEAST_INTERVAL);
    let limit = question.rules.silence_s.map_or(HOLE * usual, f64::from);
    let (mut holes, mut lost) = (Holes::new(), 0.0);
    for session in &told.sessions {
        for hole in session.intervals().filter(|hole| hole.end - hole.start > limit) {
            lost += ((hole.end - hole.start) / usual).round() - f64::from(u8::from(hole.is_inner));
            holes.extend(hole.minutes(usual));
        }
    }
    let rounds = Rounds {
        received: told.count() as u64,
        expected: told.count() as u64 + lost.max(0.0) as u64,
        interval_s: interval.round() as u64,
    };
    (rounds, holes)
}

/// The rounds that sources tell, and the seconds of quotes in minutes of which none tells: those were
/// filled from elsewhere.
fn told_or_filled(question: &Question<'_>) -> Bits {
    let facts = question.facts;
    let mut seconds = facts.rounds.clone();
    if seconds.is_empty() {
        return seconds;
    }
    let told: Bits = seconds.iter().map(|second| second / 60).collect();
    let is_filled = |minute: u32| {
        let cells = u16::try_from(minute).ok().and_then(|minute| facts.spots.get(&minute));
        let present = cells.map_or(0, |cells| cells.iter().filter(|cell| cell.count > 0).count());
        !told.has(minute) && present * 2 >= facts.totals.len()
    };
    facts.moments.iter().filter(|second| is_filled(second / 60)).for_each(|it| seconds.add(it));
    seconds
}

/// Seconds at which rounds ended, session by session.
struct Told {
    sessions: Vec<Session>,
}

struct Session {
    from: f64,
    to: f64,
    seconds: Vec<f64>,
}

/// A time between two rounds, seconds of the day.
struct Interval {
    start: f64,
    end: f64,
    /// Both ends are rounds; otherwise the session starts or ends with it.
    is_inner: bool,
    is_first: bool,
    is_last: bool,
}

impl Told {
    fn of(question: &Question<'_>, seconds: &Bits) -> Self {
        let session = |span: &crate::rules::Span| {
            let to = span.to.min(CLOSING_AUCTION).min(question.until).max(span.from);
            let (from, to) = (u32::from(span.from) * 60, u32::from(to) * 60);
            Session {
                from: f64::from(from),
                to: f64::from(to),
                seconds: seconds
                    .iter()
                    .filter(|it| (from..to).contains(it))
                    .map(f64::from)
                    .collect(),
            }
        };
        Self { sessions: question.rules.sessions.iter().map(session).collect() }
    }

    fn count(&self) -> usize {
        self.sessions.iter().map(|session| session.seconds.len()).sum()
    }

    fn median(&self) -> f64 {
        let seconds = self.sessions.iter().flat_map(|session| session.seconds.windows(2));
        let mut steps: Vec<_> = seconds.map(|pair| pair[1] - pair[0]).collect();
        steps.sort_by(f64::total_cmp);
        steps.get(steps.len() / 2).copied().unwrap_or(LEAST_INTERVAL)
    }
}

impl Session {
    fn intervals(&self) -> impl Iterator<Item = Interval> + '_ {
        let ends = std::iter::once(self.from).chain(self.seconds.iter().copied());
        let ends: Vec<_> = ends.chain([self.to]).collect();
        let last = ends.len() - 2;
        (0..=last).map(move |at| Interval {
            start: ends[at],
            end: ends[at + 1],
            is_inner: at > 0 && at < last,
            is_first: at == 0,
            is_last: at == last,
        })
    }
}

impl Interval {
    /// The minutes in which rounds are missing, with the share that is. Rounds jitter, so the place of
    /// the first and last missing one is known to half an interval.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // seconds of a day
    fn minutes(&self, usual: f64) -> Holes {
        let mut from = if self.is_first { self.start } else { self.start + HOLE * usual };
        let mut to = if self.is_last { self.end - 1.0 } else { self.end - HOLE * usual };
        if from > to {
            from = f64::midpoint(self.start, self.end);
            to = from;
        }
        let minute = |second: f64| (second / MINUTE) as u16;
        let empty_from = if self.is_first { self.start } else { self.start + usual / 2.0 };
        let empty_to = if self.is_last { self.end } else { self.end - usual / 2.0 };
        let share = |minute: u16| {
            let start = f64::from(minute) * MINUTE;
            let empty = empty_to.min(start + MINUTE) - empty_from.max(start);
            (minute, (empty / MINUTE).clamp(0.0, 1.0))
        };
        (minute(from)..=minute(to)).map(share).collect()
    }
}
