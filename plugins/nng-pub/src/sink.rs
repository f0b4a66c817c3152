//! The publisher: batches in, messages to every subscriber out.

use std::{
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use plugin_api::{Ack, Batch, Context, Delivery, PluginError, RecordKind, Sink};
use sp::Listener;

use crate::{
    bus::Bus,
    listener,
    marks::Marks,
    message::{Message, Messages},
    options::{Options, Settings, SlowSubscriber},
    queue::{Offered, WhenFull},
    subscriber::Subscriber,
};

/// How often a wait looks whether the host wants the sink to end.
const SLICE: Duration = Duration::from_millis(100);

/// The `nng-pub` sink.
pub struct NngPub {
    settings: Settings,
    context: Context,
    bus: Arc<Bus>,
    listeners: Vec<(Arc<Listener>, Option<JoinHandle<()>>)>,
    messages: Messages,
    marks: Marks,
    /// The subscribers while a message goes out; kept for its memory.
    receivers: Vec<Arc<Subscriber>>,
    /// Whether `wait_subscribers` were there once.
    has_audience: bool,
    /// Whether the log said that bars are not carried.
    told_of_bars: bool,
    /// When waiting for slow subscribers ends, once the host is stopping.
    patience: Option<Instant>,
}

impl Sink for NngPub {
    type Options = Options;

    const DELIVERY: Delivery = Delivery::Publisher;

    /// Leaves the addresses alone: a host that runs may hold them rightly.
    fn check(options: &Options, context: &Context) -> Result<(), PluginError> {
        Settings::new(options, context).map(drop)
    }

    fn open(options: Options, context: Context) -> Result<Self, PluginError> {
        Self::start(Settings::new(&options, &context)?, context)
    }

    /// Queues for every subscriber; never waits for one unless `slow_subscriber = "wait"`.
    ///
    /// While fewer than `wait_subscribers` have ever been there this blocks for a while before it
    /// has the host try again: within the call the feed begins the moment the last one joins,
    /// whereas the host's pauses grow; but a call that never returns would be reported as stuck.
    fn write(&mut self, batches: &[Batch]) -> Result<Ack, PluginError> {
        if !batches.is_empty() {
            self.wait_for_audience()?;
        }
        let mut dropped = 0;
        for batch in batches {
            dropped += self.publish(batch);
        }
        self.bus.count_dropped(dropped);
        Ok(Ack::Delivered)
    }

    fn flush(&mut self) -> Result<(), PluginError> {
        let deadline = Instant::now() + self.settings.drain_timeout;
        self.bus.list(&mut self.receivers);
        for subscriber in self.receivers.drain(..) {
            if !subscriber.wait_until_empty(deadline) {
                self.context.warn(&format!(
                    "{} bytes are still queued for subscriber {} after {:?}; they will be sent \
                     while the host runs",
                    subscriber.queued_bytes(),
                    subscriber.peer(),
                    self.settings.drain_timeout,
                ));
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), PluginError> {
        if self.marks.close() {
            let end = self.messages.end.clone();
            self.send(&end);
        }
        self.end(self.settings.drain_timeout);
        Ok(())
    }
}

impl NngPub {
    /// Listens at all addresses, or at none.
    pub(crate) fn start(mut settings: Settings, context: Context) -> Result<Self, PluginError> {
        let mut bound = Vec::new();
        let mut faults = Vec::new();
        for address in &settings.listen {
            match Listener::bind(address, settings.ipc_mode, settings.tls.as_ref()) {
                Ok(listeners) => bound.extend(listeners),
                Err(fault) => faults.push(fault),
            }
        }
        if !faults.is_empty() {
            return Err(PluginError::fatal(faults.join("; ")));
        }
        let (most, line) = sp::room("max_subscribers", settings.max_subscribers);
        settings.max_subscribers = most.max(settings.wait_subscribers);
        if let Some(line) = line {
            context.warn(&line);
        }
        if let Some(tls) = &settings.tls {
            tls.warn_of_exposed_key();
        }
        let messages = Messages::new(&settings.topic);
        let bus = Arc::new(Bus::new(settings.clone(), context.clone(), messages.end.clone()));
        let mut sink = Self {
            settings,
            context,
            bus,
            listeners: Vec::new(),
            messages,
            marks: Marks::default(),
            receivers: Vec::new(),
            has_audience: false,
            told_of_bars: false,
            patience: None,
        };
        for listener in bound {
            sink.listen(listener)?;
        }
        if sink.settings.wait_subscribers > 0 {
            sink.context.info(&format!(
                "the first batch waits for {} subscribers",
                sink.settings.wait_subscribers
            ));
        }
        Ok(sink)
    }

    fn listen(&mut self, listener: Listener) -> Result<(), PluginError> {
        let listener = Arc::new(listener);
        let run = {
            let (listener, bus) = (Arc::clone(&listener), Arc::clone(&self.bus));
            move || listener::run(&listener, &bus)
        };
        let thread = thread::Builder::new().name("nng-pub-accept".into()).spawn(run);
        let thread = thread.map_err(|error| {
            PluginError::fatal(format!("no thread for {}: {error}", listener.name()))
        })?;
        self.context.info(&format!("listening at {}", listener.name()));
        if let Some(warning) = listener.warning() {
            self.context.warn(&warning);
        }
        self.listeners.push((listener, Some(thread)));
        Ok(())
    }

    fn wait_for_audience(&mut self) -> Result<(), PluginError> {
        let wanted = self.settings.wait_subscribers;
        if self.has_audience || self.bus.wait_for(wanted, Duration::ZERO) {
            self.has_audience = true;
            return Ok(());
        }
        let deadline = Instant::now() + self.settings.audience_timeout;
        while !self.bus.wait_for(wanted, SLICE) {
            if self.context.is_stopping() || Instant::now() >= deadline {
                return Err(PluginError::retry(format!(
                    "waiting for {wanted} subscribers before the first batch, {} there; start \
                     them or lower wait_subscribers",
                    self.bus.subscribers()
                )));
            }
        }
        self.has_audience = true;
        Ok(())
    }

    /// Sends a batch with the marks around it; returns the quotes that slow subscribers lost.
    fn publish(&mut self, batch: &Batch) -> u64 {
        let is_quotes = batch.kind() == RecordKind::Spot;
        if batch.kind() == RecordKind::Bar && batch.records() > 0 {
            self.skip_bars(batch.records());
        }
        let has_quotes = is_quotes && batch.records() > 0;
        let step = self.marks.step(batch.provenance().source(), batch.round(), has_quotes);
        let (start, end) = (self.messages.start.clone(), self.messages.end.clone());
        let mut dropped = 0;
        for (due, mark) in [(step.end_before, &end), (step.start_before, &start)] {
            dropped += if due { self.send(mark) } else { 0 };
        }
        for data in has_quotes.then(|| self.messages.data(batch)).into_iter().flatten() {
            dropped += self.send(&data);
        }
        for (due, mark) in [(step.end_after, &end), (step.start_after, &start)] {
            dropped += if due { self.send(mark) } else { 0 };
        }
        dropped
    }

    fn skip_bars(&mut self, records: u32) {
        self.context.count("bars_skipped_total", u64::from(records));
        if !self.told_of_bars {
            self.told_of_bars = true;
            self.context.warn(
                "bars are skipped: the quotation bus carries quotes alone; take this sink's input \
                 from before the transform that makes bars, or filter with kinds = [\"spot\"]",
            );
        }
    }

    /// Offers a message to everybody; returns the quotes that slow subscribers lost.
    fn send(&mut self, message: &Message) -> u64 {
        let mut receivers = std::mem::take(&mut self.receivers);
        self.bus.list(&mut receivers);
        let mut dropped = 0;
        for subscriber in &receivers {
            dropped += match self.settings.slow_subscriber {
                SlowSubscriber::Drop => self.offer(subscriber, message),
                SlowSubscriber::Wait => self.offer_patiently(subscriber, message),
            };
        }
        receivers.clear(); // a subscriber that goes is not kept alive by this list
        self.receivers = receivers;
        dropped
    }

    fn offer(&self, subscriber: &Subscriber, message: &Message) -> u64 {
        match subscriber.offer(message, WhenFull::Drop) {
            Offered::Dropped { records, first } => {
                if first {
                    self.bus.tell_of_drop(subscriber);
                }
                u64::from(records)
            }
            Offered::Queued | Offered::NotDue | Offered::Full => 0,
        }
    }

    /// Waits for room. A subscriber that takes nothing is disconnected by its own thread, so this
    /// ends; when the host stops it ends after `drain_timeout` at the latest.
    fn offer_patiently(&mut self, subscriber: &Subscriber, message: &Message) -> u64 {
        while subscriber.offer(message, WhenFull::Refuse) == Offered::Full {
            if self.context.is_stopping() {
                let now = Instant::now();
                let until = *self.patience.get_or_insert(now + self.settings.drain_timeout);
                if now >= until {
                    return self.offer(subscriber, message);
                }
            }
            subscriber.wait_for_progress(SLICE);
        }
        0
    }

    /// Ends everything: nobody dials in any more, the subscribers get what is queued within the
    /// time, every thread ends.
    fn end(&mut self, drain: Duration) {
        self.bus.shut_doors();
        for (listener, _) in &self.listeners {
            listener.stop();
        }
        self.bus.drain(Instant::now() + drain);
        for (_, thread) in &mut self.listeners {
            // a thread that panicked has said so on stderr
            let _ = thread.take().map(JoinHandle::join);
        }
        self.listeners.clear();
    }

    #[cfg(test)]
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.listeners.iter().map(|(listener, _)| listener.name().to_owned()).collect()
    }

    #[cfg(test)]
    pub(crate) fn bus(&self) -> &Bus {
        &self.bus
    }
}

impl Drop for NngPub {
    /// For an instance that is dropped without having been closed.
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}
