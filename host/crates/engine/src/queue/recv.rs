//! Receiving batches, and what a reader makes of them: acknowledged, split or put back.

use std::{
    sync::{MutexGuard, PoisonError},
    time::Duration,
};

use super::{DISK_RETRY_PAUSE, Delivery, Queue, Size, State, total_size};

/// Result of [`Queue::recv`].
#[derive(Debug)]
pub enum Recv {
    /// At least one batch.
    Batches(Vec<Delivery>),
    /// Nothing within the timeout.
    Empty,
    /// Nothing, and a writer is blocked: the reader should flush what it holds.
    FlushRequested,
    /// Nothing, and something else is to be seen to: [`interrupt`](Queue::interrupt).
    Interrupted,
    /// Every writer is gone and the queue is empty.
    Closed,
    /// The reader is [detached](Queue::detach_reader).
    Detached,
}

/// How much a reader receives at once.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimits {
    /// Batches are joined up to so many records.
    pub max_records: u64,
    /// How long the first batch waits for more.
    pub max_wait: Duration,
    /// Longest wait for a first batch.
    pub timeout: Duration,
}

impl Queue {
    /// Receives the next batches, waiting for them.
    ///
    /// They count against the bound until they are [acknowledged](Self::ack).
    pub fn recv(&self, limits: ReadLimits) -> Recv {
        let state = self.lock();
        let (mut state, _) = self
            .readable
            .wait_timeout_while(state, limits.timeout, |state| {
                state.backlog.is_empty()
                    && !state.writer_blocked
                    && state.writers > 0
                    && !state.aborted
                    && !state.detached
                    && !state.interrupted
            })
            .unwrap_or_else(PoisonError::into_inner);
        if state.detached && !state.aborted {
            return Recv::Detached;
        }
        let interrupted = std::mem::take(&mut state.interrupted);
        if state.backlog.is_empty() {
            return if state.writers == 0 || state.aborted {
                Recv::Closed
            } else if interrupted {
                Recv::Interrupted
            } else if std::mem::take(&mut state.writer_blocked) {
                Recv::FlushRequested
            } else {
                self.sync_if_idle(state);
                Recv::Empty
            };
        }
        // what is there goes first, and whoever asks waits for no more
        if !limits.max_wait.is_zero() && !interrupted {
            (state, _) = self
                .readable
                .wait_timeout_while(state, limits.max_wait, |state| {
                    let backlog = state.backlog.total();
                    backlog.records < limits.max_records
                        && backlog.bytes < state.max_memory() / 2
                        && !state.writer_blocked
                        && !state.detached
                        && !state.interrupted
                        && state.writers > 0
                        && !state.aborted
                })
                .unwrap_or_else(PoisonError::into_inner);
            state.interrupted = false;
        }
        self.take_some(state, limits.max_records)
    }

    fn take_some(&self, mut state: MutexGuard<'_, State>, max_records: u64) -> Recv {
        if state.backlog.needs_refill() {
            let refilled = state.backlog.refill();
            self.report_findings(&mut state);
            if let Err(error) = refilled {
                self.fault(&mut state, &error);
            }
            if state.backlog.window().batches.is_empty() {
                // the disk fails, or the next batches have yet to be resent
                if state.writers == 0 && self.is_stopping() {
                    return Recv::Closed;
                }
                let _pause = self.readable.wait_timeout(state, DISK_RETRY_PAUSE);
                return Recv::Empty;
            }
        }
        let max_bytes = state.max_memory() / 2;
        let taken = state.take_up_to(max_records, max_bytes);
        if let Err(error) = state.backlog.offer(&taken) {
            self.fault(&mut state, &error);
        }
        if taken.is_empty() { Recv::Empty } else { Recv::Batches(taken) }
    }

    /// Puts batches that a reader received and cannot finish back to the front.
    pub fn requeue(&self, deliveries: Vec<Delivery>) {
        let mut state = self.lock();
        state.unacked = state.unacked - total_size(&deliveries);
        if state.aborted {
            return;
        }
        state.backlog.window_mut().requeue_front(deliveries);
        self.readable.notify_one();
    }

    /// Notes that a batch was split in two, each to be acknowledged by itself.
    pub fn split(&self, number: u64) {
        self.lock().backlog.split(number);
    }

    /// Acknowledges received batches by their numbers.
    pub fn ack(&self, numbers: &[u64], size: Size) {
        let mut state = self.lock();
        state.unacked = state.unacked - size;
        state.writer_blocked = false;
        match state.backlog.commit(numbers) {
            Ok(()) => {}
            Err(error) => self.fault(&mut state, &error),
        }
        self.writable.notify_all();
    }

    /// Syncs what is due while the reader is idle.
    pub(super) fn sync_if_idle(&self, mut state: MutexGuard<'_, State>) {
        let due = state.backlog.sync_due();
        drop(state);
        if let Some(Err(error)) = due.map(|file| file.sync_data()) {
            self.fault(&mut self.lock(), &error);
        }
    }

    fn report_findings(&self, state: &mut State) {
        let findings = state.backlog.take_findings();
        let Some(hooks) = self.hooks.as_ref().filter(|_| !findings.is_empty()) else {
            return;
        };
        findings.iter().for_each(|finding| hooks.note_damage(finding));
        hooks.set_damage(state.backlog.unacknowledged().unwrap_or_default());
    }
}

impl State {
    fn take_up_to(&mut self, max_records: u64, max_bytes: u64) -> Vec<Delivery> {
        let group = self.backlog.group();
        let window = self.backlog.window_mut();
        let (mut batches, mut size) = (Vec::new(), Size::default());
        while let Some(next) = window.batches.front() {
            let with_next = size + next.size();
            let is_full = match group {
                Some(length) => batches.len() >= length,
                None => with_next.records > max_records || with_next.bytes > max_bytes,
            };
            if !batches.is_empty() && is_full {
                break;
            }
            batches.extend(window.pop());
            size = with_next;
        }
        self.unacked = self.unacked + size;
        batches
    }
}
