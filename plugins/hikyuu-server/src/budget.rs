//! Memory that requests and answers under way may take, all together.
//!
//! A client may ask for everything and never read the answer; many of them must not cost more than
//! the user said.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Transfers up to this size are not counted: connections are bounded in number.
const SMALL: usize = 64 << 10;

/// What is left to take.
#[derive(Debug)]
pub struct Budget {
    all: usize,
    patience: Duration,
    taken: Mutex<usize>,
    given_back: Condvar,
}

/// Why nothing is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoom {
    /// It is more than there is, ever.
    TooMuch,
    /// Others have it, and did not give it back in time.
    Busy,
}

/// A part of the budget, given back when dropped.
#[derive(Debug)]
pub struct Share {
    bytes: usize,
    of: Arc<Budget>,
}

impl Budget {
    /// Of so many bytes; who finds too little left waits for `patience`.
    pub fn new(all: usize, patience: Duration) -> Arc<Self> {
        Arc::new(Self { all, patience, taken: Mutex::default(), given_back: Condvar::new() })
    }

    /// Takes so many bytes as soon as they are free.
    ///
    /// # Errors
    /// When they are not free in time.
    pub fn take(self: &Arc<Self>, bytes: usize) -> Result<Share, NoRoom> {
        if bytes <= SMALL {
            return Ok(Share { bytes: 0, of: Arc::clone(self) });
        }
        if bytes > self.all {
            return Err(NoRoom::TooMuch);
        }
        let (mut taken, timeout) = self
            .given_back
            .wait_timeout_while(self.lock(), self.patience, |taken| *taken + bytes > self.all)
            .unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() && *taken + bytes > self.all {
            return Err(NoRoom::Busy);
        }
        *taken += bytes;
        Ok(Share { bytes, of: Arc::clone(self) })
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.bytes > 0 {
            *self.of.lock() -= self.bytes;
            self.of.given_back.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn who_finds_too_little_waits_and_then_goes_without() {
        let budget = Budget::new(MIB, Duration::from_millis(10));
        let most = budget.take(MIB - 1).unwrap();
        assert_eq!(budget.take(MIB / 2).err(), Some(NoRoom::Busy));
        assert!(budget.take(SMALL).is_ok(), "small ones always pass");
        drop(most);
        assert_eq!(budget.take(MIB + 1).err(), Some(NoRoom::TooMuch));
        assert!(budget.take(MIB).is_ok());
    }

    #[test]
    fn what_is_given_back_goes_to_who_waits() {
        let budget = Budget::new(MIB, Duration::from_secs(60));
        let first = budget.take(MIB).unwrap();
        thread::scope(|scope| {
            let second = scope.spawn(|| budget.take(MIB).is_ok());
            drop(first);
            assert!(second.join().unwrap());
        });
    }
}
