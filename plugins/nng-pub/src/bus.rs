//! The connections, shared by the publisher, the listeners and the subscribers' threads.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use kit::Throttle;
use plugin_api::{Context, Reader};

use crate::{
    connection::{CloseReason, Connection},
    message::Message,
    options::Settings,
    pace::Pace,
    queue::Queue,
    subscriber::Subscriber,
};

/// Most connections whose handshake is not complete.
const MOST_PENDING: usize = 64;

/// All connections of the publisher.
pub struct Bus {
    settings: Settings,
    context: Context,
    end: Message,
    members: Mutex<Members>,
    /// Signalled when a subscriber joins or leaves, and when the bus closes.
    changed: Condvar,
    refusals: Throttle,
    losses: Throttle,
    arrivals: Throttle,
    departures: Throttle,
}

#[derive(Default)]
struct Members {
    /// Connections whose handshake is not complete.
    pending: Vec<Arc<Subscriber>>,
    subscribers: Vec<Arc<Subscriber>>,
    /// Connections that were ever admitted.
    admitted: u64,
    closing: bool,
}

impl Bus {
    /// A bus without subscribers; `end` is the end mark.
    pub fn new(settings: Settings, context: Context, end: Message) -> Self {
        context.gauge("subscribers", 0.0);
        Self {
            settings,
            context,
            end,
            members: Mutex::default(),
            changed: Condvar::new(),
            refusals: Throttle::default(),
            losses: Throttle::default(),
            arrivals: Throttle::default(),
            departures: Throttle::default(),
        }
    }

    /// Registers a new connection, to be [`serve`](Self::serve)d by a thread of its own; `None`
    /// when the bus closes or too many handshakes are not complete.
    pub fn admit(&self, connection: Connection) -> Option<Arc<Subscriber>> {
        let mut members = self.lock();
        if members.closing {
            return None;
        }
        if members.pending.len() >= MOST_PENDING {
            drop(members);
            self.refuse(
                connection.peer(),
                &format!("{MOST_PENDING} connections have not introduced themselves yet"),
            );
            return None;
        }
        let queue = Queue::new(self.settings.send_buffer, self.end.clone());
        let pace = Pace::new(self.settings.max_rate);
        members.admitted += 1;
        let came = (members.admitted, self.context.now_us());
        let subscriber = Arc::new(Subscriber::new(came, connection, queue, pace));
        members.pending.push(Arc::clone(&subscriber));
        Some(subscriber)
    }

    /// Serves a connection until it ends.
    pub fn serve(&self, subscriber: &Arc<Subscriber>) {
        let Settings { handshake_timeout, stall_timeout, .. } = self.settings;
        let handshake = subscriber.shake_hands(handshake_timeout, stall_timeout);
        match handshake.and_then(|()| self.join(subscriber)) {
            Ok(()) => {
                let reason = subscriber.serve();
                self.leave(subscriber, &reason);
            }
            Err(reason) => self.reject(subscriber, &reason),
        }
    }

    /// Removes a pending connection that does not become a subscriber.
    pub fn reject(&self, pending: &Arc<Subscriber>, reason: &str) {
        let mut members = self.lock();
        members.pending.retain(|other| !Arc::ptr_eq(other, pending));
        let closing = members.closing;
        drop(members);
        if !closing {
            self.refuse(pending.peer(), reason);
        }
    }

    /// Makes a pending connection a subscriber.
    fn join(&self, subscriber: &Arc<Subscriber>) -> Result<(), String> {
        let mut members = self.lock();
        let most = self.settings.max_subscribers;
        if members.closing {
            return Err("the sink closes".to_owned());
        }
        if members.subscribers.len() >= most {
            return Err(format!("{most} subscribers are there already; raise max_subscribers"));
        }
        members.pending.retain(|other| !Arc::ptr_eq(other, subscriber));
        members.subscribers.push(Arc::clone(subscriber));
        let count = self.show_count(&members);
        drop(members);
        self.changed.notify_all();
        let line = format!("subscriber {} joined, {count} there", subscriber.peer());
        self.arrivals.info(&self.context, line);
        Ok(())
    }

    fn leave(&self, subscriber: &Arc<Subscriber>, close: &CloseReason) {
        let lost = match close {
            CloseReason::Left | CloseReason::Done => 0, // what it did not want is not lost
            _ => subscriber.queued_records(),
        };
        // counted before the publisher can see that the subscriber is closed
        self.count_dropped(lost);
        let mut members = self.lock();
        members.subscribers.retain(|other| !Arc::ptr_eq(other, subscriber));
        let count = self.show_count(&members);
        drop(members);
        self.changed.notify_all();
        let reason = match close {
            CloseReason::Left => "left".to_owned(),
            CloseReason::Done => "has everything".to_owned(),
            CloseReason::Spoke => {
                "sent data, which no subscriber does, and was disconnected".to_owned()
            }
            CloseReason::Stalled => format!(
                "took nothing for {:?} and was disconnected with {lost} records to come",
                self.settings.stall_timeout
            ),
            CloseReason::Removed => {
                format!("was disconnected by the operator with {lost} records to come")
            }
            CloseReason::CutOff => format!(
                "did not take {lost} records within {:?}; raise drain_timeout if it should have",
                self.settings.drain_timeout
            ),
            CloseReason::Broken(fault) => format!("was lost with {lost} records to come: {fault}"),
        };
        let line = format!("subscriber {} {reason}, {count} there", subscriber.peer());
        match close {
            CloseReason::Left | CloseReason::Done | CloseReason::Removed => {
                self.departures.info(&self.context, line);
            }
            _ => self.departures.warn(&self.context, line),
        }
    }

    /// Counts quotes that a subscriber did not get.
    pub fn count_dropped(&self, records: u64) {
        if records > 0 {
            self.context.dropped("slow_subscriber", records);
        }
    }

    /// Logs that a subscriber begins to lose quotes.
    pub fn tell_of_drop(&self, subscriber: &Subscriber) {
        let line = format!(
            "subscriber {} is too slow: {} bytes are queued for it, so it loses the rest of this \
             round; raise send_buffer, or set slow_subscriber = \"wait\"",
            subscriber.peer(),
            subscriber.queued_bytes(),
        );
        self.losses.warn(&self.context, line);
    }

    /// Logs what is wrong with a listener.
    pub fn warn(&self, line: &str) {
        self.context.warn(line);
    }

    /// Logs that a peer was not served.
    pub fn refuse(&self, peer: &str, reason: &str) {
        let line = format!("refused {peer}: {reason}");
        self.refusals.warn(&self.context, line);
    }

    /// Puts the subscribers into `receivers`, instead of what is there.
    pub fn list(&self, receivers: &mut Vec<Arc<Subscriber>>) {
        receivers.clear();
        receivers.extend(self.lock().subscribers.iter().cloned());
    }

    /// The subscribers as readers.
    pub fn readers(&self) -> Vec<Reader> {
        let mut subscribers = Vec::new();
        self.list(&mut subscribers);
        subscribers.iter().map(|subscriber| subscriber.reader()).collect()
    }

    /// The subscriber of that id.
    pub fn find(&self, id: &str) -> Option<Arc<Subscriber>> {
        self.lock().subscribers.iter().find(|subscriber| subscriber.id() == id).cloned()
    }

    /// Waits until so many subscribers are there; false when the time is over.
    pub fn wait_for(&self, subscribers: usize, at_most: Duration) -> bool {
        self.wait(Instant::now() + at_most, |members| members.subscribers.len() >= subscribers)
    }

    /// Number of subscribers.
    pub fn subscribers(&self) -> usize {
        self.lock().subscribers.len()
    }

    /// Whether the bus closes.
    pub fn is_closing(&self) -> bool {
        self.lock().closing
    }

    /// Waits until the bus closes or the time is over; true when it closes.
    pub fn wait_for_close(&self, at_most: Duration) -> bool {
        self.wait(Instant::now() + at_most, |members| members.closing)
    }

    /// Refuses new connections from now on and ends those whose handshake is not complete.
    pub fn stop_accepting(&self) {
        let mut members = self.lock();
        members.closing = true;
        for pending in &members.pending {
            pending.end(CloseReason::CutOff);
        }
        drop(members);
        self.changed.notify_all();
    }

    /// Lets the queues empty until the deadline, then ends the subscribers that are left.
    pub fn drain(&self, deadline: Instant) {
        for subscriber in &self.lock().subscribers {
            subscriber.drain();
        }
        if !self.wait(deadline, |members| members.subscribers.is_empty()) {
            for subscriber in &self.lock().subscribers {
                subscriber.end(CloseReason::CutOff);
            }
        }
    }

    fn wait(&self, deadline: Instant, until: impl Fn(&Members) -> bool) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let waited = self.changed.wait_timeout_while(self.lock(), left, |it| !until(it));
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Sets the gauge of subscribers, under the lock so that it cannot fall behind.
    fn show_count(&self, members: &Members) -> usize {
        let count = members.subscribers.len();
        self.context.gauge("subscribers", f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
        count
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
