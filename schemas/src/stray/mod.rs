//! Which quotes tell what time it is in the market, and which carry a stray timestamp.
//!
//! One record with a wrong time (tonight, tomorrow, 14:59 at two o'clock) must not become what
//! everything after it is measured by. A quote is believed at once when it goes on from what is known:
//! from the newest quote of its own security, from that of the market (all securities of the feed),
//! or, in a live feed, from the time of receipt. Any other one is a candidate and waits:
//!
//! - quotes that follow from the same or a later time confirm it, so a gap in the feed, lunch, or a
//!   new day costs nothing but a few quotes' patience;
//! - a quote that goes on from where the market was refutes it.
//!
//! A recorded feed has no time of receipt that says anything, so there only neighbours can tell.
//! [`Feed`] is for those who keep what waits; [`Track`] is for those who can take a step back.

mod chain;
#[cfg(test)]
mod tests;
mod track;

pub use track::{Step, Track};

use std::{
    borrow::Borrow,
    collections::{HashMap, HashSet},
    hash::Hash,
};

use crate::time::{ExchangeTime, SECOND_US};

/// How far apart two quotes may be that follow each other without question, and how far a clock may be
/// behind the exchange's.
pub const STEP_US: i64 = 60 * SECOND_US;
/// How much older than the newest of its security a quote may be that only came late, as Hikyuu's agent
/// takes it.
pub const LATE_US: i64 = 30 * 60 * SECOND_US;
/// How old the newest quote of a live feed is at most when it is received.
pub const LIVE_US: i64 = 5 * 60 * SECOND_US;
/// Candidates that confirm a jump of the whole market; they have to lie close to each other.
const ENOUGH: usize = 5;
/// The same while nothing is known.
const ENOUGH_AT_START: usize = 3;
/// Candidates that are believed while nothing is known, though they only repeat each other: after the
/// close a short list is answered with the same quotes again and again.
const ENOUGH_REPEATED: usize = 10;
/// Candidates that confirm a jump however far they are apart, as those of a security that trades
/// once an hour.
const ENOUGH_APART: usize = 16;
/// Older quotes of one security in a row that confirm that its feed began anew.
const ENOUGH_BEHIND: usize = 5;
/// The same at the end of the feed.
const ENOUGH_BEHIND_AT_END: usize = 3;
/// Candidates within one batch after which they are compared before its end.
const MANY_HELD: usize = 256;
/// Most candidates that wait.
const MAX_HELD: usize = 4_096;

/// What a quote is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Exchange time of the quote, microseconds since 1970 UTC.
    pub time_us: i64,
    /// When the host received it, microseconds since 1970 UTC; 0 when unknown.
    pub received_us: i64,
    /// Time of the newest believed quote of its security.
    pub latest_us: Option<i64>,
    /// It lies within the sessions. One that does not may go on from what is known, and is no
    /// candidate for anything else.
    pub counts: bool,
}

impl Stamp {
    /// Whether it is as old as quotes of a live feed are when they are received.
    fn is_received_in_time(&self) -> bool {
        self.received_us > 0
            && (-STEP_US..=LIVE_US).contains(&self.received_us.saturating_sub(self.time_us))
    }

    /// Whether it is newer than what is known of its security.
    fn is_news(&self) -> bool {
        self.latest_us.is_none_or(|latest_us| self.time_us > latest_us)
    }

    /// Whether it was received before its own time.
    pub fn is_early(&self) -> bool {
        self.received_us > 0 && self.time_us.saturating_sub(self.received_us) > STEP_US
    }
}

/// What is thought of a quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Its time is that of the market. What [`Feed::released`] gives comes before it.
    Believed,
    /// It lies ahead of what is known, and may be a stray: hand it to [`Feed::hold`].
    Ahead,
    /// It lies behind what is known: a stray, one that came late, or a feed that begins anew. As
    /// `Ahead`, where the order of quotes matters.
    Behind,
    /// It lies outside of the sessions and beside what is known.
    Stray,
}

/// A quote that waits for others to confirm it.
#[derive(Debug, Clone, PartialEq)]
pub struct Held<K, Q> {
    /// Its security.
    pub key: K,
    /// What it is judged by.
    pub stamp: Stamp,
    /// Behind what is known, not ahead of it.
    pub is_behind: bool,
    /// The quote.
    pub quote: Q,
    /// Believed quotes since that say that the market is not there.
    against: usize,
}

impl<K, Q> Held<K, Q> {
    /// A quote that waits from now on.
    pub fn new(key: K, stamp: Stamp, is_behind: bool, quote: Q) -> Self {
        Self { key, stamp, is_behind, quote, against: 0 }
    }
}

/// The time of a feed of many securities.
#[derive(Debug)]
pub struct Feed<K, Q> {
    newest_us: Option<i64>,
    is_live: bool,
    held: Vec<Held<K, Q>>,
    released: Vec<Held<K, Q>>,
    /// Something was held since candidates were compared.
    is_changed: bool,
    strays: u64,
}

impl<K, Q> Default for Feed<K, Q> {
    fn default() -> Self {
        Self {
            newest_us: None,
            is_live: false,
            held: Vec::new(),
            released: Vec::new(),
            is_changed: false,
            strays: 0,
        }
    }
}

impl<K: Clone + Eq + Hash, Q> Feed<K, Q> {
    /// A feed that goes on from what another instance knew.
    pub fn restored(newest_us: Option<i64>, is_live: bool, held: Vec<Held<K, Q>>) -> Self {
        Self { newest_us, is_live, is_changed: true, held, ..Self::default() }
    }

    /// Time of the newest believed quote of all, microseconds since 1970 UTC.
    pub fn newest_us(&self) -> Option<i64> {
        self.newest_us
    }

    /// Whether that quote was received when it was made.
    pub fn is_live(&self) -> bool {
        self.is_live
    }

    /// The quotes that wait, in the order of arrival.
    pub fn held(&self) -> &[Held<K, Q>] {
        &self.held
    }

    /// The quotes that were confirmed, in the order of arrival.
    pub fn released(&mut self) -> Vec<Held<K, Q>> {
        std::mem::take(&mut self.released)
    }

    /// Quotes that were held and refuted since the last call.
    pub fn take_strays(&mut self) -> u64 {
        std::mem::take(&mut self.strays)
    }

    /// Judges a quote, and remembers its time when it is believed.
    pub fn judge<B>(&mut self, key: &B, stamp: &Stamp) -> Verdict
    where
        K: Borrow<B>,
        B: Eq + ?Sized,
    {
        let verdict = self.verdict(stamp);
        if verdict != Verdict::Believed {
            return verdict;
        }
        if self.waits_behind_another(key, stamp) {
            return Verdict::Ahead;
        }
        if !self.held.is_empty() {
            self.sort_out(key, stamp);
        }
        self.note(stamp);
        verdict
    }

    /// Keeps a quote that was judged to be `Ahead` or `Behind` until others confirm or refute it.
    pub fn hold(&mut self, key: K, stamp: Stamp, verdict: Verdict, quote: Q) {
        let is_behind = verdict == Verdict::Behind;
        self.held.push(Held::new(key, stamp, is_behind, quote));
        self.is_changed = true;
        if self.held.len().is_multiple_of(MANY_HELD) {
            self.settle();
        }
        if self.held.len() >= MAX_HELD {
            // what is without any order for so long is told from strays by nothing
            let gone = self.held.len().saturating_sub(MAX_HELD / 2);
            self.held.drain(..gone);
            self.strays += gone as u64;
        }
    }

    /// After a batch: compares the quotes that wait; see [`released`](Self::released).
    pub fn settle(&mut self) {
        if !std::mem::take(&mut self.is_changed) {
            return;
        }
        self.drop_refuted();
        self.release_behind(ENOUGH_BEHIND);
        loop {
            let chain = self.longest_chain();
            let is_start = self.newest_us.is_none();
            let enough = if is_start { ENOUGH_AT_START } else { ENOUGH };
            let stamps = chain.iter().map(|at| &self.held[*at]);
            let stamps: Vec<_> = stamps.map(|it| (&it.key, it.stamp.time_us)).collect();
            let confirmed = chain::confirmed(&stamps, enough, ENOUGH_APART);
            let is_all = is_start && chain.len() == self.held.len();
            let confirmed = confirmed.or_else(|| {
                (is_all && chain::are_repeated(&stamps, ENOUGH_REPEATED)).then_some(0..stamps.len())
            });
            // what comes before the first ones that confirm each other is a gap's, or a stray
            let Some(range) = confirmed.map(|it| if is_start { it } else { 0..it.end }) else {
                return;
            };
            self.release_chain(&chain[range]);
            self.release_steps();
        }
    }

    /// At the end of the feed, or when nothing more has come for long: believes what nothing refutes.
    /// A single quote of another day, with which the feed would end, is not enough for that day.
    pub fn end(&mut self) {
        self.is_changed = true;
        self.settle();
        self.release_behind(ENOUGH_BEHIND_AT_END);
        let today = self.newest_us.map(day_of);
        let mut chain = self.longest_chain();
        let day_at = |at: &usize| day_of(self.held[*at].stamp.time_us);
        while let [before @ .., last] = &chain[..]
            && today.is_some_and(|today| today != day_at(last))
            && before.last().map(day_at) != Some(day_at(last))
        {
            chain.pop();
        }
        self.release_chain(&chain);
        self.release_steps();
        for held in std::mem::take(&mut self.held) {
            if held.is_behind || held.stamp.is_news() {
                self.strays += 1;
            } else {
                self.released.push(held); // it only waited behind another
            }
        }
    }

    /// Whether a quote of its security that came before it waits, about which it says nothing: the
    /// order of a security's quotes stays as it is.
    fn waits_behind_another<B>(&self, key: &B, stamp: &Stamp) -> bool
    where
        K: Borrow<B>,
        B: Eq + ?Sized,
    {
        let waits = |it: &Held<K, Q>| !it.is_behind && it.stamp.is_news() && it.key.borrow() == key;
        !stamp.is_news() && self.held.iter().any(waits)
    }

    fn verdict(&self, stamp: &Stamp) -> Verdict {
        let Stamp { time_us, latest_us, counts, .. } = *stamp;
        let if_counts = |verdict| if counts { verdict } else { Verdict::Stray };
        let goes_on =
            |latest_us: i64| (-LATE_US..=STEP_US).contains(&time_us.saturating_sub(latest_us));
        if latest_us.is_some_and(goes_on) {
            return Verdict::Believed;
        }
        if latest_us.is_some_and(|latest_us| time_us < latest_us) {
            return if_counts(Verdict::Behind);
        }
        // once a feed is known to be recorded, a quote of this very moment is as strange as any other
        if stamp.is_received_in_time() && (self.is_live || self.newest_us.is_none()) {
            return Verdict::Believed;
        }
        match self.newest_us {
            Some(newest_us) if is_step(newest_us, time_us) => Verdict::Believed,
            // of a security that trades rarely
            Some(newest_us)
                if time_us < newest_us
                    && (self.is_live
                        || latest_us.is_some()
                        || time_us >= newest_us.saturating_sub(LATE_US)) =>
            {
                if_counts(Verdict::Believed)
            }
            Some(newest_us) if time_us < newest_us => if_counts(Verdict::Behind),
            _ => if_counts(Verdict::Ahead),
        }
    }

    /// Lets go of the quotes that a believed one speaks about. For a quote ahead of one security those of
    /// another speak only in number, as they may have come late.
    fn sort_out<B>(&mut self, key: &B, stamp: &Stamp)
    where
        K: Borrow<B>,
        B: Eq + ?Sized,
    {
        let is_new = stamp.is_news();
        let mut waiting = HashSet::new();
        for mut held in std::mem::take(&mut self.held) {
            if !held.stamp.is_news() && waiting.contains(&held.key) {
                self.held.push(held);
                continue;
            }
            let is_same = held.key.borrow() == key;
            let ahead_us = held.stamp.time_us.saturating_sub(stamp.time_us);
            let speaks = !held.is_behind && is_new && ahead_us > 0;
            let is_near = (-STEP_US..=STEP_US).contains(&ahead_us);
            // the market has gone past it
            let is_past = !held.is_behind && ahead_us < 0;
            let is_rare = held.stamp.latest_us.is_some() || stamp.is_received_in_time();
            if is_near && (is_same || !held.is_behind && held.against == 0)
                || is_past && held.against == 0 && is_rare
            {
                self.note(&held.stamp);
                self.released.push(held);
            } else if is_same && (held.is_behind || speaks || is_past) {
                self.strays += 1;
            } else {
                held.is_behind |= is_past && held.stamp.latest_us.is_none();
                held.against += usize::from(speaks);
                self.is_changed |= speaks;
                if !held.is_behind {
                    waiting.insert(held.key.clone());
                }
                self.held.push(held);
            }
        }
    }

    /// Lets go of the quotes ahead that at least as many others speak against as for.
    fn drop_refuted(&mut self) {
        let mut times: Vec<_> =
            self.held.iter().filter(|it| !it.is_behind).map(|it| it.stamp.time_us).collect();
        times.sort_unstable();
        let before = self.held.len();
        self.held.retain(|held| {
            held.is_behind || held.against < chain::close_to(held.stamp.time_us, &times)
        });
        self.strays += (before - self.held.len()) as u64;
    }

    /// Moves what is known.
    fn note(&mut self, stamp: &Stamp) {
        if self.newest_us.is_none_or(|newest_us| stamp.time_us >= newest_us) {
            self.newest_us = Some(stamp.time_us);
            self.is_live = stamp.is_received_in_time();
        }
    }

    /// Believes a security whose quotes lie behind again and again, as its feed began anew; and one
    /// that was not seen before and says the same once more, as it trades rarely.
    fn release_behind(&mut self, enough: usize) {
        let mut by_key: HashMap<&K, (bool, Vec<i64>)> = HashMap::new();
        for held in self.held.iter().filter(|it| it.is_behind) {
            let is_first = held.stamp.latest_us.is_none();
            by_key.entry(&held.key).or_insert((is_first, Vec::new())).1.push(held.stamp.time_us);
        }
        if by_key.is_empty() {
            return;
        }
        let confirmed: HashSet<&K> = by_key
            .into_iter()
            .filter(|(_, (is_first, times))| {
                let is_repeated = *is_first && chain::is_in_order(times) && times.len() > 1;
                is_repeated || chain::in_a_row(times) >= enough
            })
            .map(|(key, _)| key)
            .collect();
        let is_confirmed: Vec<_> =
            self.held.iter().map(|it| it.is_behind && confirmed.contains(&it.key)).collect();
        for (held, is_confirmed) in std::mem::take(&mut self.held).into_iter().zip(is_confirmed) {
            if !is_confirmed {
                self.held.push(held);
                continue;
            }
            if held.stamp.latest_us.is_some() {
                self.newest_us = None; // the feed began anew
            }
            self.note(&held.stamp);
            self.released.push(held);
        }
    }

    /// Places of the quotes ahead that follow each other best.
    fn longest_chain(&self) -> Vec<usize> {
        let is_candidate = |it: &Held<K, Q>| {
            !it.is_behind && it.stamp.is_news() && !(self.is_live && it.stamp.is_early())
        };
        let places: Vec<_> =
            (0..self.held.len()).filter(|at| is_candidate(&self.held[*at])).collect();
        let mut seen = HashSet::new();
        let stamps = places.iter().map(|at| {
            let Held { key, stamp, .. } = &self.held[*at];
            (stamp.time_us, seen.insert((key, stamp.time_us)))
        });
        let stamps: Vec<_> = stamps.collect();
        chain::longest(&stamps).into_iter().map(|at| places[at]).collect()
    }

    /// Believes a chain, and what came before its end and may have come late, or is of a security that
    /// trades rarely; the rest of that is refuted.
    fn release_chain(&mut self, chain: &[usize]) {
        let Some(&end) = chain.last() else { return };
        let end_us = self.held[end].stamp.time_us;
        let mut chain = chain.iter().peekable();
        let mut latest: HashMap<K, i64> = HashMap::new();
        for (at, mut held) in std::mem::take(&mut self.held).into_iter().enumerate() {
            let time_us = held.stamp.time_us;
            let latest_us = latest.get(&held.key).copied().or(held.stamp.latest_us);
            let is_past = time_us <= end_us;
            let is_late = is_past && latest_us.is_some_and(|it| time_us >= it - LATE_US);
            let is_link = chain.next_if(|it| **it == at).is_some();
            if is_link || (at < end && !held.is_behind && is_late) {
                latest.insert(held.key.clone(), latest_us.map_or(time_us, |it| it.max(time_us)));
                self.note(&held.stamp);
                self.released.push(held);
            } else if at > end || held.is_behind {
                self.held.push(held);
            } else if is_past && latest_us.is_none() {
                held.is_behind = true; // until it comes again
                self.held.push(held);
            } else {
                self.strays += 1;
            }
        }
    }

    /// Believes, in the order of arrival, what goes on from what has just been confirmed, as it would
    /// be believed if it came now.
    fn release_steps(&mut self) {
        for held in std::mem::take(&mut self.held) {
            let time_us = held.stamp.time_us;
            if !held.is_behind && self.newest_us.is_some_and(|known_us| is_step(known_us, time_us))
            {
                self.note(&held.stamp);
                self.released.push(held);
            } else {
                self.held.push(held);
            }
        }
    }
}

/// Whether a quote follows another one without question, or came a little late.
fn is_step(known_us: i64, time_us: i64) -> bool {
    (-STEP_US..=STEP_US).contains(&time_us.saturating_sub(known_us))
}

fn day_of(time_us: i64) -> i64 {
    ExchangeTime::from_utc_us(time_us).day
}
