//! The source: makes batches of what the reading thread put into the inbox.

use std::{
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use kit::Throttle;
use plugin_api::{Batch, Context, PluginError, Polled, Round, Source, SpotListEncoder};

use crate::{
    connection::Connection,
    feed::Feed,
    handover::{Handover, Socket},
    inbox::{Inbox, Item, ReaderCommand},
    link::{Link, NoLink},
    list::{Lists, Read, Refusal},
    options::{Options, Settings},
    rounds::{Gap, Rounds},
    sequences::Sequences,
    waker::Waker,
    watch::Watch,
};

/// How long the reading thread has to park its connection; looking up a name takes longest.
const PARK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an instance keeps a connection open that its successor has not taken yet.
const ADOPT_TIMEOUT: Duration = Duration::from_secs(5);
const ADOPT_POLL: Duration = Duration::from_millis(2);
/// Refused messages that are set aside, per window; a flood of garbage must not fill the disk.
const MOST_DEAD_LETTERS: u32 = 20;
const DEAD_LETTER_WINDOW_US: i64 = 60_000_000;

/// The `nng-sub` source.
pub struct NngSub {
    settings: Arc<Settings>,
    context: Context,
    inbox: Arc<Inbox>,
    /// The reading thread; not there before the first call for a batch.
    reader: Option<JoinHandle<()>>,
    /// The reader was told to pause.
    is_paused: bool,
    /// A successor was given the state.
    is_handed_over: bool,
    /// What the instance before handed over.
    handed_over: Option<Connection>,
    rounds: Rounds,
    lists: Lists,
    sequences: Sequences,
    watch: Watch,
    /// Start of the window and what was set aside in it.
    dead_letters: (i64, u32),
    throttle: Throttle,
}

impl Source for NngSub {
    type Options = Options;

    /// Dials, and hangs up.
    fn check(options: &Options, context: &Context) -> Result<(), PluginError> {
        let settings = Settings::new(options, context)?;
        let waker = Waker::new().map_err(|error| no_descriptor(&error))?;
        let Settings { dial, tls, connect_timeout, .. } = &settings;
        match Link::dial(dial, tls.as_deref(), &waker, *connect_timeout) {
            Ok(_) | Err(NoLink::Interrupted) => Ok(()),
            Err(NoLink::Fault(fault)) => Err(PluginError::retry(format!(
                "no publisher answers: {fault}; start the collector, or correct `dial`"
            ))),
        }
    }

    /// Dials with the first call for a batch: until then an instance before this one may read.
    fn open(options: Options, context: Context) -> Result<Self, PluginError> {
        let settings = Arc::new(Settings::new(&options, &context)?);
        let inbox = Inbox::new(settings.receive_buffer, settings.slow_pipeline)
            .map_err(|error| no_descriptor(&error))?;
        if let Some(tls) = &settings.tls {
            tls.warn_of_exposed_key();
        }
        Ok(Self {
            lists: Lists::new(context.instance()),
            settings,
            context,
            inbox: Arc::new(inbox),
            reader: None,
            is_paused: false,
            is_handed_over: false,
            handed_over: None,
            rounds: Rounds::default(),
            sequences: Sequences::default(),
            watch: Watch::default(),
            dead_letters: (i64::MIN, 0),
            throttle: Throttle::default(),
        })
    }

    fn next(&mut self, wait: Duration) -> Result<Polled, PluginError> {
        let until = Instant::now() + wait;
        self.is_handed_over = false;
        self.watch.look(&self.settings, &self.context, || self.inbox.bytes());
        self.read_on()?;
        while let Some(item) = self.inbox.take(until) {
            if let Some(batch) = self.batch(item)? {
                return Ok(Polled::Batch(batch));
            }
            if Instant::now() >= until {
                break;
            }
        }
        Ok(Polled::Idle)
    }

    /// Stops reading, and gives the connection with all that came; the next call for a batch reads
    /// on.
    fn export_state(&mut self) -> Result<Option<Vec<u8>>, PluginError> {
        let socket = if self.reader.is_some() {
            self.is_paused = true;
            self.inbox.set_command(ReaderCommand::Pause);
            self.inbox
                .with_parked(PARK_TIMEOUT, |connection| connection.and_then(Socket::of))
                .flatten()
        } else {
            self.handed_over.as_ref().and_then(Socket::of)
        };
        let handover = Handover {
            rounds: self.rounds,
            next_number: self.lists.next_number,
            sequences: self.sequences.clone(),
            items: self.inbox.items(),
            socket,
        };
        self.is_handed_over = true;
        handover.to_bytes().map(Some)
    }

    fn import_state(&mut self, state: &[u8]) -> Result<(), PluginError> {
        let handover = Handover::from_bytes(state)?;
        self.lists.next_number = handover.next_number;
        self.sequences = handover.sequences;
        self.rounds = handover.rounds;
        self.inbox.restore(handover.items);
        let connection = handover.socket.and_then(|(socket, rest)| {
            let is_meant = self.settings.dial.iter().any(|it| it.to_string() == socket.peer);
            let largest = self.settings.max_message.saturating_add(self.settings.topic.len());
            // taken in any case: the one before waits for that
            socket.adopt(&rest, largest).filter(|_| is_meant)
        });
        match connection {
            Some(connection) => {
                self.context.info(&format!("reading on at {}", connection.link.peer()));
                self.context.gauge("connected", 1.0);
                self.handed_over = Some(connection);
            }
            None => self.inbox.restore(vec![Item::Cut]),
        }
        Ok(())
    }

    /// What came and was not asked for any more is lost, and counted; a successor has it already if
    /// it was handed over.
    fn close(&mut self) -> Result<(), PluginError> {
        self.wait_until_taken();
        self.stop();
        let unread = self.inbox.records();
        if unread > 0 && !self.is_handed_over {
            self.context.dropped("unread_at_end", unread as u64);
        }
        Ok(())
    }
}

impl NngSub {
    /// Has the reading thread read.
    fn read_on(&mut self) -> Result<(), PluginError> {
        if self.is_paused {
            self.is_paused = false;
            self.inbox.set_command(ReaderCommand::Run);
        }
        if self.reader.as_ref().is_some_and(JoinHandle::is_finished) {
            return Err(PluginError::fatal("the reading thread ended; a new instance is needed"));
        }
        if self.reader.is_none() {
            let settings = Arc::clone(&self.settings);
            let feed = Feed::new(settings, self.context.clone(), Arc::clone(&self.inbox));
            let connection = self.handed_over.take();
            let reader = thread::Builder::new().name("nng-sub-read".into());
            let reader = reader.spawn(move || feed.run(connection));
            let reader = reader.map_err(|error| {
                PluginError::fatal(format!("no thread to read the publisher: {error}"))
            })?;
            self.reader = Some(reader);
        }
        Ok(())
    }

    /// What an item means to readers; nothing for most marks.
    fn batch(&mut self, item: Item) -> Result<Option<Batch>, PluginError> {
        let step = match item {
            Item::List(bytes) => return self.list(bytes),
            Item::Start => self.rounds.start(),
            Item::End => self.rounds.end(),
            Item::Cut => self.rounds.cut(),
        };
        self.note_gap(step.gap);
        let close = Round { first: false, last: true };
        Ok(step.closes.then(|| Batch::from_spots(&mut SpotListEncoder::new(0), close)))
    }

    fn list(&mut self, bytes: Vec<u8>) -> Result<Option<Batch>, PluginError> {
        let (mut round, gap) = self.rounds.list();
        self.note_gap(gap);
        // an end mark that came already makes an empty batch of its own needless
        if !round.last && self.inbox.take_end() {
            self.rounds.end();
            round.last = true;
        }
        // a batch without quotes says something only where it opens or closes a round
        let is_mark = round.first != round.last;
        match self.lists.read(bytes, round, self.context.now_us()) {
            Ok(read) => {
                let batch = self.checked(read);
                Ok((is_mark || batch.records() > 0).then_some(batch))
            }
            Err((error, bytes)) => {
                self.set_aside(&error, &bytes);
                if is_mark {
                    return Ok(Some(Batch::from_spots(&mut SpotListEncoder::new(0), round)));
                }
                Err(error)
            }
        }
    }

    /// Counts what was left out of a list and what is missing before it.
    fn checked(&mut self, read: Read) -> Batch {
        let Read { batch, refused, example } = read;
        if let Some(example) = example {
            let reasons =
                [Refusal::BadSymbol, Refusal::BadTime, Refusal::BadNumber, Refusal::Contradiction];
            for reason in reasons {
                let records = refused.iter().filter(|refusal| **refusal == reason).count();
                if records > 0 {
                    self.context.dropped(reason.as_str(), records as u64);
                }
            }
            self.warn(format!(
                "{} quotes of a list are unfit and were left out, the first is {example} ({}); \
                 mend the collector",
                refused.len(),
                refused.first().map_or("", |refusal| refusal.as_str()),
            ));
        }
        let spots = batch.spots();
        let missing =
            self.sequences.list(spots.iter().map(|spot| (spot.source(), spot.sequence())));
        if missing.gaps > 0 {
            self.context.count("sequence_gaps_total", missing.gaps);
            self.context.count("sequence_missing_total", missing.records);
            self.warn(format!(
                "{} quotes did not arrive, as the publisher's numbers tell, unless its own \
                 pipeline leaves some out",
                missing.records
            ));
        }
        batch
    }

    /// Counts and keeps a message that is no list; the round goes on without it.
    fn set_aside(&mut self, error: &PluginError, bytes: &[u8]) {
        self.context.count("messages_refused_total", 1);
        self.warn(format!("a message was refused: {error}; mend the collector"));
        let now_us = self.context.now_us();
        if now_us.saturating_sub(self.dead_letters.0) >= DEAD_LETTER_WINDOW_US {
            self.dead_letters = (now_us, 0);
        }
        if self.dead_letters.1 < MOST_DEAD_LETTERS {
            self.dead_letters.1 += 1;
            self.context.dead_letter(&error.message, bytes);
        }
    }

    fn note_gap(&self, gap: Option<Gap>) {
        if let Some(gap) = gap {
            self.context.count("source_gaps_total", 1);
            self.warn(format!("{}; quotes may be missing", gap.as_str()));
        }
    }

    /// Logs what a publisher can cause as often as it likes.
    fn warn(&self, line: String) {
        self.throttle.warn(&self.context, line);
    }

    /// Waits, for a bounded time, until a successor has taken the connection that was handed over.
    fn wait_until_taken(&self) {
        if !self.is_handed_over {
            return;
        }
        let until = Instant::now() + ADOPT_TIMEOUT;
        let is_taken = |connection: &Connection| connection.link.is_taken();
        let waits = || match &self.handed_over {
            Some(connection) => !is_taken(connection),
            None => {
                let parked =
                    self.inbox.with_parked(Duration::ZERO, |it| it.is_some_and(|it| !is_taken(it)));
                parked == Some(true)
            }
        };
        while waits() && Instant::now() < until {
            thread::sleep(ADOPT_POLL);
        }
    }

    fn stop(&mut self) {
        self.inbox.set_command(ReaderCommand::Stop);
        if let Some(reader) = self.reader.take() {
            // a panic was printed to stderr
            let _ = reader.join();
        }
    }
}

impl Drop for NngSub {
    /// For an instance that is dropped without having been closed.
    fn drop(&mut self) {
        self.stop();
    }
}

fn no_descriptor(error: &std::io::Error) -> PluginError {
    PluginError::fatal(format!("no file descriptor is left: {error}; raise `ulimit -n`"))
}
