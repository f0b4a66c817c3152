//! The newest lines of this process's log, kept in memory for those who look on.
//!
//! They are of the process, as its log is: of two hosts in one process each shows them all.

use std::{
    fmt::{self, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use dataserver_engine::clock::{Clock, SystemClock};
use serde::Serialize;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

use crate::recent::Recent;

/// Most lines that are kept.
pub const MAX_LINES: usize = 500;
/// Most warnings and errors that are kept for those who follow.
const MAX_WARNINGS: usize = 200;
/// Longest text of a line, bytes.
const MAX_TEXT: usize = 2_000;

static KEPT: Mutex<Kept> =
    Mutex::new(Kept { lines: Recent::new(MAX_LINES), warnings: Recent::new(MAX_WARNINGS) });

/// What is kept.
struct Kept {
    /// From info up.
    lines: Recent<Arc<Line>>,
    /// From warn up.
    warnings: Recent<Arc<Line>>,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// When it was written, microseconds since 1970 UTC.
    pub time_us: i64,
    /// `error`, `warn` or `info`.
    pub level: &'static str,
    /// The component that it is about.
    pub component: Option<String>,
    /// What it says, with its values.
    pub text: String,
}

/// Keeps the lines that it is given; they are to be info and worse.
#[derive(Debug, Clone, Copy)]
pub struct Keep;

impl<S: Subscriber> Layer<S> for Keep {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = *event.metadata().level();
        let line = Arc::new(Line::of(event, level));
        let mut kept = kept();
        if level <= Level::WARN {
            kept.warnings.push(Arc::clone(&line));
        }
        kept.lines.push(line);
    }
}

/// The newest lines, at most so many, oldest first.
pub fn newest(most: usize) -> Vec<Arc<Line>> {
    kept().lines.newest(most)
}

/// The number of the next warning.
pub fn next_warning() -> u64 {
    kept().warnings.next()
}

/// The warnings and errors from that number on, which moves behind them, and how many of them are
/// gone already.
pub fn warnings_since(number: &mut u64) -> (Vec<Arc<Line>>, u64) {
    kept().warnings.since(number)
}

fn kept() -> MutexGuard<'static, Kept> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Line {
    fn of(event: &Event<'_>, level: Level) -> Self {
        let mut values = Values::default();
        event.record(&mut values);
        let Values { message, component, mut further } = values;
        further.insert_str(0, &message);
        let end = further.floor_char_boundary(MAX_TEXT);
        if end < further.len() {
            further.truncate(end);
            further.push('…');
        }
        let level = match level {
            Level::ERROR => "error",
            Level::WARN => "warn",
            _ => "info",
        };
        Self { time_us: SystemClock.now_us(), level, component, text: further }
    }
}

/// The values of an event: its message, its component, and the others as ` name=value`.
#[derive(Default)]
struct Values {
    message: String,
    component: Option<String>,
    further: String,
}

impl Visit for Values {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "component" => self.component = Some(value.to_owned()),
            _ => self.record_debug(field, &value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // writing to a string cannot fail
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.further, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::{filter::LevelFilter, layer::SubscriberExt};

    use super::*;

    /// Texts that hold that word; tests of other modules may log meanwhile.
    fn lines_with(word: &str) -> Vec<Line> {
        let lines = newest(MAX_LINES).into_iter();
        lines.map(|line| (*line).clone()).filter(|line| line.text.contains(word)).collect()
    }

    #[test]
    fn lines_are_kept_with_their_values_from_info_up() {
        let subscriber = tracing_subscriber::registry().with(Keep.with_filter(LevelFilter::INFO));
        let mut number = next_warning();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(rows = 3, word = "x\"y", "told quietly: porcupine");
            tracing::debug!("not told: porcupine");
            tracing::warn!(component = "lake", left_out = Some(2), "told: porcupine {}", 7);
        });
        let lines = lines_with("porcupine");
        let shown: Vec<_> = lines
            .iter()
            .map(|line| (line.level, line.component.as_deref(), line.text.as_str()))
            .collect();
        let expected = [
            ("info", None, "told quietly: porcupine rows=3 word=\"x\\\"y\""),
            ("warn", Some("lake"), "told: porcupine 7 left_out=2"),
        ];
        assert_eq!(shown, expected);
        assert!(lines[0].time_us > 1_600_000_000_000_000);
        let (warnings, _) = warnings_since(&mut number);
        assert_eq!(warnings.iter().filter(|line| line.text.contains("porcupine")).count(), 1);
    }

    #[test]
    fn a_long_line_is_cut() {
        let subscriber = tracing_subscriber::registry().with(Keep.with_filter(LevelFilter::INFO));
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!("hedgehog {}", "银".repeat(10_000));
        });
        let line = &lines_with("hedgehog")[0];
        assert!(line.text.len() <= MAX_TEXT + '…'.len_utf8() && line.text.ends_with('…'));
    }
}
