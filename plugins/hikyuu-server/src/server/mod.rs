//! Connections of clients, each with a thread that reads, answers and writes.
//!
//! Hikyuu's client makes a connection for every question; others keep theirs. A thread a connection
//! is what both are answered soonest by, and their number is bounded.

mod clients;
mod inbox;

use std::{
    io::{self, IoSlice},
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use kit::{Throttle, endpoints::Acceptor};
use plugin_api::{Context, PluginError, Reader};
use rustix::net::sockopt;
use sp::{ACCEPT_PAUSE, AcceptFaults, Accepted, Listener, Protocol, greeting};

use crate::{
    answer::{Answer, Responder},
    budget::Budget,
    counters::Counters,
    options::Settings,
    store::Store,
};
use clients::{Admission, Client, Clients};
use inbox::{CloseReason, Inbox, Incoming};

/// How long a new connection may take to say what it is.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long answers under way may take when the server ends.
const DRAIN: Duration = Duration::from_secs(1);
/// Bytes a second that an answer is taken with at least, after `stall_timeout`.
const SLOWEST: u64 = 1 << 20;
/// Stack of a client's thread, bytes.
const STACK: usize = 512 << 10;

/// Listens and answers until it is closed.
pub struct Server {
    shared: Arc<Shared>,
    acceptors: Vec<Acceptor>,
}

struct Shared {
    settings: Settings,
    context: Context,
    responder: Responder,
    /// Memory of requests and of answers.
    budgets: [Arc<Budget>; 2],
    counters: Arc<Counters>,
    throttle: Throttle,
    clients: Clients,
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
        let Settings { listen, ipc_mode, tls, .. } = &settings;
        let bound =
            Listener::bind_all(listen, *ipc_mode, tls.as_ref()).map_err(PluginError::fatal)?;
        let (most, line) = sp::room("max_clients", settings.max_clients);
        if let Some(line) = line {
            context.info(&line); // the default needs no remedy: idle clients are evicted
        }
        if let Some(tls) = &settings.tls {
            tls.warn_of_exposed_key();
        }
        let answers = Budget::new(settings.transfer_memory);
        let responder =
            Responder::new(store, Arc::clone(&counters), Arc::clone(&answers), &settings);
        let shared = Arc::new(Shared {
            budgets: [inbox::budget(&settings), answers],
            settings,
            context,
            responder,
            counters,
            throttle: Throttle::default(),
            clients: Clients::new(most),
        });
        let mut server = Self { shared, acceptors: Vec::new() };
        for listener in bound {
            let shared = Arc::clone(&server.shared);
            let accept = move |listener: &Listener| shared.accept(listener);
            let context = &server.shared.context;
            let acceptor =
                Acceptor::start(listener, "hikyuu-accept", "listening at", context, accept)?;
            server.acceptors.push(acceptor);
        }
        Ok(server)
    }

    /// The clients as readers.
    pub fn readers(&self) -> Vec<Reader> {
        self.shared.clients.readers()
    }

    /// A client as a reader, by its id; closes its connection if that is wanted.
    pub fn find(&self, id: &str, disconnect: bool) -> Option<Reader> {
        let client = self.shared.clients.find(id.parse().ok()?, disconnect)?;
        if disconnect {
            let line = format!("client {} was disconnected by the operator", client.address);
            self.shared.context.info(&line);
        }
        Some(client)
    }

    /// Where it listens, with the ports in effect.
    #[cfg(test)]
    pub fn addresses(&self) -> Vec<String> {
        self.acceptors.iter().map(|acceptor| acceptor.address().to_owned()).collect()
    }
}

impl Drop for Server {
    /// Lets answers under way go out for a moment, then ends every connection and thread.
    fn drop(&mut self) {
        self.shared.clients.stop_accepting();
        self.shared.budgets.iter().for_each(|budget| budget.close());
        self.acceptors.iter().for_each(Acceptor::stop);
        self.shared.clients.end(DRAIN);
        self.acceptors.iter_mut().for_each(Acceptor::join);
    }
}

impl Shared {
    /// Accepts and serves until the server closes; returns when all that it accepted have ended.
    fn accept(&self, listener: &Listener) {
        let mut faults = AcceptFaults::default();
        thread::scope(|scope| {
            loop {
                match listener.accept() {
                    Ok(accepted) => {
                        let Some((id, client)) = self.admit(accepted) else { continue };
                        let peer = client.peer.clone();
                        let thread = thread::Builder::new()
                            .name("hikyuu-client".into())
                            .stack_size(STACK)
                            .spawn_scoped(scope, move || self.serve(id, &client));
                        if let Err(error) = thread {
                            self.remove(id);
                            self.warn(format!("no thread for {peer}: {error}"));
                        }
                    }
                    Err(_) if self.clients.is_closing() => return,
                    Err(error) => {
                        self.clients.make_room();
                        if let Some(line) = faults.line(listener.name(), "max_clients", &error) {
                            self.context.warn(&line);
                        }
                        self.clients.wait_for_close(ACCEPT_PAUSE);
                    }
                }
            }
        });
    }

    /// Registers a client, unless too many wait for answers.
    fn admit(&self, accepted: Accepted) -> Option<(u64, Arc<Client>)> {
        match self.clients.admit(accepted, self.context.now_us()) {
            Admission::Served(id, client, gone) => {
                self.count_clients();
                if let Some((gone, rested)) = gone {
                    self.counters.idle.fetch_add(1, Ordering::Relaxed);
                    self.warn(format!(
                        "as many clients are connected as may be, so {}, idle for {rested:?}, gave \
                         way to {}; raise max_clients, or lower idle_timeout",
                        gone.peer, client.peer
                    ));
                }
                Some((id, client))
            }
            Admission::Full(peer) => {
                self.warn(format!(
                    "{peer} is refused: as many clients wait for answers as may be connected; raise \
                     max_clients"
                ));
                None
            }
            Admission::Closing => None,
        }
    }

    fn remove(&self, id: u64) {
        self.clients.remove(id);
        self.count_clients();
    }

    fn count_clients(&self) {
        self.counters.clients.store(self.clients.count() as u64, Ordering::Relaxed);
    }

    fn serve(&self, id: u64, client: &Client) {
        let guard = ClientGuard { of: self, id };
        let reason = self.converse(client);
        drop(guard);
        match reason {
            CloseReason::Idle => drop(self.counters.idle.fetch_add(1, Ordering::Relaxed)),
            CloseReason::Fault(text) if !client.is_evicted() => {
                self.warn(format!("client {} {text}; its connection was closed", client.peer));
            }
            CloseReason::Fault(_) | CloseReason::Left => {}
        }
    }

    /// Answers questions until the connection ends.
    fn converse(&self, client: &Client) -> CloseReason {
        if let Err(text) = greeting::shake_hands(&client.wire, Protocol::Rep, HANDSHAKE_TIMEOUT) {
            return CloseReason::Fault(text);
        }
        let stall = self.settings.stall_timeout;
        let limited =
            sockopt::set_socket_timeout(&client.wire, sockopt::Timeout::Send, Some(stall));
        if let Err(error) = limited {
            return CloseReason::Fault(format!("has a socket without limits: {error}"));
        }
        let mut inbox = Inbox::new(client, &self.settings, Arc::clone(&self.budgets[0]));
        loop {
            let answer = match inbox.next() {
                Ok(Incoming::Request { header, body, deadline }) => {
                    self.responder.answer(body, header.to_vec(), deadline)
                }
                Ok(Incoming::Refused { header, refusal }) => {
                    self.responder.refusal(&refusal, header)
                }
                Err(reason) => return reason,
            };
            inbox.tidy();
            if let Err(error) = self.send(client, &answer) {
                return match error.kind() {
                    io::ErrorKind::WouldBlock => CloseReason::Fault(format!(
                        "took nothing of its answer for {stall:?}, or too little"
                    )),
                    _ => CloseReason::Left,
                };
            }
            client.note_answer(answer.is_refusal, self.context.now_us());
        }
    }

    fn send(&self, client: &Client, answer: &Answer) -> io::Result<()> {
        let head = client.framing.head(answer.bytes.len());
        let slowest = Duration::from_secs(answer.bytes.len() as u64 / SLOWEST);
        let due = Instant::now() + self.settings.stall_timeout + slowest;
        client.wire.send_by(&mut [IoSlice::new(&head), IoSlice::new(&answer.bytes)], due)?;
        let Counters { answered_bytes, .. } = &*self.counters;
        answered_bytes.fetch_add(answer.bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn warn(&self, line: String) {
        self.throttle.warn(&self.context, line);
    }
}

/// Removes its client when dropped.
struct ClientGuard<'a> {
    of: &'a Shared,
    id: u64,
}

impl Drop for ClientGuard<'_> {
    fn drop(&mut self) {
        self.of.remove(self.id);
    }
}
