//! The bounded queue before every transform and sink.
//!
//! Its bound is in bytes and covers what waits as well as what the reader has taken and not yet let
//! go, so that a sink which holds batches back cannot grow beyond it. In memory these are bytes of
//! payload; a queue on disk keeps what it has taken in a [spool](dataserver_spool), of which the first
//! part is in memory too.

mod backlog;
mod conflate;

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

use self::backlog::{Added, Backlog, WINDOW_BYTES};
use crate::ack::Receipt;

/// A writer that waits says so this often.
const BLOCKED_REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Pause before a disk that failed is tried again.
const DISK_RETRY_PAUSE: Duration = Duration::from_millis(500);

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

    /// Its share of a queue.
    pub fn size(&self) -> Size {
        Size { records: u64::from(self.batch.records()), bytes: self.bytes() }
    }
}

/// What a reader gets.
#[derive(Debug)]
pub enum Recv {
    /// At least one batch.
    Batches(Vec<Delivery>),
    /// Nothing within the time given.
    Empty,
    /// Nothing, while a writer found no room beside what the reader has not let go of.
    FlushRequested,
    /// Nothing any more: every writer is gone.
    Closed,
    /// Nothing for this reader any more: it is to [leave](Queue::detach_reader).
    Detached,
}

/// How much a reader wants at once.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimits {
    /// Batches are joined up to so many records.
    pub max_records: u64,
    /// A first batch waits so long for more.
    pub max_wait: Duration,
    /// Longest wait for a first batch.
    pub timeout: Duration,
}

/// How full a queue is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Records that wait or are not let go.
    pub records: u64,
    /// Bytes of payload that wait or are not let go.
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

    /// What is left; nothing where more is taken than there is.
    fn sub(self, other: Self) -> Self {
        Self {
            records: self.records.saturating_sub(other.records),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }
}

/// What a queue on disk tells and asks those around it.
pub trait DiskHooks: Send + Sync {
    /// The disk fails, or works again (`None`).
    fn note_disk(&self, fault: Option<&str>);

    /// Something in the spool was found to be damaged.
    fn note_damage(&self, finding: &Finding);

    /// So much is damaged and not acknowledged.
    fn set_damage(&self, damage: Unacknowledged);

    /// Whether writers end because the host does, and not because they have nothing more.
    fn is_stopping(&self) -> bool;
}

/// A queue with any number of writers, and one reader or several that share the work.
pub struct Queue {
    kind: BufferKind,
    state: Mutex<State>,
    /// A reader waits: something came, or all writers are gone.
    readable: Condvar,
    /// A writer waits: something was let go.
    writable: Condvar,
    /// None for a queue in memory.
    hooks: Option<Box<dyn DiskHooks>>,
}

#[derive(Debug)]
struct State {
    settings: Buffer,
    backlog: Backlog,
    unacked: Size,
    /// A writer found no room since the reader last let go of something.
    writer_blocked: bool,
    /// The disk failed when it was last used.
    faulty: bool,
    /// Records that the end of the queue cost.
    lost: u64,
    writers: usize,
    aborted: bool,
    /// The reader is to leave; what waits is for the next one.
    detached: bool,
    /// No writer waits for room: the reader goes.
    unbounded: bool,
}

impl Queue {
    /// A queue in memory without writers; it counts as closed until the first is added.
    pub fn in_memory(settings: Buffer) -> Self {
        Self::new(settings, Backlog::default(), None)
    }

    /// A queue in that folder, with what waits there from earlier runs.
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
        let backlog = Backlog::with_spool(spool, unread);
        Ok((Self::new(settings, backlog, Some(hooks)), found))
    }

    fn new(settings: Buffer, backlog: Backlog, hooks: Option<Box<dyn DiskHooks>>) -> Self {
        let state = State {
            settings,
            backlog,
            unacked: Size::default(),
            writer_blocked: false,
            faulty: false,
            lost: 0,
            writers: 0,
            aborted: false,
            detached: false,
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

    /// Whether what waits outlives the process.
    pub fn is_on_disk(&self) -> bool {
        self.kind == BufferKind::Disk
    }

    /// The name under which `records_dropped_total` counts what the bound costs.
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

    /// Takes another bound and rule; what is there already stays.
    pub fn configure(&self, settings: Buffer) {
        let mut state = self.lock();
        state.settings = Buffer { kind: self.kind, ..settings };
        state.backlog.set_max_bytes(settings.max_bytes);
        self.readable.notify_all();
        self.writable.notify_all();
    }

    /// Calls the reader away: it gets nothing more until [`attach_reader`](Self::attach_reader).
    pub fn detach_reader(&self) {
        self.lock().detached = true;
        self.readable.notify_all();
    }

    /// Lets a reader in again.
    pub fn attach_reader(&self) {
        self.lock().detached = false;
    }

    /// Lets no writer wait for room, while the reader is about to go: what comes is let in.
    pub fn set_unbounded(&self, unbounded: bool) {
        self.lock().unbounded = unbounded;
        self.writable.notify_all();
    }

    /// Waits until nothing waits and nothing is taken; tells whether that came within the time.
    pub fn wait_idle(&self, timeout: Duration) -> bool {
        let is_busy = |state: &mut State| {
            state.backlog.total() + state.unacked != Size::default() && !state.aborted
        };
        let waited = self.writable.wait_timeout_while(self.lock(), timeout, is_busy);
        !is_busy(&mut waited.unwrap_or_else(PoisonError::into_inner).0)
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
            if !self.is_stopping() {
                state.backlog.end_of_input();
            }
            self.readable.notify_all();
        }
    }

    /// Ends everything at once: writers and reader return, what waits in memory is dropped
    /// unsettled, what is on disk stays there.
    pub fn abort(&self) {
        self.end(|state, lost| {
            state.lost += lost;
            0
        });
    }

    /// As [`abort`](Self::abort) for a component that nobody wants any more: no source waits for
    /// what was in its queue. Returns the records that are lost by that.
    pub fn discard(&self) -> u64 {
        self.lock().backlog.ack_all();
        let lost = self.end(|_, lost| lost);
        // a reader that comes back from a call late must not write beside who comes after it
        self.lock().backlog.close_disk();
        lost
    }

    fn end(&self, count: impl FnOnce(&mut State, u64) -> u64) -> u64 {
        let mut state = self.lock();
        state.aborted = true;
        let counted = match state.backlog.purge() {
            Ok(lost) => count(&mut state, lost),
            Err(error) => {
                self.fault(&mut state, &error);
                0
            }
        };
        self.readable.notify_all();
        self.writable.notify_all();
        counted
    }

    /// Adds a batch of that writer, by the queue's rule for when it is full.
    ///
    /// A batch larger than the bound is let in when nothing else is there. While a disk does not
    /// take it, the writer waits; `blocked` hears now and then for how much longer it has. Returns
    /// the records that the rule dropped.
    pub fn push(&self, writer: &str, delivery: Delivery, blocked: &dyn Fn(Duration)) -> u64 {
        let mut state = self.lock();
        if !state.aborted && !self.has_room(&state, writer, &delivery) {
            state.writer_blocked = true;
            // a reader that collects, or holds back what it took, makes room
            self.readable.notify_one();
            match state.settings.when_full {
                WhenFull::Block => match self.wait_for_room(state, writer, &delivery, blocked) {
                    Some(waited) => state = waited,
                    // another rule holds now
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

    /// Adds a batch that there is room for; gives what then has to be given to the disk.
    ///
    /// After the end a disk still takes what its writers have in hand: a reader that cannot reach
    /// its store goes at once when the host ends, and a source may be in the middle of a batch then.
    fn add<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        writer: &str,
        mut delivery: Delivery,
        blocked: &dyn Fn(Duration),
    ) -> Option<Arc<File>> {
        while !state.aborted || state.backlog.has_disk() {
            let error = match state.backlog.add(writer, delivery) {
                Ok(_) if state.aborted => {
                    // what cannot be synced now is in the file all the same
                    if let Err(error) = state.backlog.purge() {
                        self.fault(&mut state, &error);
                    }
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
        // not settled: it was not delivered, and no rule of the user's dropped it
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
        if state.unacked.bytes > 0 && !state.fits(state.unacked.bytes, &delivery) {
            return drop_one(delivery);
        }
        let mut dropped = 0;
        while !self.has_room(state, writer, &delivery) {
            dropped += state.backlog.pop().map_or(0, drop_one);
        }
        self.add_in_memory(state, writer, delivery);
        dropped
    }

    /// In memory only: keeps the newest quotes; what cannot be made smaller goes, oldest first, but
    /// for the last.
    fn conflate(&self, state: &mut State, writer: &str, delivery: Delivery) -> u64 {
        let before = state.backlog.size.records + u64::from(delivery.batch.records());
        self.add_in_memory(state, writer, delivery);
        let all: Vec<_> = state.backlog.batches.drain(..).collect();
        state.backlog.replace(conflate::newest_per_symbol(all));
        let mut dropped = before - state.backlog.size.records;
        while state.backlog.batches.len() > 1
            && state.backlog.size.bytes + state.unacked.bytes > state.settings.max_bytes
        {
            dropped += state.backlog.pop().map_or(0, drop_one);
        }
        dropped
    }

    fn add_in_memory(&self, state: &mut State, writer: &str, delivery: Delivery) {
        // only a disk can refuse a batch
        if state.backlog.add(writer, delivery).is_ok() {
            self.readable.notify_one();
        }
    }

    /// Takes the next batches, waiting for them.
    ///
    /// They count against the bound until they are [let go](Self::ack).
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
            })
            .unwrap_or_else(PoisonError::into_inner);
        if state.detached && !state.aborted {
            return Recv::Detached;
        }
        if state.backlog.is_empty() {
            return if state.writers == 0 || state.aborted {
                Recv::Closed
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
            if state.backlog.batches.is_empty() {
                // the disk fails, or what comes next has yet to be sent again
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

    /// Tells its surroundings, which may be new, how much of it is damaged and not acknowledged.
    pub fn report_damage(&self) {
        if let (Some(hooks), Some(damage)) = (&self.hooks, self.lock().backlog.unacknowledged()) {
            hooks.set_damage(damage);
        }
    }

    /// Notes that somebody knows of all damage on disk; gives how much that was.
    ///
    /// # Errors
    /// When the folder of a queue on disk cannot be changed.
    pub fn acknowledge_damage(&self) -> io::Result<Unacknowledged> {
        let damage = self.lock().backlog.acknowledge()?;
        self.report_damage();
        Ok(damage)
    }

    /// Takes batches back that a reader has taken and will not get done with; they come first.
    pub fn requeue(&self, deliveries: Vec<Delivery>) {
        let mut state = self.lock();
        state.unacked = state.unacked - total_size(&deliveries);
        if state.aborted {
            return;
        }
        state.backlog.requeue_front(deliveries);
        self.readable.notify_one();
    }

    /// Says that a batch was taken apart in two, each of which will be let go for itself.
    pub fn split(&self, number: u64) {
        self.lock().backlog.split(number);
    }

    /// Lets go of batches that were taken, by their numbers.
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

    /// Whether every writer is gone and everything that came was let go of.
    pub fn is_finished(&self) -> bool {
        let state = self.lock();
        state.writers == 0 && state.backlog.is_empty() && state.unacked == Size::default()
    }

    /// Records that came in and are lost, once writers and reader have ended.
    pub fn undelivered(&self) -> u64 {
        let state = self.lock();
        let in_memory = if self.is_on_disk() { 0 } else { state.backlog.size.records };
        let taken = if self.is_on_disk() { 0 } else { state.unacked.records };
        state.lost + in_memory + taken
    }

    /// Records that wait on disk for the next start.
    pub fn kept(&self) -> u64 {
        let state = self.lock();
        if self.is_on_disk() { (state.backlog.kept() + state.unacked).records } else { 0 }
    }

    /// An idle reader sees to it that nothing stays long without being on the disk.
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
        match self.kind {
            BufferKind::Memory => state.fits(used.bytes, delivery),
            BufferKind::Disk => state.backlog.has_room_on_disk(writer, &delivery.batch),
        }
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

/// Dropping by the queue's rule is what the user asked for, so the source need not wait for it.
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

    fn fits(&self, used: u64, delivery: &Delivery) -> bool {
        used + delivery.bytes() <= self.settings.max_bytes
    }

    fn take_up_to(&mut self, max_records: u64, max_bytes: u64) -> Vec<Delivery> {
        let group = self.backlog.group();
        let (mut batches, mut size) = (Vec::new(), Size::default());
        while let Some(next) = self.backlog.batches.front() {
            let with_next = size + next.size();
            let is_full = match group {
                Some(length) => batches.len() >= length,
                None => with_next.records > max_records || with_next.bytes > max_bytes,
            };
            if !batches.is_empty() && is_full {
                break;
            }
            batches.extend(self.backlog.pop());
            size = with_next;
        }
        self.unacked = self.unacked + size;
        batches
    }
}

#[cfg(test)]
mod tests;
