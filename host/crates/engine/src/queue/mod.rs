//! The bounded queue before every transform and sink.
//!
//! The bound is in bytes and covers the backlog as well as what the reader has received and not
//! acknowledged, so that a sink which holds batches cannot exceed it. In memory these are bytes of
//! payload; a queue on disk stores batches in a [spool](dataserver_spool), of which the first part
//! is in memory too.

mod backlog;
mod conflate;
mod delivery;
mod disk;
mod memory;
mod push;
mod recv;

use std::{
    io,
    path::Path,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use dataserver_config::{Buffer, BufferKind, WhenFull};
use dataserver_spool::{Finding, RecoveryReport, Spool, Unacknowledged};

use self::{
    backlog::{Backlog, Purged},
    disk::{DiskBacklog, WINDOW_BYTES},
    memory::MemoryBacklog,
};

pub use self::{
    delivery::{Delivery, Size, total_size},
    recv::{ReadLimits, Recv},
};

/// Pause before a disk that failed is tried again.
const DISK_RETRY_PAUSE: Duration = Duration::from_millis(500);

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

    /// What waits for the reader, without what it has received and not acknowledged.
    pub fn waiting(&self) -> Size {
        self.lock().backlog.total()
    }

    /// When a source gave the oldest batch that waits in memory, microseconds since 1970 UTC.
    pub fn oldest_us(&self) -> Option<i64> {
        let state = self.lock();
        let oldest = state.backlog.window().batches.front()?.batch.provenance().received_at_us;
        (oldest > 0).then_some(oldest)
    }

    /// Syncs what is due, for a reader that takes nothing.
    pub fn sync(&self) {
        self.sync_if_idle(self.lock());
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

    fn fault(&self, state: &mut State, error: &io::Error) {
        state.faulty = true;
        if let Some(hooks) = &self.hooks {
            hooks.note_disk(Some(&error.to_string()));
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

impl State {
    fn max_memory(&self) -> u64 {
        match self.settings.kind {
            BufferKind::Memory => self.settings.max_bytes,
            BufferKind::Disk => self.settings.max_bytes.min(WINDOW_BYTES),
        }
    }
}

#[cfg(test)]
mod tests;
