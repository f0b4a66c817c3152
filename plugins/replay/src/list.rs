//! Lists as text, in the spellings of the tools that write them.
//!
//! `[9.39, 9.38, NULL]` of DuckDB and Python, `[9.39 9.38 nan]` of NumPy and pandas, over several
//! lines when it is long, `array([9.39, 9.38])`, `{9.39,9.38}` of PostgreSQL, and items alone.

use crate::cell::{Cell, Why};

const NO_END: Why = "is a list that does not end";

/// The items of a list; those that say that nothing was recorded are empty.
///
/// # Errors
/// When a bracket is missing.
pub fn items(text: &[u8]) -> Result<impl Iterator<Item = Cell<'_>>, Why> {
    let inner = inner(text.trim_ascii())?;
    let separator = b",;|".iter().copied().find(|separator| inner.contains(separator));
    let is_end = move |byte: &u8| match separator {
        Some(separator) => *byte == separator,
        None => byte.is_ascii_whitespace(),
    };
    let items = inner.split(is_end).map(<[u8]>::trim_ascii);
    // blanks may be any number; between commas a missing item is one
    let items = items.filter(move |item| separator.is_some() || !item.is_empty());
    let is_empty = inner.trim_ascii().is_empty();
    Ok(items.take(if is_empty { 0 } else { usize::MAX }).map(cell))
}

/// What is within the brackets.
fn inner(text: &[u8]) -> Result<&[u8], Why> {
    let text = if text.starts_with(b"array(") {
        // a type may stand behind the list
        let end = text.iter().rposition(|byte| *byte == b']').ok_or(NO_END)?;
        &text[b"array(".len()..=end]
    } else {
        text
    };
    match text {
        [b'[', inner @ .., b']'] | [b'(', inner @ .., b')'] | [b'{', inner @ .., b'}'] => Ok(inner),
        [b'[' | b'(' | b'{', ..] | [.., b']' | b')' | b'}'] if !text.starts_with(b"np.") => {
            Err(NO_END)
        }
        _ => Ok(text),
    }
}

fn cell(item: &[u8]) -> Cell<'_> {
    let quoted = |quote: &[u8]| item.strip_prefix(quote)?.strip_suffix(quote);
    let item = quoted(b"\"").or_else(|| quoted(b"'")).unwrap_or(item);
    // np.float64(9.39)
    let item = match (item.starts_with(b"np."), item.iter().position(|byte| *byte == b'(')) {
        (true, Some(at)) => item[at + 1..].strip_suffix(b")").unwrap_or(item),
        _ => item,
    };
    // NumPy has no other way to say that nothing is there
    if item.eq_ignore_ascii_case(b"nan") { Cell::Empty } else { Cell::from_text(item) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(text: &str) -> Result<Vec<Option<f64>>, Why> {
        items(text.as_bytes())?.map(Cell::float).collect()
    }

    #[test]
    fn every_tool_is_understood() {
        let three = Ok(vec![Some(9.39), None, Some(9.0)]);
        for text in [
            "[9.39, NULL, 9.0]",
            "[9.39, None, 9]",
            "[9.39  nan 9.  ]",
            "[9.39\n nan\n 9.]",
            "array([9.39,  nan, 9.  ])",
            "array([9.39, None, 9.0], dtype=object)",
            "[np.float64(9.39), np.float64(nan), np.float64(9.0)]",
            "{9.39,NULL,9}",
            "(9.39, None, 9)",
            "['9.39', '', '9']",
            "9.39,,9",
            "9.39;;9",
            "9.39|null|9",
        ] {
            assert_eq!(floats(text), three, "{text}");
        }
        assert_eq!(floats("9.39"), Ok(vec![Some(9.39)]));
        for text in ["[]", "", "{ }"] {
            assert_eq!(floats(text), Ok(vec![]), "{text}");
        }
        let volumes: Result<Vec<_>, _> =
            items(b"[100. 1.2e+03]").unwrap().map(|cell| cell.shares(1)).collect();
        assert_eq!(volumes, Ok(vec![Some(100), Some(1_200)]));
    }

    #[test]
    fn a_list_that_is_cut_off_is_none() {
        for text in ["[9.39, 9.3", "9.39, 9.38]", "array([9.39, 9.3", "{9.39"] {
            assert_eq!(floats(text), Err(NO_END), "{text}");
        }
        assert!(floats("[9.39, x]").is_err());
    }
}
