//! The thread that reads the publisher: dials, reads, dials again.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kit::Throttle;
use plugin_api::{Context, schemas::verify};
use sp::{Frame, Frames};

use crate::{
    connection::Connection,
    inbox::{Inbox, Item, ReaderCommand},
    link::{Link, NoLink, Received},
    options::Settings,
    waker::Woken,
};

/// Taken from the socket at once.
const CHUNK: usize = 256 << 10;
/// Pause after the first attempt that failed; doubled up to the option's limit.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// A connection that brought quotes for so long resets the pause before the next attempt.
const STABLE_AFTER: Duration = Duration::from_secs(1);
const START_MARK: &[u8] = b"[start spot]";
const END_MARK: &[u8] = b"[end spot]";

/// The reader.
pub struct Feed {
    settings: Arc<Settings>,
    context: Context,
    inbox: Arc<Inbox>,
    buffer: Vec<u8>,
    pause: Duration,
    /// The log has a line that no publisher answers.
    is_absence_logged: bool,
    /// Of lines about connections, and of those about messages.
    throttles: [Throttle; 2],
}

impl Feed {
    /// A reader that fills that inbox.
    pub fn new(settings: Arc<Settings>, context: Context, inbox: Arc<Inbox>) -> Self {
        Self {
            settings,
            context,
            inbox,
            buffer: vec![0; CHUNK],
            pause: FIRST_PAUSE,
            is_absence_logged: false,
            throttles: Default::default(),
        }
    }

    /// Reads until it should stop, beginning with that connection if there is one.
    pub fn run(mut self, mut connection: Option<Connection>) {
        loop {
            connection = match (self.inbox.command(), connection) {
                (ReaderCommand::Stop, _) => return,
                (ReaderCommand::Pause, connection) => self.inbox.park(connection),
                (ReaderCommand::Run, Some(connection)) => self.read(connection),
                (ReaderCommand::Run, None) => self.dial(),
            };
        }
    }

    /// Dials once; after a failure it waits before it returns.
    fn dial(&mut self) -> Option<Connection> {
        let Settings { dial, tls, connect_timeout, .. } = &*self.settings;
        match Link::dial(dial, tls.as_deref(), &self.inbox.waker, *connect_timeout) {
            Ok(link) => {
                self.throttles[0].info(&self.context, format!("reading {}", link.peer()));
                self.context.gauge("connected", 1.0);
                self.context.count("connects_total", 1);
                self.is_absence_logged = false;
                let frames = Frames::new(link.framing(), self.largest_message());
                Some(Connection::new(link, frames))
            }
            Err(NoLink::Interrupted) => None,
            Err(NoLink::Fault(fault)) => {
                self.context.gauge("connected", 0.0);
                if !self.is_absence_logged {
                    self.is_absence_logged = true;
                    self.context.warn(&format!(
                        "no publisher answers ({fault}); dialling again until one does: start the \
                         collector, or correct `dial`"
                    ));
                }
                self.back_off();
                None
            }
        }
    }

    /// Waits before dialling again, each time longer.
    fn back_off(&mut self) {
        // a kernel that refuses to wait only makes the pause short
        let _ = self.inbox.waker.wait(None, Some(Instant::now() + self.pause));
        self.pause = (self.pause * 2).min(self.settings.reconnect_max);
    }

    /// Reads what is there; `None` when the connection has ended.
    fn read(&mut self, mut connection: Connection) -> Option<Connection> {
        let received = match connection.link.wait(&self.inbox.waker, None) {
            Ok(Woken::Socket) => connection.link.receive(&mut self.buffer),
            Ok(Woken::Waker | Woken::Time) => Received::Nothing,
            Err(error) => Received::End(error.to_string()),
        };
        let end = match received {
            Received::Nothing => return Some(connection),
            Received::End(why) => why,
            Received::Bytes(count) => {
                let bytes = &self.buffer[..count];
                let (inbox, context, topic) =
                    (&*self.inbox, &self.context, self.settings.topic.as_bytes());
                let throttle = &self.throttles[1];
                let is_useful = &mut connection.is_useful;
                let give = |frame| accept(frame, topic, is_useful, inbox, context, throttle);
                match connection.frames.push(bytes, give) {
                    Ok(()) => return Some(connection),
                    Err(fault) => format!("it is out of step: {fault}"),
                }
            }
        };
        self.lose(&connection, &end);
        None
    }

    /// Notes that a connection has ended and waits before the next.
    fn lose(&mut self, connection: &Connection, end: &str) {
        enqueue(Item::Cut, &self.inbox, &self.context, &self.throttles[1]);
        self.context.gauge("connected", 0.0);
        let line = format!("lost {}: {end}; dialling again", connection.link.peer());
        self.throttles[0].warn(&self.context, line);
        // a publisher that hangs up at once or sends nothing of use may do so every time
        if connection.is_useful && connection.since.elapsed() > self.pause.max(STABLE_AFTER) {
            self.pause = FIRST_PAUSE;
        }
        self.back_off();
    }

    /// The topic stands before what an option bounds.
    fn largest_message(&self) -> usize {
        self.settings.max_message.saturating_add(self.settings.topic.len())
    }
}

/// Sorts a message into the inbox.
fn accept(
    frame: Frame,
    topic: &[u8],
    is_useful: &mut bool,
    inbox: &Inbox,
    context: &Context,
    throttle: &Throttle,
) {
    let mut message = match frame {
        Frame::Message(message) => message,
        Frame::TooLarge(len) => {
            context.count("messages_refused_total", 1);
            let line = format!(
                "a message of {len} bytes was passed over; raise `max_message` to take such"
            );
            throttle.warn(context, line);
            return;
        }
    };
    let Some(content) = message.strip_prefix(topic) else {
        // as NNG's own subscriber, which filters by topic
        context.count("messages_of_other_topics_total", 1);
        return;
    };
    let item = if content.starts_with(START_MARK) {
        Item::Start
    } else if content.starts_with(END_MARK) {
        Item::End
    } else {
        *is_useful |= !*is_useful && verify::spot_list(content).is_ok();
        message.drain(..topic.len());
        Item::List(message)
    };
    enqueue(item, inbox, context, throttle);
}

/// Puts an item into the inbox and counts what was lost to make room for it.
fn enqueue(item: Item, inbox: &Inbox, context: &Context, throttle: &Throttle) {
    let lost = inbox.put(item);
    if lost.is_empty() {
        return;
    }
    let records: usize = lost.iter().map(Item::records).sum();
    context.dropped("receive_buffer_full", records as u64);
    let line = "the pipeline is slower than the publisher, so the oldest quotes were dropped; raise \
                `receive_buffer`, or set `slow_pipeline = \"wait\"` if the publisher can wait";
    throttle.warn(context, line.to_owned());
}
