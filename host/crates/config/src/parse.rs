//! From TOML to its tree.

use std::{borrow::Cow, ops::Range};

use toml::{
    Spanned,
    de::{DeInteger, DeTable, DeValue, Error},
};

use super::{
    report::Report,
    tree::{Entry, Node, Table, Text, Value},
};

/// Most words, gaps and signs of a file: each costs the parser some hundred bytes.
const MAX_PIECES: usize = 1 << 20;
/// How far a file with faults is searched for all of them, which cost as much each.
const MAX_SEARCHED: usize = 256 << 10;

/// Reads a file; what cannot be read is reported and left out.
pub(super) fn parse(text: &str, report: &mut Report) -> Table {
    if let Some(at) = end_of_pieces(text) {
        report.set_partial();
        report
            .fault(&(at..at), "up to here the file has more words and signs than any pipeline")
            .help("name the pipeline's file with -c FILE");
        return Table::default();
    }
    let (root, errors) = match DeTable::parse(text) {
        Ok(root) => (root, Vec::new()),
        Err(first) => recover(text, first),
    };
    let mut repeated_table = 0..0;
    for error in errors {
        report.set_partial();
        if report.is_full() {
            report.count_untold(1);
            continue;
        }
        let span = error.span().unwrap_or(0..0);
        // one report stands for all keys of a table that is given twice
        let repeated = error.message().contains("duplicate key");
        if repeated && repeated_table.contains(&span.start) {
            continue;
        }
        if repeated {
            repeated_table = table_of_header(text, span.start);
        }
        report_syntax(report, &span, error.message());
    }
    read_table(root.into_inner(), report)
}

/// Where a file has as many pieces as are read; `None` when it has no more.
fn end_of_pieces(text: &str) -> Option<usize> {
    let is_sign = |byte: u8| b".=,[]{}\"'\n".contains(&byte);
    let is_gap = |byte: u8| b" \t\r".contains(&byte);
    let belong_together =
        |one: &u8, next: &u8| !is_sign(*one) && !is_sign(*next) && is_gap(*one) == is_gap(*next);
    let pieces = text.as_bytes().chunk_by(belong_together).take(MAX_PIECES);
    let end: usize = pieces.map(<[u8]>::len).sum();
    (end < text.len()).then_some(end)
}

/// What can be read of a file with faults, and those of its beginning; without any there, the one
/// that is known.
fn recover(text: &str, known: Error) -> (Spanned<DeTable<'_>>, Vec<Error>) {
    if text.len() <= MAX_SEARCHED {
        return DeTable::parse_recoverable(text);
    }
    let begin = &text[..text.floor_char_boundary(MAX_SEARCHED)];
    let begin = begin.rfind('\n').map_or(begin, |end| &begin[..end]);
    // what is wrong with the last line may come of the cut behind it
    let last_line = begin.rfind('\n').unwrap_or(0);
    let is_told = |error: &Error| error.span().is_some_and(|span| span.start < last_line);
    let (root, mut errors) = DeTable::parse_recoverable(begin);
    errors.retain(is_told);
    if is_told(&known) { (root, errors) } else { (root, vec![known]) }
}

/// From a table's header to the next one; empty when no header stands there.
fn table_of_header(text: &str, offset: usize) -> Range<usize> {
    let start = text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
    if !text[start..].trim_start().starts_with('[') {
        return 0..0;
    }
    start..text[offset..].find("\n[").map_or(text.len(), |at| offset + at)
}

fn report_syntax(report: &mut Report, span: &Range<usize>, message: &str) {
    let written = report.written(span);
    if message.contains("duplicate key") {
        report
            .fault(span, format!("`{written}` is given twice"))
            .help("a key or table may be given once; keep one of the two");
    } else if message.contains("string values must be quoted") && !written.is_empty() {
        report
            .fault(span, "invalid TOML: a text must stand in quotes")
            .help(format!("write \"{written}\""));
    } else {
        report.fault(span, format!("invalid TOML: {message}"));
    }
}

fn read_table(table: DeTable<'_>, report: &mut Report) -> Table {
    let mut entries: Vec<Entry> = table
        .into_iter()
        .map(|(key, value)| {
            let key_span = key.span();
            Entry {
                key: Cow::into_owned(key.into_inner()),
                key_span,
                node: read_node(value, report),
            }
        })
        .collect();
    entries.sort_by_key(|entry| entry.key_span.start);
    Table { entries }
}

fn read_node(value: Spanned<DeValue<'_>>, report: &mut Report) -> Node {
    let span = value.span();
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(Text { value: text.into_owned(), filled: false }),
        DeValue::Integer(integer) => read_integer(&integer, &span, report),
        DeValue::Float(float) => match float.as_str().parse::<f64>() {
            Ok(number) if number.is_finite() => Value::Float(number),
            _ => {
                let message = format!("{} is no number that can be used", report.written(&span));
                report.fault(&span, message).help("write a finite number, e.g. 1.5");
                Value::Broken
            }
        },
        DeValue::Boolean(boolean) => Value::Boolean(boolean),
        DeValue::Datetime(moment) => Value::Moment(moment.to_string()),
        DeValue::Array(items) => {
            Value::Array(items.into_iter().map(|item| read_node(item, report)).collect())
        }
        DeValue::Table(table) => Value::Table(read_table(table, report)),
    };
    Node { span, value }
}

fn read_integer(integer: &DeInteger<'_>, span: &Range<usize>, report: &mut Report) -> Value {
    i64::from_str_radix(integer.as_str(), integer.radix()).map_or_else(
        |_| {
            let message = format!("{} is no integer that can be used", report.written(span));
            report.fault(span, message).help(format!("the largest is {}", i64::MAX));
            Value::Broken
        },
        Value::Integer,
    )
}
