//! Reads answers into rows.

use plugin_api::{
    schemas::lots::Kind,
    serde_json::{self, Value},
};

use crate::{
    fault::Fault,
    question::{Adjust, Question},
    row::Row,
};

/// Most characters of something strange that are shown.
const MOST_SHOWN: usize = 40;

/// The rows of an answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// Those that could be read, in the order of time; of a time that has two, neither.
    pub rows: Vec<Row>,
    /// Those that could not: why, and as they came.
    pub damaged: Vec<(String, String)>,
}

/// A security as the service names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Security {
    /// As `sh600000`.
    pub code: String,
    /// What it is.
    pub kind: Kind,
}

impl Security {
    /// The security of a text such as `600000.SH`.
    pub fn of(symbol: &str) -> Self {
        let (code, market) = symbol.split_once('.').unwrap_or((symbol, ""));
        Self { code: market.to_ascii_lowercase() + code, kind: Kind::of(market, code) }
    }
}

/// Reads an answer. A security that the service does not know has no rows.
///
/// # Errors
/// What it is instead of an answer, what the service says, or that its rows are not those asked for.
pub fn read(bytes: &[u8], security: &Security, question: &Question) -> Result<Page, Fault> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        let text = "the answer was empty, as they are when the service is asked too often: lower \
                    `rate` or `parallel`";
        return Err(Fault::new(text));
    }
    let json = without_name(text);
    let answer: Value = serde_json::from_str(json).map_err(|error| {
        if error.is_eof() && json.starts_with('{') {
            return Fault::new("the answer ends within its text");
        }
        let shown: String = text.chars().filter(|it| !it.is_control()).take(MOST_SHOWN).collect();
        Fault::new(format!(
            "what came is no answer of the service, it begins with {shown:?}: is there a login page \
             or a proxy in between?"
        ))
    })?;
    let all = answer["data"].as_object().filter(|_| answer["code"].as_i64() == Some(0));
    let Some(all) = all else { return Err(refusal(&answer)) };
    let of_security = all.get(&security.code).unwrap_or(&Value::Null);
    let rows = match (&of_security[question.key()], question.plain_key()) {
        (Value::Null, Some(plain)) => plain_rows(&of_security[plain], security, plain)?,
        (rows, _) => rows,
    };
    match rows {
        Value::Null => Ok(Page::default()),
        Value::Array(rows) => Ok(page(rows, question)),
        _ => Err(Fault::new(format!("`{}` of the answer is no list", question.key()))),
    }
}

/// Rows that are not adjusted although that was asked: those of an index never are.
fn plain_rows<'a>(rows: &'a Value, security: &Security, key: &str) -> Result<&'a Value, Fault> {
    let is_empty = rows.as_array().is_none_or(Vec::is_empty);
    if is_empty || security.kind == Kind::Index {
        return Ok(rows);
    }
    Err(Fault::answered(format!(
        "the service has only prices that are not adjusted (key `{key}`); set adjust = \"none\""
    )))
}

/// What the service says instead of an answer.
fn refusal(answer: &Value) -> Fault {
    let said = answer["msg"].as_str().unwrap_or_default();
    let said: String = said.chars().filter(|it| !it.is_control()).take(MOST_SHOWN).collect();
    if said.is_empty() {
        return Fault::new("what came has no rows and no reason (`data`, `msg`)");
    }
    Fault::new(format!("the service refuses the question: {said}; lower `request_rows`"))
}

/// The text without the `NAME=` that some ask for, and the `;` behind.
fn without_name(text: &str) -> &str {
    let Some((name, rest)) = text.split_once('=') else { return text };
    let is_name = name.trim().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_name { rest.trim().trim_end_matches(';').trim() } else { text }
}

fn page(values: &[Value], question: &Question) -> Page {
    let mut page = Page::default();
    // adjusted prices of long ago may be below 0
    let are_traded_at = question.adjust == Adjust::None;
    for value in values {
        match Row::read(value, question) {
            Ok(row) if are_traded_at && row.low <= 0.0 && !row.is_padding() => {
                page.damaged.push(("a price is not above 0".to_owned(), value.to_string()));
            }
            Ok(row) => page.rows.push(row),
            Err(reason) => page.damaged.push((reason, value.to_string())),
        }
    }
    page.rows.sort_by_key(|row| row.time_us);
    page.rows.dedup();
    let rows = std::mem::take(&mut page.rows);
    for same in rows.chunk_by(|one, other| one.time_us == other.time_us) {
        match same {
            [row] => page.rows.push(*row),
            // which of them is true cannot be told
            _ => page.damaged.extend(
                same.iter()
                    .map(|row| ("several rows of one time differ".to_owned(), format!("{row:?}"))),
            ),
        }
    }
    page
}
