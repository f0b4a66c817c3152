//! Reads the start of a file, to tell before a run whether the options fit it.

use std::sync::Arc;

use plugin_api::RecordKind;

use crate::{
    open::{Readable, WithRows, open, with_rows},
    reader::{Input, Step, in_file, none_of},
    settings::{Filter, Settings},
};

/// Rows that are read. That all of them are damaged is less likely than that the options do not fit.
const HEAD_ROWS: usize = 1_000;

/// What the start of a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// Rows that can be read.
    Rows,
    /// Nothing at all, or nothing that is a quote.
    Empty,
}

/// Reads the first rows of a file, whatever the options filter.
///
/// # Errors
/// A text with the file and the first row at fault, when none of them can be read.
pub fn inspect(input: &Input, kind: RecordKind, settings: &Settings) -> Result<Head, String> {
    let settings = Arc::new(Settings { filter: Filter::default(), ..settings.clone() });
    with_rows(kind, Inspect { input, settings: &settings })
}

struct Inspect<'a> {
    input: &'a Input,
    settings: &'a Arc<Settings>,
}

impl WithRows for Inspect<'_> {
    type Output = Result<Head, String>;

    fn run<R: Readable>(self) -> Self::Output {
        let Self { input, settings } = self;
        let mut reader = open::<R>(input, settings).map_err(|fault| fault.to_string())?;
        let (mut row, mut first_bad, mut bad) = (R::default(), None, 0);
        for _ in 0..HEAD_ROWS {
            match reader.next(&mut row)? {
                Step::Row | Step::Skipped => return Ok(Head::Rows),
                Step::Bad(found) => {
                    bad += found.lines;
                    first_bad.get_or_insert(found);
                }
                Step::Other => {}
                Step::End => break,
            }
        }
        match first_bad {
            None => Ok(Head::Empty),
            Some(first) => Err(in_file(&input.path, none_of(bad, &first))),
        }
    }
}
