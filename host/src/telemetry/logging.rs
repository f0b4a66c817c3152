//! The host's log: lines on stderr, as text or JSON.

use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Sends the log of this process to stderr. `RUST_LOG` goes before `level`.
///
/// Under systemd the journal stamps lines itself, so they go without a time. A process that has a
/// log already keeps it.
pub fn start(level: &str, format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let registry = tracing_subscriber::registry().with(filter);
    let lines = fmt::layer().with_writer(io::stderr).with_target(false);
    // an embedding process may have a subscriber of its own
    let _ = match format {
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
        LogFormat::Text => {
            let lines = lines.with_ansi(io::stderr().is_terminal());
            if std::env::var_os("JOURNAL_STREAM").is_some() {
                registry.with(lines.without_time()).try_init()
            } else {
                registry.with(lines).try_init()
            }
        }
    };
}
