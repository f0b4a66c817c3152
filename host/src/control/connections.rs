//! The table of connections: their phases, limits and evictions.
//!
//! A client that is silent, trickles bytes, or never reads its response must not lock others out:
//! when the table is full, the connection that has waited longest and is not being processed is
//! evicted. Some connections are reserved for requests about health. Streams, which go on until their
//! clients leave, do not count among those and have a bound of their own; one whose client reads
//! nothing more is evicted too.

use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::streams::MAX_STREAMS;

/// Concurrent requests, but for those about health.
pub const MAX_REQUESTS: usize = 64;
/// Concurrent connections, but for streams.
pub const MAX_CONNECTIONS: usize = MAX_REQUESTS + 8;
/// Longest time that a connection may be idle.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time to receive a request, from its first byte to the last of its body.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time for a client to read a response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time in which a stream's client takes nothing; each stream says something every quarter of
/// a minute.
const STREAM_TIMEOUT: Duration = Duration::from_secs(60);

/// Phase of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No bytes received.
    Idle,
    /// A request is being received.
    Receiving,
    /// The request is being processed.
    Processing {
        /// It counts towards [`MAX_REQUESTS`].
        counts: bool,
    },
    /// The response is being sent.
    Responding,
    /// The response goes on until its client leaves.
    Streaming,
}

/// All connections.
#[derive(Debug, Default)]
pub struct Connections {
    state: Mutex<State>,
    left: Condvar,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    by_number: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    phase: Phase,
    /// Start of the phase.
    since: Instant,
    /// Since when it has not been processed.
    waiting_since: Instant,
    changed: Arc<Notify>,
}

/// An entry of the table, removed when this is dropped.
#[derive(Debug)]
pub struct ConnectionGuard {
    connections: Arc<Connections>,
    number: u64,
    changed: Arc<Notify>,
}

/// The limit of concurrent requests is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

impl Connections {
    /// Adds a new connection, and evicts the one that has waited longest when the table is full.
    ///
    /// `None` when all are being processed, or clients of streams do not go.
    pub fn enter(self: &Arc<Self>) -> Option<ConnectionGuard> {
        let mut state = self.lock();
        let is_stream = |it: &Entry| it.phase == Phase::Streaming;
        if state.by_number.values().filter(|it| is_stream(it)).count() > MAX_STREAMS {
            return None;
        }
        while state.by_number.values().filter(|it| !is_stream(it)).count() >= MAX_CONNECTIONS {
            let waiting = state.by_number.iter();
            let waiting = waiting.filter(|(_, it)| !it.is_processing() && !is_stream(it));
            let longest = *waiting.min_by_key(|(_, it)| it.waiting_since)?.0;
            if let Some(evicted) = state.by_number.remove(&longest) {
                evicted.changed.notify_one();
            }
        }
        let number = state.next;
        state.next += 1;
        let (now, changed) = (Instant::now(), Arc::<Notify>::default());
        let entry = Entry {
            phase: Phase::Idle,
            since: now,
            waiting_since: now,
            changed: Arc::clone(&changed),
        };
        state.by_number.insert(number, entry);
        Some(ConnectionGuard { connections: Arc::clone(self), number, changed })
    }

    /// Waits until no request is processed and every response is sent, or until the timeout.
    pub fn wait_quiet(&self, timeout: Duration) {
        let is_busy = |state: &mut State| {
            let busy = |it: &Entry| it.is_processing() || it.phase == Phase::Responding;
            state.by_number.values().any(busy)
        };
        drop(self.left.wait_timeout_while(self.lock(), timeout, is_busy));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionGuard {
    /// Whether a request is worked on or answered.
    pub fn is_answered(&self) -> bool {
        let state = self.connections.lock();
        let phase = state.by_number.get(&self.number).map(|it| it.phase);
        !matches!(phase, Some(Phase::Idle | Phase::Receiving))
    }

    /// Notes received bytes.
    pub fn received(&self) {
        self.change(|it, now| {
            if it.phase == Phase::Idle {
                (it.phase, it.since) = (Phase::Receiving, now);
            }
        });
    }

    /// A complete request was received: starts processing it.
    ///
    /// # Errors
    /// When the limit is reached, unless it is about health.
    pub fn start_request(&self, is_about_health: bool) -> Result<(), Busy> {
        let mut state = self.connections.lock();
        let counts = |it: &&Entry| it.phase == Phase::Processing { counts: true };
        let working = state.by_number.values().filter(counts).count();
        if !is_about_health && working >= MAX_REQUESTS {
            return Err(Busy);
        }
        if let Some(it) = state.by_number.get_mut(&self.number) {
            it.phase = Phase::Processing { counts: !is_about_health };
            it.since = Instant::now();
        }
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// The response is ready to be sent.
    pub fn response_ready(&self) {
        self.change(|it, now| {
            (it.phase, it.since, it.waiting_since) = (Phase::Responding, now, now);
        });
    }

    /// The response is ready, and goes on until its client leaves.
    pub fn stream_ready(&self) {
        self.change(|it, now| (it.phase, it.since) = (Phase::Streaming, now));
    }

    /// The client takes some of the response.
    pub fn sent(&self) {
        self.change(|it, now| {
            if it.phase == Phase::Streaming {
                it.since = now;
            }
        });
    }

    /// Everything has been sent.
    pub fn response_sent(&self) {
        self.change(|it, now| {
            if it.phase == Phase::Responding {
                (it.phase, it.since, it.waiting_since) = (Phase::Idle, now, now);
            }
        });
    }

    /// Waits until the connection is evicted or times out.
    pub async fn expired(&self) {
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

    /// Deadline of the phase, if it has one; `None` when the connection is evicted.
    fn until(&self) -> Option<Option<Instant>> {
        let state = self.connections.lock();
        let it = state.by_number.get(&self.number)?;
        let longest = match it.phase {
            Phase::Idle => IDLE_TIMEOUT,
            Phase::Receiving => REQUEST_TIMEOUT,
            // processing has no deadline
            Phase::Processing { .. } => return Some(None),
            Phase::Responding => RESPONSE_TIMEOUT,
            Phase::Streaming => STREAM_TIMEOUT,
        };
        Some(Some(it.since + longest))
    }

    fn change(&self, change: impl FnOnce(&mut Entry, Instant)) {
        let mut state = self.connections.lock();
        let Some(it) = state.by_number.get_mut(&self.number) else { return };
        let before = it.phase;
        change(it, Instant::now());
        let has_changed = it.phase != before;
        drop(state);
        if has_changed {
            self.changed.notify_one();
            self.connections.left.notify_all();
        }
    }
}

impl Entry {
    fn is_processing(&self) -> bool {
        matches!(self.phase, Phase::Processing { .. })
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.connections.lock().by_number.remove(&self.number);
        self.connections.left.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_there(guard: &ConnectionGuard) -> bool {
        guard.until().is_some()
    }

    #[test]
    fn when_all_places_are_taken_the_one_that_waited_longest_goes_whatever_it_does() {
        let connections = Arc::<Connections>::default();
        let enter = || connections.enter().unwrap();
        let all: Vec<_> = (0..MAX_CONNECTIONS).map(|_| enter()).collect();
        // silent, trickling, worked for, asked and not reading, asked and silent since
        let [silent, trickling, working, not_reading, kept] = [0, 1, 2, 3, 4].map(|it| &all[it]);
        trickling.received();
        working.start_request(false).unwrap();
        for asked in [not_reading, kept] {
            asked.received();
            asked.start_request(false).unwrap();
            asked.response_ready();
        }
        kept.response_sent();
        for _ in 0..2 {
            std::mem::forget(enter());
        }
        assert!(!is_there(silent) && !is_there(trickling));
        assert!(is_there(working) && is_there(not_reading) && is_there(kept));
        for _ in 0..MAX_CONNECTIONS {
            std::mem::forget(enter());
        }
        assert!(is_there(working) && !is_there(not_reading) && !is_there(kept));
        assert_eq!(connections.lock().by_number.len(), MAX_CONNECTIONS);
    }

    #[test]
    fn health_is_answered_while_as_many_requests_as_may_be_are_worked_on() {
        let connections = Arc::<Connections>::default();
        let all: Vec<_> = (0..MAX_REQUESTS).map(|_| connections.enter().unwrap()).collect();
        all.iter().for_each(|it| it.start_request(false).unwrap());
        let (further, monitor) = (connections.enter().unwrap(), connections.enter().unwrap());
        assert_eq!(further.start_request(false), Err(Busy));
        assert_eq!(monitor.start_request(true), Ok(()));
        drop(all);
        assert_eq!(further.start_request(false), Ok(()));
    }

    #[test]
    fn each_step_of_a_request_has_a_deadline_that_trickling_does_not_move() {
        let connections = Arc::<Connections>::default();
        let guard = connections.enter().unwrap();
        let of = |guard: &ConnectionGuard| guard.until().unwrap();
        assert!(of(&guard) > Some(Instant::now() + IDLE_TIMEOUT / 2));
        guard.received();
        let until = of(&guard);
        guard.received();
        assert!(of(&guard) == until && until < Some(Instant::now() + REQUEST_TIMEOUT));
        guard.start_request(false).unwrap();
        assert_eq!(of(&guard), None);
        guard.response_ready();
        assert!(of(&guard).is_some());
        guard.response_sent();
        assert!(of(&guard) > Some(Instant::now() + IDLE_TIMEOUT / 2));
    }

    #[test]
    fn streams_take_no_place_from_requests_and_stay_as_long_as_their_clients_read() {
        let connections = Arc::<Connections>::default();
        let stream = || {
            let guard = connections.enter().unwrap();
            guard.start_request(false).unwrap();
            guard.stream_ready();
            guard
        };
        let streams: Vec<_> = (0..MAX_STREAMS).map(|_| stream()).collect();
        for _ in 0..2 * MAX_CONNECTIONS {
            std::mem::forget(connections.enter().unwrap());
        }
        assert!(streams.iter().all(is_there));
        assert_eq!(connections.lock().by_number.len(), MAX_STREAMS + MAX_CONNECTIONS);
        // what is written moves the deadline, that all is written does not end the stream
        let until = streams[0].until().unwrap();
        streams[0].response_sent();
        assert_eq!(streams[0].until().unwrap(), until);
        streams[0].sent();
        assert!(streams[0].until().unwrap() > until);
        // they do not hold up the end
        connections.wait_quiet(Duration::from_secs(60));
        // nor are they without a bound when many that have ended are not taken
        let _further = stream();
        assert!(connections.enter().is_none());
    }
}
