//! What a server's answer says.

use ureq::http::HeaderMap;

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
    /// Nobody answered, or not in time; with the remedy.
    Away(String),
    /// The connection ended before there was an answer.
    Cut(String),
    /// Somebody answered who is not ClickHouse, or not in its words.
    Strange(String),
}

/// An empty answer is success; any other text came from another server.
pub fn silent(answer: String) -> Result<(), Failure> {
    if answer.trim().is_empty() { Ok(()) } else { Err(Failure::Strange(shown(&answer))) }
}

/// The error that an answer tells, whatever its status says.
pub fn refusal(headers: &HeaderMap, answer: &str) -> Option<Failure> {
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
pub fn shown(text: &str) -> String {
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
