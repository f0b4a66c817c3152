//! Options of a component against the schema that its plugin declares.

use std::collections::HashMap;

use jsonschema::{ValidationError, Validator};
use plugin_api::{RoleKind, parse_byte_size, parse_duration};
use serde_json::{Map, Value as Json};

use super::{
    Carrier, Component,
    components::Unresolved,
    options_text,
    report::Report,
    subject::Subject,
    tree::{Node, Table, Value},
};

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
                options_text::report_error(report, &subject, &error);
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
