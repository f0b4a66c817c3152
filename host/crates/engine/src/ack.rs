//! Acknowledgements on their way from sinks back to the source.
//!
//! Every batch of a source travels with a [`Receipt`]. Fan-out clones it, and each branch
//! acknowledges its clone. When all clones of a number are acknowledged, the source's [`AckTracker`]
//! advances. A receipt that is dropped without (the sink failed, the host was aborted) stops the
//! it there, so that a source that can resume goes back to that batch.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Tracks the batches of one source instance.
#[derive(Debug, Default)]
pub struct AckTracker {
    state: Mutex<AckState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct AckState {
    /// Batches delivered without a gap, counted from the first.
    confirmed: u64,
    /// Outcome of each later batch; `None` while it is in flight.
    later: VecDeque<Option<bool>>,
    in_flight: usize,
}

impl AckTracker {
    /// Tracks the next batch.
    pub fn track(self: &Arc<Self>) -> Receipt {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let number = state.confirmed + state.later.len() as u64;
        state.later.push_back(None);
        state.in_flight += 1;
        let abandoned = AtomicBool::new(false);
        Receipt { entries: vec![Arc::new(AckEntry { acks: Arc::clone(self), number, abandoned })] }
    }

    /// How many batches, counted from the first, are delivered without a gap.
    pub fn confirmed(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).confirmed
    }

    /// Waits until no batch is in flight; false on timeout.
    pub fn wait_acked(&self, timeout: Duration) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (state, _) = self
            .changed
            .wait_timeout_while(state, timeout, |state| state.in_flight > 0)
            .unwrap_or_else(PoisonError::into_inner);
        state.in_flight == 0
    }

    fn record(&self, number: u64, delivered: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let confirmed = state.confirmed;
        let place = usize::try_from(number - confirmed).ok();
        if let Some(outcome) = place.and_then(|place| state.later.get_mut(place)) {
            *outcome = Some(delivered);
        }
        state.in_flight -= 1;
        while state.later.front() == Some(&Some(true)) {
            state.later.pop_front();
            state.confirmed += 1;
        }
        self.changed.notify_all();
    }
}

/// Acknowledges one batch or several; each clone has to be acknowledged.
#[derive(Debug)]
pub struct Receipt {
    /// None for a batch that no source waits for.
    entries: Vec<Arc<AckEntry>>,
}

#[derive(Debug)]
struct AckEntry {
    acks: Arc<AckTracker>,
    number: u64,
    abandoned: AtomicBool,
}

impl Receipt {
    /// A receipt that no source waits for.
    pub fn none() -> Self {
        Self { entries: Vec::new() }
    }

    /// One receipt for a batch made of several.
    ///
    /// A tracker advances in order, so its oldest batch stands for the later ones: they are
    /// acknowledged at once, and repeated joins do not grow a receipt.
    pub fn join(receipts: Vec<Self>) -> Self {
        let mut oldest: Vec<Arc<AckEntry>> = Vec::new();
        for mut receipt in receipts {
            for entry in std::mem::take(&mut receipt.entries) {
                match oldest.iter_mut().find(|it| Arc::ptr_eq(&it.acks, &entry.acks)) {
                    Some(kept) if entry.number < kept.number => *kept = entry,
                    Some(_) => {}
                    None => oldest.push(entry),
                }
            }
        }
        Self { entries: oldest }
    }

    /// The batch is delivered, or dropped on purpose.
    pub fn ack(mut self) {
        self.entries.clear();
    }
}

impl Clone for Receipt {
    fn clone(&self) -> Self {
        Self { entries: self.entries.clone() }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        for entry in &self.entries {
            entry.abandoned.store(true, Ordering::Release);
        }
    }
}

impl Drop for AckEntry {
    fn drop(&mut self) {
        self.acks.record(self.number, !self.abandoned.load(Ordering::Acquire));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_counts_when_every_branch_has_settled_it() {
        let acks = Arc::new(AckTracker::default());
        let first = acks.track();
        let (left, right) = (first.clone(), first);
        left.ack();
        assert_eq!(acks.confirmed(), 0);
        right.ack();
        assert_eq!(acks.confirmed(), 1);
    }

    #[test]
    fn confirmation_waits_for_the_oldest() {
        let acks = Arc::new(AckTracker::default());
        let (first, second, third) = (acks.track(), acks.track(), acks.track());
        third.ack();
        second.ack();
        assert_eq!(acks.confirmed(), 0);
        first.ack();
        assert_eq!(acks.confirmed(), 3);
        assert!(acks.wait_acked(Duration::ZERO));
    }

    #[test]
    fn a_receipt_dropped_unsettled_stops_the_ledger_there() {
        let acks = Arc::new(AckTracker::default());
        let (first, second, third) = (acks.track(), acks.track(), acks.track());
        first.ack();
        let branch = second.clone();
        branch.ack();
        drop(second);
        third.ack();
        assert_eq!(acks.confirmed(), 1);
        assert!(acks.wait_acked(Duration::ZERO));
    }

    #[test]
    fn a_joined_receipt_speaks_for_all_its_parts() {
        let acks = Arc::new(AckTracker::default());
        let joined = Receipt::join(vec![acks.track(), acks.track()]);
        joined.clone().ack();
        assert_eq!(acks.confirmed(), 0);
        joined.ack();
        assert_eq!(acks.confirmed(), 2);
        drop(Receipt::join(vec![acks.track()]));
        assert_eq!(acks.confirmed(), 2);
    }

    #[test]
    fn a_receipt_joined_for_hours_stays_small() {
        let acks = Arc::new(AckTracker::default());
        let mut joined = acks.track();
        for _ in 0..200_000 {
            joined = Receipt::join(vec![joined, acks.track()]);
        }
        assert_eq!((joined.entries.len(), acks.confirmed()), (1, 0));
        joined.ack();
        assert_eq!(acks.confirmed(), 200_001);
    }

    #[test]
    fn a_joined_receipt_that_is_dropped_confirms_none_of_its_parts() {
        let acks = Arc::new(AckTracker::default());
        let (first, second, third) = (acks.track(), acks.track(), acks.track());
        let joined = Receipt::join(vec![third, first, second]);
        drop(joined);
        assert_eq!(acks.confirmed(), 0);
        assert!(acks.wait_acked(Duration::ZERO));
    }
}
