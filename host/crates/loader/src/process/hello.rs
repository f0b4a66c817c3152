//! What a child says it is when it has started.

use std::time::Duration;

use plugin_api::{ApiVersion, Delivery, Descriptor, Manifest, Role, RoleKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::wire::PROTOCOL;
use crate::{descriptor::check_descriptor, manifest, problem::Problem};

/// The greeting of a child, in JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    protocol: u32,
    /// `MAJOR.MINOR` of the interface that it was written for.
    api: String,
    name: String,
    version: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    author: String,
    roles: Vec<HelloRole>,
}

#[derive(Debug, Serialize, Deserialize)]
struct HelloRole {
    kind: String,
    options_schema: Value,
    #[serde(default)]
    delivery: Option<String>,
    #[serde(default = "is_ordered")]
    ordered: bool,
    #[serde(default)]
    max_records: u32,
    #[serde(default)]
    max_wait_us: u64,
}

fn is_ordered() -> bool {
    true
}

const KINDS: [RoleKind; 3] = [RoleKind::Source, RoleKind::Transform, RoleKind::Sink];

/// The role of that name.
pub(super) fn role_named(name: &str) -> Option<RoleKind> {
    KINDS.into_iter().find(|kind| kind.as_str() == name)
}

fn delivery_name(delivery: Delivery) -> &'static str {
    match delivery {
        Delivery::Publisher => "publisher",
        Delivery::Service => "service",
        Delivery::Store => "store",
    }
}

/// The greeting of a child that has this plugin.
pub(super) fn of_manifest(manifest: &Manifest) -> Hello {
    let role = |role: &Role| HelloRole {
        kind: role.kind.as_str().to_owned(),
        options_schema: role.options_schema.clone(),
        delivery: role.delivery.map(|it| delivery_name(it).to_owned()),
        ordered: role.ordered,
        max_records: role.max_records,
        max_wait_us: u64::try_from(role.max_wait.as_micros()).unwrap_or(u64::MAX),
    };
    Hello {
        protocol: PROTOCOL,
        api: manifest.api.to_string(),
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        description: manifest.description.clone(),
        author: manifest.author.clone(),
        roles: manifest.roles.iter().map(role).collect(),
    }
}

/// Reads a greeting.
pub(super) fn read(text: &str) -> Result<Manifest, Problem> {
    const AUTHOR: &str = "report this to the plugin's author";
    let value: Value = serde_json::from_str(text).map_err(|error| {
        Problem::new(format!("greets the host with what is no JSON: {error}"), AUTHOR)
    })?;
    // first, because the rest may differ with it
    match value["protocol"].as_u64() {
        Some(protocol) if protocol == u64::from(PROTOCOL) => {}
        spoken => {
            let spoken = spoken.map_or("none".to_owned(), |it| it.to_string());
            return Err(Problem::new(
                format!("speaks protocol {spoken}, this host speaks {PROTOCOL}"),
                "update the plugin, or the host; a Python plugin takes the package `dataserver` of \
                 this host",
            ));
        }
    }
    let hello: Hello = serde_json::from_value(value).map_err(|error| {
        Problem::new(format!("greets the host in another form: {error}"), AUTHOR)
    })?;
    let api = hello.api.split_once('.').and_then(|(major, minor)| {
        Some(ApiVersion { major: major.parse().ok()?, minor: minor.parse().ok()? })
    });
    let api = api.ok_or_else(|| {
        Problem::new(format!("has plugin API {:?}, which is no version", hello.api), AUTHOR)
    })?;
    check_descriptor(Descriptor::for_api(api, &hello.name, &hello.version))?;
    let roles = hello.roles.into_iter().map(role).collect::<Result<_, _>>()?;
    let Hello { name, version, description, author, .. } = hello;
    manifest::check(Manifest { name, version, description, author, api, roles })
}

fn role(role: HelloRole) -> Result<Role, Problem> {
    let odd = |what: &str, text: &str| {
        Problem::new(format!("greets the host with {what} {text:?}"), "see docs/PROCESS.md")
    };
    let kind = role_named(&role.kind).ok_or_else(|| odd("a role of kind", &role.kind))?;
    let known = [Delivery::Publisher, Delivery::Service, Delivery::Store];
    let named = |name: String| {
        let found = known.into_iter().find(|it| delivery_name(*it) == name);
        found.ok_or_else(|| odd("a delivery", &name))
    };
    let given = role.delivery.map(named).transpose()?;
    // a sink is fed like one that says nothing about it in other carriers
    let delivery = (kind == RoleKind::Sink).then(|| given.unwrap_or(Delivery::Service));
    Ok(Role {
        kind,
        options_schema: manifest::schema(&role.options_schema.to_string())?,
        delivery,
        ordered: role.ordered,
        max_records: role.max_records,
        max_wait: Duration::from_micros(role.max_wait_us),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hello() -> Value {
        json!({
            "protocol": 1, "api": "1.0", "name": "one", "version": "2",
            "roles": [{ "kind": "sink", "options_schema": { "type": "object" } }],
        })
    }

    #[test]
    fn a_greeting_that_is_written_is_read_back() {
        let manifest = read(&hello().to_string()).unwrap();
        assert_eq!(manifest.roles[0].delivery, Some(Delivery::Service));
        let written = serde_json::to_string(&of_manifest(&manifest)).unwrap();
        assert_eq!(read(&written).unwrap(), manifest);
    }

    #[test]
    fn a_greeting_that_cannot_be_taken_is_named() {
        // key, value, what is told
        let cases = [
            ("protocol", json!(2), "speaks protocol 2, this host speaks 1"),
            ("protocol", json!(null), "speaks protocol none"),
            ("api", json!("2.0"), "plugin API 2.0"),
            ("api", json!("one"), "no version"),
            ("name", json!("No id"), "no id"),
            ("roles", json!("sink"), "in another form"),
            ("roles", json!([{ "kind": "drain", "options_schema": {} }]), "a role of kind"),
            (
                "roles",
                json!([{ "kind": "sink", "options_schema": {}, "delivery": "soon" }]),
                "a delivery \"soon\"",
            ),
            ("description", json!("\u{1b}[2J"), "control characters"),
        ];
        for (key, value, told) in cases {
            let mut hello = hello();
            hello[key] = value;
            let problem = read(&hello.to_string()).unwrap_err();
            assert!(problem.message.contains(told), "{key}: {problem}");
        }
        assert!(read("hello").unwrap_err().message.contains("no JSON"));
    }
}
