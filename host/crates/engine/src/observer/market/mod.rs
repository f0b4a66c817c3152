//! The newest quote of each security, whichever source it came from.

mod board;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use plugin_api::{
    Batch,
    schemas::stray::{Feed, Stamp, Verdict},
};

use self::board::Board;
use super::{Key, Minute, Quote};

pub use board::Watch;

/// When nothing has come from a source for so long, what nothing refutes is believed.
const QUIET: Duration = Duration::from_secs(10);

/// A quote with its names.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedQuote {
    /// The security.
    pub key: Key,
    /// Its name; empty when no source gave one.
    pub name: Arc<str>,
    /// Id of the source.
    pub source: Arc<str>,
    /// The quote.
    pub quote: Quote,
}

/// The day of a security so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Day {
    /// Year, month and day on the exchange's calendar.
    pub date: (i32, u32, u32),
    /// Close of the day before, CNY; 0 when it is not known.
    pub prev_close: f64,
    /// The minutes in which there were quotes, in order.
    pub minutes: Vec<Minute>,
}

/// All securities that were seen.
#[derive(Debug, Default)]
pub struct Market {
    board: Board,
    by_source: HashMap<Arc<str>, Source>,
}

impl Market {
    /// Takes the quotes of a batch from that source.
    pub fn take(&mut self, source: &Arc<str>, batch: &Batch, now: Instant) {
        self.board.begin();
        let known = self.by_source.entry(Arc::clone(source));
        let known = known.or_insert_with(|| Source::new(source, now));
        known.take(&mut self.board, batch, now);
    }

    /// Settles what waits of sources from which nothing has come for long.
    pub fn settle(&mut self, now: Instant) {
        let is_quiet = |it: &Source| {
            !it.feed.held().is_empty() && now.saturating_duration_since(it.last) >= QUIET
        };
        for source in self.by_source.values_mut().filter(|it| is_quiet(it)) {
            self.board.begin();
            source.feed.end();
            source.believe_released(&mut self.board);
        }
    }

    /// Forgets what is known of sources that are gone; their quotes stay.
    pub fn retain_sources(&mut self, is_there: impl Fn(&str) -> bool) {
        self.by_source.retain(|id, _| is_there(id));
    }

    /// The newest quote of a security.
    pub fn quote(&self, key: &Key) -> Option<NamedQuote> {
        self.board.quote(key)
    }

    /// The day of a security.
    pub fn day(&self, key: &Key) -> Option<Day> {
        self.board.day(key)
    }

    /// What a watch has not seen yet.
    pub fn changed(&self, watch: &mut Watch) -> Vec<NamedQuote> {
        self.board.changed(watch)
    }

    /// All securities with their names.
    pub fn names(&self) -> Vec<(Key, Arc<str>)> {
        self.board.names()
    }

    /// Grows with each new security and each new name.
    pub fn names_revision(&self) -> u64 {
        self.board.names_revision()
    }
}

/// What is known of the quotes of one source.
#[derive(Debug)]
struct Source {
    id: Arc<str>,
    /// Which of its times are believed; by the places of securities.
    feed: Feed<u32, Quote>,
    /// Time of the newest believed quote, by place; [`NEVER`] where there is none.
    latest_us: Vec<i64>,
    /// When the last batch came.
    last: Instant,
}

/// Stands for a time that is not known.
const NEVER: i64 = i64::MIN;

impl Source {
    fn new(id: &Arc<str>, now: Instant) -> Self {
        Self { id: Arc::clone(id), feed: Feed::default(), latest_us: Vec::new(), last: now }
    }

    fn take(&mut self, board: &mut Board, batch: &Batch, now: Instant) {
        self.last = now;
        let received_us = batch.provenance().received_at_us;
        for spot in batch.spots().iter() {
            let Some(place) = board.place(&spot) else { continue };
            self.judge(board, place, Quote::of(&spot, received_us), received_us);
        }
        self.feed.settle();
        self.believe_released(board);
    }

    fn judge(&mut self, board: &mut Board, place: u32, quote: Quote, received_us: i64) {
        let time_us = quote.time_us;
        if time_us == 0 {
            // only the order tells
            return board.show(place, &self.id, quote);
        }
        let latest_us = Some(self.latest_us(place)).filter(|it| *it != NEVER);
        let stamp = Stamp { time_us, received_us, latest_us, counts: true };
        match self.feed.judge(&place, &stamp) {
            Verdict::Believed => {
                self.believe_released(board);
                self.believe(board, place, quote, false);
            }
            verdict => {
                board.propose(place, &self.id, &quote);
                self.feed.hold(place, stamp, verdict, quote);
            }
        }
    }

    fn believe_released(&mut self, board: &mut Board) {
        for held in self.feed.released() {
            self.believe(board, held.key, held.quote, held.is_behind);
        }
    }

    /// Shows a quote, unless it came late. `is_behind`: it was confirmed although it is older, as
    /// the feed has begun anew.
    fn believe(&mut self, board: &mut Board, place: u32, quote: Quote, is_behind: bool) {
        if quote.time_us < self.latest_us(place) && !is_behind {
            return;
        }
        let at = place as usize;
        if self.latest_us.len() <= at {
            self.latest_us.resize(at + 1, NEVER);
        }
        self.latest_us[at] = quote.time_us;
        board.show(place, &self.id, quote);
    }

    fn latest_us(&self, place: u32) -> i64 {
        self.latest_us.get(place as usize).copied().unwrap_or(NEVER)
    }
}
