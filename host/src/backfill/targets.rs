//! The stores of a job: queues of sinks that run.
//!
//! A batch goes into them when all have room for what can wait: so much of history lies before what
//! comes live, and no more. What was put into a queue is confirmed when its sink has it.

use std::{
    cell::RefCell,
    sync::Arc,
    time::{Duration, Instant},
};

use dataserver_backfill::{Halt, Stores};
use dataserver_engine::{
    ack::AckTracker,
    queue::Delivery,
    telemetry::ComponentStatus,
    topology::{Feed, Topology},
};
use plugin_api::Batch;

use super::stop::Stop;

/// How often a queue without room is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Records that may go at once after a pause.
const BURST: Duration = Duration::from_millis(500);

/// Sinks of a topology as stores of a job.
pub struct Targets<'a> {
    topology: &'a Topology,
    ids: &'a [String],
    stop: &'a Stop,
    /// Most records a second.
    rate: u32,
    /// Gets whom the job waits for.
    waits_for: &'a dyn Fn(Option<String>),
    state: RefCell<Sending>,
}

struct Sending {
    feeds: Vec<(String, Feed)>,
    acks: Arc<AckTracker>,
    /// When what was sent would have gone at the rate.
    due: Instant,
}

impl<'a> Targets<'a> {
    /// The sinks of these ids, before which at most `rate` records a second are put.
    pub fn new(
        topology: &'a Topology,
        ids: &'a [String],
        stop: &'a Stop,
        rate: u32,
        waits_for: &'a dyn Fn(Option<String>),
    ) -> Self {
        let (feeds, acks) = (Vec::new(), Arc::default());
        let state = RefCell::new(Sending { feeds, acks, due: Instant::now() });
        Self { topology, ids, stop, rate, waits_for, state }
    }

    /// A sink that has no room for what can wait; `None` when all have.
    fn pressed(&self) -> Option<String> {
        let state = self.state.borrow();
        state.feeds.iter().find(|(_, feed)| feed.is_pressed()).map(|(id, _)| id.clone())
    }

    fn wait_for_room(&self) -> Result<(), Halt> {
        let mut waits = false;
        while let Some(id) = self.pressed() {
            let components = self.topology.components();
            let status = components.iter().find(|status| status.id == id);
            let status = status.ok_or_else(|| gone(&id))?;
            (self.waits_for)(Some(told(status)));
            waits = true;
            self.stop.pause(LOOK_EVERY)?;
        }
        if waits {
            (self.waits_for)(None);
        }
        Ok(())
    }

    fn keep_to_rate(&self, records: u32) -> Result<(), Halt> {
        let now = Instant::now();
        let due = self.state.borrow().due;
        self.stop.pause(due.saturating_duration_since(now + BURST))?;
        let costs =
            Duration::from_secs(1).mul_f64(f64::from(records) / f64::from(self.rate.max(1)));
        self.state.borrow_mut().due = due.max(now) + costs;
        Ok(())
    }
}

impl Stores for Targets<'_> {
    fn send(&self, batch: Batch) -> Result<(), Halt> {
        self.stop.pause(Duration::ZERO)?;
        self.wait_for_room()?;
        self.keep_to_rate(batch.records())?;
        let state = self.state.borrow();
        let receipt = state.acks.track();
        for (_, feed) in &state.feeds {
            feed.send_history(Delivery { batch: batch.clone(), receipt: receipt.clone() });
        }
        receipt.ack();
        Ok(())
    }

    fn confirmed(&self) -> u64 {
        self.state.borrow().acks.confirmed()
    }

    fn is_busy(&self) -> bool {
        !self.state.borrow().acks.wait_acked(Duration::ZERO)
    }

    fn restart(&self) -> Result<(), Halt> {
        self.stop.pause(Duration::ZERO)?;
        let mut feeds = Vec::new();
        for id in self.ids {
            let feed = self.topology.feed(id).ok_or_else(|| gone(id))?;
            if !feed.knows_repeats() || !feed.keeps_all() {
                return Err(Halt::Failed(format!(
                    "sink {id} may lose or double what comes again: it needs buffer.type = \"disk\" \
                     and when_full = \"block\""
                )));
            }
            feeds.push((id.clone(), feed));
        }
        let mut state = self.state.borrow_mut();
        (state.feeds, state.acks) = (feeds, Arc::default());
        Ok(())
    }

    fn pause(&self, pause: Duration) -> Result<(), Halt> {
        self.stop.pause(pause)
    }

    fn now_us(&self) -> i64 {
        self.topology.now_us()
    }
}

fn gone(id: &str) -> Halt {
    Halt::Failed(format!(
        "sink {id} is no sink of the pipeline any more; bring it back, or cancel this with \
         `dataserver backfill --cancel`"
    ))
}

fn told(status: &ComponentStatus) -> String {
    match status.last_error().filter(|_| !status.state().is_healthy()) {
        Some(error) => format!("{} ({}: {error})", status.id, status.state().as_str()),
        None => format!("{} ({})", status.id, status.state().as_str()),
    }
}
