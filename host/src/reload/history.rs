//! How the last reloads went, for those who follow.

use std::sync::{Mutex, PoisonError};

use dataserver_engine::clock::{Clock, SystemClock};
use serde::Serialize;

use super::report::{Outcome, Report};
use crate::recent::Recent;

/// Most reloads that are kept.
const MAX_RELOADS: usize = 64;
/// Longest text, bytes.
const MAX_TEXT: usize = 4_000;

/// A reload that is over.
#[derive(Debug, Clone, Serialize)]
pub struct Told {
    /// When it was, microseconds since 1970 UTC.
    pub time_us: i64,
    /// What came of it.
    pub outcome: Outcome,
    /// What was done, or why not.
    pub text: String,
}

/// The last reloads.
#[derive(Debug)]
pub struct History(Mutex<Recent<Told>>);

impl Default for History {
    fn default() -> Self {
        Self(Mutex::new(Recent::new(MAX_RELOADS)))
    }
}

impl History {
    /// Notes a reload that is over.
    pub fn note(&self, report: &Report) {
        let plan = report.plan.as_ref().map(ToString::to_string);
        let mut text = report.reason.clone().or(plan).unwrap_or_default();
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        let told = Told { time_us: SystemClock.now_us(), outcome: report.outcome, text };
        self.with(|recent| recent.push(told));
    }

    /// The number of the next reload.
    pub fn next(&self) -> u64 {
        self.with(|recent| recent.next())
    }

    /// The reloads from that number on, which moves behind them, and how many of them are gone
    /// already.
    pub fn since(&self, number: &mut u64) -> (Vec<Told>, u64) {
        self.with(|recent| recent.since(number))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Recent<Told>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
