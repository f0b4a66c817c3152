//! Parts of an answer, as a bridge sends them.
//!
//! ```text
//! length u32 │ JSON │ data
//! ```
//!
//! Data are rows of bars as [`columns`](crate::columns) packs doubles, or quotes as it packs ticks.

use plugin_api::serde_json::{self, Value};

use super::row::{COLUMNS, Row};
use crate::columns::{inflate, unshuffled};

/// Most rows of one page.
const MOST_ROWS: u64 = 100_000;

/// What a bridge says about a question.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// It is at it.
    Progress,
    /// That was all.
    End,
    /// It cannot answer at all, and why.
    Refused(String),
    /// It cannot give that security, and why.
    Missing(String, String),
    /// Rows of a security; the flag tells that no more of it come.
    Rows(String, Part, bool),
}

/// Rows of one page.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Bars of days beside others, which prove these.
    Days(Vec<Row>),
    /// Bars that were asked for.
    Bars(Vec<Row>),
    /// Quotes, as [`ticks`](crate::columns::ticks) reads them.
    Ticks(Vec<u8>),
}

/// Reads a page.
///
/// # Errors
/// A text for people.
pub fn read(body: &[u8]) -> Result<Said, String> {
    let no_head = || format!("a page of {} bytes has no head", body.len());
    let (length, rest) = body.split_first_chunk::<4>().ok_or_else(no_head)?;
    let (head, data) =
        rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(no_head)?;
    let head: Value = serde_json::from_slice(head)
        .map_err(|error| format!("the head of a page is no JSON: {error}"))?;
    let text = |key: &str| head[key].as_str().map(printable);
    let Some(symbol) = text("symbol") else {
        return match text("error") {
            Some(error) => Ok(Said::Refused(error)),
            None if head["end"] == true => Ok(Said::End),
            None => Ok(Said::Progress),
        };
    };
    if let Some(error) = text("error") {
        return Ok(Said::Missing(symbol, error));
    }
    let part = match head["what"].as_str() {
        Some("day") => Part::Days(rows(&head, data)?),
        Some("bar") => Part::Bars(rows(&head, data)?),
        Some("spot") => {
            let length = head["unpacked"].as_u64().and_then(|it| usize::try_from(it).ok());
            Part::Ticks(inflate(data, length.ok_or("a page tells not how long it is")?)?)
        }
        what => return Err(format!("a page has {what:?}; take bridge and host of one release")),
    };
    Ok(Said::Rows(symbol, part, head["last"] == true))
}

fn rows(head: &Value, data: &[u8]) -> Result<Vec<Row>, String> {
    let count = head["rows"].as_u64().filter(|count| *count <= MOST_ROWS);
    let count = count.and_then(|it| usize::try_from(it).ok());
    let count = count.ok_or_else(|| format!("a page has not 0 to {MOST_ROWS} rows"))?;
    let columns = unshuffled(&inflate(data, count * COLUMNS * 8)?);
    let row = |at| Row::of(std::array::from_fn(|column| columns[column * count + at]));
    Ok((0..count).map(row).collect())
}

/// The start of a text that may be anything.
fn printable(text: &str) -> String {
    text.chars().take(300).map(|it| if it.is_control() { ' ' } else { it }).collect()
}
