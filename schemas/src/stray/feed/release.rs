//! Which of the quotes that wait are believed, and which are strays.

use std::{
    borrow::Borrow,
    collections::{HashMap, HashSet},
    hash::Hash,
};

use super::{Feed, day_of};
use crate::stray::{
    LATE_US, STEP_US, Stamp, chain, is_step,
    waiting::{Fate, Held},
};

impl<K: Clone + Eq + Hash, Q> Feed<K, Q> {
    /// Lets go of the quotes that a believed one speaks about. For a quote ahead of one security those of
    /// another speak only in number, as they may have come late; and so do its own where several wait
    /// close to each other, as after a gap a stray one may be close to what was known before.
    pub(super) fn sort_out<B>(&mut self, key: &B, stamp: &Stamp)
    where
        K: Borrow<B>,
        B: Eq + Hash + ?Sized,
    {
        let is_new = stamp.is_news();
        let own = self.times_ahead(key);
        let is_alone = |time_us| chain::close_to(time_us, &own) <= 1;
        let (mut waiting, mut is_changed) = (HashSet::new(), false);
        self.sift(|market, _, held| {
            if !held.stamp.is_news() && waiting.contains(&held.key) {
                return Fate::Waits;
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
                market.note(&held.stamp);
                return Fate::Released;
            }
            if is_same && (held.is_behind || is_past || speaks && is_alone(held.stamp.time_us)) {
                return Fate::Refuted;
            }
            held.is_behind |= is_past && held.stamp.latest_us.is_none();
            held.against += usize::from(speaks);
            is_changed |= speaks;
            if !held.is_behind {
                waiting.insert(held.key.clone());
            }
            Fate::Waits
        });
        self.is_changed |= is_changed;
    }

    /// The times of the quotes of a security that wait and lie ahead, in order, each once.
    fn times_ahead<B>(&self, key: &B) -> Vec<i64>
    where
        K: Borrow<B>,
        B: Eq + Hash + ?Sized,
    {
        if self.waiting.count_ahead(key) == 0 {
            return Vec::new();
        }
        let own = self.held().iter().filter(|it| it.is_ahead() && it.key.borrow() == key);
        let mut times: Vec<_> = own.map(|it| it.stamp.time_us).collect();
        times.sort_unstable();
        times.dedup();
        times
    }

    /// Lets go of the quotes ahead that at least as many others speak against as for.
    pub(super) fn drop_refuted(&mut self) {
        let ahead = self.held().iter().filter(|it| !it.is_behind);
        // one that comes again says nothing more
        let differ: HashSet<_> = ahead.map(|it| (&it.key, it.stamp.time_us)).collect();
        let mut times: Vec<_> = differ.into_iter().map(|(_, time_us)| time_us).collect();
        times.sort_unstable();
        self.sift(|_, _, held| {
            let close = || chain::close_to(held.stamp.time_us, &times);
            if held.is_behind || held.against < close() { Fate::Waits } else { Fate::Refuted }
        });
    }

    /// Believes a security whose quotes lie behind again and again, as its feed began anew; and one
    /// that was not seen before and goes on today or says the same once more, as it trades rarely.
    pub(super) fn release_behind(&mut self, enough: usize) {
        let mut by_key: HashMap<&K, (bool, Vec<i64>)> = HashMap::new();
        for held in self.held().iter().filter(|it| it.is_behind) {
            let is_first = held.stamp.latest_us.is_none();
            by_key.entry(&held.key).or_insert((is_first, Vec::new())).1.push(held.stamp.time_us);
        }
        if by_key.is_empty() {
            return;
        }
        let today = self.newest_us().map(day_of);
        let is_today = |time_us: &i64| today == Some(day_of(*time_us));
        let confirmed: HashSet<&K> = by_key
            .into_iter()
            .filter(|(key, (is_first, times))| {
                let is_same = || times.iter().all(|it| *it == times[0]);
                let agree =
                    times.iter().all(is_today) || self.waiting.count_ahead(*key) == 0 && is_same();
                let is_repeated =
                    *is_first && agree && chain::is_in_order(times) && times.len() > 1;
                is_repeated || chain::in_a_row(times) >= enough
            })
            .map(|(key, _)| key)
            .collect();
        let is_confirmed: Vec<_> =
            self.held().iter().map(|it| it.is_behind && confirmed.contains(&it.key)).collect();
        self.sift(|market, at, held| {
            if !is_confirmed[at] {
                return Fate::Waits;
            }
            if held.stamp.latest_us.is_some() {
                market.newest_us = None; // the feed began anew
            }
            market.note(&held.stamp);
            Fate::Released
        });
    }

    /// Places of the quotes ahead that follow each other best.
    pub(super) fn longest_chain(&self) -> Vec<usize> {
        let held = self.held();
        let is_candidate =
            |it: &Held<K, Q>| it.is_ahead() && !(self.is_live() && it.stamp.is_early());
        let places: Vec<_> = (0..held.len()).filter(|at| is_candidate(&held[*at])).collect();
        let mut seen = HashSet::new();
        let stamps = places.iter().map(|at| {
            let Held { key, stamp, .. } = &held[*at];
            (stamp.time_us, seen.insert((key, stamp.time_us)))
        });
        let stamps: Vec<_> = stamps.collect();
        chain::longest(&stamps).into_iter().map(|at| places[at]).collect()
    }

    /// Believes a chain, and what came before its end and may have come late, or is of a security that
    /// trades rarely; the rest of that is refuted.
    pub(super) fn release_chain(&mut self, chain: &[usize]) {
        let Some(&end) = chain.last() else { return };
        let end_us = self.held()[end].stamp.time_us;
        let mut chain = chain.iter().peekable();
        let mut latest: HashMap<K, i64> = HashMap::new();
        self.sift(|market, at, held| {
            let time_us = held.stamp.time_us;
            let latest_us = latest.get(&held.key).copied().or(held.stamp.latest_us);
            let is_past = time_us <= end_us;
            let is_late = is_past && latest_us.is_some_and(|it| time_us >= it - LATE_US);
            let is_link = chain.next_if(|it| **it == at).is_some();
            if is_link || (at < end && !held.is_behind && is_late) {
                latest.insert(held.key.clone(), latest_us.map_or(time_us, |it| it.max(time_us)));
                market.note(&held.stamp);
                Fate::Released
            } else if at > end || held.is_behind {
                Fate::Waits
            } else if is_past && latest_us.is_none() {
                held.is_behind = true; // until it comes again
                Fate::Waits
            } else {
                Fate::Refuted
            }
        });
    }

    /// Believes, in the order of arrival, what goes on from what has just been confirmed, as it would
    /// be believed if it came now.
    pub(super) fn release_steps(&mut self) {
        self.sift(|market, _, held| {
            let goes_on = |known_us| is_step(known_us, held.stamp.time_us);
            if !held.is_behind && market.newest_us.is_some_and(goes_on) {
                market.note(&held.stamp);
                Fate::Released
            } else {
                Fate::Waits
            }
        });
    }
}
