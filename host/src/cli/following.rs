//! Shows how far a pipeline is that plays recordings as fast as it can.

use std::{
    io::{self, IsTerminal},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use dataserver_config::Pipeline;
use dataserver_engine::{
    telemetry::ComponentStatus,
    topology::{Outcome, Topology},
};
use plugin_api::RoleKind;

use super::progress::{Progress, Unit};
use crate::embed::Host;

const DRAW_EVERY: Duration = Duration::from_millis(200);
/// Option of sources that play at a speed; 0 is as fast as possible.
const SPEED: &str = "speed";
/// Gauges of sources that know how many rows they have to read, and how many they have read.
const ROWS: &str = "source_rows";
const ROWS_READ: &str = "source_rows_read";
/// Gauge of components that print to stdout, beside which no bar can be drawn.
const PRINTS: &str = "uses_stdout";

/// Waits for the end of a host; on a terminal with a bar, if one of its sources has no end to wait for
/// but that of what it reads.
pub fn wait(host: &Host) -> Outcome {
    let topology = host.topology();
    if !io::stderr().is_terminal() || !is_at_full_speed(&topology.pipeline()) {
        return host.wait();
    }
    let has_ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let builder = thread::Builder::new().name("progress".to_owned());
        // without a thread there is no bar
        let drawing = builder.spawn_scoped(scope, || draw(topology, &has_ended));
        let outcome = host.wait();
        has_ended.store(true, Ordering::Release);
        if let Ok(drawing) = drawing {
            drawing.thread().unpark();
        }
        outcome
    })
}

fn is_at_full_speed(pipeline: &Pipeline) -> bool {
    let sources = pipeline.components.iter().filter(|it| it.kind == RoleKind::Source);
    let mut speeds = sources.filter_map(|source| source.options.get(SPEED)?.as_f64());
    speeds.any(|speed| speed.abs() < f64::EPSILON)
}

fn draw(topology: &Topology, has_ended: &AtomicBool) {
    let mut drawn: Option<Progress> = None;
    loop {
        thread::park_timeout(DRAW_EVERY);
        if has_ended.load(Ordering::Acquire) {
            return;
        }
        let components = topology.components();
        if components.iter().any(|it| it.metrics.measured(PRINTS).is_some()) {
            return;
        }
        let sources: Vec<_> = components.iter().filter(|it| it.kind == RoleKind::Source).collect();
        let Some(first) = sources.first() else { continue };
        let progress =
            drawn.get_or_insert_with(|| Progress::new(&first.id, None, Unit::Of("records")));
        let rows: Option<Vec<_>> = sources.iter().map(|source| rows(source)).collect();
        if let Some(rows) = rows {
            progress.of(rows.iter().map(|(all, _)| all).sum());
            progress.at(rows.iter().map(|(_, read)| read).sum());
        } else {
            progress.at(sources.iter().map(|source| source.metrics.records_in.get()).sum());
        }
    }
}

/// Rows that a source has to read, and has read, where it tells.
fn rows(source: &ComponentStatus) -> Option<(u64, u64)> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // counts of rows
    let count = |gauge| Some(source.metrics.measured(gauge)?.max(0.0) as u64);
    Some((count(ROWS)?, count(ROWS_READ)?))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use dataserver_config::{self as config, Carrier, Catalog, NotFound, ProcessEnvironment};
    use plugin_api::Role;

    use super::*;

    /// Every plugin is there and takes any option.
    struct Anything;

    impl Catalog for Anything {
        fn find(
            &self,
            _: &str,
            kind: RoleKind,
            _: Option<Carrier>,
        ) -> Result<(Role, Carrier), NotFound> {
            let role = Role {
                kind,
                options_schema: serde_json::json!({ "type": "object" }),
                delivery: None,
                ordered: true,
                max_records: 1,
                max_wait: Duration::ZERO,
            };
            Ok((role, Carrier::Native))
        }
    }

    #[test]
    fn only_a_source_that_plays_as_fast_as_it_can_is_followed() {
        for (speed, is_followed) in
            [("", false), ("speed = 0", true), ("speed = 0.0", true), ("speed = 1.5", false)]
        {
            let text = format!(
                "[sources.day]\nplugin = \"a\"\n{speed}\n\
                 [sinks.end]\nplugin = \"b\"\ninputs = [\"day\"]\nspeed = 0\n"
            );
            let parsed = config::load_text(&text, Path::new("p.toml"), &ProcessEnvironment);
            let pipeline = parsed.unwrap().resolve(&Anything).unwrap();
            assert_eq!(is_at_full_speed(&pipeline), is_followed, "{speed}");
        }
    }
}
