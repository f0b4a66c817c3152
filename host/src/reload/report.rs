//! How a reload went.

use std::time::Duration;

use dataserver_config::Faults;
use dataserver_engine::topology::{Applied, ChangeError, Plan};
use serde::{Deserialize, Serialize};

/// Columns of a report on faults.
const WIDTH: usize = 100;

/// How a reload went, as the control interface tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// What came of it.
    pub outcome: Outcome,
    /// What was to be done, when it got that far.
    pub plan: Option<Plan>,
    /// Why the pipeline goes on as it was.
    pub reason: Option<String>,
    /// Removed components whose plugins do not come back from a call.
    pub left_behind: Vec<String>,
    /// Milliseconds that it took.
    pub duration_ms: u64,
    /// Longest time in which a component passed nothing on, in microseconds.
    pub gap_us: u64,
    /// Nothing was changed, because only the plan was asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub checked: bool,
}

/// What came of a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The pipeline is what the file says.
    Done,
    /// It was that already.
    Unchanged,
    /// The file or a plugin cannot work; the pipeline goes on as it was.
    Refused,
    /// A step failed; the pipeline goes on as it was.
    Failed,
}

impl Report {
    /// The pipeline is what the file says.
    pub fn applied(applied: Applied) -> Self {
        let outcome = if applied.plan.is_empty() { Outcome::Unchanged } else { Outcome::Done };
        Self {
            plan: Some(applied.plan),
            left_behind: applied.left_behind,
            gap_us: u64::try_from(applied.gap.as_micros()).unwrap_or(u64::MAX),
            ..Self::of(outcome, None)
        }
    }

    /// What the pipeline would become.
    pub fn planned(plan: Plan) -> Self {
        let outcome = if plan.is_empty() { Outcome::Unchanged } else { Outcome::Done };
        Self { plan: Some(plan), ..Self::of(outcome, None) }
    }

    /// The file has faults.
    pub fn refused(faults: &Faults) -> Self {
        let reason = faults.render(false, WIDTH);
        Self::of(Outcome::Refused, Some(reason.trim_end().to_owned()))
    }

    /// A step failed.
    pub fn failed(error: &ChangeError) -> Self {
        let outcome = if error.is_config() { Outcome::Refused } else { Outcome::Failed };
        Self::of(outcome, Some(error.to_string()))
    }

    /// The same, with the time that it took.
    pub fn took(self, duration: Duration) -> Self {
        let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self { duration_ms, ..self }
    }

    fn of(outcome: Outcome, reason: Option<String>) -> Self {
        let (left_behind, duration_ms, gap_us) = (Vec::new(), 0, 0);
        Self { outcome, plan: None, reason, left_behind, duration_ms, gap_us, checked: false }
    }
}
