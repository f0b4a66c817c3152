//! Options of a component against the schema that its plugin declares.

use std::{collections::HashMap, ops::Range};

use jsonschema::{ValidationError, Validator, paths::LocationSegment};
use plugin_api::{RoleKind, parse_byte_size, parse_duration};
use serde_json::{Map, Value as Json};

use super::{
    Carrier, Component,
    components::Unresolved,
    fault::Report,
    options_text,
    tree::{Node, Table, Value},
};

/// What is being checked.
pub(super) struct Subject<'a> {
    pub plugin: &'a str,
    pub kind: RoleKind,
    /// Where the component's id stands.
    pub id_span: &'a Range<usize>,
    pub options: &'a Table,
    pub schema: &'a Json,
}

/// Validators that were made, by plugin and role: a schema takes longer to read than options.
#[derive(Default)]
pub(super) struct Validators(HashMap<(String, RoleKind, Carrier), Built>);

type Built = Result<Validator, Box<ValidationError<'static>>>;

impl Validators {
    fn get(&mut self, component: &Component, carrier: Carrier, schema: &Json) -> &Built {
        let key = (component.plugin.clone(), component.kind, carrier);
        self.0.entry(key).or_insert_with(|| build(schema))
    }
}

/// Checks the options and gives them as JSON; what is wrong is reported.
pub(super) fn check(
    report: &mut Report,
    validators: &mut Validators,
    unresolved: &Unresolved,
    carrier: Carrier,
    schema: &Json,
) -> Map<String, Json> {
    let options = table_to_json(&unresolved.options);
    let plugin = match &unresolved.plugin {
        Some((text, span)) if text.filled => {
            report.written(span).trim_matches(['"', '\'']).to_owned()
        }
        _ => unresolved.component.plugin.clone(),
    };
    let subject = Subject {
        plugin: &plugin,
        kind: unresolved.component.kind,
        id_span: &unresolved.id_span,
        options: &unresolved.options,
        schema,
    };
    match validators.get(&unresolved.component, carrier, schema) {
        Ok(validator) => {
            let instance = Json::Object(options);
            for error in validator.iter_errors(&instance) {
                if report.is_full() {
                    report.count_untold(1);
                    continue;
                }
                report_error(report, &subject, &error);
            }
            match instance {
                Json::Object(options) => options,
                _ => Map::new(),
            }
        }
        Err(error) => {
            let span = unresolved.plugin.as_ref().map_or(subject.id_span, |(_, span)| span);
            report
                .fault(span, format!("plugin `{plugin}` has an invalid schema of options: {error}"))
                .help("this is a fault of the plugin; use another version of it");
            options
        }
    }
}

fn build(schema: &Json) -> Built {
    jsonschema::options()
        .with_format("duration", |text: &str| parse_duration(text).is_ok())
        .with_format("size", |text: &str| parse_byte_size(text).is_ok())
        .should_validate_formats(true)
        .should_ignore_unknown_formats(true)
        .build(schema)
        .map_err(Box::new)
}

fn table_to_json(table: &Table) -> Map<String, Json> {
    table.entries.iter().map(|entry| (entry.key.clone(), to_json(&entry.node))).collect()
}

fn to_json(node: &Node) -> Json {
    match &node.value {
        Value::Text(text) => Json::from(text.value.as_str()),
        Value::Integer(integer) => Json::from(*integer),
        Value::Float(float) => Json::from(*float),
        Value::Boolean(boolean) => Json::from(*boolean),
        Value::Moment(moment) => Json::from(moment.as_str()),
        Value::Array(items) => items.iter().map(to_json).collect(),
        Value::Table(table) => Json::Object(table_to_json(table)),
        // already reported, so that this value is never used
        Value::Broken => Json::Null,
    }
}

/// The value that an error speaks of.
pub(super) struct Found<'a> {
    /// Its name, e.g. `columns.code` or `symbols[1]`; empty for all options together.
    pub name: String,
    /// Where to point.
    pub span: Range<usize>,
    /// The value itself; `None` for all options together.
    pub node: Option<&'a Node>,
    /// Its keys, when it has any.
    pub table: Option<&'a Table>,
}

/// Finds the value that an error speaks of.
pub(super) fn locate<'a>(subject: &Subject<'a>, error: &ValidationError<'_>) -> Found<'a> {
    let mut found = Found {
        name: String::new(),
        span: subject.id_span.clone(),
        node: None,
        table: Some(subject.options),
    };
    for segment in error.instance_path().segments() {
        let (name, span, node) = match (&segment, &found) {
            (LocationSegment::Property(key), Found { table: Some(table), name, .. }) => {
                let Some(entry) = table.get(key) else { break };
                let dot = if name.is_empty() { "" } else { "." };
                let is_table = matches!(entry.node.value, Value::Table(_));
                let span = if is_table { &entry.key_span } else { &entry.node.span };
                (format!("{name}{dot}{key}"), span.clone(), &entry.node)
            }
            (LocationSegment::Index(index), Found { node: Some(node), name, .. }) => {
                let Value::Array(items) = &node.value else { break };
                let Some(item) = items.get(*index) else { break };
                (format!("{name}[{index}]"), item.span.clone(), item)
            }
            _ => break,
        };
        let table = match &node.value {
            Value::Table(table) => Some(table),
            _ => None,
        };
        found = Found { name, span, node: Some(node), table };
    }
    found
}

/// Reports an error unless it follows from what is already reported.
pub(super) fn report_error(
    report: &mut Report,
    subject: &Subject<'_>,
    error: &ValidationError<'_>,
) {
    let found = locate(subject, error);
    let broken = found.node.is_some_and(Node::is_broken);
    if !broken || found.table.is_some() {
        options_text::report_found(report, subject, &found, error);
    }
}

/// The schema that an error comes from.
pub(super) fn schema_of<'a>(subject: &Subject<'a>, error: &ValidationError<'_>) -> &'a Json {
    let path = error.schema_path().as_str();
    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    subject.schema.pointer(parent).unwrap_or(subject.schema)
}
