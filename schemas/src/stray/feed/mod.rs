//! The time of a feed of many securities.

mod release;

use std::{borrow::Borrow, hash::Hash};

use super::{
    ENOUGH, LATE_US, STEP_US, Stamp, Verdict, chain, is_step,
    waiting::{Fate, Held, Waiting},
};
use crate::time::ExchangeTime;

/// Candidates that confirm a jump while nothing is known.
const ENOUGH_AT_START: usize = 3;
/// Candidates that are believed while nothing is known, though they only repeat each other: after the
/// close a short list is answered with the same quotes again and again.
pub(super) const ENOUGH_REPEATED: usize = 10;
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
pub(super) const MAX_HELD: usize = 4_096;

/// The time of a feed of many securities.
#[derive(Debug)]
pub struct Feed<K, Q> {
    market: Market,
    waiting: Waiting<K, Q>,
    released: Vec<Held<K, Q>>,
    /// Something was held since candidates were compared.
    is_changed: bool,
    strays: u64,
}

/// What is known of the time of all.
#[derive(Debug, Default)]
struct Market {
    /// Time of the newest believed quote.
    newest_us: Option<i64>,
    /// It was received when it was made.
    is_live: bool,
}

impl Market {
    /// Moves what is known.
    fn note(&mut self, stamp: &Stamp) {
        if self.newest_us.is_none_or(|newest_us| stamp.time_us >= newest_us) {
            self.newest_us = Some(stamp.time_us);
            self.is_live = stamp.is_received_in_time();
        }
    }
}

impl<K, Q> Default for Feed<K, Q> {
    fn default() -> Self {
        Self {
            market: Market::default(),
            waiting: Waiting::default(),
            released: Vec::new(),
            is_changed: false,
            strays: 0,
        }
    }
}

impl<K: Clone + Eq + Hash, Q> Feed<K, Q> {
    /// A feed that goes on from what another instance knew.
    pub fn restored(newest_us: Option<i64>, is_live: bool, held: Vec<Held<K, Q>>) -> Self {
        let mut waiting = Waiting::default();
        held.into_iter().for_each(|held| waiting.add(held));
        let market = Market { newest_us, is_live };
        Self { market, waiting, is_changed: true, ..Self::default() }
    }

    /// Time of the newest believed quote of all, microseconds since 1970 UTC.
    pub fn newest_us(&self) -> Option<i64> {
        self.market.newest_us
    }

    /// Whether that quote was received when it was made.
    pub fn is_live(&self) -> bool {
        self.market.is_live
    }

    /// The quotes that wait, in the order of arrival.
    pub fn held(&self) -> &[Held<K, Q>] {
        self.waiting.held()
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
        B: Eq + Hash + ?Sized,
    {
        let verdict = self.verdict(stamp);
        if verdict != Verdict::Believed {
            return verdict;
        }
        if self.waiting.count_ahead(key) > 0 {
            // about a quote of its security that waits it says nothing: their order stays as it is
            if !stamp.is_news() {
                return Verdict::Ahead;
            }
            // its security was seen, so it is not the old quote of one that trades rarely
            let is_old = |newest_us: i64| stamp.time_us < newest_us.saturating_sub(STEP_US);
            if stamp.counts
                && stamp.latest_us.is_none()
                && !stamp.is_received_in_time()
                && self.market.newest_us.is_some_and(is_old)
            {
                return Verdict::Behind;
            }
        }
        if !self.held().is_empty() {
            self.sort_out(key, stamp);
        }
        self.market.note(stamp);
        verdict
    }

    /// Keeps a quote that was judged to be `Ahead` or `Behind` until others confirm or refute it.
    pub fn hold(&mut self, key: K, stamp: Stamp, verdict: Verdict, quote: Q) {
        let is_behind = verdict == Verdict::Behind;
        self.waiting.add(Held::new(key, stamp, is_behind, quote));
        self.is_changed = true;
        if self.held().len().is_multiple_of(MANY_HELD) {
            self.settle();
        }
        if self.held().len() >= MAX_HELD {
            // what is without any order for so long is told from strays by nothing
            let gone = self.held().len().saturating_sub(MAX_HELD / 2);
            self.sift(|_, at, _| if at < gone { Fate::Refuted } else { Fate::Waits });
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
            let is_start = self.market.newest_us.is_none();
            let links = || chain.iter().map(|at| &self.held()[*at]);
            let enough = if is_start { ENOUGH_AT_START } else { ENOUGH };
            // and as many more as speak against them
            let enough = enough + links().map(|it| it.against).max().unwrap_or_default();
            let stamps: Vec<_> = links().map(|it| (&it.key, it.stamp.time_us)).collect();
            let confirmed = chain::confirmed(&stamps, enough, ENOUGH_APART);
            let is_all = is_start && chain.len() == self.held().len();
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
        let today = self.market.newest_us.map(day_of);
        let mut chain = self.longest_chain();
        let day_at = |at: &usize| day_of(self.held()[*at].stamp.time_us);
        while let [before @ .., last] = &chain[..]
            && today.is_some_and(|today| today != day_at(last))
            && before.last().map(day_at) != Some(day_at(last))
        {
            chain.pop();
        }
        self.release_chain(&chain);
        self.release_steps();
        self.sift(|_, _, held| match held.is_behind || held.stamp.is_news() {
            true => Fate::Refuted,
            false => Fate::Released, // it only waited behind another
        });
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
        if stamp.is_received_in_time() && (self.market.is_live || self.market.newest_us.is_none()) {
            return Verdict::Believed;
        }
        match self.market.newest_us {
            Some(newest_us) if is_step(newest_us, time_us) => Verdict::Believed,
            // of a security that trades rarely
            Some(newest_us)
                if time_us < newest_us
                    && (self.market.is_live
                        || latest_us.is_some()
                        || time_us >= newest_us.saturating_sub(LATE_US)) =>
            {
                if_counts(Verdict::Believed)
            }
            Some(newest_us) if time_us < newest_us => if_counts(Verdict::Behind),
            _ => if_counts(Verdict::Ahead),
        }
    }

    /// Lets go of quotes that wait, by what is said of each, with its place.
    fn sift(&mut self, mut judge: impl FnMut(&mut Market, usize, &mut Held<K, Q>) -> Fate) {
        let market = &mut self.market;
        self.strays += self.waiting.sift(&mut self.released, |at, held| judge(market, at, held));
    }
}

fn day_of(time_us: i64) -> i64 {
    ExchangeTime::from_utc_us(time_us).day
}
