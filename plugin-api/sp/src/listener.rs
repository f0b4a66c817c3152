//! Sockets that peers dial.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        linux::net::SocketAddrExt,
        unix::net::{self, UnixListener},
    },
    sync::Arc,
};

use rustix::net::{Shutdown, shutdown, sockopt};

use crate::{
    address::{self, Address, Family},
    framing::Framing,
    socket::tune,
    socket_file::SocketFile,
    tls,
    wire::Wire,
};

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
    /// With the certificates, where TLS is spoken.
    Tcp(TcpListener, Option<Arc<tls::Server>>),
    Unix(UnixListener),
}

/// A connection that a peer made; nothing was said on it yet.
#[derive(Debug)]
pub struct Accepted {
    /// Its socket blocks, and does not go on to child processes.
    pub wire: Wire,
    /// How messages lie on it.
    pub framing: Framing,
    /// Who is at the other end, for the log.
    pub peer: String,
    /// The address of a TCP peer.
    pub remote: Option<SocketAddr>,
}

impl Listener {
    /// Listens at an address; a host name may stand for several sockets. A socket file gets the
    /// permissions `ipc_mode`; one left behind by a process that has ended is replaced. Addresses
    /// with TLS need `tls`.
    ///
    /// # Errors
    /// A text that names the address, what is in the way, and the remedy.
    pub fn bind(
        address: &Address,
        ipc_mode: u32,
        tls: Option<&Arc<tls::Server>>,
    ) -> Result<Vec<Self>, String> {
        match address {
            Address::Tcp { tls: true, .. } if tls.is_none() => Err(tls::missing(address)),
            Address::Tcp { tls: is_tls, family, host, port } => {
                let tls = tls.filter(|_| *is_tls);
                bind_tcp(address, *family, host, *port, tls)
            }
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

    /// Listens at all addresses or, when one of them cannot be had, at none; see
    /// [`bind`](Self::bind).
    ///
    /// # Errors
    /// What is in the way of each address that cannot be had.
    pub fn bind_all(
        addresses: &[Address],
        ipc_mode: u32,
        tls: Option<&Arc<tls::Server>>,
    ) -> Result<Vec<Self>, String> {
        let mut bound = Vec::new();
        let mut faults = Vec::new();
        for address in addresses {
            match Self::bind(address, ipc_mode, tls) {
                Ok(listeners) => bound.extend(listeners),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(bound) } else { Err(faults.join("; ")) }
    }

    fn unix(address: &Address, socket: UnixListener, file: Option<SocketFile>) -> Self {
        Self { socket: Socket::Unix(socket), name: address.to_string(), file }
    }

    /// Where it listens, with the port in effect.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Waits for the next connection.
    ///
    /// # Errors
    /// What the kernel says: after [`stop`](Self::stop) always, else e.g. when no file descriptor
    /// is left, which the next call may not meet.
    pub fn accept(&self) -> io::Result<Accepted> {
        match &self.socket {
            Socket::Tcp(listener, tls) => {
                let (stream, peer) = listener.accept()?;
                let socket = OwnedFd::from(stream);
                tune(&socket);
                let name = format!("{}://{peer}", address::scheme(tls.is_some()));
                let wire = Wire::accepted(socket, tls.clone());
                Ok(Accepted { wire, framing: Framing::Tcp, peer: name, remote: Some(peer) })
            }
            Socket::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                let socket = OwnedFd::from(stream);
                let peer = match sockopt::socket_peercred(&socket) {
                    Ok(peer) => format!("process {} at {}", peer.pid, self.name),
                    Err(_) => format!("a process at {}", self.name),
                };
                let wire = Wire::new(socket);
                Ok(Accepted { wire, framing: Framing::Unix, peer, remote: None })
            }
        }
    }

    /// A warning when whoever reaches this machine's network gets in, and reads along.
    pub fn warning(&self) -> Option<String> {
        let Socket::Tcp(listener, None) = &self.socket else { return None };
        let address = listener.local_addr().ok().filter(|it| !it.ip().is_loopback())?;
        Some(format!(
            "{} is open to the network and speaks no TLS: whoever reaches it gets in and others on \
             the way can read along and change what is sent; listen at tls+tcp://{address} with \
             `tls`, or at 127.0.0.1",
            self.name
        ))
    }

    /// Removes the socket file and makes every accept fail, also one that waits.
    pub fn stop(&self) {
        if let Some(file) = &self.file {
            file.remove();
        }
        // fails only when it was done before
        let _ = shutdown(self.fd(), Shutdown::Both);
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            Socket::Tcp(listener, _) => listener.as_fd(),
            Socket::Unix(listener) => listener.as_fd(),
        }
    }
}

/// Listens at every address that a host name stands for, so that `localhost` is served whichever of
/// them a peer tries.
fn bind_tcp(
    address: &Address,
    family: Family,
    host: &str,
    port: u16,
    tls: Option<&Arc<tls::Server>>,
) -> Result<Vec<Listener>, String> {
    let wanted = address::ip_addresses(family, host, port)
        .map_err(|fault| format!("cannot listen at {address}: {fault}"))?;
    let mut fault = String::new();
    let mut listeners = Vec::new();
    for candidate in wanted {
        match listen_tcp(candidate, tls) {
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

fn listen_tcp(address: SocketAddr, tls: Option<&Arc<tls::Server>>) -> io::Result<Listener> {
    // sets SO_REUSEADDR, so that a restart does not wait for old connections to fade
    let socket = TcpListener::bind(address)?;
    let name = format!("{}://{}", address::scheme(tls.is_some()), socket.local_addr()?);
    Ok(Listener { file: None, socket: Socket::Tcp(socket, tls.cloned()), name })
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

#[cfg(test)]
mod tests {
    use std::{
        net::TcpStream,
        os::unix::{fs::PermissionsExt, net::UnixStream},
        path::Path,
        thread,
    };

    use super::*;

    fn bind(text: &str) -> Result<Vec<Listener>, String> {
        Listener::bind(&Address::listen(text, Path::to_owned)?, 0o600, None)
    }

    fn one(text: &str) -> Listener {
        bind(text).unwrap().remove(0)
    }

    #[test]
    fn a_peer_is_told_by_where_it_comes_from() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ipc");
        let tcp = one("tcp://127.0.0.1:0");
        let ipc = one(&format!("ipc://{}", path.display()));
        let port = tcp.name().strip_prefix("tcp://").unwrap();
        let ours = TcpStream::connect(port).unwrap();
        let accepted = tcp.accept().unwrap();
        assert_eq!(accepted.framing, Framing::Tcp);
        assert_eq!(accepted.remote, Some(ours.local_addr().unwrap()));
        assert_eq!(accepted.peer, format!("tcp://{}", ours.local_addr().unwrap()));

        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let _ours = UnixStream::connect(&path).unwrap();
        let accepted = ipc.accept().unwrap();
        assert_eq!((accepted.framing, accepted.remote), (Framing::Unix, None));
        let expected = format!("process {} at {}", std::process::id(), ipc.name());
        assert_eq!(accepted.peer, expected);
    }

    #[test]
    fn a_stop_ends_every_wait_for_a_connection() {
        let folder = tempfile::tempdir().unwrap();
        let file = format!("ipc://{}/a.ipc", folder.path().display());
        let name = format!("abstract://sp-test-{}", std::process::id());
        for text in ["tcp://127.0.0.1:0", &file, &name] {
            let listener = one(text);
            thread::scope(|scope| {
                let waits = scope.spawn(|| listener.accept());
                listener.stop();
                assert!(waits.join().unwrap().is_err(), "{text}");
            });
            assert!(listener.accept().is_err(), "{text} stays stopped");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn an_address_in_use_is_named_with_its_remedy() {
        let tcp = one("tcp://127.0.0.1:0");
        let fault = bind(tcp.name()).unwrap_err();
        assert!(fault.contains(tcp.name()) && fault.contains("ss -ltnp"), "{fault}");
        let name = format!("abstract://sp-test-in-use-{}", std::process::id());
        let _listener = one(&name);
        let fault = bind(&name).unwrap_err();
        assert!(fault.contains(&name) && fault.contains("ss -lxp"), "{fault}");
    }

    #[test]
    fn an_address_that_others_reach_is_warned_of() {
        for text in ["tcp://127.0.0.1:0", "tcp://[::1]:0"] {
            assert_eq!(one(text).warning(), None, "{text}");
        }
        for text in ["tcp://*:0", "tcp4://*:0", "tcp6://*:0"] {
            let warning = one(text).warning().unwrap();
            assert!(
                warning.contains("speaks no TLS") && warning.contains("tls+tcp://"),
                "{warning}"
            );
        }
    }

    #[test]
    fn an_address_with_tls_needs_certificates() {
        let fault = bind("tls+tcp://127.0.0.1:0").unwrap_err();
        assert!(fault.contains("tls+tcp://127.0.0.1:0") && fault.contains("tls = {"), "{fault}");
    }

    #[test]
    fn an_address_of_another_machine_is_refused_with_its_remedy() {
        let fault = bind("tcp://192.0.2.1:9200").unwrap_err();
        assert!(fault.contains("192.0.2.1:9200 is no address of this machine"), "{fault}");
        let fault = bind("tcp6://127.0.0.1:9200").unwrap_err();
        assert!(fault.contains("tcp://127.0.0.1:9200") && fault.contains("family"), "{fault}");
    }
}
