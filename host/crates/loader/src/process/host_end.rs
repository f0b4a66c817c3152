//! The host as a child sees it: what it is told, and the calls that come.

use std::{
    collections::VecDeque,
    io,
    os::unix::net::UnixStream,
    sync::{
        Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use plugin_api::{Batch, HostServices, Level, PluginError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{
    channel::{Channel, Received},
    layout::{put_blob, put_made},
    memory::Memory,
    wire::{Frame, Kind},
};

/// Both directions of the socket. A plugin's own threads may tell things at any time.
pub(super) struct Wire {
    incoming: Mutex<Incoming>,
    outgoing: Mutex<Channel>,
    is_stopping: AtomicBool,
    now_us: fn() -> i64,
}

pub(super) struct Incoming {
    pub channel: Channel,
    /// Calls that came while somebody looked for something else.
    calls: VecDeque<Frame>,
}

impl Wire {
    /// The end of a child that has just started.
    pub fn new(socket: UnixStream, now_us: fn() -> i64) -> io::Result<Self> {
        let outgoing = Mutex::new(Channel::new(socket.try_clone()?));
        let incoming = Incoming { channel: Channel::new(socket), calls: VecDeque::new() };
        let is_stopping = AtomicBool::new(false);
        Ok(Self { incoming: Mutex::new(incoming), outgoing, is_stopping, now_us })
    }

    /// What is sent.
    pub fn outgoing(&self) -> MutexGuard<'_, Channel> {
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What comes.
    pub fn incoming(&self) -> MutexGuard<'_, Incoming> {
        self.incoming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a frame.
    pub fn tell(
        &self,
        kind: Kind,
        fill: impl FnOnce(&mut Vec<u8>, &mut Memory) -> Result<(), PluginError>,
    ) -> io::Result<()> {
        let mut channel = self.outgoing();
        channel.put(kind, fill).map_err(io::Error::other)?;
        channel.send()
    }

    /// The next call, waiting for it; `None` when the host has closed its end.
    pub fn next_call(&self) -> io::Result<Option<Frame>> {
        let mut incoming = self.incoming();
        loop {
            self.sort(&mut incoming)?;
            if let Some(call) = incoming.calls.pop_front() {
                return Ok(Some(call));
            }
            if incoming.channel.receive()? == Received::End {
                return Ok(None);
            }
        }
    }

    fn sort(&self, incoming: &mut Incoming) -> io::Result<()> {
        while let Some(frame) =
            incoming.channel.next().map_err(|broken| io::Error::other(broken.0))?
        {
            if frame.kind == Kind::Stopping {
                self.is_stopping.store(frame.body != [0], Ordering::Relaxed);
            } else {
                incoming.calls.push_back(frame);
            }
        }
        Ok(())
    }

    /// Looks at what has come during a call. Between calls somebody waits for it anyway.
    fn look(&self) {
        let mut incoming = match self.incoming.try_lock() {
            Ok(incoming) => incoming,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut polled = [PollFd::new(incoming.channel.socket(), PollFlags::IN)];
        // the end is seen by whoever waits for the next call
        if poll(&mut polled, Some(&now)).is_ok_and(|ready| ready > 0)
            && incoming.channel.receive().is_ok()
        {
            let _ = self.sort(&mut incoming);
        }
    }
}

/// The host as the plugin sees it. What cannot be told is told to nobody: the host is gone.
impl HostServices for Wire {
    fn log(&self, level: Level, message: &str) {
        let _ = self.tell(Kind::Log, |body, _| {
            body.push(level as u8);
            body.extend(message.as_bytes());
            Ok(())
        });
    }

    fn dropped(&self, reason: &str, records: u64) {
        self.number(Kind::Dropped, records.to_le_bytes(), reason);
    }

    fn count(&self, metric: &str, by: u64) {
        self.number(Kind::Count, by.to_le_bytes(), metric);
    }

    fn gauge(&self, metric: &str, value: f64) {
        self.number(Kind::Gauge, value.to_le_bytes(), metric);
    }

    fn now_us(&self) -> i64 {
        (self.now_us)()
    }

    fn is_stopping(&self) -> bool {
        self.look();
        self.is_stopping.load(Ordering::Relaxed)
    }

    fn expect_records(&self, within: Option<Duration>) {
        let micros = |it: Duration| u64::try_from(it.as_micros()).unwrap_or(u64::MAX - 1);
        self.number(Kind::Expect, within.map_or(u64::MAX, micros).to_le_bytes(), "");
    }

    fn dead_letter(&self, reason: &str, payload: &[u8]) {
        let _ = self
            .tell(Kind::DeadLetter, |body, memory| put_blob(body, reason, Some(payload), memory));
    }
}

impl Wire {
    fn number(&self, kind: Kind, number: [u8; 8], text: &str) {
        let _ = self.tell(kind, |body, _| {
            body.extend(number);
            body.extend(text.as_bytes());
            Ok(())
        });
    }
}

impl Wire {
    /// Passes batches on; one with the payload of the input has none of its own.
    pub fn push(&self, made: &[Batch], input: Option<&Batch>) -> Result<(), PluginError> {
        for batch in made {
            let told = self.tell(Kind::Push, |body, memory| put_made(body, batch, input, memory));
            told.map_err(|error| PluginError::fatal(format!("a batch is lost: {error}")))?;
        }
        Ok(())
    }
}
