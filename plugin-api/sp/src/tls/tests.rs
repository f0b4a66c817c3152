//! Both ends against each other, over socket pairs.

use std::{
    fs,
    io::{IoSlice, Read, Write},
    os::unix::{
        fs::{PermissionsExt, symlink},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::*;
use crate::{Protocol, Wire, greeting, testing::Authority};

const PATIENCE: Duration = Duration::from_secs(20);
const NAME: &str = "quotes.example";

/// What was said.
type Lines = Arc<Mutex<Vec<String>>>;

fn log() -> (Log, Lines) {
    let lines = Lines::default();
    let (info, warn) = (Arc::clone(&lines), Arc::clone(&lines));
    let log = Log::new(
        move |line| info.lock().unwrap().push(format!("info {line}")),
        move |line| warn.lock().unwrap().push(format!("warn {line}")),
    );
    (log, lines)
}

/// Certificates of a server and a client, from CAs of their own.
struct Stand {
    folder: TempDir,
    servers: Authority,
    clients: Authority,
}

impl Stand {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let servers = Authority::new(&folder.path().join("servers"));
        let clients = Authority::new(&folder.path().join("clients"));
        servers.make("end", &[NAME, "127.0.0.1"]);
        clients.make("end", &["reader"]);
        Self { folder, servers, clients }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn server(&self, asks: bool) -> Server {
        self.server_with("servers/end", asks).unwrap()
    }

    fn server_with(&self, end: &str, asks: bool) -> Result<Server, String> {
        let files = ServerFiles {
            cert: format!("{end}.pem").into(),
            key: format!("{end}.key").into(),
            client_ca: asks.then(|| self.clients.ca()),
        };
        Server::new(&files, |path| self.path(path.to_str().unwrap()), log().0)
    }

    fn client(&self, shows: bool) -> Client {
        let end = |kind: &str| shows.then(|| self.path(&format!("clients/end.{kind}")));
        self.client_with(ClientFiles {
            ca: self.servers.ca(),
            cert: end("pem"),
            key: end("key"),
            name: None,
        })
        .unwrap()
    }

    fn client_with(&self, files: ClientFiles) -> Result<Client, String> {
        Client::new(&files, Path::to_owned, log().0)
    }
}

fn by(
    wire: &Wire,
    deadline: Instant,
) -> impl FnMut(rustix::event::PollFlags) -> Result<(), String> {
    move |flags| match wire.wait(flags, deadline) {
        Ok(true) => Ok(()),
        Ok(false) => Err("is late".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn wires(server: Server) -> (Wire, Wire) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    (Wire::accepted(ours.into(), Some(Arc::new(server))), Wire::new(theirs.into()))
}

/// What each end says of the other: TLS, then who they are.
fn meet(server: Server, client: &Client, name: &str) -> [Result<Wire, String>; 2] {
    let (dialled, dialler) = wires(server);
    thread::scope(|scope| {
        let welcome = scope.spawn(move || {
            greeting::shake_hands(&dialled, Protocol::Pub, PATIENCE).map(|()| dialled)
        });
        let deadline = Instant::now() + PATIENCE;
        let met = dialler.secure(client, name, by(&dialler, deadline)).and_then(|()| {
            let mut wait = by(&dialler, deadline);
            greeting::greet(&dialler, Protocol::Sub, |_| wait(rustix::event::PollFlags::IN))
        });
        let dialler = met.map(|()| dialler);
        [welcome.join().unwrap(), dialler]
    })
}

#[test]
fn bytes_arrive_whole_in_both_directions_at_once() {
    let stand = Stand::new();
    let met = meet(stand.server(true), &stand.client(true), NAME);
    let [dialled, dialler] = met.map(Result::unwrap);
    assert!(dialled.is_tls() && dialler.is_tls());
    let parts: Vec<Vec<u8>> = (0..40).map(|part| vec![part; 90_001]).collect();
    let whole = parts.concat();
    thread::scope(|scope| {
        for wire in [&dialled, &dialler] {
            let (parts, whole) = (&parts, &whole);
            scope.spawn(move || {
                let mut slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
                wire.send_all(&mut slices).unwrap();
            });
            scope.spawn(move || {
                let mut received = vec![0; whole.len()];
                let mut reader: &Wire = wire;
                reader.read_exact(&mut received).unwrap();
                assert!(received == *whole);
            });
        }
    });
    dialled.shut_down(rustix::net::Shutdown::Both);
    assert_eq!(dialler.receive(&mut [0]).unwrap(), 0);
}

#[test]
fn what_is_held_within_the_session_is_told() {
    let stand = Stand::new();
    let met = meet(stand.server(false), &stand.client(false), NAME);
    let [dialled, dialler] = met.map(Result::unwrap);
    dialled.send_all(&mut [IoSlice::new(b"abcd")]).unwrap();
    assert!(dialler.wait(rustix::event::PollFlags::IN, Instant::now() + PATIENCE).unwrap());
    let mut two = [0; 2];
    assert_eq!(dialler.receive(&mut two).unwrap(), 2);
    assert!(dialler.holds_bytes(), "which the socket does not show any more");
    assert_eq!(dialler.receive_now(&mut two).unwrap(), 2);
    assert!(!dialler.holds_bytes() && &two == b"cd");
    let nothing = dialler.receive_now(&mut two).unwrap_err();
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn a_limit_for_receiving_holds_within_tls() {
    let stand = Stand::new();
    let met = meet(stand.server(false), &stand.client(false), NAME);
    let [_dialled, dialler] = met.map(Result::unwrap);
    let limit = Some(Duration::from_millis(5));
    rustix::net::sockopt::set_socket_timeout(&dialler, rustix::net::sockopt::Timeout::Recv, limit)
        .unwrap();
    let late = dialler.receive(&mut [0]).unwrap_err();
    assert_eq!(late.kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn who_is_not_accepted_is_told_why_on_both_sides() {
    let stand = Stand::new();
    let files = |ca: PathBuf, shows: Option<(PathBuf, PathBuf)>| {
        let (cert, key) = shows.unzip();
        stand.client_with(ClientFiles { ca, cert, key, name: None }).unwrap()
    };
    stand.servers.make_expired("old", &[NAME]);
    let stranger = Authority::new(&stand.path("strangers")).make("end", &["x"]);
    let (servers, clients) = (stand.servers.ca(), stand.clients.ca());
    let cases = [
        // the certificate that is shown, whether one is asked for, who dials, which name; what the
        // server says, what the client says
        ("servers/end", false, files(clients, None), NAME, "CA of `tls.cert`", "`tls.ca`"),
        ("servers/end", false, stand.client(false), "other.example", "refused TLS", "`tls.name`"),
        ("servers/old", false, stand.client(false), NAME, "refused TLS", "renew it"),
        ("servers/end", true, stand.client(false), NAME, "no certificate", "set `tls.cert`"),
        ("servers/end", true, files(servers, Some(stranger)), NAME, "`tls.client_ca`", ""),
    ];
    for (end, asks, client, name, of_client, of_server) in cases {
        let met = meet(stand.server_with(end, asks).unwrap(), &client, name);
        let [welcome, dialled] = met.map(|it| it.map(drop).unwrap_err());
        assert!(welcome.contains(of_client), "{welcome} of {of_client}");
        assert!(dialled.contains(of_server), "{dialled} of {of_server}");
    }
    let named =
        ClientFiles { ca: stand.servers.ca(), cert: None, key: None, name: Some(NAME.to_owned()) };
    let named = stand.client_with(named).unwrap();
    let met = meet(stand.server(false), &named, "10.0.0.1");
    assert!(met.iter().all(Result::is_ok), "a name of its own goes before the host");
    let met = meet(stand.server(false), &stand.client(false), "127.0.0.1");
    assert!(met.iter().all(Result::is_ok), "addresses are names as well");
}

#[test]
fn who_speaks_no_tls_is_told_from_who_does() {
    let stand = Stand::new();
    let cases: [(&[u8], &str); 4] = [
        (b"\0SP\0\0\x21\0\0", "speaks no TLS: it began with \"\\x00SP"),
        (b"GET / HTTP/1.1\r\n\r\n", "GET / HT"),
        (b"", "left before the TLS handshake"),
        (b"\x16\x03\x01", "left within the TLS handshake"),
    ];
    for (bytes, said) in cases {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(bytes).unwrap();
        theirs.shutdown(std::net::Shutdown::Write).unwrap();
        let wire = Wire::accepted(ours.into(), Some(Arc::new(stand.server(false))));
        let fault = greeting::shake_hands(&wire, Protocol::Pub, PATIENCE).unwrap_err();
        assert!(fault.contains(said), "{fault} of {bytes:?}");
    }
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"\0SP\0\0\x20\0\0").unwrap();
    let wire = Wire::new(ours.into());
    let until = by(&wire, Instant::now() + PATIENCE);
    let fault = wire.secure(&stand.client(false), NAME, until).unwrap_err();
    assert!(fault.contains("speaks no TLS") && fault.contains("dial tcp://"), "{fault}");
}

#[test]
fn a_handshake_is_over_in_time_however_it_is_drawn_out() {
    let stand = Stand::new();
    for bytes in [0_usize, 1, 1_000] {
        let (wire, theirs) = wires(stand.server(false));
        let drawn_out = thread::spawn(move || {
            // a record that is announced and comes byte by byte, for as long as somebody listens
            let mut record = b"\x16\x03\x01\x3f\xff".to_vec();
            record.resize(bytes, 0);
            for byte in record.chunks(1).take(bytes) {
                if theirs.send_all(&mut [IoSlice::new(byte)]).is_err() {
                    return;
                }
                thread::sleep(Duration::from_millis(1));
            }
            let _ = theirs.receive(&mut [0]);
        });
        let begun = Instant::now();
        let fault = greeting::shake_hands(&wire, Protocol::Pub, Duration::from_millis(50));
        assert!(fault.unwrap_err().contains("did not agree on TLS in 50ms"));
        assert!(begun.elapsed() < Duration::from_secs(10));
        drop(wire);
        drawn_out.join().unwrap();
    }
}

#[test]
fn files_that_cannot_be_used_are_named_with_option_and_remedy() {
    let stand = Stand::new();
    let other = stand.servers.make("other", &[NAME]).1;
    let write = |name: &str, text: &str| fs::write(stand.path(name), text).unwrap();
    let pem = fs::read_to_string(stand.path("servers/end.pem")).unwrap();
    write("empty.pem", "");
    write("cut.pem", &pem[..pem.len() / 2]);
    let made = Command::new("mkfifo").arg(stand.path("pipe.pem")).status().unwrap();
    assert!(made.success());
    symlink("/dev/zero", stand.path("endless.pem")).unwrap();
    write(
        "sealed.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let (cert, key) = ("servers/end.pem", "servers/end.key");
    let ca = "servers/ca.pem";
    let cases = [
        // certificate, key, CA of clients; what is said
        ("absent.pem", key, None, "`tls.cert` ", "cannot be read"),
        ("empty.pem", key, None, "`tls.cert` ", "openssl x509 -inform der"),
        ("cut.pem", key, None, "`tls.cert` ", ""),
        ("pipe.pem", key, None, "`tls.cert` ", "no regular file"),
        ("endless.pem", key, None, "`tls.cert` ", "no regular file"),
        (cert, "pipe.pem", None, "`tls.key` ", "no regular file"),
        (cert, "absent.key", None, "`tls.key` ", "cannot be read"),
        (cert, cert, None, "`tls.key` ", "no private key"),
        (cert, "sealed.key", None, "`tls.key` ", "openssl pkey -in"),
        (cert, other.to_str().unwrap(), None, "`tls.key` ", "cannot be used together"),
        (cert, key, Some("absent.pem"), "`tls.client_ca` ", "cannot be read"),
        (cert, key, Some("empty.pem"), "`tls.client_ca` ", "no certificate in PEM"),
        (cert, key, Some("pipe.pem"), "`tls.client_ca` ", "no regular file"),
    ];
    for (cert, key, client_ca, option, said) in cases {
        let files = ServerFiles {
            cert: cert.into(),
            key: key.into(),
            client_ca: client_ca.map(PathBuf::from),
        };
        let resolve = |path: &Path| stand.folder.path().join(path);
        let fault = Server::new(&files, resolve, log().0).unwrap_err();
        assert!(fault.contains(option) && fault.contains(said), "{fault} of {files:?}");
        assert!(fault.contains(&stand.folder.path().display().to_string()), "{fault}");
    }
    let client = |cert: Option<&str>, key: Option<&str>, name: Option<&str>| {
        stand
            .client_with(ClientFiles {
                ca: stand.path(ca),
                cert: cert.map(|it| stand.path(it)),
                key: key.map(|it| stand.path(it)),
                name: name.map(str::to_owned),
            })
            .map(drop)
    };
    assert!(client(Some(cert), None, None).unwrap_err().contains("`tls.cert` needs `tls.key`"));
    assert!(client(None, Some(key), None).unwrap_err().contains("`tls.key` needs `tls.cert`"));
    assert!(client(None, None, Some("a b")).unwrap_err().contains("\"a b\""));
    assert!(client(Some(cert), Some(key), Some(NAME)).is_ok());
}

#[test]
fn a_key_that_others_can_read_is_warned_of() {
    let stand = Stand::new();
    let key = stand.path("servers/end.key");
    for (mode, is_warned) in [(0o600, false), (0o640, false), (0o644, true), (0o602, true)] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        let (log, lines) = log();
        let files =
            ServerFiles { cert: stand.path("servers/end.pem"), key: key.clone(), client_ca: None };
        Server::new(&files, Path::to_owned, log).unwrap().warn_of_exposed_key();
        let lines = lines.lock().unwrap();
        assert_eq!(!lines.is_empty(), is_warned, "{mode:o}: {lines:?}");
        assert!(lines.iter().all(|line| line.starts_with("warn") && line.contains("chmod")));
    }
}

#[test]
fn renewed_certificates_are_shown_and_broken_ones_leave_the_old() {
    let stand = Stand::new();
    let (log, lines) = log();
    let files = ServerFiles {
        cert: stand.path("servers/end.pem"),
        key: stand.path("servers/end.key"),
        client_ca: None,
    };
    let server = Arc::new(Server::new(&files, Path::to_owned, log).unwrap());
    let accepts = |name: &str| {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (dialled, dialler) =
            (Wire::accepted(ours.into(), Some(Arc::clone(&server))), Wire::new(theirs.into()));
        thread::scope(|scope| {
            scope.spawn(|| dialled.welcome(by(&dialled, Instant::now() + PATIENCE)));
            let until = by(&dialler, Instant::now() + PATIENCE);
            dialler.secure(&stand.client(false), name, until).is_ok()
        })
    };
    assert!(accepts(NAME) && !accepts("new.example"));
    stand.servers.make("end", &["new.example"]);
    assert!(accepts("new.example") && !accepts(NAME));
    let said = |text: &str| lines.lock().unwrap().iter().filter(|it| it.contains(text)).count();
    assert_eq!(said("info read "), 1);
    // a renewal that is half done, or went wrong
    fs::write(&files.key, "").unwrap();
    assert!(accepts("new.example") && accepts("new.example"));
    assert_eq!(said("those go on that were read before"), 1, "once a change");
    stand.servers.make("end", &[NAME]);
    assert!(accepts(NAME));
}
