//! Reads a running `qmt-bridge` server: JSON of xtquant's callbacks over a WebSocket.
//!
//! ```text
//! → {"codes": ["SH", "SZ"]}                       once; nothing is answered
//! ← {"600000.SH": {"time": 1733118954000, …}, …}  once a callback, changed securities alone
//! ```
//!
//! The server has no numbers, so what is lost between two connections is made up for by a snapshot
//! over HTTP after each connect (`/api/full_tick`).

mod paced;
mod pause;
mod snapshot;

use std::{
    collections::HashMap,
    io,
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use plugin_api::{Batch, Context, PluginError, serde_json::json, shown_address};
use tungstenite::{Bytes, Error, HandshakeError, Message, WebSocket, protocol::WebSocketConfig};

use crate::{
    batches::{BatchBuilder, Numbers},
    json,
    options::{Origin, Settings, resolve},
    tick::Coded,
};
use paced::Paced;
use pause::{Pause, Useless};
use snapshot::Snapshot;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest message, bytes: a callback with 20,000 securities has 12 MB.
const MOST_MESSAGE: usize = 64 << 20;
/// Heartbeats that may stay unanswered before a connection is given up.
const MOST_MISSED: u32 = 3;
/// Heartbeats that a message may take from its first byte to its last.
const LONGEST_MESSAGE: u32 = 12;
/// How long after a connect ticks may be older than the snapshot.
const SETTLES_AFTER: Duration = Duration::from_secs(60);
/// Bytes that a message may take on its way, with all that comes in between.
const MOST_UNFINISHED: u64 = 2 * MOST_MESSAGE as u64;
/// Answers to pings that wait because the server takes none, bytes.
const MOST_UNSENT: usize = 64 << 10;

/// A client of one server.
pub struct Client {
    address: String,
    path: String,
    symbols: Vec<String>,
    heartbeat: Duration,
    connection: Option<Connection>,
    pause: Pause,
    /// Records that were given numbers.
    numbered: u64,
}

/// A subscription, with what it takes to keep each security's order.
struct Connection {
    socket: WebSocket<Paced>,
    opened: Instant,
    useless: Useless,
    /// Quotes came over it.
    is_useful: bool,
    last_heard: Instant,
    last_asked: Instant,
    snapshot: Option<Snapshot>,
    /// Latest `time` by code, while snapshot and messages can overlap.
    latest_by_code: HashMap<String, f64>,
}

impl Client {
    /// A client that has not connected yet.
    ///
    /// # Errors
    /// `Config` when the settings name no server.
    pub fn new(settings: &Settings, context: &Context) -> Result<Self, PluginError> {
        let Origin::Server { address, path, symbols } = settings.origin.clone() else {
            return Err(PluginError::config("`connect` is missing"));
        };
        context.gauge("qmt_bridge_connected", 0.0);
        let heartbeat = settings.heartbeat;
        let (connection, pause) = (None, Pause::default());
        Ok(Self { address, path, symbols, heartbeat, connection, pause, numbered: 0 })
    }

    /// Whether a server listens there.
    ///
    /// # Errors
    /// `Retry` that names the server.
    pub fn check(&self) -> Result<(), PluginError> {
        self.dial().map(drop)
    }

    /// The next message as a batch; `None` when nothing came until then.
    ///
    /// # Errors
    /// `Retry` while the server is away, `BadData` for a message that is no payload.
    pub fn next(
        &mut self,
        deadline: Instant,
        builder: &mut BatchBuilder,
        context: &Context,
    ) -> Result<Option<Batch>, PluginError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None if self.is_too_early(deadline) => return Ok(None),
            None => self.connect(context)?,
        };
        loop {
            let received = connection.receive(deadline, self.heartbeat, context);
            let text = match received {
                Ok(text) => text,
                Err(fault) => return Err(self.lost(&connection, &fault, context)),
            };
            let Some(text) = text else {
                self.connection = Some(connection);
                return Ok(None);
            };
            let ticks = match json::ticks(&text) {
                Ok(ticks) => connection.in_order(ticks, context),
                Err(fault) => return self.set_aside(connection, &fault, &text, context),
            };
            let count = ticks.len() as u64;
            let numbers = Numbers { first: self.numbered + 1, count };
            self.numbered += count;
            if let Some(batch) = builder.make(&ticks, numbers, context.now_us(), context)? {
                connection.is_useful = true;
                self.connection = Some(connection);
                return Ok(Some(batch));
            }
            if let Err(fault) = connection.useless.count(Instant::now()) {
                return Err(self.lost(&connection, &fault, context));
            }
            if Instant::now() >= deadline {
                self.connection = Some(connection);
                return Ok(None);
            }
        }
    }

    /// Waits for the pause before a connection to be over; true when it lasts beyond the deadline.
    fn is_too_early(&self, deadline: Instant) -> bool {
        let now = Instant::now();
        let Some(until) = self.pause.until(now) else { return false };
        thread::sleep(until.min(deadline).saturating_duration_since(now));
        until > deadline
    }

    /// Keeps a message that is no payload; too many of them end the connection.
    fn set_aside(
        &mut self,
        mut connection: Connection,
        fault: &str,
        text: &[u8],
        context: &Context,
    ) -> Result<Option<Batch>, PluginError> {
        if let Err(fault) = connection.useless.count(Instant::now()) {
            return Err(self.lost(&connection, &fault, context));
        }
        self.connection = Some(connection);
        context.dead_letter(fault, text);
        Err(PluginError::bad_data(format!("a message of {} was set aside: {fault}", self.address)))
    }

    /// Ends the subscription.
    pub fn close(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            connection.socket.get_mut().give_up_at(Instant::now());
            // the server unsubscribes when the connection ends, with or without a word
            let _ = connection.socket.close(None);
            let _ = connection.socket.flush();
        }
    }

    fn connect(&self, context: &Context) -> Result<Connection, PluginError> {
        let stream = Paced::new(self.dial()?, Instant::now() + CONNECT_TIMEOUT);
        let limit = Some(MOST_MESSAGE);
        let config = WebSocketConfig::default().max_message_size(limit).max_frame_size(limit);
        let config = config.write_buffer_size(0).max_write_buffer_size(MOST_UNSENT);
        let url = format!("ws://{}{}", self.address, self.path);
        let (mut socket, _) = tungstenite::client::client_with_config(url, stream, Some(config))
            .map_err(|error| match error {
                HandshakeError::Interrupted(_) => {
                    self.away(&format!("it did not answer within {CONNECT_TIMEOUT:?}"))
                }
                HandshakeError::Failure(error) => {
                    let path = shown_address(&self.path);
                    self.away(&format!("it does not speak WebSocket at {path}: {error}"))
                }
            })?;
        let subscription = json!({ "codes": self.symbols }).to_string();
        socket
            .send(Message::text(subscription))
            .map_err(|error| self.away(&format!("the subscription failed: {error}")))?;
        context.info(&format!(
            "subscribed to {} at ws://{}",
            self.symbols.join(", "),
            self.address
        ));
        context.gauge("qmt_bridge_connected", 1.0);
        let now = Instant::now();
        Ok(Connection {
            socket,
            opened: now,
            useless: Useless::new(now),
            is_useful: false,
            last_heard: now,
            last_asked: now,
            snapshot: Some(Snapshot::ask(&self.address, &self.symbols)),
            latest_by_code: HashMap::new(),
        })
    }

    fn dial(&self) -> Result<TcpStream, PluginError> {
        let mut fault = "it has no address".to_owned();
        for address in resolve(&self.address).map_err(|fault| self.away(&fault))? {
            match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
                Ok(stream) => {
                    stream.set_nodelay(true).map_err(|error| self.away(&error.to_string()))?;
                    return Ok(stream);
                }
                Err(error) => fault = error.to_string(),
            }
        }
        Err(self.away(&fault))
    }

    fn away(&self, fault: &str) -> PluginError {
        PluginError::retry(format!(
            "qmt-bridge at {}: {fault}; start it, or correct `connect`",
            self.address
        ))
    }

    fn lost(&mut self, connection: &Connection, fault: &str, context: &Context) -> PluginError {
        context.gauge("qmt_bridge_connected", 0.0);
        self.pause.after(connection.is_useful, connection.opened.elapsed(), Instant::now());
        PluginError::retry(format!(
            "lost qmt-bridge at {}: {fault}; the source connects again",
            self.address
        ))
    }
}

impl Connection {
    /// The next payload; `None` when none came until then.
    fn receive(
        &mut self,
        deadline: Instant,
        heartbeat: Duration,
        context: &Context,
    ) -> Result<Option<Vec<u8>>, String> {
        self.socket.get_mut().give_up_at(deadline);
        loop {
            if let Some(text) = self.snapshot_that_came(context) {
                return Ok(Some(text));
            }
            match self.socket.read() {
                Ok(message) => {
                    self.last_heard = Instant::now();
                    self.socket.get_mut().unfinished = 0;
                    match message {
                        Message::Text(text) => return Ok(Some(text.as_bytes().to_vec())),
                        Message::Binary(bytes) => return Ok(Some(bytes.to_vec())),
                        Message::Close(_) => return Err("it closed the connection".to_owned()),
                        _ => self.useless.count(Instant::now())?,
                    }
                }
                Err(Error::Io(error)) if is_pause(&error) => {
                    self.ask_for_a_sign(heartbeat)?;
                }
                Err(error) => return Err(error.to_string()),
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
        }
    }

    fn ask_for_a_sign(&mut self, heartbeat: Duration) -> Result<(), String> {
        let socket = self.socket.get_ref();
        let lasts = socket.begun.elapsed();
        if socket.unfinished > MOST_UNFINISHED
            || (socket.unfinished > 0 && lasts > heartbeat * LONGEST_MESSAGE)
        {
            let sent = socket.unfinished;
            return Err(format!("it sent {sent} bytes of a message without end in {lasts:.0?}"));
        }
        let heard = self.last_heard.max(socket.last_byte);
        if heard.elapsed() > heartbeat * MOST_MISSED {
            return Err(format!("nothing came for {} s", (heartbeat * MOST_MISSED).as_secs()));
        }
        if heard.max(self.last_asked).elapsed() > heartbeat {
            self.last_asked = Instant::now();
            return match self.socket.send(Message::Ping(Bytes::new())) {
                // a server that takes nothing for now
                Err(Error::WriteBufferFull(_)) => Ok(()),
                Err(Error::Io(error)) if is_pause(&error) => Ok(()),
                sent => sent.map_err(|error| error.to_string()),
            };
        }
        Ok(())
    }

    fn snapshot_that_came(&mut self, context: &Context) -> Option<Vec<u8>> {
        match self.snapshot.as_ref()?.answer()? {
            Ok(text) => {
                self.snapshot = None;
                Some(text)
            }
            Err(fault) => {
                self.snapshot = None;
                context.warn(&format!(
                    "no snapshot after connecting: {fault}; securities come as they change"
                ));
                None
            }
        }
    }

    /// Drops what is older than what was given on, as long as snapshot and messages can overlap.
    fn in_order(&mut self, ticks: Vec<Coded<'static>>, context: &Context) -> Vec<Coded<'static>> {
        if self.snapshot.is_none() && self.opened.elapsed() > SETTLES_AFTER {
            self.latest_by_code = HashMap::new();
            return ticks;
        }
        let before = ticks.len();
        let kept: Vec<_> = ticks.into_iter().filter(|coded| self.is_newest(coded)).collect();
        if kept.len() < before {
            context.dropped("superseded", (before - kept.len()) as u64);
        }
        kept
    }

    /// A tick without `time` is always taken for the newest.
    fn is_newest(&mut self, coded: &Coded<'_>) -> bool {
        let time = coded.tick.time;
        match self.latest_by_code.get_mut(coded.code.as_ref()) {
            Some(latest) if time < *latest => false,
            Some(latest) => {
                *latest = latest.max(time);
                true
            }
            None => {
                if time.is_finite() {
                    self.latest_by_code.insert(coded.code.to_string(), time);
                }
                true
            }
        }
    }
}

fn is_pause(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}
