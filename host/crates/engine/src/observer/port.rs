//! Where the batches of a component pass the observer.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, TryLockError,
    atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed},
};

use plugin_api::Batch;

/// Most payload that waits for the observer, bytes; one batch alone may be larger.
const MAX_BYTES: usize = 16 << 20;
/// Most batches that wait. A recording of few securities has small ones, thousands in a turn.
const MAX_BATCHES: usize = 32_768;
/// Records for which there is room before the observer has looked for the first time.
const FIRST_ROOM: u64 = 50_000;

/// Nobody looks at what this component gives.
const UNOBSERVED: u8 = 0;
/// There is room for more.
const OPEN: u8 = 1;
/// There is room again when the observer has looked.
const FULL: u8 = 2;

/// The place of a component at which its batches pass. It belongs to the component's id, so it
/// outlives instances and reloads.
///
/// A thread that passes pays for one load while nobody looks, one addition while there is no room,
/// and for a clone of the batch otherwise. It never waits.
#[derive(Debug)]
pub struct Port {
    id: Arc<str>,
    is_source: AtomicBool,
    state: AtomicU8,
    waiting: Mutex<Waiting>,
    /// Records that passed unseen since the observer looked.
    missed: AtomicU64,
    /// The same since they were last asked for.
    unreported: AtomicU64,
}

/// Batches that the observer has not taken yet.
#[derive(Debug, Default)]
struct Waiting {
    batches: Vec<Batch>,
    bytes: usize,
    records: u64,
    /// No more are taken once there are so many records.
    room: u64,
}

impl Port {
    /// A port for that component; the quotes of a source are always looked at.
    pub fn new(id: &str, is_source: bool) -> Self {
        Self {
            id: id.into(),
            is_source: AtomicBool::new(is_source),
            state: AtomicU8::new(if is_source { OPEN } else { UNOBSERVED }),
            waiting: Mutex::new(Waiting { room: FIRST_ROOM, ..Waiting::default() }),
            missed: AtomicU64::new(0),
            unreported: AtomicU64::new(0),
        }
    }

    /// The component.
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// Whether it is a source.
    pub fn is_source(&self) -> bool {
        self.is_source.load(Relaxed)
    }

    /// A component of the same id may be of another kind after a reload.
    pub fn set_source(&self, is_source: bool) {
        self.is_source.store(is_source, Relaxed);
    }

    /// A batch passes.
    #[inline]
    pub fn offer(&self, batch: &Batch) {
        match self.state.load(Relaxed) {
            UNOBSERVED => {}
            OPEN => self.keep(batch),
            _ => self.miss(batch),
        }
    }

    fn keep(&self, batch: &Batch) {
        let mut waiting = match self.waiting.try_lock() {
            Ok(waiting) => waiting,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return self.miss(batch),
        };
        let bytes = batch.payload().len();
        if !waiting.has_room(bytes) {
            self.state.store(FULL, Relaxed);
            drop(waiting);
            return self.miss(batch);
        }
        waiting.bytes += bytes;
        waiting.records += u64::from(batch.records());
        waiting.batches.push(batch.clone());
    }

    fn miss(&self, batch: &Batch) {
        self.missed.fetch_add(u64::from(batch.records()), Relaxed);
    }

    /// Takes what waits, in order, into an empty list. From then on there is room for so many
    /// records; `None` when nobody looks any more. Returns how many went unseen since the last time.
    pub fn take(&self, batches: &mut Vec<Batch>, room: Option<u64>) -> u64 {
        let mut waiting = self.lock();
        std::mem::swap(&mut waiting.batches, batches);
        (waiting.bytes, waiting.records, waiting.room) = (0, 0, room.unwrap_or(0));
        let state = match room {
            None => UNOBSERVED,
            Some(0) => FULL,
            Some(_) => OPEN,
        };
        self.state.store(state, Relaxed);
        drop(waiting);
        let missed = self.missed.swap(0, Relaxed);
        self.report_missed(missed);
        missed
    }

    /// Counts records that were taken and not looked at after all.
    pub fn report_missed(&self, records: u64) {
        self.unreported.fetch_add(records, Relaxed);
    }

    /// Records that went unseen since the last call.
    pub fn take_unreported(&self) -> u64 {
        self.unreported.swap(0, Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn has_room(&self, bytes: usize) -> bool {
        let fits = self.batches.is_empty() || self.bytes.saturating_add(bytes) <= MAX_BYTES;
        fits && self.records < self.room && self.batches.len() < MAX_BATCHES
    }
}

#[cfg(test)]
mod tests {
    use plugin_api::{Round, testing::spot_batch};

    use super::*;

    fn taken(port: &Port, room: Option<u64>) -> (usize, u64) {
        let mut batches = Vec::new();
        let missed = port.take(&mut batches, room);
        (batches.len(), missed)
    }

    #[test]
    fn what_nobody_looks_at_is_neither_kept_nor_counted() {
        let port = Port::new("clean", false);
        let batch = spot_batch(3, Round::WHOLE);
        port.offer(&batch);
        assert_eq!(taken(&port, Some(10)), (0, 0));
        port.offer(&batch);
        assert_eq!(taken(&port, None), (1, 0));
        port.offer(&batch);
        assert_eq!((taken(&port, None), port.take_unreported()), ((0, 0), 0));
    }

    #[test]
    fn a_batch_is_kept_without_a_copy_of_its_records() {
        let port = Port::new("day", true);
        let batch = spot_batch(3, Round::WHOLE);
        port.offer(&batch);
        let mut batches = Vec::new();
        port.take(&mut batches, Some(1));
        assert_eq!(batches[0].payload().as_ptr(), batch.payload().as_ptr());
    }

    #[test]
    fn what_finds_no_room_is_counted_until_the_observer_has_looked() {
        let port = Port::new("day", true);
        let batch = spot_batch(3, Round::WHOLE);
        assert_eq!(taken(&port, Some(4)), (0, 0));
        for _ in 0..5 {
            port.offer(&batch);
        }
        // the second one is over the bound, as one batch may be
        assert_eq!(taken(&port, Some(0)), (2, 9));
        port.offer(&batch);
        assert_eq!(taken(&port, Some(4)), (0, 3));
        port.offer(&batch);
        assert_eq!((taken(&port, Some(4)), port.take_unreported()), ((1, 0), 12));
        assert_eq!(port.take_unreported(), 0);
    }

    #[test]
    fn what_waits_is_bounded_in_batches_and_bytes() {
        let port = Port::new("day", true);
        assert_eq!(taken(&port, Some(u64::MAX)), (0, 0));
        let small = spot_batch(1, Round::WHOLE);
        let most = MAX_BATCHES.min(MAX_BYTES / small.payload().len());
        for _ in 0..most + 7 {
            port.offer(&small);
        }
        assert_eq!(taken(&port, Some(u64::MAX)), (most, 7));
        let large = spot_batch(20_000, Round::WHOLE);
        let fitting = MAX_BYTES / large.payload().len();
        assert!((1..MAX_BATCHES).contains(&fitting), "{fitting}");
        for _ in 0..=fitting {
            port.offer(&large);
        }
        assert_eq!(taken(&port, Some(u64::MAX)), (fitting, 20_000));
    }

    #[test]
    fn a_thread_that_passes_never_waits_for_the_observer() {
        let port = Port::new("day", true);
        let held = port.lock();
        port.offer(&spot_batch(3, Round::WHOLE));
        drop(held);
        assert_eq!(taken(&port, Some(1)), (0, 3));
    }
}
