//! Whom a component waits for.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Share of the time from which on a component is held up, although it does not wait just now.
const HELD_UP: f64 = 0.1;

/// Whom a component waits for, and how long it did in all.
///
/// It is touched only while the component waits, so it costs a flow nothing.
#[derive(Debug, Default)]
pub(super) struct Blocking {
    total_us: AtomicU64,
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    by: Option<String>,
    waits: bool,
}

impl Blocking {
    /// It waits for that one, and has waited so long since the last call.
    pub fn note(&self, by: &str, waited: Duration) {
        let us = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        self.total_us.fetch_add(us, Ordering::Relaxed);
        let mut last = self.lock();
        if last.by.as_deref() != Some(by) {
            last.by = Some(by.to_owned());
        }
        last.waits = true;
    }

    /// It waits no longer.
    pub fn end(&self) {
        self.lock().waits = false;
    }

    /// Time that it waited, microseconds.
    pub fn total_us(&self) -> u64 {
        self.total_us.load(Ordering::Relaxed)
    }

    /// Who holds it up: whom it waits for, or for whom it last waited when waits take that share of
    /// the time.
    pub fn by(&self, share: f64) -> Option<String> {
        let last = self.lock();
        last.by.clone().filter(|_| last.waits || share >= HELD_UP)
    }

    fn lock(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_up_is_named_while_that_lasts_and_while_short_waits_add_up() {
        let blocking = Blocking::default();
        assert_eq!(blocking.by(1.0), None);
        blocking.note("lake", Duration::ZERO);
        blocking.note("lake", Duration::from_millis(1500));
        assert_eq!(blocking.by(0.0).as_deref(), Some("lake"));
        blocking.note("db", Duration::ZERO);
        blocking.end();
        assert_eq!((blocking.by(0.01), blocking.by(0.5).as_deref()), (None, Some("db")));
        assert_eq!(blocking.total_us(), 1_500_000);
    }
}
