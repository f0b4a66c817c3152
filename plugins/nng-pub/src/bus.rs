//! Who is connected: shared by the publisher, the listeners and the subscribers' threads.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use plugin_api::Context;
use sp::Throttle;

use crate::{
    connection::{Connection, Farewell},
    message::Message,
    options::Settings,
    pace::Pace,
    queue::Queue,
    subscriber::Subscriber,
};

/// Most connections that have not said yet what they are.
const MOST_GUESTS: usize = 64;

/// Everybody connected.
pub struct Bus {
    settings: Settings,
    context: Context,
    end: Message,
    members: Mutex<Members>,
    /// Tells that somebody came or went, or that the bus closes.
    changed: Condvar,
    refusals: Throttle,
    losses: Throttle,
    arrivals: Throttle,
    departures: Throttle,
}

#[derive(Default)]
struct Members {
    /// Connected, but not known to be subscribers.
    guests: Vec<Arc<Subscriber>>,
    subscribers: Vec<Arc<Subscriber>>,
    closing: bool,
}

impl Bus {
    /// A bus with nobody on it; `end` is the end mark.
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

    /// Takes a new connection in, to be [`serve`](Self::serve)d by a thread of its own; `None`
    /// when the bus closes or too many connections have not introduced themselves.
    pub fn admit(&self, connection: Connection) -> Option<Arc<Subscriber>> {
        let mut members = self.lock();
        if members.closing {
            return None;
        }
        if members.guests.len() >= MOST_GUESTS {
            drop(members);
            self.refuse(
                connection.peer(),
                &format!("{MOST_GUESTS} connections have not introduced themselves yet"),
            );
            return None;
        }
        let queue = Queue::new(self.settings.send_buffer, self.end.clone());
        let pace = Pace::new(self.settings.max_rate);
        let guest = Arc::new(Subscriber::new(connection, queue, pace));
        members.guests.push(Arc::clone(&guest));
        Some(guest)
    }

    /// Serves a connection until it ends.
    pub fn serve(&self, guest: &Arc<Subscriber>) {
        let Settings { handshake_timeout, stall_timeout, .. } = self.settings;
        let welcome = guest.shake_hands(handshake_timeout, stall_timeout);
        match welcome.and_then(|()| self.join(guest)) {
            Ok(()) => {
                let farewell = guest.serve();
                self.leave(guest, &farewell);
            }
            Err(reason) => self.dismiss(guest, &reason),
        }
    }

    /// Lets a guest go that does not become a subscriber.
    pub fn dismiss(&self, guest: &Arc<Subscriber>, reason: &str) {
        let mut members = self.lock();
        members.guests.retain(|other| !Arc::ptr_eq(other, guest));
        let closing = members.closing;
        drop(members);
        if !closing {
            self.refuse(guest.peer(), reason);
        }
    }

    /// Makes a guest a subscriber.
    fn join(&self, guest: &Arc<Subscriber>) -> Result<(), String> {
        let mut members = self.lock();
        let most = self.settings.max_subscribers;
        if members.closing {
            return Err("the sink closes".to_owned());
        }
        if members.subscribers.len() >= most {
            return Err(format!("{most} subscribers are there already; raise max_subscribers"));
        }
        members.guests.retain(|other| !Arc::ptr_eq(other, guest));
        members.subscribers.push(Arc::clone(guest));
        let count = self.show_count(&members);
        drop(members);
        self.changed.notify_all();
        let line = format!("subscriber {} joined, {count} there", guest.peer());
        if let Some(line) = self.arrivals.pass(line) {
            self.context.info(&line);
        }
        Ok(())
    }

    fn leave(&self, subscriber: &Arc<Subscriber>, farewell: &Farewell) {
        let lost = match farewell {
            Farewell::Left | Farewell::Done => 0, // what it did not want is not lost
            _ => subscriber.queued_records(),
        };
        // counted before the publisher can see that the subscriber has gone
        self.count_dropped(lost);
        let mut members = self.lock();
        members.subscribers.retain(|other| !Arc::ptr_eq(other, subscriber));
        let count = self.show_count(&members);
        drop(members);
        self.changed.notify_all();
        let reason = match farewell {
            Farewell::Left => "left".to_owned(),
            Farewell::Done => "has everything".to_owned(),
            Farewell::Spoke => {
                "sent data, which no subscriber does, and was disconnected".to_owned()
            }
            Farewell::Stalled => format!(
                "took nothing for {:?} and was disconnected with {lost} records to come",
                self.settings.stall_timeout
            ),
            Farewell::CutOff => format!(
                "did not take {lost} records within {:?}; raise drain_timeout if it should have",
                self.settings.drain_timeout
            ),
            Farewell::Broken(fault) => format!("was lost with {lost} records to come: {fault}"),
        };
        let line = format!("subscriber {} {reason}, {count} there", subscriber.peer());
        let Some(line) = self.departures.pass(line) else { return };
        match farewell {
            Farewell::Left | Farewell::Done => self.context.info(&line),
            _ => self.context.warn(&line),
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
        if let Some(line) = self.losses.pass(line) {
            self.context.warn(&line);
        }
    }

    /// Logs what is wrong with a listener.
    pub fn warn(&self, line: &str) {
        self.context.warn(line);
    }

    /// Logs that a peer was not served.
    pub fn refuse(&self, peer: &str, reason: &str) {
        let line = format!("refused {peer}: {reason}");
        if let Some(line) = self.refusals.pass(line) {
            self.context.warn(&line);
        }
    }

    /// Puts the subscribers into `receivers`, instead of what is there.
    pub fn list(&self, receivers: &mut Vec<Arc<Subscriber>>) {
        receivers.clear();
        receivers.extend(self.lock().subscribers.iter().cloned());
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

    /// Lets nobody in any more.
    pub fn shut_doors(&self) {
        let mut members = self.lock();
        members.closing = true;
        for guest in &members.guests {
            guest.end(Farewell::CutOff);
        }
        drop(members);
        self.changed.notify_all();
    }

    /// Lets the subscribers have what is queued until the deadline, and ends the rest.
    pub fn drain(&self, deadline: Instant) {
        for subscriber in &self.lock().subscribers {
            subscriber.drain();
        }
        if !self.wait(deadline, |members| members.subscribers.is_empty()) {
            for subscriber in &self.lock().subscribers {
                subscriber.end(Farewell::CutOff);
            }
        }
    }

    fn wait(&self, deadline: Instant, until: impl Fn(&Members) -> bool) -> bool {
        let mut members = self.lock();
        loop {
            if until(&members) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.changed.wait_timeout(members, left);
            members = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Shows the number of subscribers while nobody can change it.
    fn show_count(&self, members: &Members) -> usize {
        let count = members.subscribers.len();
        self.context.gauge("subscribers", f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
        count
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
