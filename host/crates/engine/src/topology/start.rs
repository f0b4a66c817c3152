//! Starts a pipeline, or one of its sinks alone.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use dataserver_config::{Component, Pipeline, WhenFull};
use dataserver_loader::PluginCatalog;
use plugin_api::RoleKind;

use super::{
    ChangeError, Graph, Topology, feed::Feed, node::Node, runtime::RuntimeContext, watchdog,
};
use crate::{
    clock::Clock,
    shutdown::{Phase, Shutdown},
};

/// Starts a pipeline, which ends when `shutdown` says so.
///
/// A component that takes more than some seconds to open goes on opening in the background while
/// its queue fills. A shutdown that begins meanwhile does not wait for plugins to open: the
/// pipeline counts as started, and [`Topology::wait`] ends it.
///
/// # Errors
/// When a plugin refuses its options or cannot start. A server that is away is no reason: its sink
/// goes on trying while records wait.
pub fn start(
    pipeline: Pipeline,
    catalog: &PluginCatalog,
    clock: &Arc<dyn Clock>,
    shutdown: Arc<Shutdown>,
) -> Result<Topology, ChangeError> {
    let topology = Topology::empty(&pipeline, clock, shutdown)?;
    topology.begin(pipeline, catalog)?;
    Ok(topology)
}

/// Starts one sink of a pipeline alone, with what waits in its buffer on disk.
///
/// It runs until the feed is dropped and everything is delivered.
///
/// # Errors
/// As [`start`].
pub fn start_alone(
    pipeline: &Pipeline,
    sink: &Component,
    catalog: &PluginCatalog,
    clock: &Arc<dyn Clock>,
    shutdown: &Arc<Shutdown>,
) -> Result<(Topology, Feed), ChangeError> {
    let (topology, mut feeds) =
        start_sinks(pipeline, std::slice::from_ref(&sink.id), catalog, clock, shutdown)?;
    let feed = feeds.pop().ok_or(ChangeError::Ending)?;
    Ok((topology, feed))
}

/// Starts these sinks of a pipeline without all else, with what waits in their buffers on disk.
///
/// Each runs until its feed is dropped and everything is delivered.
///
/// # Errors
/// As [`start`].
pub fn start_sinks(
    pipeline: &Pipeline,
    ids: &[String],
    catalog: &PluginCatalog,
    clock: &Arc<dyn Clock>,
    shutdown: &Arc<Shutdown>,
) -> Result<(Topology, Vec<Feed>), ChangeError> {
    let is_meant = |it: &&Component| it.kind == RoleKind::Sink && ids.contains(&it.id);
    let mut sinks: Vec<_> = pipeline.components.iter().filter(is_meant).cloned().collect();
    for sink in &mut sinks {
        sink.inputs.clear();
        // no writer but the feed can block, and nothing may be lost
        sink.buffer.when_full = WhenFull::Block;
        sink.retry.dead_letter = true;
    }
    let mut pipeline = Pipeline { components: sinks, ..pipeline.clone() };
    // nobody can ask
    pipeline.host.http = None;
    // before the sinks run, which would take a queue without a writer for closed
    let feeds = |nodes: &[Node]| {
        nodes.iter().filter_map(|node| node.feed(&node.component.id, shutdown)).collect()
    };
    let topology = Topology::empty(&pipeline, clock, Arc::clone(shutdown))?;
    let feeds = topology.begin_with(pipeline, catalog, feeds)?;
    Ok((topology, feeds))
}

impl Topology {
    /// A topology for that pipeline, still without components.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn empty(
        pipeline: &Pipeline,
        clock: &Arc<dyn Clock>,
        shutdown: Arc<Shutdown>,
    ) -> std::io::Result<Self> {
        let runtime = RuntimeContext::new(pipeline, clock, shutdown)?;
        let nothing = Pipeline { components: Vec::new(), ..pipeline.clone() };
        let topology = Self {
            graph: Arc::new(Mutex::new(Graph {
                pipeline: Arc::new(nothing),
                nodes: Vec::new(),
                in_transition: Vec::new(),
            })),
            changing: Mutex::default(),
            has_begun: AtomicBool::new(false),
            started_us: clock.now_us(),
            runtime,
        };
        // first of all, because a plugin may hang while it is opened
        watchdog::watch(Arc::downgrade(&topology.graph), Arc::clone(&topology.runtime.shutdown))?;
        Ok(topology)
    }

    /// Starts the components, as [`start`] does.
    ///
    /// # Errors
    /// As [`start`].
    pub fn begin(&self, pipeline: Pipeline, catalog: &PluginCatalog) -> Result<(), ChangeError> {
        self.runtime.pauses.tell_others(&pipeline);
        self.begin_with(pipeline, catalog, |_| ())
    }

    fn begin_with<T>(
        &self,
        pipeline: Pipeline,
        catalog: &PluginCatalog,
        before: impl FnOnce(&[Node]) -> T,
    ) -> Result<T, ChangeError> {
        let drain_timeout = pipeline.host.drain_timeout;
        self.runtime.pauses.tell(&pipeline);
        match self.start_first(pipeline, catalog, before) {
            Ok(made) => {
                self.has_begun.store(true, Ordering::Release);
                Ok(made)
            }
            Err(error) => {
                self.runtime.shutdown.advance(Phase::Aborting);
                // after a failed start only threads stuck in a plugin call may remain
                self.runtime.shutdown.wait_last(drain_timeout);
                Err(error)
            }
        }
    }
}
