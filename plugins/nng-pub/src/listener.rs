//! Sockets that subscribers dial.

use std::{
    io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        linux::net::SocketAddrExt,
        unix::net::{self, UnixListener},
    },
    sync::Arc,
    thread,
    time::Duration,
};

use rustix::net::{Shutdown, shutdown, sockopt};

use crate::{
    address::{Address, Family},
    bus::Bus,
    connection::{Connection, Framing},
    socket_file::SocketFile,
};

/// Silence after which the kernel asks whether a TCP peer is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// Pause between such questions.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// Unanswered questions after which the connection is given up.
const KEEPALIVE_COUNT: u32 = 3;
/// Pause after a failed accept, e.g. while there are no file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A socket that listens.
#[derive(Debug)]
pub struct Listener {
    /// Removed before the socket is closed: until then its inode number cannot be given to another
    /// file, and so nobody else's file can be taken for it.
    file: Option<SocketFile>,
    socket: Socket,
    /// Where it listens, with the port in effect.
    name: String,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Listens at an address; a host name may stand for several sockets.
    ///
    /// # Errors
    /// A text that names the address, what is in the way, and the remedy.
    pub fn bind(address: &Address, ipc_mode: u32) -> Result<Vec<Self>, String> {
        match address {
            Address::Tcp { family, host, port } => bind_tcp(address, *family, host, *port),
            Address::Path(path) => {
                let (socket, file) = SocketFile::listen(path, ipc_mode)?;
                Ok(vec![Self::unix(address, socket, Some(file))])
            }
            Address::Abstract(name) => net::SocketAddr::from_abstract_name(name)
                .and_then(|address| UnixListener::bind_addr(&address))
                .map(|socket| vec![Self::unix(address, socket, None)])
                .map_err(|error| abstract_fault(address, &error)),
        }
    }

    fn unix(address: &Address, socket: UnixListener, file: Option<SocketFile>) -> Self {
        Self { socket: Socket::Unix(socket), name: address.to_string(), file }
    }

    /// Where it listens, with the port in effect.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Accepts and serves until the bus closes; returns when all that it accepted have ended.
    pub fn run(&self, bus: &Bus) {
        thread::scope(|scope| {
            loop {
                match self.accept() {
                    Ok(connection) => {
                        let Some(guest) = bus.admit(connection) else { continue };
                        let serve = {
                            let guest = Arc::clone(&guest);
                            move || bus.serve(&guest)
                        };
                        let thread = thread::Builder::new().name("nng-pub-write".into());
                        if let Err(error) = thread.spawn_scoped(scope, serve) {
                            bus.dismiss(&guest, &format!("no thread for it: {error}"));
                        }
                    }
                    Err(_) if bus.is_closing() => return,
                    Err(error) => {
                        bus.refuse(&format!("a connection at {}", self.name), &error.to_string());
                        bus.wait_for_close(ACCEPT_PAUSE);
                    }
                }
            }
        });
    }

    fn accept(&self) -> io::Result<Connection> {
        let accepted = match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                let socket = OwnedFd::from(stream);
                tune(&socket);
                Connection::new(socket, Framing::Tcp, format!("tcp://{peer}"))
            }
            Socket::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                let socket = OwnedFd::from(stream);
                let peer = match sockopt::socket_peercred(&socket) {
                    Ok(peer) => format!("process {} at {}", peer.pid, self.name),
                    Err(_) => format!("a process at {}", self.name),
                };
                Connection::new(socket, Framing::Unix, peer)
            }
        };
        Ok(accepted)
    }

    /// Removes the socket file and makes every accept fail; [`run`](Self::run) returns when the bus
    /// closes too.
    pub fn stop(&self) {
        if let Some(file) = &self.file {
            file.remove();
        }
        // fails only when it was done before
        let _ = shutdown(self.fd(), Shutdown::Both);
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            Socket::Tcp(listener) => listener.as_fd(),
            Socket::Unix(listener) => listener.as_fd(),
        }
    }
}

/// Listens at every address that a host name stands for, so that `localhost` is served whichever of
/// them a subscriber tries.
fn bind_tcp(
    address: &Address,
    family: Family,
    host: &str,
    port: u16,
) -> Result<Vec<Listener>, String> {
    let resolved = (host, port).to_socket_addrs().map_err(|error| {
        format!("{address}: cannot resolve the host: {error}; use an IP address such as 127.0.0.1")
    })?;
    let mut wanted: Vec<SocketAddr> = Vec::new();
    for candidate in resolved {
        let fits = match family {
            Family::Any => true,
            Family::V4 => candidate.is_ipv4(),
            Family::V6 => candidate.is_ipv6(),
        };
        if fits && !wanted.contains(&candidate) {
            wanted.push(candidate);
        }
    }
    let mut fault = format!("{address}: the host has no address of that kind; use another");
    let mut listeners = Vec::new();
    for candidate in wanted {
        match listen_tcp(candidate) {
            Ok(listener) => listeners.push(listener),
            // a name may stand for an address that this machine has switched off
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                fault = tcp_fault(address, &error);
            }
            Err(error) => return Err(tcp_fault(address, &error)),
        }
        if port == 0 && !listeners.is_empty() {
            break; // the free port of one address may be taken at another
        }
    }
    if listeners.is_empty() { Err(fault) } else { Ok(listeners) }
}

fn listen_tcp(address: SocketAddr) -> io::Result<Listener> {
    // sets SO_REUSEADDR, so that a restart does not wait for old connections to fade
    let socket = TcpListener::bind(address)?;
    let name = format!("tcp://{}", socket.local_addr()?);
    Ok(Listener { file: None, socket: Socket::Tcp(socket), name })
}

fn tcp_fault(address: &Address, error: &io::Error) -> String {
    let port = match address {
        Address::Tcp { port, .. } => *port,
        _ => 0,
    };
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "{address} is in use, maybe by a Hikyuu collector, another dataserver, or another \
             address of this list; find it with `ss -ltnp 'sport = :{port}'` and end it, or listen \
             at another port"
        ),
        io::ErrorKind::AddrNotAvailable => {
            format!("{address} is no address of this machine; use 127.0.0.1, or * for all of them")
        }
        io::ErrorKind::PermissionDenied => {
            format!("{address} may not be used by the host's user; use a port above 1023")
        }
        _ => format!("cannot listen at {address}: {error}; listen at another address"),
    }
}

fn abstract_fault(address: &Address, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "{address} is in use by another process; find it with `ss -lxp` and end it, or choose \
             another name"
        ),
        _ => format!("cannot listen at {address}: {error}; use a name of at most 107 bytes"),
    }
}

/// Sends small messages at once, and notices a peer that vanished without a word. A socket without
/// these works all the same.
fn tune(socket: &OwnedFd) {
    let _ = sockopt::set_tcp_nodelay(socket, true);
    let _ = sockopt::set_tcp_keepidle(socket, KEEPALIVE_IDLE);
    let _ = sockopt::set_tcp_keepintvl(socket, KEEPALIVE_INTERVAL);
    let _ = sockopt::set_tcp_keepcnt(socket, KEEPALIVE_COUNT);
    let _ = sockopt::set_socket_keepalive(socket, true);
}
