//! pipeline.toml: from text to settings that can be run.
//!
//! Two steps. [`load`] reads a file and checks all that needs no plugin: syntax, keys, types,
//! values, ids, inputs, cycles. [`ParsedConfig::resolve`] then looks every plugin up in a [`Catalog`],
//! checks the options against the schema it declares and fills in what depends on the plugin. All
//! faults of a file are shown at once, each with its place; see [`Faults`].

mod address;
mod alarms;
mod backfill;
mod components;
mod fault;
mod file;
mod granted;
mod graph;
mod host;
mod keys;
mod load;
mod mask;
mod options;
mod options_text;
mod parse;
mod parsed;
mod read;
mod reference;
mod render;
mod report;
mod sandbox;
mod schema;
mod subject;
mod substitute;
mod suggest;
#[cfg(test)]
mod tests;
mod tree;

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use plugin_api::{Delivery, Role, RoleKind};

pub use alarms::{AlarmKind, AlarmRule, AlarmTarget, Alarms};
pub use backfill::{Backfill, BackfillPrefer, BackfillWhen};
pub use fault::{Diagnostic, Faults, Label, Severity};
pub use file::read as read_file;
pub use granted::user_cache_folder;
pub use load::{load, load_text};
pub use mask::{Secrets, holds_secret, is_secret_name};
pub use parsed::ParsedConfig;
pub use reference::reference_markdown;
pub use sandbox::{Access, Compile, Grants, Limits, Pins};
pub use substitute::{Environment, ProcessEnvironment};
pub use suggest::closest;

/// A pipeline as checked: what pipeline.toml asks for, defaults filled in.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// The file it was read from.
    pub file: PathBuf,
    /// Folder of the file; relative paths count from here.
    pub base_dir: PathBuf,
    /// `[host]`.
    pub host: HostSettings,
    /// `[alarms]`.
    pub alarms: Alarms,
    /// `[backfill]`.
    pub backfill: Backfill,
    /// Sources that are asked for history and do not run: those of `[backfill] from`, and of the
    /// option `history` of transforms.
    pub history: Vec<Component>,
    /// Components that run, in the file's order: sources, transforms, sinks.
    pub components: Vec<Component>,
}

/// `[host]`: what concerns the whole process.
#[derive(Debug, Clone, PartialEq)]
pub struct HostSettings {
    /// Folders searched for plugins; absolute.
    pub plugins: Vec<PathBuf>,
    /// Files that may hold a plugin.
    pub pins: Pins,
    /// What compiling a component may use up.
    pub compile: Compile,
    /// Interpreter of Python files that have none beside them; absolute, or a name to be searched.
    pub python: Option<PathBuf>,
    /// Whether the host reloads by itself when the pipeline file or a plugin file changes. Default
    /// true.
    pub watch: bool,
    /// Dead letters, checkpoints, spools, compiled components; absolute.
    pub data_dir: PathBuf,
    /// Address of the control interface; `None` switches it off.
    pub http: Option<SocketAddr>,
    /// What clients of the control interface must show; needed on any but a loopback address.
    pub token: Option<Secret>,
    /// Names besides `localhost` under which the control interface may be reached, in lower case
    /// and without a final dot. Default: none.
    pub allowed_hosts: Vec<String>,
    /// Whether the control interface refuses all that acts. Default false.
    pub read_only: bool,
    /// Longest time that a shutdown waits for sinks. Default 30s.
    pub drain_timeout: Duration,
    /// A call into a plugin that takes longer is reported as stuck. Default 30s.
    pub stuck_after: Duration,
    /// How often the log tells how it goes; `None` for never.
    pub report: Option<Duration>,
}

/// A text that must not be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// How a plugin is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// A native library.
    Native,
    /// A sandboxed component.
    Wasm,
    /// A process of its own: a Python file, a program, or a library that is kept apart.
    Process,
}

/// One component of the pipeline.
#[derive(Clone, PartialEq)]
pub struct Component {
    /// Its id, unique over all kinds.
    pub id: String,
    /// Source, transform or sink.
    pub kind: RoleKind,
    /// Id of the plugin.
    pub plugin: String,
    /// `carrier`, when given.
    pub carrier: Option<Carrier>,
    /// Ids of the components it reads from; empty for a source.
    pub inputs: Vec<String>,
    /// Instances that work side by side.
    pub workers: u32,
    /// Queue between the inputs and this component; not used by a source.
    pub buffer: Buffer,
    /// How many records a sink gets at once.
    pub batch: BatchSettings,
    /// What follows a fault that passes.
    pub retry: Retry,
    /// What an instance may use up, if its plugin is sandboxed or a process.
    pub limits: Limits,
    /// What it may reach, if its plugin is sandboxed.
    pub grants: Grants,
    /// What follows the failure of an instance.
    pub on_failure: OnFailure,
    /// The plugin's own keys, with variables filled in. May hold secrets.
    pub options: serde_json::Map<String, serde_json::Value>,
    /// The same as they may be shown: without secrets, and without what variables gave.
    pub shown_options: serde_json::Map<String, serde_json::Value>,
}

impl Component {
    /// The plugin's own keys as it takes them: JSON.
    pub fn options_json(&self) -> String {
        serde_json::Value::Object(self.options.clone()).to_string()
    }
}

impl fmt::Debug for Component {
    /// Names the options without their values, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id,
            kind,
            plugin,
            carrier,
            inputs,
            workers,
            buffer,
            batch,
            retry,
            limits,
            grants,
            on_failure,
            options,
            shown_options: _,
        } = self;
        f.debug_struct("Component")
            .field("id", id)
            .field("kind", kind)
            .field("plugin", plugin)
            .field("carrier", carrier)
            .field("inputs", inputs)
            .field("workers", workers)
            .field("buffer", buffer)
            .field("batch", batch)
            .field("retry", retry)
            .field("limits", limits)
            .field("grants", grants)
            .field("on_failure", on_failure)
            .field("options", &options.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// `[sinks.ID.buffer]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buffer {
    /// Where it is kept. `disk` for sinks that store, `memory` for all others.
    pub kind: BufferKind,
    /// Bound in bytes: of payload in memory, of files on disk. Default 64MiB, or 4GiB on disk.
    pub max_bytes: u64,
    /// What happens to a batch that has no room. `block` unless the plugin is a publisher.
    pub when_full: WhenFull,
}

impl Buffer {
    /// The buffer of a component whose file says no more than this.
    pub fn of(delivery: Option<Delivery>, written: RawBuffer) -> Self {
        let when_full = written.when_full.unwrap_or(match delivery {
            Some(Delivery::Publisher) => WhenFull::Latest,
            Some(Delivery::Service | Delivery::Store) | None => WhenFull::Block,
        });
        let is_kept = matches!(when_full, WhenFull::Block | WhenFull::DropNewest);
        let kind = written.kind.unwrap_or(match delivery {
            Some(Delivery::Store) if is_kept => BufferKind::Disk,
            _ => BufferKind::Memory,
        });
        let max_bytes = written.max_bytes.unwrap_or(match kind {
            BufferKind::Memory => 64 << 20,
            BufferKind::Disk => 4 << 30,
        });
        Self { kind, max_bytes, when_full }
    }
}

/// `[sinks.ID.buffer]` as the file has it.
#[derive(Debug, Clone, Copy, Default)]
pub struct RawBuffer {
    /// `type`.
    pub kind: Option<BufferKind>,
    /// `max_bytes`.
    pub max_bytes: Option<u64>,
    /// `when_full`.
    pub when_full: Option<WhenFull>,
}

/// Where a queue is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BufferKind {
    /// Gone with the process.
    Memory,
    /// Survives restarts and crashes.
    Disk,
}

/// What a full queue does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// Its writer waits.
    Block,
    /// The oldest batches go.
    DropOldest,
    /// The new batch goes.
    DropNewest,
    /// Only the newest quote of each security stays.
    Latest,
}

/// `[sinks.ID.batch]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchSettings {
    /// A sink gets batches together up to so many records. Default: what the plugin asks for.
    pub max_records: u64,
    /// A first batch waits at most so long for more to join it. Default: what the plugin asks for.
    pub max_wait: Duration,
}

impl Default for BatchSettings {
    fn default() -> Self {
        Self { max_records: 10_000, max_wait: Duration::ZERO }
    }
}

/// `[sinks.ID.retry]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retry {
    /// 0 = for ever.
    pub max_attempts: u32,
    /// First pause; it doubles up to `max_backoff`. Default 100ms.
    pub min_backoff: Duration,
    /// Longest pause. Default 30s.
    pub max_backoff: Duration,
    /// Whether records that are given up go to the dead letters. Default true.
    pub dead_letter: bool,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_attempts: 0,
            min_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(30),
            dead_letter: true,
        }
    }
}

/// What the failure of an instance does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// A new instance is opened after a pause of 1s to 60s.
    Restart,
    /// The host ends with exit code 1.
    Stop,
}

/// Looks plugins up by id.
pub trait Catalog {
    /// The role of that plugin, and how the one that is taken is packed.
    ///
    /// # Errors
    /// Why there is none, and what to do about it.
    fn find(
        &self,
        plugin: &str,
        kind: RoleKind,
        carrier: Option<Carrier>,
    ) -> Result<(Role, Carrier), NotFound>;
}

/// Why a plugin cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotFound {
    /// What is wrong, e.g. `no plugin "qqq" for a source`.
    pub message: String,
    /// What to do about it, e.g. where was searched, or the closest name.
    pub help: Option<String>,
}
