//! What a component says about itself, as the rest of the host reads it.

use std::time::Duration;

use plugin_api::{ApiVersion, Delivery, Manifest, Role, RoleKind};
use serde_json::Value;

use super::bindings::dataserver::plugin::types;
use crate::problem::Problem;

/// Longest schema of options, bytes.
const MAX_SCHEMA: usize = 128 << 10;
/// Longest of the other texts, bytes.
const MAX_TEXT: usize = 1 << 10;

/// Reads a manifest.
pub(super) fn read(manifest: types::Manifest, api: ApiVersion) -> Result<Manifest, Problem> {
    let texts = [&manifest.name, &manifest.version, &manifest.description, &manifest.author];
    if let Some(long) = texts.iter().find(|text| text.len() > MAX_TEXT) {
        let message = format!("has a manifest with a text of {} bytes", long.len());
        return Err(Problem::new(message, "report this to the plugin's author"));
    }
    // they are printed, where a terminal would obey them
    if texts.iter().any(|text| text.contains(char::is_control)) {
        let message = "has a manifest with control characters";
        return Err(Problem::new(message, "report this to the plugin's author"));
    }
    let mut roles: Vec<Role> = Vec::new();
    for role in manifest.roles {
        let role = read_role(role)?;
        if roles.iter().any(|known| known.kind == role.kind) {
            let message = format!("says twice that it is a {}", role.kind);
            return Err(Problem::new(message, "report this to the plugin's author"));
        }
        roles.push(role);
    }
    let types::Manifest { name, version, description, author, .. } = manifest;
    Ok(Manifest { name, version, description, author, api, roles })
}

/// A reference within a schema: chains of them can take for ever to follow.
fn reference(schema: &Value) -> Option<&str> {
    match schema {
        Value::Object(entries) => entries.iter().find_map(|(key, value)| {
            let is_one = matches!(key.as_str(), "$ref" | "$dynamicRef" | "$recursiveRef");
            if is_one { Some(key.as_str()) } else { reference(value) }
        }),
        Value::Array(values) => values.iter().find_map(reference),
        _ => None,
    }
}

fn read_role(role: types::Role) -> Result<Role, Problem> {
    let wrong = |why: String| {
        Problem::new(
            format!("declares options that are no JSON Schema: {why}"),
            "report this to the plugin's author",
        )
    };
    if role.options_schema.len() > MAX_SCHEMA {
        return Err(wrong(format!(
            "{} bytes, the most is {MAX_SCHEMA}",
            role.options_schema.len()
        )));
    }
    let options_schema: Value =
        serde_json::from_str(&role.options_schema).map_err(|error| wrong(error.to_string()))?;
    if let Some(key) = reference(&options_schema) {
        return Err(wrong(format!("it has a `{key}`; write what it refers to instead")));
    }
    let delivery = role.delivery.map(|delivery| match delivery {
        types::Delivery::Publisher => Delivery::Publisher,
        types::Delivery::Service => Delivery::Service,
        types::Delivery::Store => Delivery::Store,
    });
    Ok(Role {
        kind: match role.kind {
            types::RoleKind::Source => RoleKind::Source,
            types::RoleKind::Transform => RoleKind::Transform,
            types::RoleKind::Sink => RoleKind::Sink,
        },
        options_schema,
        delivery,
        ordered: role.ordered,
        max_records: role.max_records,
        max_wait: Duration::from_micros(role.max_wait_us),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(description: &str, options_schema: &str) -> types::Manifest {
        types::Manifest {
            name: "one".to_owned(),
            version: "1".to_owned(),
            description: description.to_owned(),
            author: String::new(),
            roles: vec![types::Role {
                kind: types::RoleKind::Sink,
                options_schema: options_schema.to_owned(),
                delivery: None,
                ordered: true,
                max_records: 1,
                max_wait_us: 0,
            }],
        }
    }

    #[test]
    fn a_manifest_that_would_harm_its_readers_is_refused() {
        // description, schema, what the problem says
        let cases = [
            ("fine", r#"{"type":"object"}"#, None),
            ("\u{1b}[2Jnothing to see", "{}", Some("control characters")),
            ("fine", r##"{"allOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/a"}]}"##, Some("`$ref`")),
            ("fine", "no json", Some("no JSON Schema")),
        ];
        for (description, schema, says) in cases {
            let read = read(manifest(description, schema), ApiVersion::CURRENT);
            match says {
                None => assert!(read.is_ok()),
                Some(says) => assert!(read.unwrap_err().message.contains(says), "{schema}"),
            }
        }
    }
}
