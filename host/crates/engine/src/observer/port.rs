//! Where the batches of a component pass the observer.

use std::{
    collections::VecDeque,
    hint,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use plugin_api::Batch;

/// Most payload that waits for the observer, bytes; one batch alone may be larger.
const MAX_BYTES: usize = 16 << 20;
/// Most batches that wait. A recording of few securities has small ones, thousands in a turn.
const MAX_BATCHES: usize = 32_768;
/// Records for which there is room before the observer has looked for the first time.
const FIRST_ROOM: u64 = 50_000;
/// How often a thread that passes tries to get in: longer than the observer takes to empty the list.
const TRIES: usize = 64;

/// The place of a component at which its batches pass. It belongs to the component's id, so it
/// outlives instances and reloads. The newest batches wait here; older ones go without being seen.
///
/// A thread that passes pays for one load while nobody looks, and for a clone of the batch otherwise.
/// It never waits.
#[derive(Debug)]
pub struct Port {
    id: Arc<str>,
    is_source: AtomicBool,
    /// Somebody looks at what this component gives.
    is_observed: AtomicBool,
    waiting: Mutex<Waiting>,
    /// Records that passed unseen since the observer looked.
    missed: AtomicU64,
    /// The same since they were last asked for.
    unreported: AtomicU64,
}

/// Batches that the observer has not taken yet.
#[derive(Debug, Default)]
struct Waiting {
    batches: VecDeque<Batch>,
    bytes: usize,
    records: u64,
    /// Older ones go when the others have so many records.
    room: u64,
}

impl Port {
    /// A port for that component; the quotes of a source are always looked at.
    pub fn new(id: &str, is_source: bool) -> Self {
        Self {
            id: id.into(),
            is_source: AtomicBool::new(is_source),
            is_observed: AtomicBool::new(is_source),
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

    /// Whether somebody looks at what it gives, so that it waits or is counted.
    pub fn is_observed(&self) -> bool {
        self.is_observed.load(Relaxed)
    }

    /// A component of the same id may be of another kind after a reload.
    pub fn set_source(&self, is_source: bool) {
        self.is_source.store(is_source, Relaxed);
    }

    /// A batch passes.
    #[inline]
    pub fn offer(&self, batch: &Batch) {
        if self.is_observed() {
            self.keep(batch);
        }
    }

    fn keep(&self, batch: &Batch) {
        let missed = match self.try_lock() {
            Some(mut waiting) => waiting.add(batch.clone()),
            None => u64::from(batch.records()),
        };
        if missed > 0 {
            self.missed.fetch_add(missed, Relaxed);
        }
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, Waiting>> {
        for _ in 0..TRIES {
            match self.waiting.try_lock() {
                Ok(waiting) => return Some(waiting),
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => hint::spin_loop(),
            }
        }
        None
    }

    /// Takes what waits, in order, into an empty list. From then on there is room for so many
    /// records; `None` when nobody looks any more. Returns how many went unseen since the last time.
    pub fn take(&self, batches: &mut VecDeque<Batch>, room: Option<u64>) -> u64 {
        let mut waiting = self.lock();
        std::mem::swap(&mut waiting.batches, batches);
        (waiting.bytes, waiting.records, waiting.room) = (0, 0, room.unwrap_or(0));
        self.is_observed.store(room.is_some(), Relaxed);
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
    /// Adds a batch; returns how many records have to go for it.
    fn add(&mut self, batch: Batch) -> u64 {
        self.bytes += batch.payload().len();
        self.records += u64::from(batch.records());
        self.batches.push_back(batch);
        let mut gone = 0;
        while self.batches.len() > 1 {
            let (bytes, records) = self
                .batches
                .front()
                .map_or((0, 0), |it| (it.payload().len(), u64::from(it.records())));
            let fits = self.bytes <= MAX_BYTES && self.batches.len() <= MAX_BATCHES;
            if fits && self.records - records < self.room {
                break;
            }
            self.batches.pop_front();
            self.bytes -= bytes;
            self.records -= records;
            gone += records;
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use plugin_api::{Round, testing::spot_batch};

    use super::*;

    fn taken(port: &Port, room: Option<u64>) -> (usize, u64) {
        let mut batches = VecDeque::new();
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
        let mut batches = VecDeque::new();
        port.take(&mut batches, Some(1));
        assert_eq!(batches[0].payload().as_ptr(), batch.payload().as_ptr());
    }

    #[test]
    fn what_finds_no_room_goes_for_what_is_newer_and_is_counted() {
        let port = Port::new("day", true);
        assert_eq!(taken(&port, Some(4)), (0, 0));
        for _ in 0..5 {
            port.offer(&spot_batch(3, Round::WHOLE));
        }
        port.offer(&spot_batch(2, Round::WHOLE));
        // with the last but one they are over the bound, without it below
        let mut batches = VecDeque::new();
        assert_eq!(port.take(&mut batches, Some(4)), 12);
        assert_eq!(batches.iter().map(Batch::records).collect::<Vec<_>>(), [3, 2]);
        // one batch alone may be of any size
        for _ in 0..2 {
            port.offer(&spot_batch(30, Round::WHOLE));
        }
        assert_eq!((taken(&port, Some(4)), port.take_unreported()), ((1, 30), 42));
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
