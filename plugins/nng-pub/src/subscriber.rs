//! One subscriber: its queue, the thread that writes it out, the thread that notices its end.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::{
    connection::{CloseReason, Connection},
    message::Message,
    pace::Pace,
    queue::{Offered, Queue, WhenFull},
};

/// A connected subscriber, shared by the publisher and its own two threads.
#[derive(Debug)]
pub struct Subscriber {
    connection: Connection,
    state: Mutex<State>,
    /// Signals messages and the end to the writer.
    filled: Condvar,
    /// Signals room and the end to the publisher.
    emptied: Condvar,
}

#[derive(Debug)]
struct State {
    queue: Queue,
    pace: Pace,
    ending: Ending,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Ending {
    /// It goes on.
    NotYet,
    /// It ends when the queue is empty.
    Drain,
    /// It ends at once.
    Now(CloseReason),
}

impl Subscriber {
    /// A subscriber at the other end of that connection.
    pub fn new(connection: Connection, queue: Queue, pace: Pace) -> Self {
        Self {
            connection,
            state: Mutex::new(State { queue, pace, ending: Ending::NotYet }),
            filled: Condvar::new(),
            emptied: Condvar::new(),
        }
    }

    /// Who it is, for the log.
    pub fn peer(&self) -> &str {
        self.connection.peer()
    }

    /// Checks that the peer is a subscriber; see [`Connection::shake_hands`].
    ///
    /// # Errors
    /// A text that says why it is none.
    pub fn shake_hands(&self, within: Duration, stall: Duration) -> Result<(), String> {
        self.connection.shake_hands(within, stall)
    }

    /// Writes what is queued until the connection or the sink is closed. Blocks until then.
    pub fn serve(&self) -> CloseReason {
        thread::scope(|scope| {
            let watch = || self.end(self.connection.wait_for_end());
            let spawned =
                thread::Builder::new().name("nng-pub-watch".into()).spawn_scoped(scope, watch);
            let reason = match spawned {
                Ok(_) => self.write_out(),
                Err(error) => CloseReason::Broken(format!("no thread for it: {error}")),
            };
            self.end(reason.clone()); // the watching thread ends with the connection
            reason
        })
    }

    fn write_out(&self) -> CloseReason {
        let mut group = Vec::new();
        loop {
            if let Some(reason) = self.next_group(&mut group) {
                return reason;
            }
            if let Err(reason) = self.connection.send(&group) {
                // if the connection was ended on purpose, that is why the write failed
                return self.ended().unwrap_or(reason);
            }
            self.lock().queue.written(&group);
            self.emptied.notify_all();
            group.clear();
        }
    }

    /// Waits for messages; `Some` when there is nothing to write any more.
    fn next_group(&self, group: &mut Vec<Message>) -> Option<CloseReason> {
        let mut state = self.lock();
        loop {
            if let Ending::Now(reason) = &state.ending {
                return Some(reason.clone());
            }
            if !state.queue.is_empty() {
                match state.pace.due(Instant::now()) {
                    Ok(most) => {
                        state.queue.take(group, most);
                        state.pace.left(group.len());
                        return None;
                    }
                    Err(wait) => {
                        let waited = self.filled.wait_timeout(state, wait);
                        state = waited.unwrap_or_else(PoisonError::into_inner).0;
                        continue;
                    }
                }
            }
            if state.ending == Ending::Drain {
                return Some(CloseReason::Done);
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Queues a message; see [`Queue::offer`].
    pub fn offer(&self, message: &Message, when_full: WhenFull) -> Offered {
        let mut state = self.lock();
        if state.ending != Ending::NotYet {
            return Offered::NotDue;
        }
        let offered = state.queue.offer(message, when_full);
        drop(state);
        self.filled.notify_one();
        offered
    }

    /// Waits until something was written, the subscriber is closed, or the time is over.
    pub fn wait_for_progress(&self, at_most: Duration) {
        let state = self.lock();
        if state.ending == Ending::NotYet && !state.queue.is_empty() {
            // an early return only makes the caller look again
            drop(self.emptied.wait_timeout(state, at_most));
        }
    }

    /// Waits until everything queued was written or the subscriber is closed; false if the queue is
    /// not empty at the deadline.
    pub fn wait_until_empty(&self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let waited = self.emptied.wait_timeout_while(self.lock(), left, |state| {
            !state.queue.is_empty() && !matches!(state.ending, Ending::Now(_))
        });
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Closes it when its queue is empty.
    pub fn drain(&self) {
        let mut state = self.lock();
        if state.ending == Ending::NotYet {
            state.ending = Ending::Drain;
        }
        drop(state);
        self.filled.notify_one();
    }

    /// Closes it at once; the first reason given counts.
    pub fn end(&self, reason: CloseReason) {
        let mut state = self.lock();
        if !matches!(state.ending, Ending::Now(_)) {
            state.ending = Ending::Now(reason);
        }
        drop(state);
        self.connection.shut_down(); // wakes both threads if they block on it
        self.filled.notify_one();
        self.emptied.notify_all();
    }

    /// Bytes queued or being written.
    pub fn queued_bytes(&self) -> usize {
        self.lock().queue.bytes()
    }

    /// Quotes that wait to be written.
    pub fn queued_records(&self) -> u64 {
        self.lock().queue.records()
    }

    fn ended(&self) -> Option<CloseReason> {
        match &self.lock().ending {
            Ending::Now(reason) => Some(reason.clone()),
            _ => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
