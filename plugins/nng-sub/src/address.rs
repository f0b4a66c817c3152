//! Addresses to dial, as NNG writes them.

use std::{
    fmt,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    path::{Path, PathBuf},
};

use rustix::net::SocketAddrUnix;

/// Where a publisher listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `tcp://host:port`; the host is a name or an IP address.
    Tcp {
        /// Which addresses of a name to try.
        family: Family,
        /// Host without brackets.
        host: String,
        /// Port, not 0.
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

/// What a name stands for in the end.
#[derive(Debug)]
pub enum Endpoint {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(SocketAddrUnix),
}

impl Address {
    /// Reads an address; `resolve` makes a path absolute.
    ///
    /// # Errors
    /// A text that names the address and what is wrong with it.
    pub fn parse(text: &str, resolve: impl Fn(&Path) -> PathBuf) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let address = match scheme {
            "tcp" => tcp(rest, Family::Any),
            "tcp4" => tcp(rest, Family::V4),
            "tcp6" => tcp(rest, Family::V6),
            "ipc" | "unix" if rest.is_empty() => Err("has no path; write e.g. ipc:///tmp/x.ipc"),
            "ipc" | "unix" => Ok(Self::Path(resolve(Path::new(rest)))),
            "abstract" => percent_decoded(rest).map(Self::Abstract),
            _ => Err("is of no kind that can be dialled; use tcp://, tcp4://, tcp6://, ipc://, \
                      unix:// or abstract://"),
        };
        address.map_err(|fault| format!("address \"{text}\" {fault}"))
    }

    /// Everything that the address stands for, in the order to be tried. A name is looked up, which
    /// may block.
    ///
    /// # Errors
    /// A text that says why it stands for nothing.
    pub fn endpoints(&self) -> Result<Vec<Endpoint>, String> {
        let unix = match self {
            Self::Tcp { family, host, port } => return ip_endpoints(*family, host, *port),
            Self::Path(path) => SocketAddrUnix::new(path),
            Self::Abstract(name) => SocketAddrUnix::new_abstract_name(name),
        };
        let unix = unix.map_err(|_| "it is longer than 107 bytes; use a shorter one".to_owned())?;
        Ok(vec![Endpoint::Unix(unix)])
    }
}

fn ip_endpoints(family: Family, host: &str, port: u16) -> Result<Vec<Endpoint>, String> {
    let found = (host, port).to_socket_addrs();
    let found = found.map_err(|error| format!("the name \"{host}\" is not found: {error}"))?;
    let fits = |address: &SocketAddr| match (family, address.ip()) {
        (Family::Any, _) | (Family::V4, IpAddr::V4(_)) | (Family::V6, IpAddr::V6(_)) => true,
        (Family::V4 | Family::V6, _) => false,
    };
    let endpoints: Vec<_> = found.filter(fits).map(Endpoint::Tcp).collect();
    if endpoints.is_empty() {
        return Err(format!("\"{host}\" has no address of that family; use tcp://"));
    }
    Ok(endpoints)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port, .. } if host.contains(':') => {
                write!(f, "tcp://[{host}]:{port}")
            }
            Self::Tcp { host, port, .. } => write!(f, "tcp://{host}:{port}"),
            Self::Path(path) => write!(f, "ipc://{}", path.display()),
            Self::Abstract(name) => write!(f, "abstract://{}", name.escape_ascii()),
        }
    }
}

fn tcp(rest: &str, family: Family) -> Result<Address, &'static str> {
    let (host, port) =
        rest.rsplit_once(':').ok_or("names no port; write e.g. tcp://127.0.0.1:9200")?;
    // `parse` would take a sign
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = if digits { port.parse().unwrap_or(0) } else { 0 };
    if port == 0 {
        return Err("has no port from 1 to 65535 at its end; write e.g. tcp://127.0.0.1:9200");
    }
    let host = match host {
        "" | "*" => {
            return Err("names no host, which only a listener may leave out; write e.g. \
                        tcp://127.0.0.1:9200");
        }
        _ => match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(bare) => bare,
            None if host.contains(':') => return Err("needs brackets around its IPv6 address"),
            None => host,
        },
    };
    Ok(Address::Tcp { family, host: host.to_owned(), port })
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

    fn parse(text: &str) -> Result<Address, String> {
        Address::parse(text, |path| Path::new("/base").join(path))
    }

    #[test]
    fn addresses_are_read_as_nng_reads_them() {
        let cases = [
            // as written, as understood
            ("tcp://127.0.0.1:9200", "tcp://127.0.0.1:9200"),
            ("tcp4://localhost:1", "tcp://localhost:1"),
            ("tcp6://[::1]:65535", "tcp://[::1]:65535"),
            ("ipc:///tmp/a.ipc", "ipc:///tmp/a.ipc"),
            ("unix:///tmp/a b", "ipc:///tmp/a b"),
            ("ipc://a.ipc", "ipc:///base/a.ipc"),
            ("abstract://quotes", "abstract://quotes"),
            ("abstract://a%00b%25", "abstract://a\\x00b%"),
        ];
        for (text, understood) in cases {
            assert_eq!(parse(text).unwrap().to_string(), understood, "{text}");
        }
    }

    #[test]
    fn a_bad_address_is_named_with_its_remedy() {
        let cases = [
            ("127.0.0.1:9200", "tcp://"),
            ("", "tcp://"),
            ("inproc://a", "tcp://"),
            ("tls+tcp://a:1", "tcp://"),
            ("tcp://127.0.0.1", "9200"),
            ("tcp://127.0.0.1:0", "1 to 65535"),
            ("tcp://127.0.0.1:65536", "65535"),
            ("tcp://127.0.0.1:+1", "65535"),
            ("tcp://*:9200", "names no host"),
            ("tcp://:9200", "names no host"),
            ("tcp://::1:9200", "brackets"),
            ("ipc://", "ipc:///"),
            ("abstract://", "abstract://quotes"),
            ("abstract://%2", "%25"),
            ("abstract://%zz", "%25"),
        ];
        for (text, remedy) in cases {
            let fault = parse(text).unwrap_err();
            assert!(fault.contains(&format!("\"{text}\"")) && fault.contains(remedy), "{fault}");
        }
    }

    #[test]
    fn a_name_stands_for_all_addresses_of_its_family() {
        let of = |text: &str| parse(text).unwrap().endpoints();
        assert!(!of("tcp://localhost:9200").unwrap().is_empty());
        let v4 = of("tcp4://localhost:9200").unwrap();
        assert!(v4.iter().all(|it| matches!(it, Endpoint::Tcp(SocketAddr::V4(_)))));
        assert!(of("tcp6://127.0.0.1:9200").unwrap_err().contains("no address of that family"));
        assert!(of(&format!("ipc:///{}", "x".repeat(200))).unwrap_err().contains("107 bytes"));
    }
}
