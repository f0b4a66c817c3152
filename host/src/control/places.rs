//! Who is connected, what each is doing, and who has to go.
//!
//! A client that is silent, sends or takes a byte now and then, or asks and never reads must not
//! keep others out: when all places are taken, the one that has waited longest without being worked
//! for goes. Some places are left over for those who ask for health.

use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// Requests that may be worked on at a time, but for those about health.
pub const MOST_REQUESTS: usize = 64;
/// Connections at a time.
pub const MOST_CONNECTIONS: usize = MOST_REQUESTS + 8;
/// Longest time that a client keeps a connection on which it asks nothing.
const LONGEST_IDLE: Duration = Duration::from_secs(30);
/// Longest time for a request to come, from its first byte to the last of its body.
const LONGEST_REQUEST: Duration = Duration::from_secs(10);
/// Longest time for a client to take an answer.
const LONGEST_ANSWER: Duration = Duration::from_secs(30);

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// Nothing has come.
    Idle,
    /// A request is coming.
    Asking,
    /// The request is worked on.
    Working {
        /// It takes one of the places that are not kept for health.
        counts: bool,
    },
    /// The client has to take the answer.
    Answered,
}

/// All places.
#[derive(Debug, Default)]
pub struct Places {
    state: Mutex<State>,
    left: Condvar,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    by_number: BTreeMap<u64, Taken>,
}

#[derive(Debug)]
struct Taken {
    doing: Doing,
    /// Since when it does that.
    since: Instant,
    /// Since when nothing has been done for it.
    waits_since: Instant,
    changed: Arc<Notify>,
}

/// A connection's place, until this is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    number: u64,
    changed: Arc<Notify>,
}

/// As many requests are worked on as may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

impl Places {
    /// A place for a connection that has just come; whoever has waited longest makes room.
    ///
    /// `None` when something is being done for everybody.
    pub fn enter(self: &Arc<Self>) -> Option<Place> {
        let mut state = self.lock();
        while state.by_number.len() >= MOST_CONNECTIONS {
            let waiting = state.by_number.iter().filter(|(_, it)| !it.is_worked_for());
            let longest = *waiting.min_by_key(|(_, it)| it.waits_since)?.0;
            if let Some(goes) = state.by_number.remove(&longest) {
                goes.changed.notify_one();
            }
        }
        let number = state.next;
        state.next += 1;
        let (now, changed) = (Instant::now(), Arc::<Notify>::default());
        let taken = Taken {
            doing: Doing::Idle,
            since: now,
            waits_since: now,
            changed: Arc::clone(&changed),
        };
        state.by_number.insert(number, taken);
        Some(Place { places: Arc::clone(self), number, changed })
    }

    /// Waits until no request is worked on and every answer is taken, or as long as that.
    pub fn wait_quiet(&self, timeout: Duration) {
        let is_busy = |state: &mut State| {
            let busy = |it: &Taken| it.is_worked_for() || it.doing == Doing::Answered;
            state.by_number.values().any(busy)
        };
        drop(self.left.wait_timeout_while(self.lock(), timeout, is_busy));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Bytes have come.
    pub fn heard(&self) {
        self.change(|it, now| {
            if it.doing == Doing::Idle {
                (it.doing, it.since) = (Doing::Asking, now);
            }
        });
    }

    /// A whole request has come, which is worked on from now on.
    ///
    /// # Errors
    /// When as many are as may be, unless it is about health.
    pub fn work(&self, is_about_health: bool) -> Result<(), Busy> {
        let mut state = self.places.lock();
        let counts = |it: &&Taken| it.doing == Doing::Working { counts: true };
        let working = state.by_number.values().filter(counts).count();
        if !is_about_health && working >= MOST_REQUESTS {
            return Err(Busy);
        }
        if let Some(it) = state.by_number.get_mut(&self.number) {
            it.doing = Doing::Working { counts: !is_about_health };
            it.since = Instant::now();
        }
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// The answer is ready.
    pub fn answered(&self) {
        self.change(|it, now| {
            (it.doing, it.since, it.waits_since) = (Doing::Answered, now, now);
        });
    }

    /// All that was to be sent has been.
    pub fn sent(&self) {
        self.change(|it, now| {
            if it.doing == Doing::Answered {
                (it.doing, it.since, it.waits_since) = (Doing::Idle, now, now);
            }
        });
    }

    /// Waits until the connection has to go.
    pub async fn over(&self) {
        while let Some(until) = self.until() {
            let wait = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.changed.notified() => {}
                () = wait => if self.until().is_none_or(|now| now == until) { return },
            }
        }
    }

    /// When its time is up, if ever; `None` when it has to go.
    fn until(&self) -> Option<Option<Instant>> {
        let state = self.places.lock();
        let it = state.by_number.get(&self.number)?;
        let longest = match it.doing {
            Doing::Idle => LONGEST_IDLE,
            Doing::Asking => LONGEST_REQUEST,
            // as long as it takes here
            Doing::Working { .. } => return Some(None),
            Doing::Answered => LONGEST_ANSWER,
        };
        Some(Some(it.since + longest))
    }

    fn change(&self, change: impl FnOnce(&mut Taken, Instant)) {
        let mut state = self.places.lock();
        let Some(it) = state.by_number.get_mut(&self.number) else { return };
        let before = it.doing;
        change(it, Instant::now());
        let has_changed = it.doing != before;
        drop(state);
        if has_changed {
            self.changed.notify_one();
            self.places.left.notify_all();
        }
    }
}

impl Taken {
    fn is_worked_for(&self) -> bool {
        matches!(self.doing, Doing::Working { .. })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().by_number.remove(&self.number);
        self.places.left.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_there(place: &Place) -> bool {
        place.until().is_some()
    }

    #[test]
    fn when_all_places_are_taken_the_one_that_waited_longest_goes_whatever_it_does() {
        let places = Arc::<Places>::default();
        let enter = || places.enter().unwrap();
        let all: Vec<_> = (0..MOST_CONNECTIONS).map(|_| enter()).collect();
        // silent, trickling, worked for, asked and not reading, asked and silent since
        let [silent, trickling, working, not_reading, kept] = [0, 1, 2, 3, 4].map(|it| &all[it]);
        trickling.heard();
        working.work(false).unwrap();
        for asked in [not_reading, kept] {
            asked.heard();
            asked.work(false).unwrap();
            asked.answered();
        }
        kept.sent();
        for _ in 0..2 {
            std::mem::forget(enter());
        }
        assert!(!is_there(silent) && !is_there(trickling));
        assert!(is_there(working) && is_there(not_reading) && is_there(kept));
        for _ in 0..MOST_CONNECTIONS {
            std::mem::forget(enter());
        }
        assert!(is_there(working) && !is_there(not_reading) && !is_there(kept));
        assert_eq!(places.lock().by_number.len(), MOST_CONNECTIONS);
    }

    #[test]
    fn health_is_answered_while_as_many_requests_as_may_be_are_worked_on() {
        let places = Arc::<Places>::default();
        let all: Vec<_> = (0..MOST_REQUESTS).map(|_| places.enter().unwrap()).collect();
        all.iter().for_each(|it| it.work(false).unwrap());
        let (further, monitor) = (places.enter().unwrap(), places.enter().unwrap());
        assert_eq!(further.work(false), Err(Busy));
        assert_eq!(monitor.work(true), Ok(()));
        drop(all);
        assert_eq!(further.work(false), Ok(()));
    }

    #[test]
    fn each_step_of_a_request_has_a_deadline_that_trickling_does_not_move() {
        let places = Arc::<Places>::default();
        let place = places.enter().unwrap();
        let of = |place: &Place| place.until().unwrap();
        assert!(of(&place) > Some(Instant::now() + LONGEST_IDLE / 2));
        place.heard();
        let until = of(&place);
        place.heard();
        assert!(of(&place) == until && until < Some(Instant::now() + LONGEST_REQUEST));
        place.work(false).unwrap();
        assert_eq!(of(&place), None);
        place.answered();
        assert!(of(&place).is_some());
        place.sent();
        assert!(of(&place) > Some(Instant::now() + LONGEST_IDLE / 2));
    }
}
