//! The part of a component's options that an error of a schema speaks of.

use std::ops::Range;

use jsonschema::{ValidationError, paths::LocationSegment};
use plugin_api::RoleKind;
use serde_json::Value as Json;

use super::tree::{Node, Table, Value};

/// What is being checked.
pub(super) struct Subject<'a> {
    pub plugin: &'a str,
    pub kind: RoleKind,
    /// Where the component's id stands.
    pub id_span: &'a Range<usize>,
    pub options: &'a Table,
    pub schema: &'a Json,
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

/// The schema that an error comes from.
pub(super) fn schema_of<'a>(subject: &Subject<'a>, error: &ValidationError<'_>) -> &'a Json {
    let path = error.schema_path().as_str();
    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    subject.schema.pointer(parent).unwrap_or(subject.schema)
}
