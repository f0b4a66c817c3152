//! Reports calls into plugins that do not return, and sources that fall silent; samples what
//! happens each second.

use std::{
    sync::{Arc, Mutex, Weak},
    thread,
    time::{Duration, Instant},
};

use super::{Graph, lock};
use crate::{
    shutdown::{Phase, Shutdown},
    telemetry::ComponentStatus,
};

/// Longest interval between two checks.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// Watches the components of a pipeline until it is dropped or aborted.
pub fn watch(graph: Weak<Mutex<Graph>>, shutdown: Arc<Shutdown>) -> std::io::Result<()> {
    thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
        loop {
            let Some(graph) = graph.upgrade() else { return };
            let (stuck_after, statuses) = {
                let graph = lock(&graph);
                (graph.pipeline.host.stuck_after, graph.statuses())
            };
            drop(graph);
            let now = Instant::now();
            for status in &statuses {
                check(status, stuck_after);
                status.sample(now);
            }
            let pause = (stuck_after / 4).clamp(Duration::from_millis(10), MAX_PAUSE);
            if shutdown.wait_for(Phase::Aborting, pause) {
                return;
            }
        }
    })?;
    Ok(())
}

fn check(status: &ComponentStatus, stuck_after: Duration) {
    let (component, plugin) = (status.id.as_str(), status.plugin.as_str());
    if let Some((call, running)) = status.find_stuck(stuck_after) {
        tracing::error!(
            component,
            plugin,
            call,
            seconds = running.as_secs(),
            "stuck: the plugin does not return from a call; the other components go on"
        );
    }
    match status.check_silence() {
        Some(Some(silent)) => tracing::error!(
            component,
            plugin,
            seconds = silent.as_secs(),
            "silent: the source gives no records in the middle of a session; look at its last \
             errors, and whether what it reads still delivers"
        ),
        Some(None) => tracing::info!(component, plugin, "the source is no longer silent"),
        None => {}
    }
}
