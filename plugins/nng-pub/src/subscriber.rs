//! One subscriber: its queue, the thread that writes it out, the thread that notices its end.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use plugin_api::{ActionKind, Reader, ReaderKind};

use crate::{
    connection::{CloseReason, Connection},
    message::Message,
    pace::Pace,
    queue::{Offered, Queue, WhenFull},
    securities::Set,
};

/// A connected subscriber, shared by the publisher and its own two threads.
#[derive(Debug)]
pub struct Subscriber {
    /// Counts all that ever connected.
    number: u64,
    /// When it connected, microseconds since 1970 UTC.
    since_us: i64,
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
    counts: Counts,
}

/// What became of the quotes that were there for it.
#[derive(Debug, Default)]
struct Counts {
    sent: u64,
    /// Being written.
    on_the_way: u64,
    lost: u64,
    /// Receipt by the host of the newest one that was sent, and of the newest of all; 0: none.
    sent_us: i64,
    newest_us: i64,
    /// Of those that were sent.
    securities: Set,
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
    pub fn new(
        (number, since_us): (u64, i64),
        connection: Connection,
        queue: Queue,
        pace: Pace,
    ) -> Self {
        let (ending, counts) = (Ending::NotYet, Counts::default());
        Self {
            number,
            since_us,
            connection,
            state: Mutex::new(State { queue, pace, ending, counts }),
            filled: Condvar::new(),
            emptied: Condvar::new(),
        }
    }

    /// Who it is, for the log.
    pub fn peer(&self) -> &str {
        self.connection.peer()
    }

    /// Its name among the readers of the sink.
    pub fn id(&self) -> String {
        self.number.to_string()
    }

    /// What is known of it as a reader.
    pub fn reader(&self) -> Reader {
        let state = self.lock();
        let Counts { sent, on_the_way, lost, sent_us, newest_us, ref securities } = state.counts;
        Reader {
            address: self.peer().to_owned(),
            since_us: Some(self.since_us),
            records: Some(sent),
            lag_records: Some(state.queue.records() + on_the_way),
            // what came before it is not waited for
            reached_us: Some(sent_us.max(self.since_us)),
            newest_us: Some(newest_us.max(self.since_us)),
            lost,
            securities: Some(securities.count()),
            last_record_us: (sent_us > 0).then_some(sent_us),
            ..Reader::new(ReaderKind::Subscriber, self.id())
        }
        .can(ActionKind::Disconnect)
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
            let mut state = self.lock();
            state.queue.written(&group);
            state.counts.sent(&group);
            drop(state);
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
                        state.counts.on_the_way = records(group);
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
        state.counts.newest_us = state.counts.newest_us.max(message.received_us);
        if let Offered::Dropped { records, .. } = offered {
            state.counts.lost += u64::from(records);
        }
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

impl Counts {
    fn sent(&mut self, group: &[Message]) {
        self.on_the_way = 0;
        self.sent += records(group);
        let seen = group.iter().filter_map(|message| message.securities.as_ref());
        seen.for_each(|seen| self.securities.add(seen));
        let received = group.iter().map(|message| message.received_us);
        self.sent_us = received.fold(self.sent_us, i64::max);
    }
}

fn records(group: &[Message]) -> u64 {
    group.iter().map(|message| u64::from(message.records)).sum()
}
