//! Connections of clients, each with a thread that reads, answers and writes.
//!
//! Hikyuu's client makes a connection for every question; others keep theirs. A thread a connection
//! is what both are answered soonest by, and their number is bounded.

mod inbox;

use std::{
    collections::HashMap,
    io::{self, IoSlice},
    os::fd::OwnedFd,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use plugin_api::{Context, PluginError};
use rustix::net::{Shutdown, shutdown, sockopt};
use sp::{Address, Listener, Protocol, Throttle, greeting, send_by};

use crate::{
    answer::{Answer, Desk},
    budget::Budget,
    options::Settings,
    store::Store,
};
use inbox::{Farewell, Inbox, Incoming};

/// How long a new connection may take to say what it is.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long answers under way may take when the server ends.
const DRAIN: Duration = Duration::from_secs(1);
/// Pause after a failed accept, e.g. while there are no file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Bytes a second that an answer is taken with at least, after `stall_timeout`.
const SLOWEST: u64 = 1 << 20;
/// Stack of a client's thread, bytes.
const STACK: usize = 256 << 10;

/// What the server did.
#[derive(Debug, Default)]
pub struct Counters {
    /// Clients that are connected.
    pub clients: AtomicU64,
    /// Questions that were answered, refused ones among them.
    pub requests: AtomicU64,
    /// Questions that were answered with an error.
    pub refusals: AtomicU64,
    /// Bytes of all answers.
    pub answered_bytes: AtomicU64,
}

/// Listens and answers until it is closed.
pub struct Server {
    shared: Arc<Shared>,
    listeners: Vec<(Arc<Listener>, JoinHandle<()>)>,
}

struct Shared {
    settings: Settings,
    context: Context,
    desk: Desk,
    /// Memory of requests and of answers.
    budgets: [Arc<Budget>; 2],
    counters: Arc<Counters>,
    throttle: Throttle,
    clients: Mutex<Clients>,
    changed: Condvar,
}

#[derive(Default)]
struct Clients {
    is_closing: bool,
    last: u64,
    sockets: HashMap<u64, Arc<OwnedFd>>,
}

impl Server {
    /// Listens at all addresses, or at none.
    ///
    /// # Errors
    /// `Fatal` that names each address that cannot be listened at, and why.
    pub fn start(
        settings: Settings,
        context: Context,
        store: Arc<Store>,
        counters: Arc<Counters>,
    ) -> Result<Self, PluginError> {
        let bound = bind(&settings.listen, settings.ipc_mode).map_err(PluginError::fatal)?;
        let answers = Budget::new(settings.transfer_memory);
        let desk = Desk::new(store, Arc::clone(&counters), Arc::clone(&answers), &settings);
        let shared = Arc::new(Shared {
            budgets: [inbox::budget(&settings), answers],
            settings,
            context,
            desk,
            counters,
            throttle: Throttle::default(),
            clients: Mutex::default(),
            changed: Condvar::new(),
        });
        let mut server = Self { shared, listeners: Vec::new() };
        for listener in bound {
            server.listen(listener)?;
        }
        Ok(server)
    }

    fn listen(&mut self, listener: Listener) -> Result<(), PluginError> {
        let listener = Arc::new(listener);
        let accept = {
            let (listener, shared) = (Arc::clone(&listener), Arc::clone(&self.shared));
            move || shared.accept(&listener)
        };
        let thread = thread::Builder::new().name("hikyuu-accept".into()).spawn(accept);
        let thread = thread.map_err(|error| {
            PluginError::fatal(format!("no thread for {}: {error}", listener.name()))
        })?;
        self.shared.context.info(&format!("listening at {}", listener.name()));
        self.listeners.push((listener, thread));
        Ok(())
    }

    /// Where it listens, with the ports in effect.
    #[cfg(test)]
    pub fn addresses(&self) -> Vec<String> {
        self.listeners.iter().map(|(listener, _)| listener.name().to_owned()).collect()
    }
}

impl Drop for Server {
    /// Lets answers under way go out for a moment, then ends every connection and thread.
    fn drop(&mut self) {
        let mut clients = self.shared.lock();
        clients.is_closing = true;
        self.shared.changed.notify_all();
        self.shared.budgets.iter().for_each(|budget| budget.close());
        for (listener, _) in &self.listeners {
            listener.stop();
        }
        clients.end(Shutdown::Read);
        let (clients, _) = self
            .shared
            .changed
            .wait_timeout_while(clients, DRAIN, |clients| !clients.sockets.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        clients.end(Shutdown::Both);
        drop(clients);
        for (_, thread) in self.listeners.drain(..) {
            // a panic in it was reported where it happened
            let _ = thread.join();
        }
    }
}

impl Clients {
    fn end(&self, how: Shutdown) {
        for socket in self.sockets.values() {
            // fails only when the connection has ended already
            let _ = shutdown(socket, how);
        }
    }
}

impl Shared {
    /// Accepts and serves until the server closes; returns when all that it accepted have ended.
    fn accept(&self, listener: &Listener) {
        thread::scope(|scope| {
            loop {
                match listener.accept() {
                    Ok(accepted) => {
                        let peer = accepted.peer.clone();
                        let Some((id, socket)) = self.admit(accepted.socket, &peer) else {
                            continue;
                        };
                        let accepted = (socket, accepted.framing, peer.clone());
                        let thread = thread::Builder::new()
                            .name("hikyuu-client".into())
                            .stack_size(STACK)
                            .spawn_scoped(scope, move || self.serve(id, &accepted));
                        if let Err(error) = thread {
                            self.dismiss(id);
                            self.warn(format!("no thread for {peer}: {error}"));
                        }
                    }
                    Err(_) if self.lock().is_closing => return,
                    Err(error) => {
                        self.warn(format!("a connection at {}: {error}", listener.name()));
                        let pause =
                            self.changed.wait_timeout_while(self.lock(), ACCEPT_PAUSE, |clients| {
                                !clients.is_closing
                            });
                        drop(pause);
                    }
                }
            }
        });
    }

    /// Takes a client in, unless there are too many.
    fn admit(&self, socket: OwnedFd, peer: &str) -> Option<(u64, Arc<OwnedFd>)> {
        let mut clients = self.lock();
        if clients.is_closing {
            return None;
        }
        let most = self.settings.max_clients;
        if clients.sockets.len() >= most {
            drop(clients);
            self.warn(format!(
                "{peer} is refused: {most} clients are connected; raise max_clients"
            ));
            return None;
        }
        clients.last += 1;
        let (id, socket) = (clients.last, Arc::new(socket));
        clients.sockets.insert(id, Arc::clone(&socket));
        self.counters.clients.store(clients.sockets.len() as u64, Ordering::Relaxed);
        Some((id, socket))
    }

    fn dismiss(&self, id: u64) {
        let mut clients = self.lock();
        clients.sockets.remove(&id);
        self.counters.clients.store(clients.sockets.len() as u64, Ordering::Relaxed);
        self.changed.notify_all();
    }

    fn serve(&self, id: u64, (socket, framing, peer): &(Arc<OwnedFd>, sp::Framing, String)) {
        let seat = Seat { of: self, id };
        let farewell = self.converse(socket, *framing);
        drop(seat);
        if let Farewell::Fault(text) = farewell {
            self.warn(format!("client {peer} {text}; its connection was closed"));
        }
    }

    /// Answers questions until the connection ends.
    fn converse(&self, socket: &OwnedFd, framing: sp::Framing) -> Farewell {
        if let Err(text) = greeting::shake_hands(socket, Protocol::Rep, HANDSHAKE_TIMEOUT) {
            return Farewell::Fault(text);
        }
        let stall = self.settings.stall_timeout;
        let limits = [(sockopt::Timeout::Recv, None), (sockopt::Timeout::Send, Some(stall))];
        for (timeout, limit) in limits {
            if let Err(error) = sockopt::set_socket_timeout(socket, timeout, limit) {
                return Farewell::Fault(format!("has a socket without limits: {error}"));
            }
        }
        let mut inbox = Inbox::new(socket, framing, &self.settings, Arc::clone(&self.budgets[0]));
        loop {
            let answer = match inbox.next() {
                Ok(Incoming::Request { header, body, deadline }) => {
                    self.desk.answer(body, header.to_vec(), deadline)
                }
                Ok(Incoming::Refused { header, refusal }) => self.desk.refusal(&refusal, header),
                Err(farewell) => return farewell,
            };
            inbox.tidy();
            if let Err(error) = self.send(socket, framing, &answer) {
                return match error.kind() {
                    io::ErrorKind::WouldBlock => Farewell::Fault(format!(
                        "took nothing of its answer for {stall:?}, or too little"
                    )),
                    _ => Farewell::Left,
                };
            }
        }
    }

    fn send(&self, socket: &OwnedFd, framing: sp::Framing, answer: &Answer) -> io::Result<()> {
        let head = framing.head(answer.bytes.len());
        let slowest = Duration::from_secs(answer.bytes.len() as u64 / SLOWEST);
        let due = Instant::now() + self.settings.stall_timeout + slowest;
        send_by(socket, &mut [IoSlice::new(&head), IoSlice::new(&answer.bytes)], due)?;
        let Counters { answered_bytes, .. } = &*self.counters;
        answered_bytes.fetch_add(answer.bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn warn(&self, line: String) {
        if let Some(line) = self.throttle.pass(line) {
            self.context.warn(&line);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client's place, free again when dropped.
struct Seat<'a> {
    of: &'a Shared,
    id: u64,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.of.dismiss(self.id);
    }
}

fn bind(addresses: &[Address], ipc_mode: u32) -> Result<Vec<Listener>, String> {
    let mut bound = Vec::new();
    let mut faults = Vec::new();
    for address in addresses {
        match Listener::bind(address, ipc_mode) {
            Ok(listeners) => bound.extend(listeners),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(bound) } else { Err(faults.join("; ")) }
}
