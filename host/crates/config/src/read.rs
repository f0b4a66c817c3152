//! Reads values of the types that the host's own keys take.

use std::{ops::RangeInclusive, time::Duration};

use plugin_api::{RoleKind, parse_byte_size, parse_duration};

use super::{
    keys::{self, Place},
    mask::is_secret_name,
    report::Report,
    suggest,
    tree::{Entry, Node, Table, Text, Value},
};

/// Longest duration that the host's own keys take; far below what clocks can add.
pub(super) const LONGEST: Duration = Duration::from_secs(30 * 86_400);

/// Reports that a value has the wrong type.
pub(super) fn wrong_type(report: &mut Report, name: &str, node: &Node, expected: &str, help: &str) {
    if matches!(node.value, Value::Broken) {
        return;
    }
    let found = match node.value {
        Value::Table(_) | Value::Array(_) => node.type_name().to_owned(),
        _ => format!("{} {}", node.type_name(), report.written(&node.span)),
    };
    let fault = report.fault(&node.span, format!("`{name}` must be {expected}, found {found}"));
    if !help.is_empty() {
        fault.help(help);
    }
}

/// Says how one string becomes a list.
pub(super) fn in_brackets(report: &Report, node: &Node) -> Option<String> {
    let is_text = matches!(node.value, Value::Text(_));
    is_text.then(|| format!("write a list: [{}]", report.written(&node.span)))
}

/// Reports keys that nobody knows there.
pub(super) fn unknown_keys(report: &mut Report, table: &Table, place: Place, kind: RoleKind) {
    for entry in &table.entries {
        let key = entry.key.as_str();
        if keys::find(place, key).is_some() {
            continue;
        }
        let names = keys::names(place, kind);
        if report.is_full() {
            report.cover(&entry.node.span);
            report.count_untold(1);
            continue;
        }
        cover_unless_meant(report, entry, &names);
        let message = format!("unknown key `{key}` in {}", place.name());
        let help = suggest::help(key, "keys that are known here", &names);
        report.fault(&entry.key_span, message).help(help);
    }
}

/// Covers what a key holds that nobody knows, unless a key was meant that holds no secret.
pub(super) fn cover_unless_meant(report: &mut Report, entry: &Entry, known: &[&str]) {
    let meant = suggest::closest(&entry.key, known.iter().copied());
    if meant.is_none_or(is_secret_name) {
        report.cover(&entry.node.span);
    }
}

/// A table.
pub(super) fn table<'n>(report: &mut Report, entry: &'n Entry) -> Option<&'n Table> {
    if let Value::Table(table) = &entry.node.value {
        return Some(table);
    }
    wrong_type(report, &entry.key, &entry.node, "a table", "");
    None
}

/// A string that is not empty.
pub(super) fn text<'n>(report: &mut Report, entry: &'n Entry, example: &str) -> Option<&'n Text> {
    text_of(report, &entry.key, &entry.node, example)
}

fn text_of<'n>(report: &mut Report, name: &str, node: &'n Node, example: &str) -> Option<&'n Text> {
    let Value::Text(text) = &node.value else {
        wrong_type(report, name, node, "a string", &format!("write e.g. {example}"));
        return None;
    };
    if text.value.trim().is_empty() {
        report
            .fault(&node.span, format!("`{name}` is empty"))
            .help(format!("write e.g. {example}"));
        return None;
    }
    Some(text)
}

/// A list of strings that are not empty; those that are none are reported and left out.
pub(super) fn texts<'n>(
    report: &mut Report,
    entry: &'n Entry,
    example: &str,
) -> Option<Vec<(&'n Text, &'n Node)>> {
    let Value::Array(items) = &entry.node.value else {
        let help = in_brackets(report, &entry.node);
        let help = help.unwrap_or_else(|| format!("write e.g. {example}"));
        wrong_type(report, &entry.key, &entry.node, "a list of strings", &help);
        return None;
    };
    let read = |(index, item)| {
        let name = format!("{}[{index}]", entry.key);
        Some((text_of(report, &name, item, example)?, item))
    };
    Some(items.iter().enumerate().filter_map(read).collect())
}

/// `true` or `false`.
pub(super) fn boolean(report: &mut Report, entry: &Entry) -> Option<bool> {
    if let Value::Boolean(boolean) = entry.node.value {
        return Some(boolean);
    }
    wrong_type(report, &entry.key, &entry.node, "a boolean", "write true or false, without quotes");
    None
}

/// An integer within a range.
pub(super) fn integer(
    report: &mut Report,
    entry: &Entry,
    range: &RangeInclusive<u32>,
) -> Option<u32> {
    let key = &entry.key;
    let help = format!("write an integer from {} to {}", range.start(), range.end());
    let Value::Integer(integer) = entry.node.value else {
        wrong_type(report, key, &entry.node, "an integer", &help);
        return None;
    };
    match u32::try_from(integer).ok().filter(|integer| range.contains(integer)) {
        Some(integer) => Some(integer),
        None => {
            report
                .fault(&entry.node.span, format!("`{key}` is {integer}, out of range"))
                .help(help);
            None
        }
    }
}

/// A duration of at least `least`.
pub(super) fn duration(report: &mut Report, entry: &Entry, least: Duration) -> Option<Duration> {
    let text = text(report, entry, "\"250ms\", \"3s\" or \"1m\"")?;
    let written = report.written(&entry.node.span);
    let read = duration_within(&entry.key, &written, &text.value, least);
    read.map_err(|(message, help)| report.fault(&entry.node.span, message).help(help)).ok()
}

fn duration_within(
    name: &str,
    written: &str,
    text: &str,
    least: Duration,
) -> Result<Duration, (String, String)> {
    let examples = "write e.g. 250ms, 3s, 1m, 2h or 1d";
    let duration = parse_duration(text)
        .map_err(|_| (format!("`{name}` is no duration: {written}"), examples.to_owned()))?;
    if duration < least {
        let least = plugin_api::Duration(least);
        return Err((format!("`{name}` is too short: {written}"), format!("the least is {least}")));
    }
    if duration > LONGEST {
        let longest = plugin_api::Duration(LONGEST);
        let help = format!("the longest is {longest}");
        return Err((format!("`{name}` is too long: {written}"), help));
    }
    Ok(duration)
}

/// `MIN..MAX`, two durations.
pub(super) fn duration_range(report: &mut Report, entry: &Entry) -> Option<(Duration, Duration)> {
    const EXAMPLE: &str = "\"100ms..30s\"";
    let text = text(report, entry, EXAMPLE)?;
    let (name, written) = (&entry.key, report.written(&entry.node.span));
    let read = || {
        let (min, max) = text.value.split_once("..").ok_or_else(|| {
            let message = format!("`{name}` is no range of durations: {written}");
            (message, format!("write the first and the longest pause, e.g. {EXAMPLE}"))
        })?;
        let least = Duration::from_millis(1);
        let min = duration_within(name, &written, min.trim(), least)?;
        let max = duration_within(name, &written, max.trim(), least)?;
        if min > max {
            let message = format!("`{name}` starts with more than it ends with: {written}");
            let help = "the first pause stands before `..`, the longest one behind it";
            return Err((message, help.to_owned()));
        }
        Ok((min, max))
    };
    read().map_err(|(message, help)| report.fault(&entry.node.span, message).help(help)).ok()
}

/// A number of bytes, at least one.
pub(super) fn byte_size(report: &mut Report, entry: &Entry) -> Option<u64> {
    let text = text(report, entry, "\"64KiB\" or \"64MiB\"")?;
    let (name, written) = (&entry.key, report.written(&entry.node.span));
    let (message, help) = match parse_byte_size(&text.value) {
        Ok(0) => (format!("`{name}` is 0"), "write at least 1B; 64MiB suits most"),
        Ok(bytes) => return Some(bytes),
        Err(_) => {
            (format!("`{name}` is no size: {written}"), "write e.g. 512B, 64KiB, 1MiB or 2GiB")
        }
    };
    report.fault(&entry.node.span, message).help(help);
    None
}

/// One of several words.
pub(super) fn choice<T: Copy>(
    report: &mut Report,
    entry: &Entry,
    words: &[(&str, T)],
) -> Option<T> {
    let allowed: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let text = text(report, entry, &format!("\"{}\"", allowed[0]))?;
    let found = words.iter().find(|(word, _)| *word == text.value);
    if found.is_none() {
        let message = format!("`{}` cannot be {}", entry.key, report.written(&entry.node.span));
        let help = suggest::help(&text.value, "allowed", &allowed);
        report.fault(&entry.node.span, message).help(help);
    }
    found.map(|(_, value)| *value)
}
