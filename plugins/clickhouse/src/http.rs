//! Requests to one server, over a connection that is kept.

use std::{io, time::Duration};

use plugin_api::serde_json::{self, Value};
use ureq::{
    Agent,
    http::{HeaderMap, Response},
};

use crate::options::Settings;

/// An idle connection is not used any more after so long: servers close theirs after 3 s or more.
const MAX_IDLE: Duration = Duration::from_secs(2);
/// A server that does not take a connection within so long is away.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest answer that is read; names and types of all columns of both tables.
const MAX_ANSWER_BYTES: u64 = 8 << 20;
/// What is shown of an error's text.
const MAX_SHOWN_CHARS: usize = 400;

/// Why a request was not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The server says why, with its number for it.
    Refused {
        /// As ClickHouse numbers its errors.
        code: u32,
        /// Its words.
        text: String,
    },
    /// Nobody answered, or not in time.
    Away(String),
    /// Somebody answered who is not ClickHouse, or not in its words.
    Strange(String),
}

/// A server with somebody's credentials.
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
        self.post(&parameters, body).and_then(silent)
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
            ureq::Error::Timeout(ureq::Timeout::Connect) => "it takes no connection".to_owned(),
            ureq::Error::Timeout(_) => {
                format!("no answer within {}", plugin_api::Duration(self.settings.timeout))
            }
            ureq::Error::HostNotFound => "the host's name is not known".to_owned(),
            ureq::Error::Io(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
                _ => format!("the connection broke: {error}"),
            },
            error => error.to_string(),
        };
        Failure::Away(text)
    }
}

fn text(response: &mut Response<ureq::Body>) -> Result<String, ureq::Error> {
    let body = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).lossy_utf8(true);
    body.read_to_string()
}

/// What has nothing to say went well; anything else came from somebody else.
fn silent(answer: String) -> Result<(), Failure> {
    if answer.trim().is_empty() { Ok(()) } else { Err(Failure::Strange(shown(&answer))) }
}

/// The error that an answer tells, whatever its status says.
fn refusal(headers: &HeaderMap, answer: &str) -> Option<Failure> {
    let header = headers.get("x-clickhouse-exception-code");
    let header = header.and_then(|code| code.to_str().ok()?.parse().ok());
    let written = answer.strip_prefix("Code: ").and_then(|rest| {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        rest[..digits].parse().ok()
    });
    let code = header.or(written)?;
    Some(Failure::Refused { code, text: words(answer) })
}

/// The words of an error without what surrounds them.
///
/// ```text
/// Code: 60, e.displayText() = DB::Exception: Table d.t doesn't exist., e.what() = DB::Exception
/// Code: 60. DB::Exception: Table d.t does not exist. (UNKNOWN_TABLE) (version 26.9.2.1 (…))
/// ```
fn words(answer: &str) -> String {
    let text = answer.split_once("DB::Exception: ").map_or(answer, |(_, text)| text);
    let text = text.split(", e.what() = ").next().unwrap_or(text);
    let text = text.rsplit_once(" (version ").map_or(text, |(text, _)| text);
    shown(text)
}

/// A text on one line, cut when it is long, without a dot at its end.
fn shown(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.trim_end_matches('.').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_in_the_servers_words_alone() {
        // answer, code, words
        let table = [
            (
                "Code: 60, e.displayText() = DB::Exception: Table d.t doesn't exist., e.what() = \
                 DB::Exception\n",
                60,
                "Table d.t doesn't exist",
            ),
            (
                "Code: 60. DB::Exception: Table d.t does not exist. (UNKNOWN_TABLE) (version \
                 26.9.2.1 (official build))\n",
                60,
                "Table d.t does not exist. (UNKNOWN_TABLE)",
            ),
            (
                "Code: 516. DB::Exception: x: Authentication failed: password is incorrect,\nor \
                 no such user. (AUTHENTICATION_FAILED) (version 26.9.2.1)",
                516,
                "x: Authentication failed: password is incorrect, or no such user. \
                 (AUTHENTICATION_FAILED)",
            ),
        ];
        for (answer, code, text) in table {
            let refused = Failure::Refused { code, text: text.to_owned() };
            assert_eq!(refusal(&HeaderMap::new(), answer), Some(refused), "{answer}");
        }
        assert_eq!(refusal(&HeaderMap::new(), "<html>Code: 60</html>"), None);
    }

    #[test]
    fn an_error_in_the_header_counts_whatever_the_text_is() {
        let mut headers = HeaderMap::new();
        headers.insert("x-clickhouse-exception-code", "241".parse().unwrap());
        let refused = Failure::Refused { code: 241, text: "half a row".to_owned() };
        assert_eq!(refusal(&headers, "half a row"), Some(refused));
    }

    #[test]
    fn only_silence_means_that_an_insert_went_well() {
        assert_eq!(silent("\n".to_owned()), Ok(()));
        assert!(silent("<html>welcome</html>".to_owned()).is_err());
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(shown(&"长 ".repeat(1_000)).chars().count(), MAX_SHOWN_CHARS + 1);
    }
}
