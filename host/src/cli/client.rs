//! Asks the host that runs, over its control interface.

use std::{
    io::{self, BufRead, BufReader, Read},
    net::SocketAddr,
    time::Duration,
};

use dataserver_config::{HostSettings, Secret};
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::{Agent, BodyReader};

use crate::control::Refusal;

/// Shortest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(120);
/// What a reload takes beside its waits.
const WORK: Duration = Duration::from_secs(60);
/// Longest wait for a host to take the connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest silence of a host that sends lines; it sends an empty one every quarter of a minute.
const SILENCE: Duration = Duration::from_secs(60);
/// What bodies are.
const CONTENT_TYPE: &str = "content-type";
const JSON: &str = "application/json";
/// Longest line, bytes.
const MAX_LINE: u64 = 1 << 20;

/// A client of the control interface that a pipeline file names.
#[derive(Debug)]
pub struct Client {
    address: SocketAddr,
    token: Option<Secret>,
    agent: Agent,
}

/// A status code and what it came with.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub code: u16,
    body: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none of that kind: somebody else answered.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, String> {
        serde_json::from_str(&self.body).map_err(|error| {
            match serde_json::from_str::<Refusal>(&self.body) {
                Ok(refusal) => refusal.error,
                Err(_) => format!("{}: {error}", no_answer(self.code)),
            }
        })
    }
}

/// What comes of asking for lines.
pub enum Followed {
    /// They come.
    Lines(Box<Lines>),
    /// The host says why not.
    Refused(String),
    /// No host answers.
    Away(String),
}

/// Lines of an answer that goes on.
pub struct Lines(BufReader<BodyReader<'static>>);

impl Lines {
    /// The next line; `None` at the end of the answer. Blocks until there is one.
    ///
    /// # Errors
    /// When the connection is lost, or the time is over.
    pub fn read(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        self.0.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
        Ok((!line.is_empty()).then(|| String::from_utf8_lossy(&line).into_owned()))
    }

    /// Whether more has come already.
    pub fn has_more(&self) -> bool {
        !self.0.buffer().is_empty()
    }
}

impl Client {
    /// A client; `None` when the pipeline has no control interface.
    pub fn new(host: &HostSettings) -> Option<Self> {
        // a reload waits twice for what drains, and perhaps for one before it
        let timeout = host.drain_timeout.saturating_mul(4).saturating_add(WORK).max(TIMEOUT);
        let config = Agent::config_builder()
            .timeout_global(Some(timeout))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .http_status_as_error(false)
            // a host of one's own is never behind a proxy
            .proxy(None)
            .build();
        Some(Self { address: host.http?, token: host.token.clone(), agent: config.into() })
    }

    /// Asks; `None` when nobody listens there.
    ///
    /// # Errors
    /// When the answer does not come, or the token is refused.
    pub fn get(&self, path: &str) -> Result<Option<Answer>, String> {
        let mut request = self.agent.get(self.url(path));
        if let Some(authorization) = self.authorization() {
            request = request.header("authorization", authorization);
        }
        self.read(request.call())
    }

    /// Asks for something to be done; `None` when nobody listens there.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn post(&self, path: &str) -> Result<Option<Answer>, String> {
        let mut request = self.agent.post(self.url(path));
        if let Some(authorization) = self.authorization() {
            request = request.header("authorization", authorization);
        }
        self.read(request.send_empty())
    }

    /// Asks for something that a body says in detail, as [`post`](Self::post) does.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn send(&self, path: &str, body: &Value) -> Result<Option<Answer>, String> {
        let mut request = self.agent.post(self.url(path)).header(CONTENT_TYPE, JSON);
        if let Some(authorization) = self.authorization() {
            request = request.header("authorization", authorization);
        }
        self.read(request.send(body.to_string()))
    }

    /// Asks for lines of what a body names, which come until the host ends them, or for that long.
    pub fn follow(&self, path: &str, body: &Value, most: Option<Duration>) -> Followed {
        let away = |error: ureq::Error| Followed::Away(self.named(&error));
        let request = self.agent.post(self.url(path)).header(CONTENT_TYPE, JSON).config();
        let mut request = request.timeout_global(most).timeout_per_read(Some(SILENCE)).build();
        if let Some(authorization) = self.authorization() {
            request = request.header("authorization", authorization);
        }
        let mut answer = match request.send(body.to_string()) {
            Ok(answer) => answer,
            Err(error) => return away(error),
        };
        match answer.status().as_u16() {
            200 => {
                let reader = BufReader::new(answer.into_body().into_reader());
                Followed::Lines(Box::new(Lines(reader)))
            }
            401 => Followed::Refused(self.wrong_token()),
            code => match answer.body_mut().read_to_string() {
                Ok(body) => Followed::Refused(
                    serde_json::from_str::<Refusal>(&body)
                        .map_or_else(|_| no_answer(code), |refusal| refusal.error),
                ),
                Err(error) => away(error),
            },
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn authorization(&self) -> Option<String> {
        self.token.as_ref().map(|token| format!("Bearer {}", token.0))
    }

    fn read(
        &self,
        answered: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Option<Answer>, String> {
        let named = |error: ureq::Error| self.named(&error);
        let mut answer = match answered {
            Err(ureq::Error::Io(error))
                if error.kind() == std::io::ErrorKind::ConnectionRefused =>
            {
                return Ok(None);
            }
            Err(ureq::Error::ConnectionFailed) => return Ok(None),
            answered => answered.map_err(named)?,
        };
        let code = answer.status().as_u16();
        let body = answer.body_mut().read_to_string().map_err(named)?;
        match code {
            401 => Err(self.wrong_token()),
            _ => Ok(Some(Answer { code, body })),
        }
    }

    fn named(&self, error: &ureq::Error) -> String {
        format!("the host at {}: {error}", self.address)
    }

    fn wrong_token(&self) -> String {
        let address = self.address;
        format!("the host at {address} wants another token than `[host] token` of this file")
    }
}

fn no_answer(code: u16) -> String {
    format!("an answer that no dataserver gives ({code})")
}
