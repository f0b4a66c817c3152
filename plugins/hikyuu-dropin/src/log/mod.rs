//! The log of this library: in the form of Hikyuu's own, to stderr and into `~/.hikyuu`.
//!
//! `RUST_LOG` sets what is logged, e.g. `RUST_LOG=debug`; `info` without it.

mod file;
mod format;
mod stderr;

use std::sync::Once;

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use self::{file::LogFile, format::Hikyuu, stderr::Stderr};
use crate::home::Home;

/// Starts the log; once for the process.
pub fn start() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let opened = Home::of_user().and_then(|home| LogFile::open(home.log()));
        let (file, problem) = match opened {
            Ok(file) => (Some(file), None),
            Err(problem) => (None, Some(problem)),
        };
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
        let lines = fmt::layer().event_format(Hikyuu).with_ansi(false).with_writer(|| Stderr);
        let kept =
            file.map(|file| fmt::layer().event_format(Hikyuu).with_ansi(false).with_writer(file));
        // this library has a copy of its own of what is global there
        let _ = tracing_subscriber::registry().with(filter).with(lines).with(kept).try_init();
        if let Some(problem) = problem {
            tracing::warn!("the log is not kept: {problem}");
        }
    });
}
