//! Adding batches, by the queue's rule for when it is full.

use std::{
    fs::File,
    sync::{Arc, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use dataserver_config::WhenFull;

use super::{DISK_RETRY_PAUSE, Delivery, Queue, Size, State, backlog::Added, conflate};

/// Interval at which a blocked writer reports its wait.
const BLOCKED_REPORT_INTERVAL: Duration = Duration::from_secs(1);

impl Queue {
    /// Adds a batch of that writer by the queue's `when_full` rule.
    ///
    /// A batch larger than the bound is accepted when the queue is empty. While the disk fails, the
    /// writer waits; `blocked` gets the time waited since its last call, first none. Returns the
    /// records that the rule dropped.
    pub fn push(&self, writer: &str, delivery: Delivery, blocked: &dyn Fn(Duration)) -> u64 {
        let mut state = self.lock();
        if !state.aborted && !self.has_room(&state, writer, &delivery) {
            state.writer_blocked = true;
            // wakes a reader that collects, or holds batches that it could flush
            self.readable.notify_one();
            match state.settings.when_full {
                WhenFull::Block => match self.wait_for_room(state, writer, &delivery, blocked) {
                    Some(waited) => state = waited,
                    // the rule was changed meanwhile
                    None => return self.push(writer, delivery, blocked),
                },
                WhenFull::DropNewest => return drop_one(delivery),
                WhenFull::DropOldest => return self.drop_oldest(&mut state, writer, delivery),
                WhenFull::Latest => return self.conflate(&mut state, writer, delivery),
            }
        }
        let due = self.add(state, writer, delivery, blocked);
        if let Some(Err(error)) = due.map(|file| file.sync_data()) {
            self.fault(&mut self.lock(), &error);
        }
        0
    }

    /// Adds a batch that has room; returns the file that is due to be synced.
    ///
    /// After an abort a disk still takes the writers' last batches: a reader that cannot reach its
    /// store ends at once on shutdown, while a source may be in the middle of a batch. Once it failed
    /// to take one, it takes no later ones either: by their numbers, the one that its source sends
    /// again would count as a duplicate.
    fn add<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        writer: &str,
        mut delivery: Delivery,
        blocked: &dyn Fn(Duration),
    ) -> Option<Arc<File>> {
        while !state.aborted || (state.backlog.is_lasting() && state.lost == 0) {
            let error = match state.backlog.add(writer, delivery) {
                Ok(_) if state.aborted => {
                    self.purge(&mut state);
                    return None;
                }
                Ok(added) => {
                    self.clear_fault(&mut state);
                    if added == Added::Queued {
                        self.readable.notify_one();
                    }
                    return state.backlog.sync_due();
                }
                Err((given_back, error)) => {
                    delivery = given_back;
                    error
                }
            };
            self.fault(&mut state, &error);
            if state.aborted {
                break;
            }
            let since = Instant::now();
            let waited = self.writable.wait_timeout(state, DISK_RETRY_PAUSE);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            blocked(since.elapsed());
        }
        // not acknowledged: it was neither delivered nor dropped by the user's rule
        state.lost += u64::from(delivery.batch.records());
        None
    }

    fn wait_for_room<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        writer: &str,
        delivery: &Delivery,
        blocked: &dyn Fn(Duration),
    ) -> Option<MutexGuard<'a, State>> {
        // tells whom the writer waits for as soon as it does
        blocked(Duration::ZERO);
        let mut since = Instant::now();
        while !state.aborted && !self.has_room(&state, writer, delivery) {
            if state.settings.when_full != WhenFull::Block {
                return None;
            }
            state.writer_blocked = true;
            self.readable.notify_one();
            let waited = self.writable.wait_timeout(state, BLOCKED_REPORT_INTERVAL);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            blocked(since.elapsed());
            since = Instant::now();
        }
        Some(state)
    }

    /// In memory only: makes room for a batch and adds it.
    fn drop_oldest(&self, state: &mut State, writer: &str, delivery: Delivery) -> u64 {
        let unacked = state.unacked.bytes;
        if unacked > 0 && unacked + delivery.bytes() > state.settings.max_bytes {
            return drop_one(delivery);
        }
        let mut dropped = 0;
        while !self.has_room(state, writer, &delivery) {
            dropped += state.backlog.window_mut().pop().map_or(0, drop_one);
        }
        self.add_in_memory(state, writer, delivery);
        dropped
    }

    /// In memory only: keeps the newest quotes; what cannot be conflated is dropped oldest first,
    /// but for the last.
    fn conflate(&self, state: &mut State, writer: &str, delivery: Delivery) -> u64 {
        let before = state.backlog.window().size.records + u64::from(delivery.batch.records());
        self.add_in_memory(state, writer, delivery);
        let window = state.backlog.window_mut();
        let all: Vec<_> = window.batches.drain(..).collect();
        window.replace(conflate::newest_per_symbol(all));
        let mut dropped = before - window.size.records;
        while window.batches.len() > 1
            && window.size.bytes + state.unacked.bytes > state.settings.max_bytes
        {
            dropped += window.pop().map_or(0, drop_one);
        }
        dropped
    }

    fn add_in_memory(&self, state: &mut State, writer: &str, delivery: Delivery) {
        // only a disk can fail
        if state.backlog.add(writer, delivery).is_ok() {
            self.readable.notify_one();
        }
    }

    fn has_room(&self, state: &State, writer: &str, delivery: &Delivery) -> bool {
        let used = state.backlog.total() + state.unacked;
        if used == Size::default() || state.unbounded {
            return true;
        }
        state.backlog.has_room(used, state.settings.max_bytes, writer, delivery)
    }

    fn clear_fault(&self, state: &mut State) {
        if std::mem::take(&mut state.faulty)
            && let Some(hooks) = &self.hooks
        {
            hooks.note_disk(None);
        }
    }
}

/// Acknowledges a batch that the queue's rule drops: the user asked for that, so no source waits.
fn drop_one(delivery: Delivery) -> u64 {
    let dropped = u64::from(delivery.batch.records());
    delivery.receipt.ack();
    dropped
}
