//! The host of a source that runs within Python: keeps what it tells until Python asks.

use std::{
    collections::VecDeque,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use plugin_api::{Context, HostServices, Level};

use crate::clock;

/// Most log lines that wait for Python; older ones give way.
const MOST_LINES: usize = 100;

/// What a source told.
#[derive(Debug, Default)]
pub struct Told {
    /// Lines for the log.
    pub lines: VecDeque<(Level, String)>,
    /// Whether it is connected.
    pub connected: bool,
    /// Records that did not arrive or were dropped here.
    pub missed: u64,
    /// Marks of rounds that did not arrive, and connections that ended within a round.
    pub gaps: u64,
    /// Messages that are no lists.
    pub bad_messages: u64,
    /// Records that were left out of lists because they are unfit.
    pub bad_records: u64,
}

/// Takes what a source tells.
#[derive(Debug, Default)]
pub struct Host(Mutex<Told>);

impl Host {
    /// What was told so far.
    pub fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lines since the last call, each with its level as Python's `logging` numbers it.
    pub fn take_lines(&self) -> Vec<(u8, String)> {
        let number = |level| match level {
            Level::Error => 40,
            Level::Warn => 30,
            Level::Info => 20,
            Level::Debug => 10,
        };
        self.told().lines.drain(..).map(|(level, line)| (number(level), line)).collect()
    }

    /// What a source needs to be opened; relative paths count from the working folder.
    pub fn context(host: &Arc<Self>, instance: &str, state_dir: &Path) -> Context {
        let services: Arc<dyn HostServices> = host.clone();
        Context::new(instance, std::env::current_dir().unwrap_or_default(), state_dir, services)
    }
}

impl HostServices for Host {
    fn log(&self, level: Level, message: &str) {
        let mut told = self.told();
        if told.lines.len() >= MOST_LINES {
            told.lines.pop_front();
        }
        told.lines.push_back((level, message.to_owned()));
    }

    fn dropped(&self, reason: &str, records: u64) {
        let mut told = self.told();
        match reason {
            "receive_buffer_full" | "unread_at_end" | "trimmed" => told.missed += records,
            _ => told.bad_records += records,
        }
    }

    fn count(&self, metric: &str, by: u64) {
        let mut told = self.told();
        match metric {
            "sequence_missing_total" => told.missed = told.missed.saturating_add(by),
            "source_gaps_total" => told.gaps += by,
            "messages_refused_total" => told.bad_messages += by,
            _ => {}
        }
    }

    fn gauge(&self, metric: &str, value: f64) {
        if metric == "connected" {
            self.told().connected = value > 0.0;
        }
    }

    fn now_us(&self) -> i64 {
        clock::now_us()
    }

    /// Whoever wants it to end closes it.
    fn is_stopping(&self) -> bool {
        false
    }

    fn expect_records(&self, _: Option<Duration>) {}

    /// The log has the reason; there is nowhere to keep the rest.
    fn dead_letter(&self, _: &str, _: &[u8]) {}
}
