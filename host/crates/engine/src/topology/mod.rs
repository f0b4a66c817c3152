//! A pipeline as it runs: one thread a component, bounded queues between them.
//!
//! Follow one batch: [`source`] stamps it, [`fanout`] gives every reader its clone, a
//! [`queue`](crate::queue) buffers it, [`transform`] changes it, [`sink`] delivers it and
//! acknowledges its [receipt](crate::ack), which is confirmed to the source.

mod buffer;
mod change;
mod describe;
mod error;
mod fanout;
mod feed;
mod fill;
mod gate;
mod group;
mod handoff;
mod node;
mod pauses;
mod plan;
mod plugin_file;
mod preflight;
mod questions;
mod readers;
mod reroute;
mod runner;
mod runtime;
mod services;
mod sink;
mod source;
mod stage;
mod start;
mod summary;
mod transform;
mod watchdog;
mod worker;

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use dataserver_config::Pipeline;
use dataserver_spool::Unacknowledged;

use self::{node::Node, runtime::RuntimeContext};
use crate::{
    observer::Observer,
    shutdown::{Phase, Shutdown},
    telemetry::{ComponentStatus, State},
};

pub use buffer::{orphans, spool_folder};
pub use change::Applied;
pub use describe::{Described, QueueFigures};
pub use error::ChangeError;
pub use feed::Feed;
pub use fill::Fill;
pub use pauses::PauseError;
pub use plan::{Changed, Plan, RestartRequired};
pub use plugin_file::PluginFile;
pub use questions::NoAnswer;
pub use readers::Told;
pub use services::null_host;
pub use start::{start, start_alone, start_sinks};

/// How long a component may take to return after an abort.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// A running pipeline, which can be changed into another one.
#[derive(Debug)]
pub struct Topology {
    graph: Arc<Mutex<Graph>>,
    /// Held while the pipeline changes.
    changing: Mutex<()>,
    /// The first start is complete.
    has_begun: AtomicBool,
    runtime: RuntimeContext,
    started_us: i64,
}

/// A pipeline and its nodes.
#[derive(Debug)]
struct Graph {
    pipeline: Arc<Pipeline>,
    /// In the order of the file.
    nodes: Vec<Node>,
    /// Nodes that are being added or removed.
    in_transition: Vec<Node>,
}

impl Graph {
    /// Status of all components, also of those being added or removed.
    fn statuses(&self) -> Vec<Arc<ComponentStatus>> {
        self.nodes.iter().chain(&self.in_transition).map(|node| Arc::clone(&node.status)).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a pipeline ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Components that failed, with their last error.
    pub failed: Vec<(String, String)>,
    /// Components that did not end in time.
    pub abandoned: Vec<String>,
    /// Records that were in queues at an abort and are lost.
    pub undelivered: u64,
    /// Records that stay on disk.
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
    pub fn pipeline(&self) -> Arc<Pipeline> {
        Arc::clone(&lock(&self.graph).pipeline)
    }

    /// Every component, in the order of the file.
    pub fn components(&self) -> Vec<Arc<ComponentStatus>> {
        lock(&self.graph).nodes.iter().map(|node| Arc::clone(&node.status)).collect()
    }

    /// Whether the pipeline starts, or one of its components for the first time.
    pub fn is_starting(&self) -> bool {
        !self.has_begun.load(Ordering::Acquire)
            || self.components().iter().any(|status| status.is_new())
    }

    /// Feeds a sink or transform beside its inputs; `None` when there is no such component.
    pub fn feed(&self, id: &str) -> Option<Feed> {
        self.nodes().iter().find_map(|node| node.feed(id, &self.runtime.shutdown))
    }

    /// Acknowledges all damage in a component's buffer on disk; `None` when there is no such
    /// component, or its buffer is in memory.
    pub fn acknowledge_damage(&self, id: &str) -> Option<io::Result<Unacknowledged>> {
        let node = self.nodes().into_iter().find(|node| node.component.id == id)?;
        let queue = node.queue.filter(|queue| queue.is_on_disk())?;
        Some(queue.acknowledge_damage())
    }

    /// Sees what passes; only while `[host] http` is set.
    pub fn observer(&self) -> Option<&Arc<Observer>> {
        self.runtime.observer.as_ref()
    }

    /// Shuts the pipeline down.
    pub fn shutdown(&self) -> &Arc<Shutdown> {
        &self.runtime.shutdown
    }

    /// All metrics in Prometheus' text format.
    pub fn metrics_text(&self) -> String {
        for node in self.nodes() {
            if let Some(queue) = &node.queue {
                let size = queue.size();
                node.status.metrics.buffer(size.records, size.bytes, queue.max_bytes());
            }
            let unseen = node.fanout.as_ref().map_or(0, |fanout| fanout.take_unseen());
            if unseen > 0 {
                node.status.metrics.unseen(unseen);
            }
        }
        self.runtime.metrics.encode()
    }

    /// Waits for the end of all sources or for a shutdown, then until everything is delivered or
    /// `[host] drain_timeout` has passed.
    pub fn wait(&self) -> Outcome {
        let shutdown = &self.runtime.shutdown;
        let ended = shutdown.wait_ended_or_stopping();
        let timeout = self.pipeline().host.drain_timeout;
        if !ended && !shutdown.wait_ended(timeout) {
            shutdown.advance(Phase::Aborting);
            let graph = lock(&self.graph);
            let nodes: Vec<_> = graph.nodes.iter().chain(&graph.in_transition).cloned().collect();
            drop(graph);
            nodes.iter().filter_map(|node| node.queue.as_ref()).for_each(|queue| queue.abort());
            shutdown.wait_last(LAST_WAIT);
        }
        self.outcome()
    }

    fn outcome(&self) -> Outcome {
        let nodes = self.nodes();
        let queues = || nodes.iter().filter_map(|node| node.queue.as_ref());
        let undelivered = queues().map(|queue| queue.undelivered()).sum();
        let kept = queues().map(|queue| queue.kept()).sum();
        let mut outcome = Outcome { failed: Vec::new(), abandoned: Vec::new(), undelivered, kept };
        for status in nodes.iter().map(|node| &node.status) {
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

    fn nodes(&self) -> Vec<Node> {
        lock(&self.graph).nodes.clone()
    }

    fn commit(&self, pipeline: Pipeline, nodes: Vec<Node>) {
        let mut graph = lock(&self.graph);
        graph.pipeline = Arc::new(pipeline);
        graph.nodes = nodes;
    }

    /// Notes the nodes that are being added or removed.
    fn note_in_transition<'a>(&self, nodes: impl Iterator<Item = &'a Node>) {
        lock(&self.graph).in_transition = nodes.cloned().collect();
    }
}
