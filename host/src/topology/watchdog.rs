//! Reports calls into plugins that do not come back.

use std::{sync::Arc, thread, time::Duration};

use crate::{
    shutdown::{Phase, Shutdown},
    telemetry::{ComponentStatus, State},
};

/// Watches components until the pipeline has ended or its time is up.
pub fn watch(
    components: Vec<Arc<ComponentStatus>>,
    shutdown: Arc<Shutdown>,
    stuck_after: Duration,
) -> std::io::Result<()> {
    let interval = (stuck_after / 4).clamp(Duration::from_millis(10), Duration::from_secs(1));
    thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
        let all_ended = |components: &[Arc<ComponentStatus>]| {
            components.iter().all(|it| matches!(it.state(), State::Ended | State::Failed))
        };
        while !all_ended(&components) && !shutdown.wait_for(Phase::Aborting, interval) {
            components.iter().for_each(|status| check(status, stuck_after));
        }
    })?;
    Ok(())
}

fn check(status: &ComponentStatus, stuck_after: Duration) {
    if let Some((call, running)) = status.find_stuck(stuck_after) {
        tracing::error!(
            component = status.id,
            plugin = status.plugin,
            call,
            seconds = running.as_secs(),
            "stuck: the plugin does not return from a call; the other components go on"
        );
    }
}
