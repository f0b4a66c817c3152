//! The connection of a bridge that knows the token.

use std::{
    io::IoSlice,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use plugin_api::serde_json::{self, Value};
use rustix::net::Shutdown;
use sp::Wire;

use super::{Role, Shared, lock};
use crate::{
    frame::{Frame, FrameReader, Kind},
    queue::Arrival,
};

/// Heartbeats that may stay away before a link is given up.
const MOST_MISSED: u32 = 3;

/// One side of a connection: what the host says.
pub struct Link {
    wire: Wire,
    /// When it was said last; held while it is.
    last_word: Mutex<Instant>,
    peer: String,
    spool: u64,
    name: String,
    is_closed: AtomicBool,
}

impl Link {
    /// A link to the bridge at that address.
    pub fn new(wire: Wire, peer: String, spool: u64, name: String) -> Self {
        Self {
            wire,
            last_word: Mutex::new(Instant::now()),
            peer,
            spool,
            name,
            is_closed: AtomicBool::new(false),
        }
    }

    /// Where the bridge is.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// Identity of the spool that it sends from.
    pub fn spool(&self) -> u64 {
        self.spool
    }

    /// Says that every sink has all frames up to that one.
    pub fn acknowledge(&self, sequence: u64) {
        self.send(&Frame { kind: Kind::Ack, sequence, body: Vec::new() });
    }

    /// Says why, and closes.
    pub fn refuse(&self, code: u8, text: &str) {
        self.send(&refusal(code, text));
        self.hang_up();
    }

    /// Closes because the host ends.
    pub fn close(&self, text: &str) {
        self.refuse(4, text);
    }

    fn hang_up(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
        self.wire.shut_down(Shutdown::Both);
    }

    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    /// Says it, however many threads have something to say.
    pub fn send(&self, frame: &Frame) {
        let mut last_word = lock(&self.last_word);
        // the reader of the connection notices when it is broken
        let sent = self.wire.send_all(&mut [IoSlice::new(&frame.encode())]);
        if sent.is_err() {
            self.is_closed.store(true, Ordering::Relaxed);
        }
        *last_word = Instant::now();
    }
}

/// The host's reason to close: 1 wrong token, 2 version, 3 replaced, 4 the host ends, 5 a fault.
pub fn refusal(code: u8, text: &str) -> Frame {
    Frame::new(Kind::Refused, [&[code], text.as_bytes()].concat())
}

/// How a link ended.
enum End {
    /// In order.
    Bye,
    /// The host closed it, or closes.
    Ours,
    /// Anything else.
    Fault(String),
}

impl Shared {
    /// Takes in what the bridge sends, to the end of the connection.
    pub fn serve(&self, link: &Arc<Link>, mut reader: FrameReader) {
        self.context.info(&format!(
            "bridge {} connected from {}",
            printable(&link.name),
            link.peer
        ));
        self.context.gauge("qmt_bridge_connected", 1.0);
        let end = self.read(link, &mut reader);
        let mut current = lock(&self.current);
        let is_current = current.as_ref().is_some_and(|current| Arc::ptr_eq(current, link));
        if is_current {
            *current = None;
            self.context.gauge("qmt_bridge_connected", 0.0);
        }
        drop(current);
        match end {
            End::Bye => self.context.info(&format!("the bridge at {} ended in order", link.peer)),
            End::Ours => {}
            End::Fault(fault) => {
                link.refuse(5, &fault);
                self.warn(format!(
                    "lost the bridge at {}: {fault}; it connects again and sends what was not \
                     confirmed",
                    link.peer
                ));
            }
        }
    }

    fn read(&self, link: &Link, reader: &mut FrameReader) -> End {
        let idle_limit = self.heartbeat * MOST_MISSED;
        loop {
            if self.is_closing() || link.is_closed() {
                return End::Ours;
            }
            self.keep_alive(link);
            match reader.read_once(&mut &link.wire) {
                Ok(Some(frame)) => match frame.kind {
                    Kind::Batch | Kind::Page if self.takes(frame.kind) => {
                        if !self.pass_on(link, frame) {
                            return End::Ours;
                        }
                        reader.forget_silence();
                    }
                    Kind::Heartbeat => {}
                    Kind::Status => self.note(link, &frame.body),
                    Kind::Bye => return End::Bye,
                    kind => return End::Fault(format!("it sent a frame of kind {kind:?}")),
                },
                Ok(None) if reader.silence() > idle_limit => {
                    return End::Fault(format!("nothing came for {} s", idle_limit.as_secs()));
                }
                Ok(None) => {}
                Err(_) if link.is_closed() => return End::Ours,
                Err(fault) => return End::Fault(fault.to_string()),
            }
        }
    }

    fn takes(&self, kind: Kind) -> bool {
        (kind == Kind::Page) == (self.role == Role::History)
    }

    /// Waits for room in the queue, showing signs of life meanwhile; false when the link is over.
    fn pass_on(&self, link: &Link, frame: Frame) -> bool {
        let mut arrival = Arrival { spool: link.spool, sequence: frame.sequence, body: frame.body };
        while let Err(back) = self.queue.push(arrival, crate::frame::read_timeout()) {
            if self.is_closing() || link.is_closed() {
                return false;
            }
            self.keep_alive(link);
            arrival = back;
        }
        true
    }

    fn keep_alive(&self, link: &Link) {
        if lock(&link.last_word).elapsed() >= self.heartbeat {
            link.send(&Frame::new(Kind::Heartbeat, Vec::new()));
        }
    }

    /// What the bridge tells about itself: a text, counters since it last told, and gauges.
    fn note(&self, link: &Link, body: &[u8]) {
        let Ok(status) = serde_json::from_slice::<Value>(body) else {
            self.warn(format!("the bridge at {} sent a status that is no JSON", link.peer));
            return;
        };
        if let Some(text) = status["text"].as_str() {
            let line = format!("bridge at {}: {}", link.peer, printable(text));
            if let Some(line) = self.statuses.pass(line) {
                match status["level"].as_str() {
                    Some("error") => self.context.error(&line),
                    Some("warning") => self.context.warn(&line),
                    _ => self.context.info(&line),
                }
            }
        }
        for (reason, records) in status["dropped"].as_object().into_iter().flatten() {
            let known = ["bridge_queue_full", "bridge_spool_full"];
            if let Some(reason) = known.iter().find(|it| *it == reason) {
                self.context.dropped(reason, records.as_u64().unwrap_or(0));
            }
        }
        if let Some(waiting) = status["spooled"].as_f64() {
            self.context.gauge("qmt_bridge_spooled_batches", waiting);
        }
    }
}

/// A text of the bridge's, fit for a line of the log.
fn printable(text: &str) -> String {
    text.chars().take(300).map(|it| if it.is_control() { ' ' } else { it }).collect()
}
