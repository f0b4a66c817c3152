//! One request of the service: bytes, or the reason why not.

use std::{io, time::Duration};

use ureq::{Agent, Proxy, http::header};

/// Longest answer that is read; 800 symbols have 400 KB.
const MAX_ANSWER_BYTES: u64 = 4 << 20;
/// A connection that was not used for so long is not used again.
const MAX_IDLE: Duration = Duration::from_secs(60);
/// What a status says of any request: name yourself, to the proxy too, and ask less.
const OF_ANY_REQUEST: [u16; 3] = [401, 407, 429];

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
    /// It may be that one of the symbols brought the whole request down.
    pub is_whole: bool,
}

impl Fault {
    /// One of which no symbol is the cause.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), retry_after: None, is_whole: false }
    }

    /// One that a single symbol may have caused.
    pub fn of_whole(text: impl Into<String>) -> Self {
        Self { is_whole: true, ..Self::new(text) }
    }
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
            let status = response.status().as_u16();
            return Err(Fault {
                text: format!("http status {}", response.status()),
                retry_after: seconds.map(Duration::from_secs),
                is_whole: status >= 400 && !OF_ANY_REQUEST.contains(&status) && seconds.is_none(),
            });
        }
        let body = response.body_mut().with_config().limit(MAX_ANSWER_BYTES);
        body.read_to_vec().map_err(|error| fault(&error))
    }
}

fn fault(error: &ureq::Error) -> Fault {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, UnexpectedEof,
    };
    match error {
        ureq::Error::Timeout(_) => Fault::new("no whole answer within `timeout`"),
        ureq::Error::HostNotFound => Fault::new("the host of `url` has no address"),
        ureq::Error::Io(error) => match error.kind() {
            ConnectionRefused => Fault::new("nothing listens there"),
            ConnectionReset => Fault::of_whole("the connection was reset"),
            UnexpectedEof => Fault::of_whole("the answer was cut off"),
            BrokenPipe | ConnectionAborted => Fault::of_whole(error.to_string()),
            _ => Fault::new(error.to_string()),
        },
        ureq::Error::Protocol(_) | ureq::Error::BodyExceedsLimit(_) => {
            Fault::of_whole(error.to_string())
        }
        error => Fault::new(error.to_string()),
    }
}
