//! Listens for bridges: one is connected at a time, and only one that knows the token.

mod handshake;
mod link;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use kit::{Throttle, endpoints::Acceptor};
use plugin_api::{Context, PluginError};
use sp::{ACCEPT_PAUSE, AcceptFaults, Accepted, Address, Listener, tls};

use crate::{
    auth,
    frame::Frame,
    progress::Progress,
    queue::{Arrival, Queue},
};
use link::Link;

/// Handshakes at a time; further connections are closed at once.
const MOST_HANDSHAKES: usize = 16;
/// Permissions of socket files, of which there are none.
const NO_FILE: u32 = 0o600;

/// What bridges are let in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// They send quotes.
    Quotes,
    /// They answer what they are asked.
    History,
}

impl Role {
    /// The version of the protocol that a bridge must choose.
    fn version(self) -> u16 {
        match self {
            Self::Quotes => auth::VERSION,
            Self::History => auth::HISTORY_VERSION,
        }
    }
}

/// Where bridges find the host, and what they must know.
#[derive(Debug, Clone)]
pub struct ListenConfig {
    /// What they are let in for.
    pub role: Role,
    /// Host and port.
    pub address: Address,
    /// Certificates, where TLS is spoken.
    pub tls: Option<Arc<tls::Server>>,
    /// What both sides must know.
    pub token: String,
    /// Pause between signs of life.
    pub heartbeat: Duration,
}

/// Listeners with the link of the bridge that is connected.
pub struct Server {
    shared: Arc<Shared>,
    acceptors: Vec<Acceptor>,
}

/// What all threads of a server share.
struct Shared {
    role: Role,
    token: String,
    heartbeat: Duration,
    /// Of lines that peers can cause as often as they like.
    throttle: Throttle,
    /// Of lines that a bridge reports about itself.
    statuses: Throttle,
    context: Context,
    progress: Arc<Mutex<Progress>>,
    queue: Queue,
    /// The bridge that is connected.
    current: Mutex<Option<Arc<Link>>>,
    /// Why the last bridge that knows the token was of no use.
    unfit: Mutex<Option<String>>,
    handshakes: AtomicUsize,
    is_closing: AtomicBool,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Server {
    /// Listens, and accepts the bridges that know the token.
    ///
    /// # Errors
    /// `Retry` when the address cannot be had right now.
    pub fn start(
        listen: ListenConfig,
        context: &Context,
        progress: Arc<Mutex<Progress>>,
    ) -> Result<Self, PluginError> {
        let ListenConfig { role, address, tls, token, heartbeat } = listen;
        let bound = Listener::bind(&address, NO_FILE, tls.as_ref()).map_err(PluginError::retry)?;
        let shared = Arc::new(Shared {
            role,
            token,
            heartbeat,
            throttle: Throttle::default(),
            statuses: Throttle::default(),
            context: context.clone(),
            progress,
            queue: Queue::default(),
            current: Mutex::new(None),
            unfit: Mutex::new(None),
            handshakes: AtomicUsize::new(0),
            is_closing: AtomicBool::new(false),
            threads: Mutex::new(Vec::new()),
        });
        if let Some(tls) = tls {
            tls.warn_of_exposed_key();
        }
        context.gauge("qmt_bridge_connected", 0.0);
        let mut server = Self { shared, acceptors: Vec::new() };
        for listener in bound {
            let shared = Arc::clone(&server.shared);
            let accept = move |listener: &Listener| shared.accept(listener);
            let what = "waiting for a qmt bridge at";
            let acceptor = Acceptor::start(listener, "qmt-accept", what, context, accept)?;
            server.acceptors.push(acceptor);
        }
        Ok(server)
    }

    /// Where it listens.
    #[cfg(test)]
    pub fn address(&self) -> std::net::SocketAddr {
        let (_, address) = self.acceptors[0].address().split_once("://").unwrap();
        address.parse().unwrap()
    }

    /// The next frame that came, waiting until then.
    pub fn next(&self, deadline: Instant) -> Option<Arrival> {
        self.shared.queue.pop(deadline)
    }

    /// Tells the bridge that every sink has all frames of that spool up to this one.
    pub fn acknowledge(&self, spool: u64, sequence: u64) {
        if let Some(link) = lock(&self.shared.current).as_ref()
            && link.spool() == spool
        {
            link.acknowledge(sequence);
        }
    }

    /// Identity of the bridge that is connected; another one after each connect that is not a spool's.
    pub fn connected(&self) -> Option<u64> {
        lock(&self.shared.current).as_ref().map(|link| link.spool())
    }

    /// Says something to the bridge that is connected.
    pub fn say(&self, frame: &Frame) {
        let link = lock(&self.shared.current).clone();
        if let Some(link) = link {
            link.send(frame);
        }
    }

    /// Why a bridge that knows the token was of no use, if one was.
    pub fn unfit(&self) -> Option<String> {
        lock(&self.shared.unfit).clone()
    }

    /// Closes everything and waits for the threads.
    pub fn close(&mut self) {
        if self.shared.is_closing.swap(true, Ordering::Relaxed) {
            return;
        }
        self.acceptors.iter().for_each(Acceptor::stop);
        if let Some(link) = lock(&self.shared.current).take() {
            link.close("the host ends");
        }
        self.acceptors.iter_mut().for_each(Acceptor::join);
        for thread in std::mem::take(&mut *lock(&self.shared.threads)) {
            // one that panicked has nothing to clean up
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn accept(self: Arc<Self>, listener: &Listener) {
        let mut faults = AcceptFaults::default();
        while !self.is_closing() {
            match listener.accept() {
                Ok(accepted) => self.receive(accepted),
                Err(_) if self.is_closing() => return,
                Err(error) => {
                    if let Some(line) =
                        faults.line(listener.name(), "what other components let in", &error)
                    {
                        self.context.warn(&line);
                    }
                    thread::park_timeout(ACCEPT_PAUSE);
                }
            }
        }
    }

    /// Logs what peers can cause as often as they like.
    fn warn(&self, line: String) {
        self.throttle.warn(&self.context, line);
    }

    /// Shakes hands on a thread of its own, so that a slow peer delays no other.
    fn receive(self: &Arc<Self>, accepted: Accepted) {
        let mut threads = lock(&self.threads);
        threads.retain(|thread| !thread.is_finished());
        if self.is_closing() {
            return;
        }
        if self.handshakes.fetch_add(1, Ordering::Relaxed) >= MOST_HANDSHAKES {
            self.handshakes.fetch_sub(1, Ordering::Relaxed);
            self.context.count("qmt_refused_connections_total", 1);
            return;
        }
        let shared = Arc::clone(self);
        threads.push(thread::spawn(move || {
            let peer = accepted.peer.clone();
            let connected = handshake::run(&shared, accepted);
            shared.handshakes.fetch_sub(1, Ordering::Relaxed);
            match connected {
                Ok((link, reader)) => shared.serve(&link, reader),
                Err(reason) => {
                    shared.context.count("qmt_refused_connections_total", 1);
                    if let Some(reason) = reason {
                        shared.warn(format!("{peer}: {reason}"));
                    }
                }
            }
        }));
    }

    fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Relaxed)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
