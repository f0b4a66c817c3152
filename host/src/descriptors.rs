//! File descriptors: as many as the system gives, and a warning when they may run short.
//!
//! Shells and services start programs with a soft limit of 1024, which dates from `select` and is
//! far below the hard one.

use dataserver_config::{Component, Pipeline};
use dataserver_loader::PluginCatalog;
use plugin_api::Role;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::control;

/// What the host itself opens: libraries, watched folders, logs, compiled components.
const OF_HOST: u64 = 128;
/// What an instance of a component opens besides clients that it says a bound of: its server, its
/// files, those of its buffer.
const OF_INSTANCE: u64 = 32;
/// Endings of the integer options `max_…` that bound how many others are connected at a time.
const CLIENTS: [&str; 3] = ["_clients", "_subscribers", "_connections"];

/// Raises the soft limit of this process to the hard one.
pub fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    let raised = Rlimit { current: limit.maximum, ..limit };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => tracing::debug!(limit = ?limit.maximum, "raised the limit of open files"),
        Err(error) => tracing::warn!("cannot raise the limit of open files: {error}"),
    }
}

/// Warns when the components of a pipeline may together need more than this process may open.
pub fn warn_if_few(pipeline: &Pipeline, catalog: &PluginCatalog) {
    let Some(limit) = getrlimit(Resource::Nofile).current else { return };
    let (needed, most) = needed(pipeline, catalog);
    if needed <= limit {
        return;
    }
    let largest = most.map(|(id, files)| format!(", {files} of them {id}")).unwrap_or_default();
    tracing::warn!(
        limit,
        needed,
        "the pipeline may need {needed} open files{largest}, and the system allows {limit}: beyond \
         that clients are turned away and files do not open; raise it (`ulimit -Hn`, \
         `LimitNOFILE=` of the service), or lower `max_clients` and the like"
    );
}

/// What all of it may open, and the component that may open most.
fn needed<'p>(pipeline: &'p Pipeline, catalog: &PluginCatalog) -> (u64, Option<(&'p str, u64)>) {
    let of_control = pipeline.host.http.map_or(0, |_| control::MAX_CONNECTIONS as u64);
    let files = pipeline.components.iter().map(|component| {
        let found = catalog.plugin(&component.plugin, component.kind, component.carrier).ok();
        let role = found.as_ref().and_then(|it| it.plugin.manifest().role(component.kind));
        let clients = role.map_or(0, |role| clients(component, role));
        let instances = u64::from(component.workers.max(1));
        (component.id.as_str(), instances.saturating_mul(OF_INSTANCE.saturating_add(clients)))
    });
    let files: Vec<_> = files.collect();
    let sum = files.iter().fold(OF_HOST + of_control, |sum, (_, of)| sum.saturating_add(*of));
    (sum, files.into_iter().max_by_key(|(_, files)| *files))
}

/// How many others a component lets connect at a time, by its options.
fn clients(component: &Component, role: &Role) -> u64 {
    let Some(properties) = role.options_schema["properties"].as_object() else { return 0 };
    let bounds = properties.iter().filter(|(name, _)| {
        name.starts_with("max_") && CLIENTS.iter().any(|ending| name.ends_with(ending))
    });
    let values = bounds.map(|(name, schema)| {
        component.options.get(name).unwrap_or(&schema["default"]).as_u64().unwrap_or(0)
    });
    values.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use plugin_api::RoleKind;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_bounds_clients_counts_by_the_option_or_else_by_its_default() {
        let role = Role {
            kind: RoleKind::Sink,
            options_schema: json!({ "properties": {
                "max_clients": { "type": "integer", "default": 1024 },
                "max_subscribers": { "type": "integer", "default": 64 },
                "max_memory": { "type": "integer", "default": 1_u64 << 40 },
                "wait_subscribers": { "type": "integer", "default": 7 },
            }}),
            delivery: None,
            ordered: true,
            max_records: 0,
            max_wait: std::time::Duration::ZERO,
        };
        let text = "[sources.a]\nplugin = \"p\"\n";
        let environment = dataserver_config::ProcessEnvironment;
        let file = std::path::Path::new("/nowhere/pipeline.toml");
        let parsed = dataserver_config::load_text(text, file, &environment).unwrap();
        let mut component = parsed.components().next().unwrap().clone();
        assert_eq!(clients(&component, &role), 1_088);
        component.options.insert("max_clients".to_owned(), json!(16_384));
        assert_eq!(clients(&component, &role), 16_448);
    }
}
