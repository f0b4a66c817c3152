//! The publisher: batches in, messages to every subscriber out.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kit::endpoints::Acceptor;
use plugin_api::{
    Ack, Action, Batch, Context, Delivery, Outcome, PluginError, Reader, RecordKind, Sink,
    no_such_action, no_such_reader, serde_json::json,
};
use sp::Listener;

use crate::{
    bus::Bus,
    connection::CloseReason,
    listener,
    marks::Marks,
    message::{Message, Messages},
    options::{Options, Settings, SlowSubscriber},
    queue::{Offered, WhenFull},
    securities::Securities,
    subscriber::Subscriber,
};

/// How often a wait looks whether the host wants the sink to end.
const SLICE: Duration = Duration::from_millis(100);

/// The `nng-pub` sink.
pub struct NngPub {
    settings: Settings,
    context: Context,
    bus: Arc<Bus>,
    acceptors: Vec<Acceptor>,
    messages: Messages,
    marks: Marks,
    securities: Securities,
    /// The subscribers while a message is sent; kept so that its memory is reused.
    receivers: Vec<Arc<Subscriber>>,
    /// Whether `wait_subscribers` were connected at any time.
    has_had_subscribers: bool,
    /// Whether the log said that bars are not carried.
    told_of_bars: bool,
    /// When waiting for slow subscribers ends, once the host is stopping.
    deadline: Option<Instant>,
}

impl Sink for NngPub {
    type Options = Options;

    const DELIVERY: Delivery = Delivery::Publisher;

    /// Does not bind: a running host may hold the addresses.
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
            self.wait_for_subscribers()?;
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

    fn readers(&mut self) -> Result<Option<Vec<Reader>>, PluginError> {
        Ok(Some(self.bus.readers()))
    }

    fn act(
        &mut self,
        reader: &str,
        action: &Action,
        preview: bool,
    ) -> Result<Outcome, PluginError> {
        let subscriber = self.bus.find(reader).ok_or_else(|| no_such_reader(reader))?;
        if *action != Action::Disconnect {
            return Err(no_such_action(
                action,
                "a subscriber is sent what comes, and says nothing",
            ));
        }
        let Reader { lag_records, lost, .. } = subscriber.reader();
        if !preview {
            subscriber.end(CloseReason::Removed);
        }
        let lag = lag_records.unwrap_or_default();
        Ok(Outcome {
            before: json!({ "connected": true, "lag_records": lag, "lost": lost }),
            after: json!({ "connected": false, "lag_records": 0, "lost": lost + lag }),
        })
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
        let Settings { listen, ipc_mode, tls, .. } = &settings;
        let bound =
            Listener::bind_all(listen, *ipc_mode, tls.as_ref()).map_err(PluginError::fatal)?;
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
            acceptors: Vec::new(),
            messages,
            marks: Marks::default(),
            securities: Securities::default(),
            receivers: Vec::new(),
            has_had_subscribers: false,
            told_of_bars: false,
            deadline: None,
        };
        for listener in bound {
            let bus = Arc::clone(&sink.bus);
            let run = move |listener: &Listener| listener::run(listener, &bus);
            let context = &sink.context;
            let acceptor =
                Acceptor::start(listener, "nng-pub-accept", "listening at", context, run)?;
            sink.acceptors.push(acceptor);
        }
        if sink.settings.wait_subscribers > 0 {
            sink.context.info(&format!(
                "the first batch waits for {} subscribers",
                sink.settings.wait_subscribers
            ));
        }
        Ok(sink)
    }

    fn wait_for_subscribers(&mut self) -> Result<(), PluginError> {
        let wanted = self.settings.wait_subscribers;
        if self.has_had_subscribers || self.bus.wait_for(wanted, Duration::ZERO) {
            self.has_had_subscribers = true;
            return Ok(());
        }
        let deadline = Instant::now() + self.settings.subscribers_timeout;
        while !self.bus.wait_for(wanted, SLICE) {
            if self.context.is_stopping() || Instant::now() >= deadline {
                return Err(PluginError::retry(format!(
                    "waiting for {wanted} subscribers before the first batch, {} there; start \
                     them or lower wait_subscribers",
                    self.bus.subscribers()
                )));
            }
        }
        self.has_had_subscribers = true;
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
        if has_quotes {
            let now = Instant::now();
            let securities = &mut self.securities;
            let data = self.messages.data(batch, &mut |part| securities.of(part, now));
            dropped += data.iter().map(|data| self.send(data)).sum::<u64>();
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

    /// Offers a message to every subscriber; returns the quotes that slow subscribers lost.
    fn send(&mut self, message: &Message) -> u64 {
        let mut receivers = std::mem::take(&mut self.receivers);
        self.bus.list(&mut receivers);
        let mut dropped = 0;
        for subscriber in &receivers {
            dropped += match self.settings.slow_subscriber {
                SlowSubscriber::Drop => self.offer(subscriber, message),
                SlowSubscriber::Wait => self.offer_or_wait(subscriber, message),
            };
        }
        receivers.clear(); // drops the references, so that closed subscribers are freed
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
    fn offer_or_wait(&mut self, subscriber: &Subscriber, message: &Message) -> u64 {
        while subscriber.offer(message, WhenFull::Refuse) == Offered::Full {
            if self.context.is_stopping() {
                let now = Instant::now();
                let until = *self.deadline.get_or_insert(now + self.settings.drain_timeout);
                if now >= until {
                    return self.offer(subscriber, message);
                }
            }
            subscriber.wait_for_progress(SLICE);
        }
        0
    }

    /// Stops accepting, drains the queues for at most `drain`, and joins every thread.
    fn end(&mut self, drain: Duration) {
        self.bus.stop_accepting();
        self.acceptors.iter().for_each(Acceptor::stop);
        self.bus.drain(Instant::now() + drain);
        self.acceptors.iter_mut().for_each(Acceptor::join);
        self.acceptors.clear();
    }

    #[cfg(test)]
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.acceptors.iter().map(|acceptor| acceptor.address().to_owned()).collect()
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
