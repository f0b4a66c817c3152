//! The bounded queue before every transform and sink.
//!
//! The bound is in bytes and covers the backlog as well as what the reader has received and not
//! acknowledged, so that a sink which holds batches cannot exceed it. In memory these are bytes of
//! payload; a queue on disk stores batches in a [spool](dataserver_spool), of which the first part
//! is in memory too.

mod backlog;
mod conflate;
mod disk;
mod memory;

use std::{
    fs::File,
    io,
    ops::{Add, Sub},
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use dataserver_config::{Buffer, BufferKind, WhenFull};
use dataserver_spool::{Finding, RecoveryReport, Spool, Unacknowledged};
use plugin_api::Batch;

use self::{
    backlog::{Added, Backlog, Purged},
    disk::{DiskBacklog, WINDOW_BYTES},
    memory::MemoryBacklog,
};
use crate::ack::Receipt;

/// Interval at which a blocked writer reports its wait.
const BLOCKED_REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Pause before a disk that failed is tried again.
const DISK_RETRY_PAUSE: Duration = Duration::from_millis(500);

/// A batch in flight, with its receipt.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The records.
    pub batch: Batch,
    /// Acknowledged when the batch is done with.
    pub receipt: Receipt,
}

impl Delivery {
    fn bytes(&self) -> u64 {
        self.batch.payload().len() as u64
    }

    /// Its share of a queue.
    pub fn size(&self) -> Size {
        Size { records: u64::from(self.batch.records()), bytes: self.bytes() }
    }
}

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

/// Records and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Records.
    pub records: u64,
    /// Bytes of payload.
    pub bytes: u64,
}

impl Add for Size {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { records: self.records + other.records, bytes: self.bytes + other.bytes }
    }
}

impl Sub for Size {
    type Output = Self;

    /// Saturates at zero.
    fn sub(self, other: Self) -> Self {
        Self {
            records: self.records.saturating_sub(other.records),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }
}

/// Events of a queue on disk, and the state of its host.
pub trait DiskHooks: Send + Sync {
    /// The disk fails, or works again (`None`).
    fn note_disk(&self, fault: Option<&str>);

    /// Something in the spool was found to be damaged.
    fn note_damage(&self, finding: &Finding);

    /// Damage that is not acknowledged, in total.
    fn set_damage(&self, damage: Unacknowledged);

    /// Whether writers end because of a shutdown, and not because their input has ended.
    fn is_stopping(&self) -> bool;
}

/// A queue with any number of writers, and one reader or several that share the work.
pub struct Queue {
    kind: BufferKind,
    state: Mutex<State>,
    /// Wakes readers: a batch was added, or all writers are gone.
    readable: Condvar,
    /// Wakes writers: batches were acknowledged.
    writable: Condvar,
    /// None for a queue in memory.
    hooks: Option<Box<dyn DiskHooks>>,
}

#[derive(Debug)]
struct State {
    settings: Buffer,
    backlog: Box<dyn Backlog>,
    unacked: Size,
    /// A writer was blocked since the last acknowledgement.
    writer_blocked: bool,
    /// The disk failed when it was last used.
    faulty: bool,
    /// Records lost at the end of the queue.
    lost: u64,
    /// What was on disk at the end of the queue.
    kept: Size,
    writers: usize,
    aborted: bool,
    /// Readers get nothing until the next one is attached.
    detached: bool,
    /// A reader that waits for a first batch is to come back.
    interrupted: bool,
    /// Writers do not block: the reader is about to be removed.
    unbounded: bool,
}

impl Queue {
    /// A queue in memory; it counts as closed until the first writer is added.
    pub fn in_memory(settings: Buffer) -> Self {
        Self::new(settings, Box::<MemoryBacklog>::default(), None)
    }

    /// A queue in that folder, with the backlog of earlier runs.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn on_disk(
        settings: Buffer,
        folder: &Path,
        hooks: Box<dyn DiskHooks>,
    ) -> io::Result<(Self, RecoveryReport)> {
        let (spool, found) = Spool::open(folder, settings.max_bytes)?;
        found.damage.iter().for_each(|finding| hooks.note_damage(finding));
        hooks.set_damage(spool.unacknowledged());
        let unread = Size { records: found.records, bytes: found.bytes };
        let backlog = Box::new(DiskBacklog::new(spool, unread));
        Ok((Self::new(settings, backlog, Some(hooks)), found))
    }

    fn new(settings: Buffer, backlog: Box<dyn Backlog>, hooks: Option<Box<dyn DiskHooks>>) -> Self {
        let state = State {
            settings,
            backlog,
            unacked: Size::default(),
            writer_blocked: false,
            faulty: false,
            lost: 0,
            kept: Size::default(),
            writers: 0,
            aborted: false,
            detached: false,
            interrupted: false,
            unbounded: false,
        };
        Self {
            kind: settings.kind,
            state: Mutex::new(state),
            readable: Condvar::new(),
            writable: Condvar::new(),
            hooks,
        }
    }

    /// The bound in bytes.
    pub fn max_bytes(&self) -> u64 {
        self.lock().settings.max_bytes
    }

    /// Bytes of payload that may be in memory.
    pub fn max_memory(&self) -> u64 {
        self.lock().max_memory()
    }

    /// Whether the backlog survives the process.
    pub fn is_on_disk(&self) -> bool {
        self.kind == BufferKind::Disk
    }

    /// The reason under which `records_dropped_total` counts what the bound costs.
    pub fn rule(&self) -> &'static str {
        match self.lock().settings.when_full {
            WhenFull::Block => "block",
            WhenFull::DropOldest => "drop_oldest",
            WhenFull::DropNewest => "drop_newest",
            WhenFull::Latest => "latest",
        }
    }

    /// How full the queue is.
    pub fn size(&self) -> Size {
        let state = self.lock();
        state.backlog.total() + state.unacked
    }

    /// Applies another bound and rule; the backlog stays.
    pub fn configure(&self, settings: Buffer) {
        let mut state = self.lock();
        state.settings = Buffer { kind: self.kind, ..settings };
        state.backlog.set_max_bytes(settings.max_bytes);
        self.readable.notify_all();
        self.writable.notify_all();
    }

    /// Detaches the reader: it gets nothing more until [`attach_reader`](Self::attach_reader).
    pub fn detach_reader(&self) {
        self.lock().detached = true;
        self.readable.notify_all();
    }

    /// Attaches a reader again.
    pub fn attach_reader(&self) {
        self.lock().detached = false;
    }

    /// Lets a reader that waits for a first batch come back at once, or the next one that would wait.
    pub fn interrupt(&self) {
        self.lock().interrupted = true;
        self.readable.notify_all();
    }

    /// Lifts the bound, so that no writer blocks while the reader is removed; `false` sets it
    /// again.
    pub fn set_unbounded(&self, unbounded: bool) {
        self.lock().unbounded = unbounded;
        self.writable.notify_all();
    }

    /// Waits until the backlog is empty and everything is acknowledged; false on timeout.
    pub fn wait_idle(&self, timeout: Duration) -> bool {
        let is_busy = |state: &mut State| {
            state.backlog.total() + state.unacked != Size::default() && !state.aborted
        };
        let waited = self.writable.wait_timeout_while(self.lock(), timeout, is_busy);
        !is_busy(&mut waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Adds a writer.
    pub fn add_writer(&self) {
        self.lock().writers += 1;
    }

    /// Removes a writer; without writers the reader drains the backlog and sees the end of input.
    pub fn remove_writer(&self) {
        let mut state = self.lock();
        state.writers = state.writers.saturating_sub(1);
        if state.writers == 0 {
            if !self.is_stopping() {
                state.backlog.end_of_input();
            }
            self.readable.notify_all();
        }
    }

    /// Aborts: writers and reader return, the backlog in memory is dropped unacknowledged, what is
    /// on disk stays.
    pub fn abort(&self) {
        self.end(|state, lost| {
            state.lost += lost;
            0
        });
    }

    /// As [`abort`](Self::abort) for a removed component, whose backlog is acknowledged, so that no
    /// source waits for it. Returns the records that are lost.
    pub fn discard(&self) -> u64 {
        self.lock().backlog.ack_all();
        let lost = self.end(|_, lost| lost);
        // a reader that returns late from a call must not write beside its successor
        self.lock().backlog = Box::<MemoryBacklog>::default();
        lost
    }

    fn end(&self, count: impl FnOnce(&mut State, u64) -> u64) -> u64 {
        let mut state = self.lock();
        state.aborted = true;
        let lost = self.purge(&mut state);
        let counted = count(&mut state, lost);
        self.readable.notify_all();
        self.writable.notify_all();
        counted
    }

    /// Drops what is in memory unacknowledged; returns the records that are lost.
    fn purge(&self, state: &mut State) -> u64 {
        let Purged { lost, kept } = state.backlog.purge();
        state.kept = state.kept + kept;
        // a failed sync is tolerable: the batches are in the file
        if let Err(error) = state.backlog.sync() {
            self.fault(state, &error);
        }
        lost
    }

    /// Adds a batch of that writer by the queue's `when_full` rule.
    ///
    /// A batch larger than the bound is accepted when the queue is empty. While the disk fails, the
    /// writer waits; `blocked` gets the time waited since its last call. Returns the records that
    /// the rule dropped.
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
    /// store ends at once on shutdown, while a source may be in the middle of a batch.
    fn add<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        writer: &str,
        mut delivery: Delivery,
        blocked: &dyn Fn(Duration),
    ) -> Option<Arc<File>> {
        while !state.aborted || state.backlog.is_lasting() {
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
        if !limits.max_wait.is_zero() {
            (state, _) = self
                .readable
                .wait_timeout_while(state, limits.max_wait, |state| {
                    let backlog = state.backlog.total();
                    backlog.records < limits.max_records
                        && backlog.bytes < state.max_memory() / 2
                        && !state.writer_blocked
                        && !state.detached
                        && state.writers > 0
                        && !state.aborted
                })
                .unwrap_or_else(PoisonError::into_inner);
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

    /// Reports unacknowledged damage to the hooks, which may have another reader by now.
    pub fn report_damage(&self) {
        if let (Some(hooks), Some(damage)) = (&self.hooks, self.lock().backlog.unacknowledged()) {
            hooks.set_damage(damage);
        }
    }

    /// Acknowledges all damage on disk; returns how much that was.
    ///
    /// # Errors
    /// When the folder of a queue on disk cannot be changed.
    pub fn acknowledge_damage(&self) -> io::Result<Unacknowledged> {
        let damage = self.lock().backlog.acknowledge()?;
        self.report_damage();
        Ok(damage)
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

    /// Whether every writer is gone and everything is acknowledged.
    pub fn is_finished(&self) -> bool {
        let state = self.lock();
        state.writers == 0 && state.backlog.is_empty() && state.unacked == Size::default()
    }

    /// Records that are lost, once writers and reader have ended.
    pub fn undelivered(&self) -> u64 {
        let state = self.lock();
        let in_memory = if self.is_on_disk() { 0 } else { state.backlog.window().size.records };
        let taken = if self.is_on_disk() { 0 } else { state.unacked.records };
        state.lost + in_memory + taken
    }

    /// Records that stay on disk for the next start.
    pub fn kept(&self) -> u64 {
        let state = self.lock();
        if self.is_on_disk() { (state.kept + state.unacked).records } else { 0 }
    }

    /// Syncs what is due while the reader is idle.
    fn sync_if_idle(&self, mut state: MutexGuard<'_, State>) {
        let due = state.backlog.sync_due();
        drop(state);
        if let Some(Err(error)) = due.map(|file| file.sync_data()) {
            self.fault(&mut self.lock(), &error);
        }
    }

    fn has_room(&self, state: &State, writer: &str, delivery: &Delivery) -> bool {
        let used = state.backlog.total() + state.unacked;
        if used == Size::default() || state.unbounded {
            return true;
        }
        state.backlog.has_room(used, state.settings.max_bytes, writer, delivery)
    }

    fn fault(&self, state: &mut State, error: &io::Error) {
        state.faulty = true;
        if let Some(hooks) = &self.hooks {
            hooks.note_disk(Some(&error.to_string()));
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

    fn clear_fault(&self, state: &mut State) {
        if std::mem::take(&mut state.faulty)
            && let Some(hooks) = &self.hooks
        {
            hooks.note_disk(None);
        }
    }

    fn is_stopping(&self) -> bool {
        self.hooks.as_ref().is_some_and(|it| it.is_stopping())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("settings", &self.lock().settings).finish_non_exhaustive()
    }
}

/// Records and bytes of some batches.
pub fn total_size(deliveries: &[Delivery]) -> Size {
    deliveries.iter().fold(Size::default(), |size, delivery| size + delivery.size())
}

/// Acknowledges a batch that the queue's rule drops: the user asked for that, so no source waits.
fn drop_one(delivery: Delivery) -> u64 {
    let dropped = u64::from(delivery.batch.records());
    delivery.receipt.ack();
    dropped
}

impl State {
    fn max_memory(&self) -> u64 {
        match self.settings.kind {
            BufferKind::Memory => self.settings.max_bytes,
            BufferKind::Disk => self.settings.max_bytes.min(WINDOW_BYTES),
        }
    }

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

#[cfg(test)]
mod tests;
