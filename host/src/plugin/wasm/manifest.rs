//! What a component says about itself, as the rest of the host reads it.

use std::time::Duration;

use plugin_api::{ApiVersion, Delivery, Manifest, Role, RoleKind};

use super::bindings::dataserver::plugin::types;
use crate::plugin::catalog::Problem;

/// Longest schema of options, bytes.
const LONGEST_SCHEMA: usize = 1 << 20;
/// Longest of the other texts, bytes.
const LONGEST_TEXT: usize = 1 << 10;

/// Reads a manifest.
pub(super) fn read(manifest: types::Manifest, api: ApiVersion) -> Result<Manifest, Problem> {
    let texts = [&manifest.name, &manifest.version, &manifest.description, &manifest.author];
    if let Some(long) = texts.iter().find(|text| text.len() > LONGEST_TEXT) {
        let message = format!("has a manifest with a text of {} bytes", long.len());
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

fn read_role(role: types::Role) -> Result<Role, Problem> {
    let wrong = |why: String| {
        Problem::new(
            format!("declares options that are no JSON Schema: {why}"),
            "report this to the plugin's author",
        )
    };
    if role.options_schema.len() > LONGEST_SCHEMA {
        return Err(wrong(format!(
            "{} bytes, the most is {LONGEST_SCHEMA}",
            role.options_schema.len()
        )));
    }
    let options_schema =
        serde_json::from_str(&role.options_schema).map_err(|error| wrong(error.to_string()))?;
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
