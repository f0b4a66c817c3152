//! Addresses to listen at and to dial, as NNG writes them.

use std::{
    fmt,
    net::{SocketAddr, ToSocketAddrs},
    path::{Path, PathBuf},
};

use rustix::net::SocketAddrUnix;

/// Bytes of the longest path that the system's standard calls take for a socket.
const MAX_PATH: usize = 107;

/// Where to listen, or whom to dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `tcp://host:port`, or `tls+tcp://host:port`; the host is a name or an IP address.
    Tcp {
        /// Whether TLS is spoken.
        tls: bool,
        /// Which addresses of a name to take.
        family: Family,
        /// Host without brackets; `0.0.0.0` or `::` for every address.
        host: String,
        /// Port; 0 for a free one, where to listen.
        port: u16,
    },
    /// `ipc://path` or `unix://path`: a socket file.
    Path(PathBuf),
    /// `abstract://name`: a Unix socket without a file.
    Abstract(Vec<u8>),
}

/// Kind of IP address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Whatever the host has.
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

/// What an address stands for in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(SocketAddrUnix),
}

/// What an address is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Listen,
    Dial,
}

impl Address {
    /// Reads an address to listen at: the host may be left out or `*`, the port may be 0.
    /// `resolve` makes a path absolute.
    ///
    /// # Errors
    /// A text that names the address, what is wrong with it, and the remedy.
    pub fn listen(text: &str, resolve: impl Fn(&Path) -> PathBuf) -> Result<Self, String> {
        parse(text, Use::Listen, &resolve)
    }

    /// Reads the addresses of an option `listen`, in order, without doubles. What is wrong with
    /// them is added to `faults`, each with its remedy; `example` is one to write where there is
    /// none.
    pub fn listen_all(
        texts: &[String],
        example: &str,
        resolve: impl Fn(&Path) -> PathBuf,
        faults: &mut Vec<String>,
    ) -> Vec<Self> {
        let read = |text: &str| Self::listen(text, &resolve);
        read_all(texts, "listen", example, read, faults)
    }

    /// Reads an address to dial: host and port are named. `resolve` makes a path absolute.
    ///
    /// # Errors
    /// A text that names the address, what is wrong with it, and the remedy.
    pub fn dial(text: &str, resolve: impl Fn(&Path) -> PathBuf) -> Result<Self, String> {
        parse(text, Use::Dial, &resolve)
    }

    /// Reads the addresses of an option `dial`; as [`listen_all`](Self::listen_all).
    pub fn dial_all(
        texts: &[String],
        example: &str,
        resolve: impl Fn(&Path) -> PathBuf,
        faults: &mut Vec<String>,
    ) -> Vec<Self> {
        let read = |text: &str| Self::dial(text, &resolve);
        read_all(texts, "dial", example, read, faults)
    }

    /// Whether TLS is spoken there.
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::Tcp { tls: true, .. })
    }

    /// Whether the address stands for any free port.
    pub fn is_any_port(&self) -> bool {
        matches!(self, Self::Tcp { port: 0, .. })
    }

    /// Everything that the address stands for, once each, in the order to be tried. A name is
    /// looked up, which may block.
    ///
    /// # Errors
    /// A text that says why it stands for nothing, for after the address.
    pub fn endpoints(&self) -> Result<Vec<Endpoint>, String> {
        let unix = match self {
            Self::Tcp { family, host, port, .. } => {
                let found = ip_addresses(*family, host, *port)?;
                return Ok(found.into_iter().map(Endpoint::Tcp).collect());
            }
            Self::Path(path) => SocketAddrUnix::new(path),
            Self::Abstract(name) => SocketAddrUnix::new_abstract_name(name),
        };
        let unix = unix.map_err(|_| "it is longer than 107 bytes; use a shorter one".to_owned())?;
        Ok(vec![Endpoint::Unix(unix)])
    }
}

/// Reads the addresses of an option in order, without doubles. Two that stand for any free port are
/// two addresses.
fn read_all(
    texts: &[String],
    option: &str,
    example: &str,
    read: impl Fn(&str) -> Result<Address, String>,
    faults: &mut Vec<String>,
) -> Vec<Address> {
    let mut addresses: Vec<Address> = Vec::new();
    for text in texts {
        match read(text) {
            Ok(address) if addresses.contains(&address) && !address.is_any_port() => {
                faults.push(format!("{option} names \"{text}\" twice; drop one"));
            }
            Ok(address) => addresses.push(address),
            Err(fault) => faults.push(fault),
        }
    }
    if texts.is_empty() {
        faults.push(format!("{option} is empty; name an address, e.g. {example}"));
    }
    addresses
}

/// The IP addresses of a host, once each.
pub(crate) fn ip_addresses(
    family: Family,
    host: &str,
    port: u16,
) -> Result<Vec<SocketAddr>, String> {
    let found = (host, port).to_socket_addrs();
    let found = found.map_err(|error| {
        format!("the name \"{host}\" is not found: {error}; use an IP address such as 127.0.0.1")
    })?;
    let mut addresses = Vec::new();
    for address in found {
        let fits = match family {
            Family::Any => true,
            Family::V4 => address.is_ipv4(),
            Family::V6 => address.is_ipv6(),
        };
        if fits && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(format!("\"{host}\" has no address of that family; use tcp://"));
    }
    Ok(addresses)
}

fn parse(text: &str, purpose: Use, resolve: &impl Fn(&Path) -> PathBuf) -> Result<Address, String> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let (tls, transport) = match scheme.strip_prefix("tls+") {
        Some(transport) if transport.starts_with("tcp") => (true, transport),
        _ => (false, scheme),
    };
    let address = match transport {
        "tcp" => tcp(rest, tls, Family::Any, purpose),
        "tcp4" => tcp(rest, tls, Family::V4, purpose),
        "tcp6" => tcp(rest, tls, Family::V6, purpose),
        "ipc" | "unix" if rest.is_empty() => Err("has no path; write e.g. ipc:///tmp/x.ipc"),
        "ipc" | "unix" => socket_file(resolve(Path::new(rest)), purpose),
        "abstract" => percent_decoded(rest).map(Address::Abstract),
        _ if purpose == Use::Listen => Err("is of no kind that can be served; use tcp://, \
                                            tls+tcp://, ipc://, unix:// or abstract://"),
        _ => Err("is of no kind that can be dialled; use tcp://, tls+tcp://, ipc://, unix:// or \
                  abstract://"),
    };
    address.map_err(|fault| format!("address \"{}\" {fault}", shown(text)))
}

/// A path to listen at is checked before anything is opened, as far as its length goes.
fn socket_file(path: PathBuf, purpose: Use) -> Result<Address, &'static str> {
    if purpose == Use::Listen && path.as_os_str().len() > MAX_PATH {
        return Err("is no path that a socket can have; use one of at most 107 bytes");
    }
    Ok(Address::Path(path))
}

/// An address that is none, without what may be a password before an `@` or a key behind a `?`.
fn shown(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
    let place = rest.rfind('@').map_or(rest, |at| &rest[at + 1..]);
    let place = place.split('?').next().unwrap_or_default();
    let separator = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{separator}{place}")
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { tls, host, port, .. } if host.contains(':') => {
                write!(f, "{}://[{host}]:{port}", scheme(*tls))
            }
            Self::Tcp { tls, host, port, .. } => write!(f, "{}://{host}:{port}", scheme(*tls)),
            Self::Path(path) => write!(f, "ipc://{}", path.display()),
            Self::Abstract(name) => write!(f, "abstract://{}", name.escape_ascii()),
        }
    }
}

/// How addresses with TLS and without begin.
pub(crate) fn scheme(tls: bool) -> &'static str {
    if tls { "tls+tcp" } else { "tcp" }
}

fn tcp(rest: &str, tls: bool, family: Family, purpose: Use) -> Result<Address, &'static str> {
    if rest.contains('@') {
        return Err("names a user, whom nobody asks for; leave out what stands before `@`");
    }
    let (host, port) =
        rest.rsplit_once(':').ok_or("names no port; write e.g. tcp://127.0.0.1:9200")?;
    // `parse` would take a sign
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = match (port.parse().ok().filter(|_| digits), purpose) {
        (Some(0), Use::Dial) | (None, Use::Dial) => {
            return Err("has no port from 1 to 65535 at its end; write e.g. tcp://127.0.0.1:9200");
        }
        (None, Use::Listen) => {
            return Err("has no port from 0 to 65535 at its end; write e.g. tcp://127.0.0.1:9200");
        }
        (Some(port), _) => port,
    };
    let host = match host {
        "" | "*" if purpose == Use::Dial => {
            return Err("names no host, which only a listener may leave out; write e.g. \
                        tcp://127.0.0.1:9200");
        }
        "" | "*" if family == Family::V6 => "::",
        "" | "*" => "0.0.0.0",
        _ => match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(bare) => bare,
            None if host.contains(':') => return Err("needs brackets around its IPv6 address"),
            None => host,
        },
    };
    Ok(Address::Tcp { tls, family, host: host.to_owned(), port })
}

/// The name of an abstract socket, in which NNG writes odd bytes as `%00`.
fn percent_decoded(text: &str) -> Result<Vec<u8>, &'static str> {
    const FAULT: &str = "has a % without two hexadecimal digits; write % itself as %25";
    let mut name = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let decoded = match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let value = digit().zip(digit()).map(|(high, low)| high * 16 + low);
                value.and_then(|value| u8::try_from(value).ok()).ok_or(FAULT)?
            }
            _ => byte,
        };
        name.push(decoded);
    }
    if name.is_empty() { Err("has no name; write e.g. abstract://quotes") } else { Ok(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(text: &str) -> Result<Address, String> {
        Address::listen(text, |path| Path::new("/base").join(path))
    }

    fn dial(text: &str) -> Result<Address, String> {
        Address::dial(text, |path| Path::new("/base").join(path))
    }

    #[test]
    fn addresses_are_read_as_nng_reads_them() {
        let cases = [
            // as written, as understood; can be dialled
            ("tcp://127.0.0.1:9200", "tcp://127.0.0.1:9200", true),
            ("tcp://*:9200", "tcp://0.0.0.0:9200", false),
            ("tcp://:9200", "tcp://0.0.0.0:9200", false),
            ("tcp://[::]:9200", "tcp://[::]:9200", true),
            ("tcp4://*:1", "tcp://0.0.0.0:1", false),
            ("tcp4://localhost:1", "tcp://localhost:1", true),
            ("tcp6://*:1", "tcp://[::]:1", false),
            ("tcp6://[::1]:65535", "tcp://[::1]:65535", true),
            ("tcp://localhost:0", "tcp://localhost:0", false),
            ("tls+tcp://quotes.example:9200", "tls+tcp://quotes.example:9200", true),
            ("tls+tcp4://*:1", "tls+tcp://0.0.0.0:1", false),
            ("tls+tcp6://[::1]:1", "tls+tcp://[::1]:1", true),
            ("ipc:///tmp/a.ipc", "ipc:///tmp/a.ipc", true),
            ("unix:///tmp/a b", "ipc:///tmp/a b", true),
            ("ipc://a.ipc", "ipc:///base/a.ipc", true),
            ("abstract://quotes", "abstract://quotes", true),
            ("abstract://a%00b%25", "abstract://a\\x00b%", true),
        ];
        for (text, understood, can_be_dialled) in cases {
            let address = listen(text).unwrap();
            assert_eq!(address.to_string(), understood, "{text}");
            assert_eq!(dial(text).ok(), can_be_dialled.then_some(address), "{text}");
        }
    }

    #[test]
    fn a_bad_address_is_named_with_its_remedy() {
        let cases = [
            ("127.0.0.1:9200", "tcp://"),
            ("", "tcp://"),
            ("inproc://a", "tcp://"),
            ("tls+ipc:///a", "tls+tcp://"),
            ("tls+tcp://a", "9200"),
            ("tls+abstract://a", "tls+tcp://"),
            ("tcp://127.0.0.1", "9200"),
            ("tcp://127.0.0.1:", "65535"),
            ("tcp://127.0.0.1:65536", "65535"),
            ("tcp://127.0.0.1:+1", "65535"),
            ("tcp://127.0.0.1:9200/x", "65535"),
            ("tcp://::1:9200", "brackets"),
            ("ipc://", "ipc:///"),
            ("abstract://", "abstract://quotes"),
            ("abstract://%2", "%25"),
            ("abstract://%zz", "%25"),
        ];
        for (text, remedy) in cases {
            for fault in [listen(text).unwrap_err(), dial(text).unwrap_err()] {
                let is_named = fault.contains(&format!("\"{text}\""));
                assert!(is_named && fault.contains(remedy), "{fault}");
            }
        }
    }

    #[test]
    fn who_dials_names_host_and_port() {
        let cases = [
            ("tcp://127.0.0.1:0", "1 to 65535"),
            ("tcp://*:9200", "names no host"),
            ("tcp://:9200", "names no host"),
        ];
        for (text, remedy) in cases {
            let fault = dial(text).unwrap_err();
            assert!(fault.contains(&format!("\"{text}\"")) && fault.contains(remedy), "{fault}");
        }
    }

    #[test]
    fn a_path_to_listen_at_is_not_longer_than_a_sockets() {
        let of = |length: usize| listen(&format!("ipc:///{}", "x".repeat(length - 1)));
        assert!(of(107).is_ok());
        for length in [108, 150, 5_000] {
            assert!(of(length).unwrap_err().contains("107 bytes"), "{length}");
        }
    }

    #[test]
    fn a_name_stands_for_all_addresses_of_its_family() {
        let of = |text: &str| dial(text).unwrap().endpoints();
        assert!(!of("tcp://localhost:9200").unwrap().is_empty());
        let v4 = of("tcp4://localhost:9200").unwrap();
        assert!(v4.iter().all(|it| matches!(it, Endpoint::Tcp(SocketAddr::V4(_)))));
        assert!(of("tcp6://127.0.0.1:9200").unwrap_err().contains("no address of that family"));
        assert!(of(&format!("ipc:///{}", "x".repeat(200))).unwrap_err().contains("107 bytes"));
    }
}
