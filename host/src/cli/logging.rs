//! The host's log: lines on stderr, as text or JSON.

use std::io::{self, IsTerminal, Write};

use plugin_api::terminal::{self, is_unsafe};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{Directive, LevelFilter},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use super::progress::beside;
use crate::log;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Sends the log of this process to stderr, and keeps its newest lines, from info up. `RUST_LOG` goes
/// before `level`.
///
/// Under systemd the journal stamps lines itself, so they go without a time. A process that has a
/// log already keeps it.
pub fn start(level: &str, format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    // whole addresses stand in what these tell, and those of alarms are secret
    let silent = ["ureq=off", "ureq_proto=off"].into_iter();
    let silent = silent.filter_map(|it| it.parse::<Directive>().ok());
    let filter = silent.fold(filter, EnvFilter::add_directive);
    let registry = tracing_subscriber::registry().with(log::Keep.with_filter(LevelFilter::INFO));
    let is_colored = format == LogFormat::Text && io::stderr().is_terminal();
    let writer = move || Safe { inner: io::stderr(), format, is_colored };
    let lines = fmt::layer().with_writer(writer).with_target(false);
    // an embedding process may have a subscriber of its own
    let _ = match format {
        LogFormat::Json => {
            registry.with(lines.json().flatten_event(true).with_filter(filter)).try_init()
        }
        LogFormat::Text => {
            let lines = lines.with_ansi(is_colored);
            if std::env::var_os("JOURNAL_STREAM").is_some() {
                registry.with(lines.without_time().with_filter(filter)).try_init()
            } else {
                registry.with(lines.with_filter(filter)).try_init()
            }
        }
    };
}

/// Writes lines so that nothing in them is obeyed by a terminal but our own colors.
struct Safe<W> {
    inner: W,
    format: LogFormat,
    is_colored: bool,
}

impl<W: Write> Write for Safe<W> {
    /// Lines come whole.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let safe = match self.format {
            LogFormat::Json => terminal::escaped_json(&text),
            LogFormat::Text if self.is_colored => colored(&text).into(),
            LogFormat::Text => terminal::escaped(&text),
        };
        beside(|| self.inner.write_all(safe.as_bytes()))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// As [`terminal::escaped`], but for colors: `ESC [ digits m`. What was logged has no escape any
/// more when it comes here, the log's library writes it out.
fn colored(text: &str) -> String {
    if !text.contains(is_unsafe) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        out += &terminal::escaped(&rest[..at]);
        let length = color(&rest[at..]);
        match length {
            Some(length) => out += &rest[at..at + length],
            None => out += "\\x1b",
        }
        rest = &rest[at + length.unwrap_or(1)..];
    }
    out + &terminal::escaped(rest)
}

fn color(text: &str) -> Option<usize> {
    let digits = text.strip_prefix("\u{1b}[")?;
    let end = digits.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    digits[end..].starts_with('m').then_some(end + 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: LogFormat, is_colored: bool, line: &str) -> String {
        let mut safe = Safe { inner: Vec::new(), format, is_colored };
        safe.write_all(line.as_bytes()).unwrap();
        String::from_utf8(safe.inner).unwrap()
    }

    #[test]
    fn lines_have_no_controls_but_our_own_colors() {
        let line = "\u{1b}[32mINFO\u{1b}[0m 平安\rgone \u{9b}31m \u{202e}x \u{1b}]0;t\u{7}\n";
        let plain = written(LogFormat::Text, false, line);
        assert_eq!(plain.matches(is_unsafe).count(), 0, "{plain:?}");
        assert!(plain.contains("平安\\rgone") && plain.ends_with('\n'), "{plain:?}");
        let colored = written(LogFormat::Text, true, line);
        assert!(colored.starts_with("\u{1b}[32mINFO\u{1b}[0m 平安\\rgone"), "{colored:?}");
        assert_eq!(colored.matches(is_unsafe).count(), 2, "{colored:?}");
        let json = written(LogFormat::Json, false, "{\"message\":\"\u{7f}\u{9b}\"}\n");
        assert_eq!(json, "{\"message\":\"\\u007f\\u009b\"}\n");
    }
}
