//! Errors of a schema, told in the words of pipeline.toml.

use jsonschema::{ValidationError, error::ValidationErrorKind as Kind};
use serde_json::Value as Json;

use super::{
    keys::{self, Place},
    read,
    report::Report,
    schema::{example, expected, takes, words},
    subject::{Found, Subject, locate, schema_of},
    suggest,
    tree::{Node, Table, Value},
};

/// Reports an error unless it follows from what is already reported.
pub(super) fn report_error(
    report: &mut Report,
    subject: &Subject<'_>,
    error: &ValidationError<'_>,
) {
    let found = locate(subject, error);
    let broken = found.node.is_some_and(Node::is_broken);
    if !broken || found.table.is_some() {
        report_found(report, subject, &found, error);
    }
}

/// Reports one error of the schema.
fn report_found(
    report: &mut Report,
    subject: &Subject<'_>,
    found: &Found<'_>,
    error: &ValidationError<'_>,
) {
    let schema = schema_of(subject, error);
    match error.kind() {
        Kind::Required { property } => missing(report, subject, found, schema, property),
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            cover_unknown(report, found, schema);
            for key in unexpected {
                if report.is_full() {
                    report.count_untold(1);
                    continue;
                }
                unknown(report, subject, found, schema, key);
            }
        }
        // how the schema crate says that a schema without properties allows no key
        Kind::FalseSchema if error.schema_path().as_str().ends_with("Properties") => {
            cover_unknown(report, found, schema);
            for entry in found.table.map_or(&[][..], |table| &table.entries) {
                if report.is_full() {
                    report.count_untold(1);
                    continue;
                }
                unknown(report, subject, found, schema, &entry.key);
            }
        }
        Kind::Type { .. } => wrong_type(report, found, schema),
        Kind::FalseSchema => {
            report
                .fault(&found.span, format!("{} must not be given", name(subject, found)))
                .help("remove it");
        }
        Kind::Enum { .. } | Kind::Constant { .. } => not_among(report, found, schema),
        Kind::AnyOf { context }
        | Kind::OneOfNotValid { context }
        | Kind::OneOfMultipleValid { context } => {
            no_branch(report, subject, found, schema, context);
        }
        kind => {
            let (what, help) = value_text(kind, schema, &error.to_string_masked());
            let written = match found.node.map(|node| &node.value) {
                None | Some(Value::Table(_) | Value::Array(_)) => String::new(),
                Some(_) => format!(": {}", report.written(&found.span)),
            };
            report
                .fault(&found.span, format!("{} {what}{written}", name(subject, found)))
                .help(help);
        }
    }
}

/// The schema crate's text without the value.
trait MaskedText {
    fn to_string_masked(&self) -> String;
}

impl MaskedText for ValidationError<'_> {
    fn to_string_masked(&self) -> String {
        self.masked_with("the value").to_string()
    }
}

fn name(subject: &Subject<'_>, found: &Found<'_>) -> String {
    if found.name.is_empty() {
        return format!("what plugin `{}` is given", subject.plugin);
    }
    format!("`{}`", found.name)
}

fn missing(
    report: &mut Report,
    subject: &Subject<'_>,
    found: &Found<'_>,
    schema: &Json,
    property: &Json,
) {
    let property = property.as_str().unwrap_or_default();
    let of = if found.name.is_empty() { String::new() } else { format!(" in `{}`", found.name) };
    let message = format!("plugin `{}` needs `{property}`{of}", subject.plugin);
    let about = &schema["properties"][property];
    let mut help = format!("add `{property}`");
    let expected = expected(about);
    if !expected.is_empty() {
        help.push_str(&format!(", {}", expected.join(" or ")));
    }
    if let Some(line) = about["description"].as_str().and_then(|text| text.lines().next()) {
        help.push_str(&format!(": {line}"));
    }
    report.fault(&found.span, message).help(help);
}

/// Covers what options hold that the plugin does not know.
fn cover_unknown(report: &mut Report, found: &Found<'_>, schema: &Json) {
    let none = serde_json::Map::new();
    let known = schema["properties"].as_object().unwrap_or(&none);
    let names: Vec<&str> = known.keys().map(String::as_str).collect();
    let entries = found.table.map_or(&[][..], |table| &table.entries).iter();
    for (at, entry) in entries.filter(|entry| !known.contains_key(&entry.key)).enumerate() {
        // of so many keys none was meant
        if at < names.len() + 100 {
            read::cover_unless_meant(report, entry, &names);
        } else {
            report.cover(&entry.node.span);
        }
    }
}

fn unknown(
    report: &mut Report,
    subject: &Subject<'_>,
    found: &Found<'_>,
    schema: &Json,
    key: &str,
) {
    let span = found.table.and_then(|table: &Table| table.get(key));
    let span = span.map_or(&found.span, |entry| &entry.key_span);
    let properties = schema["properties"].as_object();
    let options: Vec<&str> =
        properties.into_iter().flat_map(|map| map.keys()).map(String::as_str).collect();
    let message = format!("plugin `{}` has no option `{key}`", subject.plugin);
    if !found.name.is_empty() {
        let message = format!("{message} in `{}`", found.name);
        report.fault(span, message).help(suggest::help(key, "its keys", &options));
        return;
    }
    let host_keys = keys::names(Place::Component, subject.kind);
    let all = options.iter().copied().chain(host_keys.iter().copied());
    let meant = suggest::closest(key, all).map(|meant| format!("did you mean `{meant}`? "));
    let own = match options.len() {
        0 => "it has no options".to_owned(),
        _ => format!("its options: {}", suggest::quoted(&options)),
    };
    let host = format!("keys of any {}: {}", subject.kind, suggest::quoted(&host_keys));
    report.fault(span, message).help(format!("{}{own}; {host}", meant.unwrap_or_default()));
}

fn wrong_type(report: &mut Report, found: &Found<'_>, schema: &Json) {
    let Some(node) = found.node else { return };
    let expected = expected(schema);
    let number = ["integer", "number"].iter().any(|name| expected.join(" ").contains(name));
    let help = if node.is_filled() && number {
        "a variable always gives a string; write the number itself".to_owned()
    } else if expected == ["a list"] {
        read::in_brackets(report, node).unwrap_or_default()
    } else {
        example(schema).unwrap_or_default().to_owned()
    };
    read::wrong_type(report, &found.name, node, &expected.join(" or "), &help);
}

fn not_among(report: &mut Report, found: &Found<'_>, schema: &Json) {
    let Some(node) = found.node else { return };
    let words = words(schema);
    let value = match &node.value {
        Value::Text(text) => text.value.as_str(),
        _ => "",
    };
    let help =
        suggest::help(value, "allowed", &words.iter().map(String::as_str).collect::<Vec<_>>());
    let written = report.written(&node.span);
    report.fault(&node.span, format!("`{}` cannot be {written}", found.name)).help(help);
}

/// Several forms are allowed and the value has none of them: speaks of the one that was meant.
fn no_branch(
    report: &mut Report,
    subject: &Subject<'_>,
    found: &Found<'_>,
    schema: &Json,
    context: &[Vec<ValidationError<'static>>],
) {
    let Some(node) = found.node else {
        let message = format!("the options of plugin `{}` do not fit together", subject.plugin);
        let help = format!("see `dataserver plugins show {}`", subject.plugin);
        report.fault(&found.span, message).help(help);
        return;
    };
    let depth = |error: &ValidationError<'_>| error.instance_path().segments().count();
    let own = context.iter().flatten().map(depth).min().unwrap_or(0);
    let meant: Vec<_> = context.iter().filter(|branch| could_be_meant(branch, own)).collect();
    let has_words = !words(schema).is_empty();
    match (meant.as_slice(), &node.value) {
        ([branch], _) => {
            for error in *branch {
                report_error(report, subject, error);
            }
        }
        ([], Value::Text(_)) if has_words => not_among(report, found, schema),
        ([], value) if !takes(schema, value) => wrong_type(report, found, schema),
        _ => {
            let help = format!("see `dataserver plugins show {}`", subject.plugin);
            let message = format!("`{}` has none of the forms that are allowed", found.name);
            report.fault(&found.span, message).help(help);
        }
    }
}

/// Whether the value has the type that this form asks for, and its tag if it has one.
fn could_be_meant(branch: &[ValidationError<'_>], own_depth: usize) -> bool {
    !branch.iter().any(|error| {
        let depth = error.instance_path().segments().count();
        match error.kind() {
            Kind::Type { .. } | Kind::Enum { .. } => depth == own_depth,
            Kind::Constant { .. } => depth <= own_depth + 1,
            _ => false,
        }
    })
}

/// What a value is not, and what to do about it.
fn value_text(kind: &Kind, schema: &Json, other: &str) -> (String, String) {
    let plural =
        |count: &u64, noun: &str| format!("{count} {noun}{}", if *count == 1 { "" } else { "s" });
    let (what, help) = match kind {
        Kind::Minimum { limit } => ("is too small", format!("the least is {limit}")),
        Kind::ExclusiveMinimum { limit } => ("is too small", format!("write more than {limit}")),
        Kind::Maximum { limit } => ("is too large", format!("the most is {limit}")),
        Kind::ExclusiveMaximum { limit } => ("is too large", format!("write less than {limit}")),
        Kind::MultipleOf { multiple_of } => {
            ("is no allowed step", format!("write a multiple of {multiple_of}"))
        }
        Kind::MinLength { limit } => {
            ("is too short", format!("write at least {}", plural(limit, "character")))
        }
        Kind::MaxLength { limit } => {
            ("is too long", format!("write at most {}", plural(limit, "character")))
        }
        Kind::MinItems { limit } => ("has too few items", format!("list at least {limit}")),
        Kind::MaxItems { limit } => ("has too many items", format!("list at most {limit}")),
        Kind::MinProperties { limit } => ("has too few keys", format!("write at least {limit}")),
        Kind::MaxProperties { limit } => ("has too many keys", format!("write at most {limit}")),
        Kind::UniqueItems => ("has an item twice", "list each item once".to_owned()),
        Kind::Pattern { .. } | Kind::Format { .. } => return format_text(kind, schema),
        _ => ("is not allowed", other.to_owned()),
    };
    (what.to_owned(), help)
}

fn format_text(kind: &Kind, schema: &Json) -> (String, String) {
    match (schema["format"].as_str(), kind) {
        (Some("duration"), _) => {
            ("is no duration".to_owned(), "write e.g. 250ms, 3s, 1m, 2h or 1d".to_owned())
        }
        (Some("size"), _) => {
            ("is no size".to_owned(), "write e.g. 512B, 64KiB, 1MiB or 2GiB".to_owned())
        }
        (_, Kind::Pattern { pattern }) => {
            let help = schema["description"].as_str().and_then(|text| text.lines().next());
            let help = help.map(|line| format!("; {line}")).unwrap_or_default();
            ("has the wrong form".to_owned(), format!("it must match {pattern}{help}"))
        }
        (format, _) => {
            let format = format.unwrap_or("that the plugin asks for");
            ("has the wrong form".to_owned(), format!("it must have the format {format}"))
        }
    }
}
