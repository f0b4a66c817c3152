//! What was last seen of each security, and the rules that need it.

use std::collections::HashMap;

use plugin_api::schemas::{
    stray::{Step, Track},
    time::ExchangeTime,
};

use crate::{
    key::{BuildKeyHasher, Key},
    quote::Quote,
    rule::{Rule, Rules},
    session,
};

/// Most securities that are remembered: ten times what the three exchanges list.
pub const MAX_SYMBOLS: usize = 65_536;
/// After so many older quotes in a row, it was the one before them whose time was wrong.
const OLDER_IN_A_ROW: u8 = 16;
/// Sources that count in lots cut off what is less.
const LOT: u64 = 100;
/// An amount that was divided for the wire and multiplied again may lose this, CNY.
const AMOUNT_NOISE: f64 = 1.0;

/// What was last known of a security.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Last {
    /// Time of its newest quote, microseconds since 1970 UTC.
    pub time_us: i64,
    /// Volume of the day so far, shares.
    pub volume: u64,
    /// Turnover of the day so far, CNY.
    pub amount: f64,
    /// Older quotes since.
    pub older: u8,
}

impl Last {
    fn of(quote: &Quote<'_>, has_turnover: bool) -> Self {
        let (volume, amount) = if has_turnover { (quote.volume, quote.amount) } else { (0, 0.0) };
        Self { time_us: quote.time_us, volume, amount, older: 0 }
    }

    fn day(&self) -> i64 {
        ExchangeTime::from_utc_us(self.time_us).day
    }

    /// The rules that a quote breaks against it; then it counts.
    fn measure(&mut self, quote: &Quote<'_>, now: Self, has_turnover: bool) -> Rules {
        let day = self.day();
        if day != quote.time.day {
            *self = now;
            return if day > quote.time.day { Rules::of(&[Rule::TimeBack]) } else { Rules::NONE };
        }
        if quote.time_us < self.time_us {
            self.older += 1;
            if self.older >= OLDER_IN_A_ROW {
                *self = now;
            }
            return Rules::of(&[Rule::TimeBack]);
        }
        (self.time_us, self.older) = (quote.time_us, 0);
        if !has_turnover {
            return Rules::NONE;
        }
        let volume_fell = self.volume.saturating_sub(quote.volume) >= LOT;
        let amount_fell = self.amount - quote.amount >= AMOUNT_NOISE;
        let fell = volume_fell || amount_fell;
        if fell && session::is_after_hours(quote.time) {
            return Rules::of(&[Rule::Reset]); // what the day had stays the measure
        }
        self.volume = if volume_fell { quote.volume } else { self.volume.max(quote.volume) };
        self.amount = if amount_fell { quote.amount } else { self.amount.max(quote.amount) };
        if fell { Rules::of(&[Rule::Falling]) } else { Rules::NONE }
    }
}

/// A security, with the way back from a quote whose time was wrong.
#[derive(Debug)]
struct Known {
    last: Last,
    track: Track,
    /// What was known before the time jumped; `None` when nothing was.
    before: Option<Last>,
}

/// The newest quote of every security, bounded.
#[derive(Debug, Default)]
pub struct History {
    by_key: HashMap<Key, Known, BuildKeyHasher>,
    /// Exchange day for which room was made last, days since 1970.
    swept_day: Option<i64>,
}

impl History {
    /// The rules that the quote breaks against those before it, which then count it among them.
    ///
    /// `alone` are those that it breaks by itself: a quote whose time is wrong is no measure for
    /// others, nor are its volume and amount when they do not fit each other.
    pub fn see(&mut self, key: Key, quote: &Quote<'_>, alone: Rules) -> Rules {
        if alone.has(Rule::Future) {
            return Rules::NONE;
        }
        let has_turnover = !alone.has(Rule::Amount);
        let now = Last::of(quote, has_turnover);
        let Some(known) = self.by_key.get_mut(&key) else {
            self.insert(key, now, quote.time.day);
            return Rules::NONE;
        };
        match known.track.step(quote.time_us) {
            Step::On | Step::Late => {}
            Step::Jump => known.before = Some(known.last),
            // the times since were wrong, and what they brought is no measure
            Step::Return { .. } => match known.before {
                Some(before) => known.last = before,
                None => {
                    known.last = now;
                    return Rules::of(&[Rule::TimeBack]);
                }
            },
        }
        let is_older = quote.time_us < known.last.time_us;
        let found = known.last.measure(quote, now, has_turnover);
        if is_older && known.last.time_us == quote.time_us {
            known.track = Track::known(quote.time_us);
        }
        found
    }

    fn insert(&mut self, key: Key, now: Last, day: i64) {
        if self.by_key.len() >= MAX_SYMBOLS && self.swept_day != Some(day) {
            self.swept_day = Some(day);
            self.by_key.retain(|_, known| known.last.day() >= day);
        }
        if self.by_key.len() < MAX_SYMBOLS {
            let known = Known { last: now, track: Track::first(now.time_us), before: None };
            self.by_key.insert(key, known);
        }
    }

    /// Number of securities.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Everything, by key.
    pub fn sorted(&self) -> Vec<(Key, Last)> {
        let mut all: Vec<_> = self.by_key.iter().map(|(key, known)| (*key, known.last)).collect();
        all.sort_unstable_by_key(|(key, _)| *key);
        all
    }
}

impl FromIterator<(Key, Last)> for History {
    fn from_iter<I: IntoIterator<Item = (Key, Last)>>(all: I) -> Self {
        let known = |last: Last| Known { last, track: Track::known(last.time_us), before: None };
        let all = all.into_iter().map(|(key, last)| (key, known(last)));
        Self { by_key: all.take(MAX_SYMBOLS).collect(), swept_day: None }
    }
}
