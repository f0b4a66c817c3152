//! Requests to servers with the same rows, over connections that are kept.

use std::{cell::Cell, io, time::Duration};

use plugin_api::serde_json::{self, Value};
use ureq::{
    Agent,
    http::Response,
    tls::{RootCerts, TlsConfig},
};

use crate::{
    access::Target,
    answer::{Failure, refusal, shown, silent},
};

/// An idle connection is not used any more after so long: servers close theirs after 3 s or more.
const MAX_IDLE: Duration = Duration::from_secs(2);
/// A server that does not take a connection within so long is away.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest head of an answer.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// Longest answer that is read as text; names and types of all columns of both tables.
const MAX_ANSWER_BYTES: u64 = 8 << 20;
/// Longest answer with rows; those that are asked for at once have about a tenth of it.
const MAX_ROWS_BYTES: u64 = 512 << 20;

/// Servers with the credentials for them. One is asked until it is away, then the next.
pub struct Server {
    agent: Agent,
    target: Target,
    /// Place of the address that is asked.
    at: Cell<usize>,
}

impl Server {
    /// The servers of those options; nothing is asked yet.
    pub fn new(target: &Target) -> Self {
        let mut tls = TlsConfig::builder();
        if let Some(trusted) = &target.trusted {
            tls = tls.root_certs(RootCerts::new_with_certs(trusted));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .max_response_header_size(MAX_HEAD_BYTES)
            .max_idle_age(MAX_IDLE)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(target.timeout))
            .tls_config(tls.build())
            .user_agent(concat!("dataserver/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: config.new_agent(), target: target.clone(), at: Cell::new(0) }
    }

    /// What is kept there, and under which names.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The address that was asked last, for people.
    pub fn url(&self) -> &str {
        &self.target.addresses[self.at.get()].1
    }

    /// Rows of texts that answer a question.
    ///
    /// # Errors
    /// Why it was not served.
    pub fn rows(&self, question: &str) -> Result<Vec<Vec<String>>, Failure> {
        self.each(|| self.rows_of_one(question))
    }

    fn rows_of_one(&self, question: &str) -> Result<Vec<Vec<String>>, Failure> {
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
        self.each(|| self.post(&[], sql.as_bytes()).and_then(silent))
    }

    /// Has a statement carried out that may be about all servers of a cluster, which then answers with
    /// a line for each of them.
    ///
    /// # Errors
    /// Why it was not served.
    pub fn make(&self, sql: &str) -> Result<(), Failure> {
        if self.target.cluster.is_none() {
            return self.execute(sql);
        }
        // what is not done by then goes on there, and is found done when it is looked for again
        let patience = (self.target.timeout.as_secs() / 2).max(1).to_string();
        let settings = [("distributed_ddl_task_timeout", &patience[..])];
        self.each(|| self.post(&settings, sql.as_bytes()).map(drop))
    }

    /// Inserts a body, and returns when the server has it.
    ///
    /// # Errors
    /// Why it was not served.
    pub fn insert(&self, sql: &str, settings: &[(&str, &str)], body: &[u8]) -> Result<(), Failure> {
        let parameters: Vec<_> = [("query", sql)].iter().chain(settings).copied().collect();
        self.each(|| match self.post(&parameters, body).and_then(silent) {
            // a server that refuses before it has read everything may hang up with it
            Err(Failure::Cut(text)) => match self.rows_of_one("SELECT version()") {
                Err(refused @ Failure::Refused { .. }) => Err(refused),
                _ => Err(Failure::Cut(text)),
            },
            result => result,
        })
    }

    /// Blocks of rows that answer a question, in the format `Native`. They are read whole, so that
    /// nothing waits for whoever takes the rows, and plain: servers of 2018 leave out the end of what
    /// they compress.
    ///
    /// # Errors
    /// Why it was not served.
    pub fn blocks(&self, question: &str) -> Result<Vec<u8>, Failure> {
        let sql = format!("{question} FORMAT Native");
        self.each(|| {
            let mut response = self.send(&[], sql.as_bytes())?;
            let body = response.body_mut().with_config().limit(MAX_ROWS_BYTES);
            let answer = body.read_to_vec().map_err(|error| self.away(&error))?;
            if response.status() != 200 || refusal(response.headers(), "").is_some() {
                return Err(told(&response, &String::from_utf8_lossy(&answer)));
            }
            Ok(answer)
        })
    }

    /// Asks one server after the other until one is there.
    fn each<T>(&self, ask: impl Fn() -> Result<T, Failure>) -> Result<T, Failure> {
        let count = self.target.addresses.len();
        let mut asked = ask();
        for _ in 1..count {
            if !asked.as_ref().is_err_and(is_away) {
                break;
            }
            self.at.set((self.at.get() + 1) % count);
            asked = ask();
        }
        asked
    }

    fn post(&self, parameters: &[(&str, &str)], body: &[u8]) -> Result<String, Failure> {
        let mut response = self.send(parameters, body)?;
        let answer = text(&mut response).map_err(|error| self.away(&error))?;
        if response.status() != 200 || refusal(response.headers(), &answer).is_some() {
            return Err(told(&response, &answer));
        }
        Ok(answer)
    }

    fn send(
        &self,
        parameters: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Response<ureq::Body>, Failure> {
        let (user, password) = &self.target.credentials;
        // an answer that began well must not end in an error
        let whole = [("wait_end_of_query", "1")];
        let request = self
            .agent
            .post(self.target.addresses[self.at.get()].0.clone())
            .query_pairs(parameters.iter().chain(&whole).copied())
            .header("x-clickhouse-user", user)
            .header("x-clickhouse-key", password);
        request.send(body).map_err(|error| self.away(&error))
    }

    fn away(&self, error: &ureq::Error) -> Failure {
        let text = match error {
            ureq::Error::Timeout(ureq::Timeout::Connect) => {
                "it takes no connection; look at the server and the network".to_owned()
            }
            ureq::Error::Timeout(_) => {
                let timeout = plugin_api::Duration(self.target.timeout);
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

/// Whether another replica may serve what this one does not: it is gone, or has lost the others.
fn is_away(failure: &Failure) -> bool {
    const READONLY: u32 = 242;
    match failure {
        Failure::Away(_) | Failure::Cut(_) => true,
        Failure::Refused { code, .. } => *code == READONLY,
        Failure::Strange(_) => false,
    }
}

/// Why an answer says that a request was not served.
fn told(response: &Response<ureq::Body>, answer: &str) -> Failure {
    refusal(response.headers(), answer).unwrap_or_else(|| {
        Failure::Strange(format!("http status {}: {}", response.status(), shown(answer)))
    })
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
             browsers trust, or name those that it comes from in `tls_ca`"
        )),
        _ => Failure::Away(format!("{error}; start the server or correct `url`")),
    }
}

fn text(response: &mut Response<ureq::Body>) -> Result<String, ureq::Error> {
    let body = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).lossy_utf8(true);
    body.read_to_string()
}
