//! One request of the service: bytes, or the reason why not.

use std::{io, time::Duration};

use ureq::{Agent, Proxy, http::header};

/// Longest answer that is read; 800 symbols have 400 KB.
const MAX_ANSWER_BYTES: u64 = 4 << 20;
/// A connection that was not used for so long is not used again.
const MAX_IDLE: Duration = Duration::from_secs(60);

/// How to ask.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// What the symbols are appended to.
    pub url: String,
    /// Whom to connect through.
    pub proxy: Option<Proxy>,
    /// Connections that are kept.
    pub connections: usize,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// For people.
    pub text: String,
    /// The service asks not to be asked again before.
    pub retry_after: Option<Duration>,
}

/// Asks over connections that are kept; clones share them.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    url: String,
}

impl Client {
    /// A client; nothing is asked yet.
    pub fn new(settings: &ClientSettings) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(settings.proxy.clone())
            .max_redirects(0)
            .max_idle_age(MAX_IDLE)
            .max_idle_connections(settings.connections)
            .max_idle_connections_per_host(settings.connections)
            .user_agent(concat!("dataserver/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: config.new_agent(), url: settings.url.clone() }
    }

    /// The proxy of that address; `None` when it is none.
    pub fn proxy(address: &str) -> Option<Proxy> {
        let (scheme, _) = address.split_once("://")?;
        matches!(scheme, "http" | "https" | "socks5" | "socks5h" | "socks4" | "socks4a")
            .then(|| Proxy::new(address).ok())?
    }

    /// The answer for symbols that are joined by commas. Blocks for at most `timeout`.
    ///
    /// # Errors
    /// Anything but status 200 with a whole body.
    pub fn ask(&self, symbols: &str, timeout: Duration) -> Result<Vec<u8>, Fault> {
        let request = self.agent.get(format!("{}{symbols}", self.url));
        let request = request.config().timeout_global(Some(timeout)).build();
        let mut response = request.call().map_err(|error| fault(&error))?;
        if response.status() != 200 {
            let retry_after = response.headers().get(header::RETRY_AFTER);
            let seconds = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
            return Err(Fault {
                text: format!("http status {}", response.status()),
                retry_after: seconds.map(Duration::from_secs),
            });
        }
        let body = response.body_mut().with_config().limit(MAX_ANSWER_BYTES);
        body.read_to_vec().map_err(|error| fault(&error))
    }
}

fn fault(error: &ureq::Error) -> Fault {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, UnexpectedEof};
    let text = match error {
        ureq::Error::Timeout(_) => "no whole answer within `timeout`".to_owned(),
        ureq::Error::HostNotFound => "the host of `url` has no address".to_owned(),
        ureq::Error::Io(error) => match error.kind() {
            ConnectionRefused => "nothing listens there".to_owned(),
            ConnectionReset => "the connection was reset".to_owned(),
            UnexpectedEof => "the answer was cut off".to_owned(),
            _ => error.to_string(),
        },
        error => error.to_string(),
    };
    Fault { text, retry_after: None }
}
