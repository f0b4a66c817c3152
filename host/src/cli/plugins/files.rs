//! The files of a new plugin's crate.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use plugin_api::RoleKind;
use serde_json::Value;

use super::sdk::Sdk;

macro_rules! template {
    ($name:literal) => {
        include_str!(concat!("../../../templates/plugin/", $name, ".txt"))
    };
}

/// What the crate holds.
pub struct Crate<'a> {
    /// Id of the plugin.
    pub name: &'a str,
    /// What it is.
    pub kind: Kind,
    /// Whether cargo makes a component of it.
    pub is_wasm: bool,
    /// What it depends on.
    pub sdk: &'a Sdk,
    /// Folder of the shipped plugins.
    pub shipped: &'a Path,
}

/// Lines of commands, each with what it does.
pub fn aligned(commands: &[(&str, &str)]) -> Vec<String> {
    let width = commands.iter().map(|(command, _)| command.len()).max().unwrap_or(0);
    commands.iter().map(|(command, does)| format!("{command:width$}  # {does}")).collect()
}

/// The three kinds as they are typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Makes records.
    Source,
    /// Changes records.
    Transform,
    /// Delivers records.
    Sink,
}

impl Kind {
    /// The kind of component.
    pub fn role(self) -> RoleKind {
        match self {
            Self::Source => RoleKind::Source,
            Self::Transform => RoleKind::Transform,
            Self::Sink => RoleKind::Sink,
        }
    }

    /// What the example does.
    pub fn does(self) -> &'static str {
        match self {
            Self::Source => "Makes quotes that go up a cent a time",
            Self::Transform => "Drops quotes of which little was traded",
            Self::Sink => "Counts records and logs their number",
        }
    }
}

impl Crate<'_> {
    /// Paths within the crate and what stands there.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let (code, pipeline) = match self.kind {
            Kind::Source => (template!("source.rs"), template!("source.toml")),
            Kind::Transform => (template!("transform.rs"), template!("transform.toml")),
            Kind::Sink => (template!("sink.rs"), template!("sink.toml")),
        };
        let mut texts = vec![
            ("Cargo.toml", template!("Cargo.toml")),
            ("src/lib.rs", code),
            ("pipeline.toml", pipeline),
            ("README.md", template!("README.md")),
            (".gitignore", "/target\n/data\n"),
        ];
        if self.kind != Kind::Source {
            texts.push(("quotes.csv", template!("quotes.csv")));
        }
        if self.is_wasm {
            texts.push((".cargo/config.toml", template!("cargo-config.toml")));
        }
        let filled = texts.into_iter().map(|(path, text)| (path.into(), self.fill(text).into()));
        let lock = self.sdk.lock_file().map(|lock| ("Cargo.lock".into(), lock));
        filled.chain(lock).collect()
    }

    /// What to type next, in the folder of the crate.
    pub fn commands(&self) -> Vec<String> {
        let makes = format!("makes {}/{}", self.built(), self.file());
        let show = format!("dataserver plugins show {}", self.name);
        let mut commands = vec![
            (if self.is_wasm { "cargo test-native" } else { "cargo test" }, "its contract test"),
            ("cargo build --release", makes.as_str()),
            (show.as_str(), "its options"),
            ("dataserver run", "runs pipeline.toml"),
        ];
        if self.is_wasm {
            commands.insert(0, ("rustup target add wasm32-wasip2", "once on this machine"));
        }
        aligned(&commands)
    }

    fn fill(&self, template: &str) -> String {
        let plugin_api = self.sdk.plugin_api();
        let carrier = if self.is_wasm {
            "\nAs a component it runs in a sandbox: files, network and environment are there as far as\n\
             `grants` of the component in `pipeline.toml` allow. Without `.cargo/config.toml` the same\n\
             code becomes a native library.\n"
        } else {
            "\nThe same code becomes a component for the sandbox with \
             `cargo build --release --target wasm32-wasip2`.\n"
        };
        let values = [
            ("@NAME@", self.name.to_owned()),
            ("@LIB@", self.library()),
            ("@KIND@", self.kind.role().to_string()),
            ("@DOES@", self.kind.does().to_owned()),
            ("@AUTHOR@", "your name".to_owned()),
            ("@API@", quoted(&plugin_api)),
            ("@BUILT@", quoted(Path::new(self.built()))),
            ("@PLUGINS@", quoted(self.shipped)),
            ("@COMMANDS@", self.commands().join("\n")),
            ("@CARRIER@", carrier.to_owned()),
        ];
        values.iter().fold(template.to_owned(), |text, (mark, value)| text.replace(mark, value))
    }

    /// Name of the library, which is no word of the language whatever the plugin's id is.
    fn library(&self) -> String {
        format!("dataserver_{}", self.name.replace('-', "_"))
    }

    fn built(&self) -> &'static str {
        if self.is_wasm { "target/wasm32-wasip2/release" } else { "target/release" }
    }

    fn file(&self) -> String {
        let library = self.library();
        if self.is_wasm { format!("{library}.wasm") } else { format!("lib{library}.so") }
    }
}

/// A path as TOML writes it: its strings in quotes are those of JSON.
pub fn quoted(path: &Path) -> String {
    Value::from(path.display().to_string()).to_string()
}
