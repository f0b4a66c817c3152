//! Requests to one server, over a connection that is kept.

use std::{io, time::Duration};

use plugin_api::serde_json::{self, Value};
use ureq::{Agent, http::Response};

use crate::{
    answer::{Failure, refusal, shown, silent},
    options::Settings,
};

/// An idle connection is not used any more after so long: servers close theirs after 3 s or more.
const MAX_IDLE: Duration = Duration::from_secs(2);
/// A server that does not take a connection within so long is away.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest head of an answer.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// Longest answer that is read; names and types of all columns of both tables.
const MAX_ANSWER_BYTES: u64 = 8 << 20;

/// A server with the credentials for it.
pub struct Server {
    agent: Agent,
    settings: Settings,
}

impl Server {
    /// The server of those settings; nothing is asked yet.
    pub fn new(settings: &Settings) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .max_response_header_size(MAX_HEAD_BYTES)
            .max_idle_age(MAX_IDLE)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(settings.timeout))
            .user_agent(concat!("dataserver/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: config.new_agent(), settings: settings.clone() }
    }

    /// Where it is and what is kept there.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Rows of texts that answer a question.
    ///
    /// # Errors
    /// Why it was not served.
    pub fn rows(&self, question: &str) -> Result<Vec<Vec<String>>, Failure> {
        let sql = format!("{question} FORMAT JSONCompact");
        let answer = self.post(&[], sql.as_bytes())?;
        let rows = serde_json::from_str::<Value>(&answer).ok().and_then(|mut answer| {
            serde_json::from_value::<Vec<Vec<String>>>(answer["data"].take()).ok()
        });
        rows.ok_or_else(|| Failure::Strange(shown(&answer)))
    }

    /// Has a statement carried out.
    ///
    /// # Errors
    /// Why it was not served.
    pub fn execute(&self, sql: &str) -> Result<(), Failure> {
        self.post(&[], sql.as_bytes()).and_then(silent)
    }

    /// Inserts a body, and returns when the server has it.
    ///
    /// # Errors
    /// Why it was not served.
    pub fn insert(&self, sql: &str, settings: &[(&str, &str)], body: &[u8]) -> Result<(), Failure> {
        let parameters: Vec<_> = [("query", sql)].iter().chain(settings).copied().collect();
        match self.post(&parameters, body).and_then(silent) {
            // a server that refuses before it has read everything may hang up with it
            Err(Failure::Cut(text)) => match self.rows("SELECT version()") {
                Err(refused @ Failure::Refused { .. }) => Err(refused),
                _ => Err(Failure::Cut(text)),
            },
            result => result,
        }
    }

    fn post(&self, parameters: &[(&str, &str)], body: &[u8]) -> Result<String, Failure> {
        let (user, password) = &self.settings.credentials;
        // an answer that began well must not end in an error
        let whole = [("wait_end_of_query", "1")];
        let request = self
            .agent
            .post(self.settings.uri.clone())
            .query_pairs(parameters.iter().chain(&whole).copied())
            .header("x-clickhouse-user", user)
            .header("x-clickhouse-key", password);
        let mut response = request.send(body).map_err(|error| self.away(&error))?;
        let answer = text(&mut response).map_err(|error| self.away(&error))?;
        let status = response.status();
        if let Some(refused) = refusal(response.headers(), &answer) {
            return Err(refused);
        }
        if status != 200 {
            return Err(Failure::Strange(format!("http status {status}: {}", shown(&answer))));
        }
        Ok(answer)
    }

    fn away(&self, error: &ureq::Error) -> Failure {
        let text = match error {
            ureq::Error::Timeout(ureq::Timeout::Connect) => {
                "it takes no connection; look at the server and the network".to_owned()
            }
            ureq::Error::Timeout(_) => {
                let timeout = plugin_api::Duration(self.settings.timeout);
                format!("no answer within {timeout}; look at its load, or raise `timeout`")
            }
            ureq::Error::Io(error) => return broken(error),
            ureq::Error::BodyExceedsLimit(most) => {
                let most = plugin_api::ByteSize(*most);
                return Failure::Strange(format!("an answer of more than {most}"));
            }
            ureq::Error::LargeResponseHeader(..) => {
                return Failure::Strange("the head of an answer does not end".to_owned());
            }
            error => format!("{error}; start the server or correct `url`"),
        };
        Failure::Away(text)
    }
}

fn broken(error: &io::Error) -> Failure {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, InvalidData,
        UnexpectedEof,
    };
    match error.kind() {
        ConnectionRefused => {
            Failure::Away("nothing listens there; start the server or correct `url`".to_owned())
        }
        ConnectionReset | ConnectionAborted | BrokenPipe | UnexpectedEof => {
            Failure::Cut(format!("the connection broke: {error}; look at the server's log"))
        }
        InvalidData => Failure::Away(format!(
            "no safe connection: {error}; let it have a certificate for the name in `url` that \
             browsers trust"
        )),
        _ => Failure::Away(format!("{error}; start the server or correct `url`")),
    }
}

fn text(response: &mut Response<ureq::Body>) -> Result<String, ureq::Error> {
    let body = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).lossy_utf8(true);
    body.read_to_string()
}
