//! Where bridges connect: one at a time, and only one that knows the token.

mod greet;
mod link;

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use plugin_api::{Context, PluginError};
use rustix::net::{Shutdown, shutdown};

use crate::{
    options,
    progress::Progress,
    queue::{Arrival, Queue},
};
use link::Link;

/// Connections that may be greeted at a time; more are closed at once.
const MOST_GREETINGS: usize = 16;
/// Pause after a failed accept, e.g. while there are no file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener with the link of the bridge that is connected.
pub struct Server {
    shared: Arc<Shared>,
    listener: Arc<TcpListener>,
    /// Where it listens, with the port in effect.
    address: SocketAddr,
    acceptor: Option<JoinHandle<()>>,
}

/// What all threads of a server share.
struct Shared {
    token: String,
    heartbeat: Duration,
    context: Context,
    progress: Arc<Mutex<Progress>>,
    queue: Queue,
    /// The bridge that is connected.
    current: Mutex<Option<Arc<Link>>>,
    greetings: AtomicUsize,
    is_closing: AtomicBool,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Server {
    /// Listens, and takes in whoever knows the token.
    ///
    /// # Errors
    /// `Retry` when the address cannot be had right now.
    pub fn start(
        address: &str,
        token: &str,
        heartbeat: Duration,
        context: &Context,
        progress: Arc<Mutex<Progress>>,
    ) -> Result<Self, PluginError> {
        let listener = Arc::new(listen(address).map_err(PluginError::retry)?);
        let address =
            listener.local_addr().map_err(|error| PluginError::retry(error.to_string()))?;
        let shared = Arc::new(Shared {
            token: token.to_owned(),
            heartbeat,
            context: context.clone(),
            progress,
            queue: Queue::default(),
            current: Mutex::new(None),
            greetings: AtomicUsize::new(0),
            is_closing: AtomicBool::new(false),
            threads: Mutex::new(Vec::new()),
        });
        context.info(&format!("waiting for a qmt bridge at tcp://{address}"));
        context.gauge("qmt_bridge_connected", 0.0);
        let (accepting, accepted) = (Arc::clone(&listener), Arc::clone(&shared));
        let acceptor = thread::spawn(move || accepted.accept(&accepting));
        Ok(Self { shared, listener, address, acceptor: Some(acceptor) })
    }

    /// Where it listens.
    #[cfg(test)]
    pub fn address(&self) -> SocketAddr {
        self.address
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

    /// Closes everything and waits for the threads.
    pub fn close(&mut self) {
        if self.shared.is_closing.swap(true, Ordering::Relaxed) {
            return;
        }
        // makes `accept` fail
        let _ = shutdown(&*self.listener, Shutdown::Both);
        // a platform on which it does not gets a visitor instead
        let _ = TcpStream::connect_timeout(&self.address, ACCEPT_PAUSE);
        if let Some(link) = lock(&self.shared.current).take() {
            link.close("the host ends");
        }
        for thread in self.acceptor.take().into_iter().chain(lock(&self.shared.threads).drain(..)) {
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
    fn accept(self: Arc<Self>, listener: &TcpListener) {
        while !self.is_closing() {
            match listener.accept() {
                Ok((stream, peer)) => self.receive(stream, peer),
                Err(_) if self.is_closing() => return,
                Err(error) => {
                    self.context.warn(&format!("cannot accept a connection: {error}; waiting"));
                    thread::park_timeout(ACCEPT_PAUSE);
                }
            }
        }
    }

    /// Greets a visitor on a thread of its own, so that a slow one holds nobody up.
    fn receive(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let mut threads = lock(&self.threads);
        threads.retain(|thread| !thread.is_finished());
        if self.is_closing() {
            return;
        }
        if self.greetings.fetch_add(1, Ordering::Relaxed) >= MOST_GREETINGS {
            self.greetings.fetch_sub(1, Ordering::Relaxed);
            self.context.count("qmt_refused_connections_total", 1);
            return;
        }
        let shared = Arc::clone(self);
        threads.push(thread::spawn(move || {
            let greeted = greet::greet(&shared, stream, peer);
            shared.greetings.fetch_sub(1, Ordering::Relaxed);
            match greeted {
                Ok((link, reader)) => shared.serve(&link, reader),
                Err(reason) => {
                    shared.context.count("qmt_refused_connections_total", 1);
                    if let Some(reason) = reason {
                        shared.context.warn(&format!("{}: {reason}", peer.ip()));
                    }
                }
            }
        }));
    }

    fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Relaxed)
    }
}

fn listen(address: &str) -> Result<TcpListener, String> {
    let mut fault = format!("{address} has no address; use e.g. tcp://127.0.0.1:9300");
    for address in options::resolve(address)? {
        match TcpListener::bind(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => fault = listen_fault(&address, &error),
        }
    }
    Err(fault)
}

fn listen_fault(address: &SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "tcp://{address} is in use, maybe by another dataserver; find it with `ss -ltnp 'sport = \
             :{}'` and end it, or listen at another port",
            address.port()
        ),
        io::ErrorKind::AddrNotAvailable => format!(
            "tcp://{address} is no address of this machine; use 127.0.0.1, or 0.0.0.0 for all of them"
        ),
        _ => format!("cannot listen at tcp://{address}: {error}; listen at another address"),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
