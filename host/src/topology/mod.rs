//! A pipeline as it runs: one thread a component, bounded queues between them.
//!
//! Follow one batch: [`source`] stamps it, [`fanout`] gives every reader its clone, a
//! [`queue`](crate::queue) keeps it, [`transform`] changes it, [`sink`] delivers it and settles its
//! [receipt](crate::ack), which the source hears of.

mod buffer;
mod fanout;
mod feed;
mod services;
mod sink;
mod source;
mod stage;
mod start;
mod summary;
mod transform;
mod watchdog;

use std::{collections::HashMap, sync::Arc, time::Duration};

use crate::{
    config::Pipeline,
    dead_letter::DeadLetters,
    queue::Queue,
    shutdown::{Phase, Shutdown},
    telemetry::{ComponentStatus, Metrics, State},
};

pub use buffer::{orphans, spool_folder};
pub use feed::Feed;
pub use services::Onlooker;
pub use start::{StartError, start, start_alone};

/// How long a component may take to return once time is up.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// A running pipeline.
#[derive(Debug)]
pub struct Topology {
    pipeline: Pipeline,
    components: Vec<Arc<ComponentStatus>>,
    /// The queue before each component that has one, by its id.
    queues: Vec<(String, Arc<Queue>)>,
    /// Where each component sets data aside, by its id.
    dead_letters: HashMap<String, Arc<DeadLetters>>,
    shutdown: Arc<Shutdown>,
    metrics: Arc<Metrics>,
    started_us: i64,
}

/// How a pipeline ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Components that failed, with their last error.
    pub failed: Vec<(String, String)>,
    /// Components that did not end within the time given.
    pub abandoned: Vec<String>,
    /// Records that were in queues when time was up and are lost.
    pub undelivered: u64,
    /// Records that wait on disk.
    pub kept: u64,
}

impl Outcome {
    /// Whether everything that came in was delivered or is kept.
    pub fn is_success(&self) -> bool {
        self.failed.is_empty() && self.abandoned.is_empty() && self.undelivered == 0
    }
}

impl Topology {
    /// The pipeline that runs.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// Every component, in the order of the file.
    pub fn components(&self) -> &[Arc<ComponentStatus>] {
        &self.components
    }

    /// A way into a sink or transform beside its inputs; `None` when there is no such component.
    pub fn feed(&self, id: &str) -> Option<Feed> {
        let (_, queue) = self.queues.iter().find(|(reader, _)| reader == id)?;
        let letters = self.dead_letters.get(id)?;
        Some(Feed::new(Arc::clone(queue), Arc::clone(letters), Arc::clone(&self.shutdown)))
    }

    /// What tells the pipeline to end.
    pub fn shutdown(&self) -> &Arc<Shutdown> {
        &self.shutdown
    }

    /// All metrics as Prometheus reads them.
    pub fn metrics_text(&self) -> String {
        for (id, queue) in &self.queues {
            if let Some(status) = self.components.iter().find(|status| status.id == *id) {
                let fill = queue.fill();
                status.metrics.buffer(fill.records, fill.bytes, queue.max_bytes());
            }
        }
        self.metrics.encode()
    }

    /// Waits for the end of all sources or for a shutdown, then until everything is delivered or
    /// the time for it is over.
    pub fn wait(&self) -> Outcome {
        let timeout = self.pipeline.host.drain_timeout;
        if !self.shutdown.wait_ended_or_stopping() && !self.shutdown.wait_ended(timeout) {
            self.shutdown.advance(Phase::Aborting);
            self.queues.iter().for_each(|(_, queue)| queue.abort());
            self.shutdown.wait_last(LAST_WAIT);
        }
        self.outcome()
    }

    fn outcome(&self) -> Outcome {
        let undelivered = self.queues.iter().map(|(_, queue)| queue.undelivered()).sum();
        let kept = self.queues.iter().map(|(_, queue)| queue.kept()).sum();
        let mut outcome = Outcome { failed: Vec::new(), abandoned: Vec::new(), undelivered, kept };
        for status in &self.components {
            match status.state() {
                State::Ended => {}
                State::Failed => {
                    let error = status.last_error().unwrap_or_default();
                    outcome.failed.push((status.id.clone(), error));
                }
                _ => outcome.abandoned.push(status.id.clone()),
            }
        }
        outcome
    }
}
