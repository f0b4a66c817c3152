//! The bounded queue before every transform and sink.
//!
//! Its bound is in bytes of payload and covers what waits as well as what the reader has taken and
//! not yet let go, so that a sink which holds batches back cannot grow beyond it.

mod conflate;

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use plugin_api::Batch;

use crate::{
    ack::Receipt,
    config::{Buffer, WhenFull},
};

/// A writer that waits says so this often.
const TELL_BLOCKED: Duration = Duration::from_secs(1);

/// A batch on its way, with the duty to say what became of it.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The records.
    pub batch: Batch,
    /// Settled by whoever is done with it.
    pub receipt: Receipt,
}

impl Delivery {
    fn bytes(&self) -> u64 {
        self.batch.payload().len() as u64
    }
}

/// What a reader gets.
#[derive(Debug)]
pub enum Taken {
    /// At least one batch.
    Batches(Vec<Delivery>),
    /// Nothing within the time given.
    Nothing,
    /// Nothing, while a writer found no room beside what the reader has not let go of.
    Wanted,
    /// Nothing any more: every writer is gone.
    Closed,
}

/// How much a reader wants at once.
#[derive(Debug, Clone, Copy)]
pub struct Appetite {
    /// Batches are joined up to so many records.
    pub max_records: u64,
    /// A first batch waits so long for more.
    pub max_wait: Duration,
    /// Longest wait for a first batch.
    pub timeout: Duration,
}

/// How full a queue is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fill {
    /// Records that wait or are not let go.
    pub records: u64,
    /// Bytes of payload that wait or are not let go.
    pub bytes: u64,
}

/// A queue with any number of writers and one reader.
#[derive(Debug)]
pub struct Queue {
    settings: Buffer,
    state: Mutex<State>,
    /// A reader waits: something came, or all writers are gone.
    readable: Condvar,
    /// A writer waits: something was let go.
    writable: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Delivery>,
    waiting_fill: Fill,
    taken: Fill,
    /// A writer found no room since the reader last let go of something.
    pressed: bool,
    /// Records that the end of the queue cost.
    lost: u64,
    writers: usize,
    aborted: bool,
}

impl Queue {
    /// A queue without writers; it counts as closed until the first is added.
    pub fn new(settings: Buffer) -> Self {
        Self {
            settings,
            state: Mutex::default(),
            readable: Condvar::new(),
            writable: Condvar::new(),
        }
    }

    /// The bound in bytes.
    pub fn max_bytes(&self) -> u64 {
        self.settings.max_bytes
    }

    /// The name under which `records_dropped_total` counts what the bound costs.
    pub fn rule(&self) -> &'static str {
        match self.settings.when_full {
            WhenFull::Block => "block",
            WhenFull::DropOldest => "drop_oldest",
            WhenFull::DropNewest => "drop_newest",
            WhenFull::Latest => "latest",
        }
    }

    /// How full the queue is.
    pub fn fill(&self) -> Fill {
        let state = self.lock();
        Fill {
            records: state.waiting_fill.records + state.taken.records,
            bytes: state.waiting_fill.bytes + state.taken.bytes,
        }
    }

    /// Announces a writer.
    pub fn add_writer(&self) {
        self.lock().writers += 1;
    }

    /// Takes back an announcement; without writers the reader gets what is left and then the end.
    pub fn remove_writer(&self) {
        let mut state = self.lock();
        state.writers = state.writers.saturating_sub(1);
        if state.writers == 0 {
            self.readable.notify_all();
        }
    }

    /// Ends everything at once: writers and reader return, what waits is dropped unsettled.
    pub fn abort(&self) {
        let mut state = self.lock();
        state.aborted = true;
        state.lost += state.waiting_fill.records;
        state.waiting.clear();
        state.waiting_fill = Fill::default();
        self.readable.notify_all();
        self.writable.notify_all();
    }

    /// Adds a batch, by the queue's rule for when it is full.
    ///
    /// A batch larger than the bound is let in when nothing else is there. Returns the records that
    /// the rule dropped; `blocked` hears now and then for how much longer the writer has waited.
    pub fn push(&self, delivery: Delivery, blocked: &dyn Fn(Duration)) -> u64 {
        let mut state = self.lock();
        let mut dropped = 0;
        if !state.aborted && !self.has_room(&state, &delivery) {
            state.pressed = true;
            // a reader that collects, or holds back what it took, makes room
            self.readable.notify_one();
            match self.settings.when_full {
                WhenFull::Block => state = self.wait_for_room(state, &delivery, blocked),
                WhenFull::DropNewest => return drop_one(delivery),
                WhenFull::DropOldest => {
                    if state.taken.bytes > 0 && !self.fits(state.taken.bytes, &delivery) {
                        return drop_one(delivery);
                    }
                    while !self.has_room(&state, &delivery) {
                        dropped += state.pop().map_or(0, drop_one);
                    }
                }
                WhenFull::Latest => return self.conflate(&mut state, delivery),
            }
        }
        if state.aborted {
            // not settled: it was not delivered, and no rule of the user's dropped it
            state.lost += u64::from(delivery.batch.records());
        } else {
            state.append(delivery);
            self.readable.notify_one();
        }
        dropped
    }

    fn wait_for_room<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        delivery: &Delivery,
        blocked: &dyn Fn(Duration),
    ) -> MutexGuard<'a, State> {
        let mut since = Instant::now();
        while !state.aborted && !self.has_room(&state, delivery) {
            state.pressed = true;
            self.readable.notify_one();
            let waited = self.writable.wait_timeout(state, TELL_BLOCKED);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            blocked(since.elapsed());
            since = Instant::now();
        }
        state
    }

    /// Keeps the newest quotes; what cannot be made smaller goes, oldest first, but for the last.
    fn conflate(&self, state: &mut State, delivery: Delivery) -> u64 {
        let mut all: Vec<_> = state.waiting.drain(..).collect();
        all.push(delivery);
        let before = fill_of(&all).records;
        let kept = conflate::newest_per_symbol(all);
        state.waiting_fill = fill_of(&kept);
        state.waiting = kept.into();
        let mut dropped = before - state.waiting_fill.records;
        while state.waiting.len() > 1
            && state.waiting_fill.bytes + state.taken.bytes > self.settings.max_bytes
        {
            dropped += state.pop().map_or(0, drop_one);
        }
        dropped
    }

    /// Takes the next batches, waiting for them.
    ///
    /// They count against the bound until they are [let go](Self::release).
    pub fn take(&self, appetite: Appetite) -> Taken {
        let state = self.lock();
        let (mut state, _) = self
            .readable
            .wait_timeout_while(state, appetite.timeout, |state| {
                state.waiting.is_empty() && !state.pressed && state.writers > 0 && !state.aborted
            })
            .unwrap_or_else(PoisonError::into_inner);
        if state.waiting.is_empty() {
            return if state.writers == 0 || state.aborted {
                Taken::Closed
            } else if std::mem::take(&mut state.pressed) {
                Taken::Wanted
            } else {
                Taken::Nothing
            };
        }
        if !appetite.max_wait.is_zero() {
            (state, _) = self
                .readable
                .wait_timeout_while(state, appetite.max_wait, |state| {
                    state.waiting_fill.records < appetite.max_records
                        && state.waiting_fill.bytes < self.settings.max_bytes / 2
                        && !state.pressed
                        && state.writers > 0
                        && !state.aborted
                })
                .unwrap_or_else(PoisonError::into_inner);
        }
        Taken::Batches(state.take_up_to(appetite.max_records, self.settings.max_bytes / 2))
    }

    /// Lets go of batches that were taken.
    pub fn release(&self, fill: Fill) {
        let mut state = self.lock();
        state.taken.records = state.taken.records.saturating_sub(fill.records);
        state.taken.bytes = state.taken.bytes.saturating_sub(fill.bytes);
        state.pressed = false;
        self.writable.notify_all();
    }

    /// Whether every writer is gone and everything that came was let go of.
    pub fn is_finished(&self) -> bool {
        let state = self.lock();
        state.writers == 0 && state.waiting.is_empty() && state.taken == Fill::default()
    }

    /// Records that came in and were not delivered, once writers and reader have ended.
    pub fn undelivered(&self) -> u64 {
        let state = self.lock();
        state.lost + state.waiting_fill.records + state.taken.records
    }

    fn has_room(&self, state: &State, delivery: &Delivery) -> bool {
        let used = state.waiting_fill.bytes + state.taken.bytes;
        used == 0 || self.fits(used, delivery)
    }

    fn fits(&self, used: u64, delivery: &Delivery) -> bool {
        used + delivery.bytes() <= self.settings.max_bytes
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records and bytes of some batches.
pub fn fill_of(deliveries: &[Delivery]) -> Fill {
    deliveries.iter().fold(Fill::default(), |fill, delivery| Fill {
        records: fill.records + u64::from(delivery.batch.records()),
        bytes: fill.bytes + delivery.bytes(),
    })
}

/// Dropping by the queue's rule is what the user asked for, so the source need not wait for it.
fn drop_one(delivery: Delivery) -> u64 {
    let dropped = u64::from(delivery.batch.records());
    delivery.receipt.settle();
    dropped
}

impl State {
    fn append(&mut self, delivery: Delivery) {
        self.waiting_fill.records += u64::from(delivery.batch.records());
        self.waiting_fill.bytes += delivery.bytes();
        self.waiting.push_back(delivery);
    }

    fn pop(&mut self) -> Option<Delivery> {
        let delivery = self.waiting.pop_front()?;
        self.waiting_fill.records -= u64::from(delivery.batch.records());
        self.waiting_fill.bytes -= delivery.bytes();
        Some(delivery)
    }

    fn take_up_to(&mut self, max_records: u64, max_bytes: u64) -> Vec<Delivery> {
        let (mut batches, mut fill) = (Vec::new(), Fill::default());
        while let Some(next) = self.waiting.front() {
            let records = fill.records + u64::from(next.batch.records());
            let bytes = fill.bytes + next.bytes();
            if !batches.is_empty() && (records > max_records || bytes > max_bytes) {
                break;
            }
            batches.extend(self.pop());
            fill = Fill { records, bytes };
        }
        self.taken.records += fill.records;
        self.taken.bytes += fill.bytes;
        batches
    }
}

#[cfg(test)]
mod tests;
