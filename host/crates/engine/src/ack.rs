//! Acknowledgements on their way from sinks back to the source.
//!
//! Every batch of a source travels with a [`Receipt`]. Fan-out clones it; whoever is done with a
//! batch settles its clone. When all clones of a number are settled, the source's [`Ledger`] moves
//! on. A receipt that is dropped unsettled (the sink failed, the host was cut short) stops the
//! ledger there, so that a source that can resume goes back to that batch.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// What became of the batches of one source instance.
#[derive(Debug, Default)]
pub struct Ledger {
    state: Mutex<LedgerState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct LedgerState {
    /// Batches from the first on that are all delivered.
    confirmed: u64,
    /// What became of each later batch; `None` while it is under way.
    later: VecDeque<Option<bool>>,
    under_way: usize,
}

impl Ledger {
    /// Opens the account of the next batch.
    pub fn issue(self: &Arc<Self>) -> Receipt {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let number = state.confirmed + state.later.len() as u64;
        state.later.push_back(None);
        state.under_way += 1;
        let abandoned = AtomicBool::new(false);
        Receipt {
            accounts: vec![Arc::new(Account { ledger: Arc::clone(self), number, abandoned })],
        }
    }

    /// How many batches, counted from the first, are delivered without a gap.
    pub fn confirmed(&self) -> u64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).confirmed
    }

    /// Waits until no batch is under way; false when that takes longer than `timeout`.
    pub fn wait_settled(&self, timeout: Duration) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (state, _) = self
            .changed
            .wait_timeout_while(state, timeout, |state| state.under_way > 0)
            .unwrap_or_else(PoisonError::into_inner);
        state.under_way == 0
    }

    fn settle(&self, number: u64, delivered: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let confirmed = state.confirmed;
        let place = usize::try_from(number - confirmed).ok();
        if let Some(outcome) = place.and_then(|place| state.later.get_mut(place)) {
            *outcome = Some(delivered);
        }
        state.under_way -= 1;
        while state.later.front() == Some(&Some(true)) {
            state.later.pop_front();
            state.confirmed += 1;
        }
        self.changed.notify_all();
    }
}

/// The duty to say what became of a batch, or of several. A clone is a duty of its own.
#[derive(Debug)]
pub struct Receipt {
    /// None for a batch that no source waits for.
    accounts: Vec<Arc<Account>>,
}

#[derive(Debug)]
struct Account {
    ledger: Arc<Ledger>,
    number: u64,
    abandoned: AtomicBool,
}

impl Receipt {
    /// A receipt that nobody waits for.
    pub fn none() -> Self {
        Self { accounts: Vec::new() }
    }

    /// One receipt for a batch made of several.
    ///
    /// A ledger moves on in order, so its oldest batch speaks for the later ones: they are settled
    /// at once, and a receipt that is joined again and again does not grow.
    pub fn join(receipts: Vec<Self>) -> Self {
        let mut oldest: Vec<Arc<Account>> = Vec::new();
        for mut receipt in receipts {
            for account in std::mem::take(&mut receipt.accounts) {
                match oldest.iter_mut().find(|it| Arc::ptr_eq(&it.ledger, &account.ledger)) {
                    Some(kept) if account.number < kept.number => *kept = account,
                    Some(_) => {}
                    None => oldest.push(account),
                }
            }
        }
        Self { accounts: oldest }
    }

    /// Says that the batch is where it should be, or dropped on purpose.
    pub fn settle(mut self) {
        self.accounts.clear();
    }
}

impl Clone for Receipt {
    fn clone(&self) -> Self {
        Self { accounts: self.accounts.clone() }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        for account in &self.accounts {
            account.abandoned.store(true, Ordering::Release);
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.ledger.settle(self.number, !self.abandoned.load(Ordering::Acquire));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_counts_when_every_branch_has_settled_it() {
        let ledger = Arc::new(Ledger::default());
        let first = ledger.issue();
        let (left, right) = (first.clone(), first);
        left.settle();
        assert_eq!(ledger.confirmed(), 0);
        right.settle();
        assert_eq!(ledger.confirmed(), 1);
    }

    #[test]
    fn confirmation_waits_for_the_oldest() {
        let ledger = Arc::new(Ledger::default());
        let (first, second, third) = (ledger.issue(), ledger.issue(), ledger.issue());
        third.settle();
        second.settle();
        assert_eq!(ledger.confirmed(), 0);
        first.settle();
        assert_eq!(ledger.confirmed(), 3);
        assert!(ledger.wait_settled(Duration::ZERO));
    }

    #[test]
    fn a_receipt_dropped_unsettled_stops_the_ledger_there() {
        let ledger = Arc::new(Ledger::default());
        let (first, second, third) = (ledger.issue(), ledger.issue(), ledger.issue());
        first.settle();
        let branch = second.clone();
        branch.settle();
        drop(second);
        third.settle();
        assert_eq!(ledger.confirmed(), 1);
        assert!(ledger.wait_settled(Duration::ZERO));
    }

    #[test]
    fn a_joined_receipt_speaks_for_all_its_parts() {
        let ledger = Arc::new(Ledger::default());
        let joined = Receipt::join(vec![ledger.issue(), ledger.issue()]);
        joined.clone().settle();
        assert_eq!(ledger.confirmed(), 0);
        joined.settle();
        assert_eq!(ledger.confirmed(), 2);
        drop(Receipt::join(vec![ledger.issue()]));
        assert_eq!(ledger.confirmed(), 2);
    }

    #[test]
    fn a_receipt_joined_for_hours_stays_small() {
        let ledger = Arc::new(Ledger::default());
        let mut joined = ledger.issue();
        for _ in 0..200_000 {
            joined = Receipt::join(vec![joined, ledger.issue()]);
        }
        assert_eq!((joined.accounts.len(), ledger.confirmed()), (1, 0));
        joined.settle();
        assert_eq!(ledger.confirmed(), 200_001);
    }

    #[test]
    fn a_joined_receipt_that_is_dropped_confirms_none_of_its_parts() {
        let ledger = Arc::new(Ledger::default());
        let (first, second, third) = (ledger.issue(), ledger.issue(), ledger.issue());
        let joined = Receipt::join(vec![third, first, second]);
        drop(joined);
        assert_eq!(ledger.confirmed(), 0);
        assert!(ledger.wait_settled(Duration::ZERO));
    }
}
