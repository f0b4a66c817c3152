//! What a look at the components shows.

use std::{sync::Arc, time::Duration};

use dataserver_engine::{
    telemetry::{ComponentStatus, State},
    topology::{Fill, Topology},
};
use plugin_api::{ErrorKind, RoleKind};

/// Reasons under which the host itself counts records as dropped; all others are plugins' own.
const OF_THE_HOST: [&str; 6] =
    ["drop_oldest", "drop_newest", "dead_letter", "gave_up", "dead_letter_failed", "removed"];
/// Normal for a slow reader of a live feed.
const NORMAL: &str = "latest";
/// Counts uses that a sandboxed plugin was denied.
const DENIED: &str = "sandbox_denied";

/// A component at one moment. Counts are totals since it began.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its id.
    pub id: String,
    /// Its kind.
    pub kind: RoleKind,
    /// What it is doing.
    pub state: State,
    /// How long a call into its plugin has not come back.
    pub in_call: Duration,
    /// It gives no records although it should.
    pub is_silent: bool,
    /// Why its plugin says that it works worse than it should.
    pub degraded: Option<String>,
    /// Its last error; empty without one.
    pub error: String,
    /// Failures that cost an instance.
    pub fatal: u64,
    /// Records that nobody meant to lose, by reason.
    pub lost: Vec<(String, u64)>,
    /// Uses that it was denied.
    pub denied: u64,
    /// How full its queue on disk is; `None` without one.
    pub spool: Option<f64>,
}

/// All components of a pipeline.
pub fn look(topology: &Topology) -> Vec<Seen> {
    let see = |(status, fill): (Arc<ComponentStatus>, Option<Fill>)| Seen {
        id: status.id.clone(),
        kind: status.kind,
        state: status.state(),
        in_call: status.in_call(),
        is_silent: status.metrics.is_silent(),
        degraded: status.degraded(),
        error: status.last_error().unwrap_or_default(),
        fatal: status.metrics.errors_of(ErrorKind::Fatal),
        lost: lost(status.kind, status.metrics.dropped_by()),
        denied: status.metrics.counted(DENIED),
        spool: fill.filter(|fill| fill.is_on_disk).map(|fill| fill.ratio()),
    };
    topology.fills().into_iter().map(see).collect()
}

/// What a transform drops by its own rules, it was told to.
pub fn lost(
    kind: RoleKind,
    dropped: impl IntoIterator<Item = (String, u64)>,
) -> Vec<(String, u64)> {
    let is_lost = |(reason, _): &(String, u64)| match kind {
        RoleKind::Transform => OF_THE_HOST.contains(&reason.as_str()),
        RoleKind::Source | RoleKind::Sink => reason != NORMAL,
    };
    dropped.into_iter().filter(is_lost).collect()
}
