//! A component in a running pipeline.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use dataserver_config::{Component, Pipeline};
use dataserver_loader::{Installed, Plugin};
use plugin_api::RoleKind;

use super::{
    ChangeError,
    buffer::{QueueOwner, make_queue},
    fanout::Fanout,
    feed::Feed,
    plugin_file::PluginFile,
    questions::Questions,
    runner::Runner,
    runtime::RuntimeContext,
};
use crate::{
    dead_letter::{self, DeadLetters},
    queue::Queue,
    shutdown::Shutdown,
    telemetry::ComponentStatus,
};

/// A component in a running pipeline: its input queue, its outputs, and its runner.
///
/// A changed component gets a new runner and keeps queue and outputs.
#[derive(Clone)]
pub struct Node {
    /// Its settings.
    pub component: Component,
    /// Its plugin.
    pub plugin: Arc<dyn Plugin>,
    /// Where that came from.
    pub plugin_file: PluginFile,
    /// Its status.
    pub status: Arc<ComponentStatus>,
    /// Its input queue; `None` for a source.
    pub queue: Option<Arc<Queue>>,
    /// Its outputs; `None` for a sink.
    pub fanout: Option<Arc<Fanout>>,
    /// Its dead letters.
    pub letters: Arc<DeadLetters>,
    /// What is asked of its instance.
    pub questions: Arc<Questions>,
    queue_owner: Option<Arc<QueueOwner>>,
    runner: Arc<RwLock<Option<Arc<Runner>>>>,
}

impl Node {
    /// A node for a new component, with what an earlier run left in its queue.
    ///
    /// # Errors
    /// When the folder of a queue on disk cannot be used.
    pub fn new(
        component: Component,
        plugin: Installed,
        pipeline: &Pipeline,
        runtime: &RuntimeContext,
    ) -> Result<Self, ChangeError> {
        let Component { id, kind, .. } = &component;
        let status = status(&component, runtime);
        let queue_owner =
            (*kind != RoleKind::Source).then(|| QueueOwner::new(&status, &runtime.shutdown));
        let queue =
            queue_owner.as_ref().map(|queue_owner| make_queue(&component, pipeline, queue_owner));
        let folder = dead_letter::folder(&runtime.data_dir).join(id);
        let letters = Arc::new(DeadLetters::new(id, folder, Arc::clone(&runtime.clock)));
        Ok(Self {
            queue: queue.transpose()?.map(Arc::new),
            fanout: (*kind != RoleKind::Sink).then(|| {
                let is_source = *kind == RoleKind::Source;
                let port = runtime.observer.as_ref().map(|it| it.port(id, is_source));
                Arc::new(Fanout::observed_at(port))
            }),
            status,
            letters,
            questions: Arc::default(),
            queue_owner,
            runner: Arc::default(),
            component,
            plugin_file: PluginFile::of(&plugin),
            plugin: plugin.plugin,
        })
    }

    /// The same node with other settings and without a runner.
    pub fn changed(
        &self,
        component: Component,
        plugin: Installed,
        runtime: &RuntimeContext,
    ) -> Self {
        let status = if component.plugin == self.component.plugin {
            Arc::clone(&self.status)
        } else {
            status(&component, runtime)
        };
        Self {
            component,
            plugin_file: PluginFile::of(&plugin),
            plugin: plugin.plugin,
            status,
            runner: Arc::default(),
            ..self.clone()
        }
    }

    /// The same node and runner with other inputs.
    pub fn rerouted(&self, component: Component) -> Self {
        Self { component, ..self.clone() }
    }

    /// Applies this component's settings and status to its queue.
    pub fn apply_queue_settings(&self) {
        if let Some(queue) = &self.queue {
            queue.configure(self.component.buffer);
        }
        if let Some(queue_owner) = &self.queue_owner {
            queue_owner.set_reader(&self.status);
        }
        if let Some(queue) = &self.queue {
            queue.report_damage();
        }
    }

    /// Feeds that component beside its inputs; `None` when this is another one, or a source.
    pub fn feed(&self, id: &str, shutdown: &Arc<Shutdown>) -> Option<Feed> {
        let queue = self.queue.as_ref().filter(|_| self.component.id == id)?;
        Some(Feed::new(Arc::clone(queue), Arc::clone(&self.letters), Arc::clone(shutdown)))
    }

    /// Its runner; `None` before it has one.
    pub fn runner(&self) -> Option<Arc<Runner>> {
        self.runner.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Closes queue and fan-out of a node that was never started.
    pub fn close(&self) {
        if let Some(queue) = &self.queue {
            queue.abort();
        }
        if let Some(fanout) = &self.fanout {
            fanout.close();
        }
    }

    /// Takes over the runner of another node with the same queue and outputs.
    pub fn adopt_runner(&self, other: &Self) {
        let mut here = self.runner.write().unwrap_or_else(PoisonError::into_inner);
        *here = other.runner();
    }

    /// Drops the runner.
    pub fn clear_runner(&self) {
        self.runner.write().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Sets the runner.
    pub fn set_runner(&self, runner: Runner) -> Arc<Runner> {
        let runner = Arc::new(runner);
        let mut current = self.runner.write().unwrap_or_else(PoisonError::into_inner);
        *current = Some(Arc::clone(&runner));
        runner
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("component", &self.component).finish_non_exhaustive()
    }
}

fn status(component: &Component, runtime: &RuntimeContext) -> Arc<ComponentStatus> {
    let Component { id, kind, plugin, .. } = component;
    let metrics = runtime.metrics.component(id, *kind, plugin);
    let pause = runtime.pauses.switch(id);
    ComponentStatus::new(id, *kind, plugin, metrics, &runtime.clock, pause)
}
