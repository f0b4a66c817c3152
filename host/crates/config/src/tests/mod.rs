//! Pipelines read against plugins that exist only here.

mod docs;
mod faults;
mod granted;
mod hostile;
mod pipeline;
mod render;
mod secrets;

use std::{
    collections::HashMap,
    env::VarError,
    path::{Path, PathBuf},
};

use plugin_api::{Ask, ByteSize, Delivery, Duration, Role, RoleKind, options, options_schema};
use serde_json::{Value, json};

use super::{Carrier, Catalog, Environment, Faults, NotFound, ParsedConfig, Pipeline, load_text};

/// An environment made of what a test says.
#[derive(Default)]
struct Given {
    variables: HashMap<&'static str, &'static str>,
    credentials: HashMap<&'static str, &'static str>,
    executable_dir: Option<PathBuf>,
}

impl Environment for Given {
    fn variable(&self, name: &str) -> Result<String, VarError> {
        self.variables.get(name).map(|value| (*value).to_owned()).ok_or(VarError::NotPresent)
    }

    fn credential(&self, name: &str) -> Result<String, String> {
        let text = self.credentials.get(name).map(|text| (*text).to_owned());
        text.ok_or_else(|| "put it into the folder of the secret files".to_owned())
    }

    fn executable_dir(&self) -> Option<PathBuf> {
        self.executable_dir.clone()
    }
}

options! {
    /// How a file is packed.
    enum Compression {
        /// Small.
        Zstd,
        /// Fast.
        Snappy,
        /// Not at all.
        None,
    }
}

options! {
    /// Options of the source `qq`.
    #[derive(Default)]
    #[serde(default)]
    struct QqOptions {
        /// Codes with their market.
        symbols: Option<Vec<String>>,
        /// Pause between two rounds.
        interval: Option<Duration>,
        /// Codes per request.
        #[schemars(range(min = 1, max = 800))]
        request_symbols: Option<u32>,
        /// Names of columns.
        columns: Option<Columns>,
    }
}

options! {
    /// Names of columns.
    struct Columns {
        /// The security's code.
        code: String,
        /// The last price.
        close: Option<String>,
    }
}

options! {
    /// Options of the source `kline`, which does nothing but answer.
    struct KlineOptions {
        /// Pause between two questions.
        #[serde(default)]
        pause: Option<Duration>,
        /// What is asked for.
        ask: Ask,
    }
}

options! {
    /// Options of the sink `parquet`.
    struct ParquetOptions {
        /// Folder to write to.
        path: String,
        /// How files are packed.
        #[serde(default = "zstd")]
        compression: Compression,
        /// Memory for open files.
        #[serde(default)]
        memory: ByteSize,
        /// Share of rows that are read back.
        #[serde(default)]
        checked: Option<f64>,
        /// Password of the store.
        #[serde(default)]
        password: Option<String>,
        /// Packing of old files.
        #[serde(default)]
        old: Option<Compression>,
    }
}

fn zstd() -> Compression {
    Compression::Zstd
}

/// The plugins of the tests.
struct Plugins;

impl Plugins {
    fn role(plugin: &str, kind: RoleKind) -> Option<Role> {
        let role = |options_schema: Value, delivery| Role {
            kind,
            options_schema,
            delivery,
            ordered: true,
            max_records: 10_000,
            max_wait: std::time::Duration::ZERO,
        };
        let any = || json!({ "type": "object" });
        let none = || json!({ "type": "object", "additionalProperties": false });
        Some(match (plugin, kind) {
            ("qq", RoleKind::Source) => role(options_schema::<QqOptions>(), None),
            ("kline", RoleKind::Source) => role(options_schema::<KlineOptions>(), None),
            ("quality", RoleKind::Transform) => role(none(), None),
            ("bars", RoleKind::Transform) => role(any(), None),
            ("nng-pub", RoleKind::Sink) => role(any(), Some(Delivery::Publisher)),
            ("parquet", RoleKind::Sink) => {
                role(options_schema::<ParquetOptions>(), Some(Delivery::Store))
            }
            ("sandboxed", RoleKind::Transform) => role(none(), None),
            ("null", RoleKind::Sink) => role(none(), Some(Delivery::Service)),
            ("forms", RoleKind::Sink) => role(forms_schema(), None),
            ("ill", RoleKind::Sink) => role(json!({ "type": 7 }), None),
            _ => return None,
        })
    }
}

/// What hand-written schemas may ask for.
fn forms_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "code": { "type": "string", "pattern": "^[0-9]{6}$", "description": "Six digits." },
            "list": { "anyOf": [
                { "type": "string" },
                { "type": "array", "items": { "type": "string" }, "minItems": 1 },
            ]},
            "unique": { "type": "array", "uniqueItems": true, "maxItems": 3 },
            "name": { "type": "string", "minLength": 2, "maxLength": 4 },
            "step": { "type": "integer", "multipleOf": 5, "exclusiveMinimum": 0 },
            "pair": { "type": "object", "minProperties": 1, "maxProperties": 1 },
            "shape": { "oneOf": [
                { "type": "object", "required": ["by", "n"],
                  "properties": { "by": { "const": "count" }, "n": { "type": "integer" } } },
                { "type": "object", "required": ["by", "t"],
                  "properties": { "by": { "const": "time" }, "t": { "type": "string" } } },
            ]},
            "never": false,
            "host": { "type": "string", "format": "ipv4" },
        },
        "additionalProperties": false,
    })
}

impl Catalog for Plugins {
    fn find(
        &self,
        plugin: &str,
        kind: RoleKind,
        carrier: Option<Carrier>,
    ) -> Result<(Role, Carrier), NotFound> {
        let not_found = |message: String, help: &str| NotFound { message, help: Some(help.into()) };
        let is_there = |carrier: &Carrier| *carrier == Carrier::Wasm || plugin != "sandboxed";
        let carrier = carrier.or((plugin == "sandboxed").then_some(Carrier::Wasm));
        let carrier = Some(carrier.unwrap_or(Carrier::Native)).filter(is_there);
        Self::role(plugin, kind)
            .zip(carrier)
            .ok_or_else(|| not_found(format!("no {kind} plugin \"{plugin}\""), "searched: plugins"))
    }
}

fn parsed(text: &str, environment: &Given) -> Result<ParsedConfig, Faults> {
    load_text(text, Path::new("/etc/pipeline.toml"), environment)
}

fn resolve(text: &str, environment: &Given) -> Result<Pipeline, Faults> {
    parsed(text, environment)?.resolve(&Plugins)
}

/// What is said about a file: its warnings, then its faults.
fn said_about(text: &str, environment: &Given) -> String {
    match parsed(text, environment) {
        Err(faults) => faults.render(false, 100),
        Ok(parsed) => {
            let warnings = parsed.warnings().render(false, 100);
            let faults = parsed.resolve(&Plugins).err();
            let faults = faults.map(|faults| faults.render(false, 100)).unwrap_or_default();
            let both = [warnings, faults].into_iter().filter(|said| !said.is_empty());
            both.collect::<Vec<_>>().join("\n")
        }
    }
}
