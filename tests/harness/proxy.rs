//! A network between host and server that can be disturbed.

use std::{
    collections::HashMap,
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
};

use crate::{servers::server_port, waiting::comes_true};

/// What the network does with connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Forward,
    /// Nothing passes, nothing closes.
    Stall,
    /// What the host sends arrives, what the server answers does not.
    LoseAnswers,
    /// Nobody listens.
    Refuse,
    Ended,
}

/// A port on loopback that passes everything on to a server's port, until told otherwise.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    mode: Mode,
    listens: bool,
    /// Both ends of every connection that is open, by its number.
    open: HashMap<u64, [TcpStream; 2]>,
    connections: u64,
    /// Pieces that were held back, or thrown away, since the mode was set.
    disturbed: u64,
}

impl Proxy {
    /// Starts to forward to that port on 127.0.0.1.
    pub fn start(target: u16) -> Self {
        let state = State {
            mode: Mode::Forward,
            listens: false,
            open: HashMap::new(),
            connections: 0,
            disturbed: 0,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let port = server_port();
        let listener = Arc::clone(&shared);
        thread::spawn(move || listener.listen(port, target));
        let proxy = Self { port, shared };
        proxy.wait_until_it_listens(true);
        proxy
    }

    /// The port on 127.0.0.1 that stands for the server's.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Closes all connections; new ones are accepted. Gives how many there were.
    pub fn cut(&self) -> usize {
        self.shared.cut(&mut self.shared.lock())
    }

    /// Pieces of traffic that were held back or thrown away since the network was last told what
    /// to do.
    pub fn disturbed(&self) -> u64 {
        self.shared.lock().disturbed
    }

    /// Whether somebody is connected.
    pub fn is_used(&self) -> bool {
        !self.shared.lock().open.is_empty()
    }

    /// Closes all connections and refuses new ones.
    pub fn refuse(&self) {
        self.set(Mode::Refuse);
        self.cut();
        self.wait_until_it_listens(false);
    }

    /// Holds back everything without closing anything.
    pub fn stall(&self) {
        self.set(Mode::Stall);
    }

    /// Passes on what the host sends and throws away what the server answers.
    pub fn lose_answers(&self) {
        self.set(Mode::LoseAnswers);
    }

    /// Passes everything on again.
    pub fn forward(&self) {
        self.set(Mode::Forward);
        self.wait_until_it_listens(true);
    }

    fn set(&self, mode: Mode) {
        let mut state = self.shared.lock();
        (state.mode, state.disturbed) = (mode, 0);
        drop(state);
        self.shared.changed.notify_all();
        // the listener waits for a connection; this one tells it to look
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }

    fn wait_until_it_listens(&self, listens: bool) {
        assert!(comes_true(|| self.shared.lock().listens == listens));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set(Mode::Ended);
        self.cut();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn cut(&self, state: &mut State) -> usize {
        let cut = state.open.len();
        for stream in state.open.drain().flat_map(|(_, ends)| ends) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.changed.notify_all();
        cut
    }

    /// Listens whenever the mode allows it, until the end.
    fn listen(self: Arc<Self>, port: u16, target: u16) {
        loop {
            let state = self.lock();
            let state = self.changed.wait_while(state, |it| it.mode == Mode::Refuse).unwrap();
            if state.mode == Mode::Ended {
                return;
            }
            drop(state);
            match TcpListener::bind(("127.0.0.1", port)) {
                Ok(listener) => self.accept(&listener, target),
                Err(error) => assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}"),
            }
            self.lock().listens = false;
        }
    }

    /// Connects whoever comes, while the mode allows it.
    fn accept(self: &Arc<Self>, listener: &TcpListener, target: u16) {
        self.lock().listens = true;
        for host in listener.incoming() {
            if matches!(self.lock().mode, Mode::Refuse | Mode::Ended) {
                return;
            }
            // a server that is away closes the host's connection at once
            if let (Ok(host), Ok(server)) = (host, TcpStream::connect(("127.0.0.1", target))) {
                self.connect(host, server);
            }
        }
    }

    fn connect(self: &Arc<Self>, host: TcpStream, server: TcpStream) {
        for stream in [&host, &server] {
            let _ = stream.set_nodelay(true);
        }
        let copy = |stream: &TcpStream| stream.try_clone().unwrap();
        let mut state = self.lock();
        state.connections += 1;
        let number = state.connections;
        state.open.insert(number, [copy(&host), copy(&server)]);
        drop(state);
        let (there, back) = (Arc::clone(self), Arc::clone(self));
        let (host_copy, server_copy) = (copy(&host), copy(&server));
        thread::spawn(move || there.pump(number, host_copy, server_copy, false));
        thread::spawn(move || back.pump(number, server, host, true));
    }

    /// Copies one direction until either end closes.
    fn pump(&self, number: u64, mut from: TcpStream, mut to: TcpStream, answers: bool) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let mut state = self.lock();
            let is_disturbed = |mode| mode == Mode::Stall || answers && mode == Mode::LoseAnswers;
            state.disturbed += u64::from(is_disturbed(state.mode));
            let state = self.changed.wait_while(state, |it| it.mode == Mode::Stall).unwrap();
            let lost = answers && state.mode == Mode::LoseAnswers;
            drop(state);
            if !lost && to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        self.lock().open.remove(&number);
        for stream in [from, to] {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
