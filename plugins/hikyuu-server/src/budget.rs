//! Memory that transfers of one kind may take, all together.
//!
//! A client may ask for everything and never read the answer; many of them must not cost more than
//! the user said. Requests and answers have a budget each: who holds a part of one waits for the
//! other alone, so there is no deadlock.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// Transfers up to this size are not counted: connections are bounded in number.
const SMALL: usize = 64 << 10;

/// What is not taken.
#[derive(Debug)]
pub struct Budget {
    all: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    taken: usize,
    is_closed: bool,
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
    /// Of so many bytes.
    pub fn new(all: usize) -> Arc<Self> {
        Arc::new(Self { all, state: Mutex::default(), changed: Condvar::new() })
    }

    /// Takes so many bytes as soon as they are free.
    ///
    /// # Errors
    /// When they are not free by the deadline, or the budget is closed.
    pub fn take(self: &Arc<Self>, bytes: usize, deadline: Instant) -> Result<Share, NoRoom> {
        if bytes <= SMALL {
            return Ok(Share { bytes: 0, of: Arc::clone(self) });
        }
        if bytes > self.all {
            return Err(NoRoom::TooMuch);
        }
        let lacks = |state: &State| state.taken + bytes > self.all;
        let timeout = deadline.saturating_duration_since(Instant::now());
        let (mut state, _) = self
            .changed
            .wait_timeout_while(self.lock(), timeout, |state| lacks(state) && !state.is_closed)
            .unwrap_or_else(PoisonError::into_inner);
        if lacks(&state) {
            return Err(NoRoom::Busy);
        }
        state.taken += bytes;
        Ok(Share { bytes, of: Arc::clone(self) })
    }

    /// Ends every wait.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.of.lock().taken -= self.bytes;
            self.of.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use super::*;

    const MIB: usize = 1 << 20;

    fn now() -> Instant {
        Instant::now()
    }

    fn in_a_minute() -> Instant {
        now() + Duration::from_secs(60)
    }

    #[test]
    fn who_finds_too_little_waits_and_then_goes_without() {
        let budget = Budget::new(MIB);
        let most = budget.take(MIB - 1, now()).unwrap();
        assert_eq!(budget.take(MIB / 2, now()).err(), Some(NoRoom::Busy));
        assert!(budget.take(SMALL, now()).is_ok(), "small ones always pass");
        drop(most);
        assert_eq!(budget.take(MIB + 1, now()).err(), Some(NoRoom::TooMuch));
        assert!(budget.take(MIB, now()).is_ok());
    }

    #[test]
    fn what_is_given_back_goes_to_who_waits() {
        let budget = Budget::new(MIB);
        let first = budget.take(MIB, now()).unwrap();
        thread::scope(|scope| {
            let second = scope.spawn(|| budget.take(MIB, in_a_minute()).is_ok());
            drop(first);
            assert!(second.join().unwrap());
        });
    }

    #[test]
    fn a_close_ends_every_wait() {
        let budget = Budget::new(MIB);
        let _first = budget.take(MIB, now()).unwrap();
        thread::scope(|scope| {
            let second = scope.spawn(|| budget.take(MIB, in_a_minute()).err());
            budget.close();
            assert_eq!(second.join().unwrap(), Some(NoRoom::Busy));
        });
    }
}
