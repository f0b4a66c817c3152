//! What the host lends to a plugin instance.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::Report;

/// Severity of a log line.
#[repr(u8)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(not(target_family = "wasm"), derive(abi_stable::StableAbi))]
pub enum Level {
    /// Data lost or component stopped.
    Error,
    /// A fault that was recovered from.
    Warn,
    /// Life cycle.
    Info,
    /// For the plugin's author.
    Debug,
}

/// The host as a plugin sees it; every call may come from any thread.
pub trait HostServices: Send + Sync {
    /// Writes a line to the host's log, under the component's name.
    fn log(&self, level: Level, message: &str);
    /// Counts records that the plugin dropped, by the rule that dropped them.
    fn dropped(&self, reason: &str, records: u64);
    /// Adds to the counter `dataserver_<metric>` of this component.
    fn count(&self, metric: &str, by: u64);
    /// Sets the gauge `dataserver_<metric>` of this component.
    fn gauge(&self, metric: &str, value: f64);
    /// Wall time, microseconds since 1970 UTC.
    fn now_us(&self) -> i64;
    /// Whether the host wants this component to end; long work should stop then.
    fn is_stopping(&self) -> bool;
    /// Says how long this source may be silent from now on; `None` when silence is normal.
    fn expect_records(&self, within: Option<Duration>);
    /// Sets data aside that cannot be used, with the reason, in the component's dead letters.
    fn dead_letter(&self, reason: &str, payload: &[u8]);
    /// Takes what a plugin reports of itself; a host without use for it passes it over.
    fn report(&self, _report: &Report) {}
}

/// What the host lends to a plugin instance. A clone lends the same.
#[derive(Clone)]
pub struct Context {
    instance: String,
    base_dir: PathBuf,
    state_dir: PathBuf,
    host: Arc<dyn HostServices>,
}

impl Context {
    /// A context for the component of that id.
    pub fn new(
        instance: impl Into<String>,
        base_dir: impl Into<PathBuf>,
        state_dir: impl Into<PathBuf>,
        host: Arc<dyn HostServices>,
    ) -> Self {
        Self {
            instance: instance.into(),
            base_dir: base_dir.into(),
            state_dir: state_dir.into(),
            host,
        }
    }

    /// Id of the component in pipeline.toml.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Folder of pipeline.toml; empty in a sandbox, where relative paths are those that were granted.
    pub fn base_dir(&self) -> &Path {
        &self.base_dir
    }

    /// Where [`state_dir`](Self::state_dir) is made; empty when there is none.
    pub fn state_path(&self) -> &Path {
        &self.state_dir
    }

    /// The host behind this context.
    pub fn host(&self) -> Arc<dyn HostServices> {
        Arc::clone(&self.host)
    }

    /// A path of the options; a relative one counts from the folder of pipeline.toml.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.base_dir.join(path)
    }

    /// A folder for this component alone that outlives restarts; made when first used.
    ///
    /// # Errors
    /// When the folder cannot be made, or in a sandbox when it is not granted.
    pub fn state_dir(&self) -> std::io::Result<&Path> {
        if self.state_dir.as_os_str().is_empty() {
            return Err(std::io::Error::new(
                std::io::ErrorKind::PermissionDenied,
                "the component has no folder for its state; set `grants.state = true` on it",
            ));
        }
        std::fs::create_dir_all(&self.state_dir)?;
        Ok(&self.state_dir)
    }

    /// Logs that data was lost or the component stopped.
    pub fn error(&self, message: &str) {
        self.host.log(Level::Error, message);
    }

    /// Logs a fault that was recovered from.
    pub fn warn(&self, message: &str) {
        self.host.log(Level::Warn, message);
    }

    /// Logs a step of the life cycle.
    pub fn info(&self, message: &str) {
        self.host.log(Level::Info, message);
    }

    /// Logs what only the plugin's author wants to know.
    pub fn debug(&self, message: &str) {
        self.host.log(Level::Debug, message);
    }

    /// Counts records that the plugin dropped, under `records_dropped_total` and in the summary.
    pub fn dropped(&self, reason: &str, records: u64) {
        self.host.dropped(reason, records);
    }

    /// Adds to the counter `dataserver_<metric>` of this component; one call a batch, not a record.
    pub fn count(&self, metric: &str, by: u64) {
        self.host.count(metric, by);
    }

    /// Sets the gauge `dataserver_<metric>` of this component.
    pub fn gauge(&self, metric: &str, value: f64) {
        self.host.gauge(metric, value);
    }

    /// Wall time, microseconds since 1970 UTC.
    pub fn now_us(&self) -> i64 {
        self.host.now_us()
    }

    /// Whether the host wants this component to end; long work should stop then.
    pub fn is_stopping(&self) -> bool {
        self.host.is_stopping()
    }

    /// Says how long this source may give no record from now on before it counts as silent, which
    /// the host's health then shows; `None` when silence is normal, such as outside of sessions.
    ///
    /// What is said holds until something else is said; before, silence is normal.
    pub fn expect_records(&self, within: Option<Duration>) {
        self.host.expect_records(within);
    }

    /// Sets data aside that cannot be used, with the reason.
    pub fn dead_letter(&self, reason: &str, payload: &[u8]) {
        self.host.dead_letter(reason, payload);
    }

    /// Says why this component works, but worse than it should, for example with its second choice;
    /// `None` when it works as it should again. The host's health shows it as degraded with that reason.
    ///
    /// What is said holds until something else is said, or this instance fails.
    pub fn degraded(&self, reason: Option<&str>) {
        self.host.report(&Report::Degraded { reason: reason.map(str::to_owned) });
    }

    /// Says that sources disagreed about a security so often since this was said last. Who disagrees is
    /// told by the same text each time, so that the account of the day can count it.
    pub fn deviation(&self, symbol: &str, text: &str, count: u64) {
        let (symbol, text) = (symbol.to_owned(), text.to_owned());
        self.host.report(&Report::Deviation { symbol, text, count });
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("instance", &self.instance).finish_non_exhaustive()
    }
}
