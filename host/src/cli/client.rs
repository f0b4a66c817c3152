//! Asks the host that runs, over its control interface.

use std::{net::SocketAddr, time::Duration};

use dataserver_config::{HostSettings, Secret};
use serde::de::DeserializeOwned;
use ureq::Agent;

use crate::control::Refusal;

/// Shortest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(120);
/// What a reload takes beside its waits.
const WORK: Duration = Duration::from_secs(60);
/// Longest wait for a host to take the connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

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
                Err(_) => format!("an answer that no dataserver gives ({}): {error}", self.code),
            }
        })
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
        let named = |error: ureq::Error| format!("the host at {}: {error}", self.address);
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
            401 => Err(format!(
                "the host at {} wants another token than `[host] token` of this file",
                self.address
            )),
            _ => Ok(Some(Answer { code, body })),
        }
    }
}
