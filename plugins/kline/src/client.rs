//! One request of the service: bytes, or the reason why not.

use std::{io, time::Duration};

use ureq::{Agent, Proxy, http::header};

use crate::fault::Fault;

/// Longest answer that is read; 2,000 rows have 150 KB.
pub const MAX_ANSWER_BYTES: u64 = 4 << 20;
/// Redirects that are followed; the service's own need one.
const MAX_REDIRECTS: u32 = 3;
/// A connection that was not used for so long is not used again.
const MAX_IDLE: Duration = Duration::from_secs(60);
/// Longest wait that a server may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);

/// How to ask.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// Whom to connect through.
    pub proxy: Option<Proxy>,
    /// Connections that are kept.
    pub connections: usize,
    /// Longest time of a request, redirects and all.
    pub timeout: Duration,
}

/// Asks over connections that are kept.
pub struct Client {
    agent: Agent,
}

impl Client {
    /// A client; nothing is asked yet.
    pub fn new(settings: &ClientSettings) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(settings.proxy.clone())
            .max_redirects(MAX_REDIRECTS)
            .max_idle_age(MAX_IDLE)
            .max_idle_connections(settings.connections)
            .max_idle_connections_per_host(settings.connections)
            .timeout_global(Some(settings.timeout))
            .user_agent(concat!("dataserver/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: config.new_agent() }
    }

    /// The proxy of that address; `None` when it is none.
    pub fn proxy(address: &str) -> Option<Proxy> {
        let (scheme, _) = address.split_once("://")?;
        matches!(scheme, "http" | "https" | "socks5" | "socks5h" | "socks4" | "socks4a")
            .then(|| Proxy::new(address).ok())?
    }

    /// The body at an address. Blocks for at most the timeout.
    ///
    /// # Errors
    /// Anything but status 200 with a whole body.
    pub fn get(&self, url: &str) -> Result<Vec<u8>, Fault> {
        let mut response = self.agent.get(url).call().map_err(|error| fault(&error))?;
        if response.status() != 200 {
            let retry_after = response.headers().get(header::RETRY_AFTER);
            let seconds = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
            return Err(Fault {
                retry_after: seconds.map(|it| Duration::from_secs(it).min(MAX_RETRY_AFTER)),
                ..Fault::new(format!("http status {}", response.status()))
            });
        }
        let body = response.body_mut().with_config().limit(MAX_ANSWER_BYTES);
        body.read_to_vec().map_err(|error| fault(&error))
    }
}

/// Texts of the library name addresses, which may hold a password.
fn fault(error: &ureq::Error) -> Fault {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, UnexpectedEof};
    Fault::new(match error {
        ureq::Error::Timeout(_) => "no whole answer within `timeout`".to_owned(),
        ureq::Error::HostNotFound => {
            "the host, or the one that it redirects to, has no address".to_owned()
        }
        ureq::Error::TooManyRedirects | ureq::Error::RedirectFailed => {
            format!("it redirects more than {MAX_REDIRECTS} times")
        }
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => "it redirects to no address".to_owned(),
        ureq::Error::BodyExceedsLimit(_) => {
            format!("the answer has more than {} MiB", MAX_ANSWER_BYTES >> 20)
        }
        ureq::Error::Io(error) => match error.kind() {
            ConnectionRefused => "nothing listens there".to_owned(),
            ConnectionReset => "the connection was reset".to_owned(),
            UnexpectedEof => "the answer was cut off".to_owned(),
            _ => error.to_string(),
        },
        error => error.to_string(),
    })
}
