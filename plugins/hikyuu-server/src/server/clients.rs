//! The connections, and which one is evicted when there are too many.

use std::{
    collections::HashMap,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use plugin_api::{ActionKind, Reader, ReaderKind};
use rustix::net::Shutdown;
use sp::{Accepted, Framing, Wire};

/// In place of a time: the client waits for an answer.
const BUSY: u64 = u64::MAX;

/// One connection.
#[derive(Debug)]
pub struct Client {
    /// The connection itself.
    pub wire: Wire,
    /// How messages are framed on it.
    pub framing: Framing,
    /// Name of the peer, for the log.
    pub peer: String,
    /// When it connected, microseconds since 1970 UTC.
    came_us: i64,
    answers: AtomicU64,
    refusals: AtomicU64,
    /// When it was answered last, microseconds since 1970 UTC; 0: never.
    answered_us: AtomicI64,
    /// When it was connected or answered last, microseconds since the server's start; or [`BUSY`].
    idle_since_us: AtomicU64,
    start: Instant,
    is_evicted: AtomicBool,
}

impl Client {
    /// Marks it as waiting for an answer.
    pub fn set_busy(&self) {
        self.idle_since_us.store(BUSY, Ordering::Relaxed);
    }

    /// Marks it as idle from now on.
    pub fn set_idle(&self) {
        self.idle_since_us.store(since_us(self.start), Ordering::Relaxed);
    }

    /// Counts an answer that it took.
    pub fn note_answer(&self, is_refusal: bool, now_us: i64) {
        let count = if is_refusal { &self.refusals } else { &self.answers };
        count.fetch_add(1, Ordering::Relaxed);
        self.answered_us.store(now_us, Ordering::Relaxed);
    }

    /// Whether its connection was closed to make room for another, or because the operator wanted it.
    pub fn is_evicted(&self) -> bool {
        self.is_evicted.load(Ordering::Relaxed)
    }

    /// Closes its connection.
    fn evict(&self) {
        self.is_evicted.store(true, Ordering::Relaxed);
        self.wire.shut_down(Shutdown::Both); // wakes its thread
    }

    /// What is known of it as a reader.
    fn reader(&self, id: u64) -> Reader {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let idle_since_us = load(&self.idle_since_us);
        let answered_us = self.answered_us.load(Ordering::Relaxed);
        Reader {
            address: self.peer.clone(),
            since_us: Some(self.came_us),
            records: Some(load(&self.answers)),
            errors: load(&self.refusals),
            last_record_us: (answered_us > 0).then_some(answered_us),
            // one that waits for an answer is heard of now
            silent_us: Some(since_us(self.start).saturating_sub(idle_since_us)),
            ..Reader::new(ReaderKind::Client, id.to_string())
        }
        .can(ActionKind::Disconnect)
    }
}

/// All connections.
#[derive(Debug)]
pub struct Clients {
    most: usize,
    start: Instant,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_closing: bool,
    last: u64,
    by_id: HashMap<u64, Arc<Client>>,
}

/// What came of a connection.
#[derive(Debug)]
pub enum Admission {
    /// It is served under that number; the other one was evicted, idle for so long.
    Served(u64, Arc<Client>, Option<(Arc<Client>, Duration)>),
    /// All others are being answered; the connection's own name.
    Full(String),
    /// The server closes.
    Closing,
}

impl Clients {
    /// At most so many.
    pub fn new(most: usize) -> Self {
        let (state, changed) = (Mutex::default(), Condvar::new());
        Self { most, start: Instant::now(), state, changed }
    }

    /// Registers a connection. When there are too many, the one that has been idle longest is
    /// evicted.
    pub fn admit(&self, accepted: Accepted, now_us: i64) -> Admission {
        let Accepted { wire, framing, peer, .. } = accepted;
        let mut state = self.lock();
        if state.is_closing {
            return Admission::Closing;
        }
        let mut gone = None;
        if state.by_id.len() >= self.most {
            gone = self.evict_idlest(&mut state);
            if gone.is_none() {
                return Admission::Full(peer);
            }
        }
        state.last += 1;
        let id = state.last;
        let client = Arc::new(Client {
            wire,
            framing,
            peer,
            came_us: now_us,
            answers: AtomicU64::new(0),
            refusals: AtomicU64::new(0),
            answered_us: AtomicI64::new(0),
            idle_since_us: AtomicU64::new(since_us(self.start)),
            start: self.start,
            is_evicted: AtomicBool::new(false),
        });
        state.by_id.insert(id, Arc::clone(&client));
        Admission::Served(id, client, gone)
    }

    /// Closes the connection that has been idle longest, so that others can be made.
    pub fn make_room(&self) {
        self.evict_idlest(&mut self.lock());
    }

    /// Closes the connection that has been idle longest; `None` when all wait for answers.
    fn evict_idlest(&self, state: &mut State) -> Option<(Arc<Client>, Duration)> {
        let since = |client: &Client| client.idle_since_us.load(Ordering::Relaxed);
        let idle = state.by_id.iter().map(|(id, client)| (since(client), *id));
        let (since, id) = idle.filter(|(since, _)| *since != BUSY).min()?;
        let client = state.by_id.remove(&id)?;
        client.evict();
        let rested = since_us(self.start).saturating_sub(since);
        Some((client, Duration::from_micros(rested)))
    }

    /// Removes a connection that has ended.
    pub fn remove(&self, id: u64) {
        self.lock().by_id.remove(&id);
        self.changed.notify_all();
    }

    /// The clients as readers, oldest first.
    pub fn readers(&self) -> Vec<Reader> {
        let state = self.lock();
        let mut clients: Vec<_> = state.by_id.iter().collect();
        clients.sort_unstable_by_key(|(id, _)| **id);
        clients.into_iter().map(|(id, client)| client.reader(*id)).collect()
    }

    /// The client of that number as a reader; closes its connection if that is wanted.
    pub fn find(&self, id: u64, disconnect: bool) -> Option<Reader> {
        let state = self.lock();
        let client = state.by_id.get(&id)?;
        if disconnect {
            client.evict();
        }
        Some(client.reader(id))
    }

    /// Number of connections.
    pub fn count(&self) -> usize {
        self.lock().by_id.len()
    }

    /// Whether the server closes.
    pub fn is_closing(&self) -> bool {
        self.lock().is_closing
    }

    /// Waits until the server closes or the time is over.
    pub fn wait_for_close(&self, at_most: Duration) {
        let wait = self.changed.wait_timeout_while(self.lock(), at_most, |it| !it.is_closing);
        drop(wait);
    }

    /// Refuses new connections from now on.
    pub fn stop_accepting(&self) {
        self.lock().is_closing = true;
        self.changed.notify_all();
    }

    /// Waits at most so long for answers under way, then ends every connection.
    pub fn end(&self, drain: Duration) {
        let state = self.lock();
        state.shut_down(Shutdown::Read);
        let (state, _) = self
            .changed
            .wait_timeout_while(state, drain, |state| !state.by_id.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        state.shut_down(Shutdown::Both);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn shut_down(&self, how: Shutdown) {
        self.by_id.values().for_each(|client| client.wire.shut_down(how));
    }
}

fn since_us(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_micros()).unwrap_or(BUSY - 1)
}

#[cfg(test)]
mod tests {
    use std::{io::Read, os::unix::net::UnixStream, thread};

    use super::*;

    fn connection() -> (Accepted, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let wire = Wire::new(ours.into());
        (Accepted { wire, framing: Framing::Unix, peer: "a".into(), remote: None }, theirs)
    }

    #[test]
    fn who_has_rested_longest_gives_way_and_who_waits_for_an_answer_does_not() {
        let clients = Clients::new(2);
        let mut theirs = Vec::new();
        let mut admit = || {
            let (accepted, stream) = connection();
            theirs.push(stream);
            clients.admit(accepted, 7)
        };
        let Admission::Served(_, first, None) = admit() else { panic!() };
        let Admission::Served(_, second, None) = admit() else { panic!() };
        first.set_busy();
        let Admission::Served(_, third, Some((gone, _))) = admit() else { panic!() };
        assert!(Arc::ptr_eq(&gone, &second) && second.is_evicted());
        third.set_busy();
        assert!(matches!(admit(), Admission::Full(_)));
        thread::sleep(Duration::from_millis(2));
        first.set_idle();
        let Admission::Served(_, fourth, Some((gone, _))) = admit() else { panic!() };
        assert!(Arc::ptr_eq(&gone, &first) && clients.count() == 2);
        assert!(!third.is_evicted() && !fourth.is_evicted());
        assert_eq!(theirs[0].read(&mut [0]).unwrap(), 0, "its connection is closed");
        clients.stop_accepting();
        assert!(matches!(clients.admit(connection().0, 7), Admission::Closing));
    }

    #[test]
    fn a_client_is_told_with_what_it_was_answered_and_can_be_disconnected() {
        let clients = Clients::new(2);
        let (accepted, mut theirs) = connection();
        let Admission::Served(id, client, None) = clients.admit(accepted, 7) else { panic!() };
        client.note_answer(false, 8);
        client.note_answer(true, 9);
        let readers = clients.readers();
        let [reader] = readers.as_slice() else { panic!() };
        assert_eq!((reader.id.clone(), reader.address.as_str()), (id.to_string(), "a"));
        let counts = (reader.since_us, reader.records, reader.errors, reader.last_record_us);
        assert_eq!(counts, (Some(7), Some(1), 1, Some(9)));
        client.set_busy();
        assert_eq!(clients.readers()[0].silent_us, Some(0));
        assert!(clients.find(id + 1, true).is_none());
        assert!(clients.find(id, false).is_some() && !client.is_evicted());
        assert!(clients.find(id, true).is_some() && client.is_evicted());
        assert_eq!(theirs.read(&mut [0]).unwrap(), 0, "its connection is closed");
    }
}
