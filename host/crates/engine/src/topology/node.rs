//! A component's place in a running pipeline.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use dataserver_config::{Component, Pipeline};
use dataserver_loader::Plugin;
use plugin_api::RoleKind;

use super::{
    ChangeError,
    buffer::{QueueOwner, make_queue},
    fanout::Fanout,
    feed::Feed,
    runner::Runner,
    runtime::RuntimeContext,
};
use crate::{
    dead_letter::{self, DeadLetters},
    queue::Queue,
    shutdown::Shutdown,
    telemetry::ComponentStatus,
};

/// A component's place in a running pipeline: the queue before it, the way out behind it, and who
/// works there.
///
/// When the component changes, its place gets another one with the same queue and way out.
#[derive(Clone)]
pub struct Node {
    /// Its settings.
    pub component: Component,
    /// Its plugin.
    pub plugin: Arc<dyn Plugin>,
    /// What is known of it.
    pub status: Arc<ComponentStatus>,
    /// What lies before it; `None` for a source.
    pub queue: Option<Arc<Queue>>,
    /// Where its batches go; `None` for a sink.
    pub fanout: Option<Arc<Fanout>>,
    /// Where it sets data aside.
    pub letters: Arc<DeadLetters>,
    queue_owner: Option<Arc<QueueOwner>>,
    runner: Arc<RwLock<Option<Arc<Runner>>>>,
}

impl Node {
    /// A place for a new component, with what an earlier run left in its queue.
    ///
    /// # Errors
    /// When the folder of a queue on disk cannot be used.
    pub fn new(
        component: Component,
        plugin: Arc<dyn Plugin>,
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
            fanout: (*kind != RoleKind::Sink).then(Arc::default),
            status,
            letters,
            queue_owner,
            runner: Arc::default(),
            component,
            plugin,
        })
    }

    /// The same place with other settings, and with nobody at work.
    pub fn changed(
        &self,
        component: Component,
        plugin: Arc<dyn Plugin>,
        runtime: &RuntimeContext,
    ) -> Self {
        let status = if component.plugin == self.component.plugin {
            Arc::clone(&self.status)
        } else {
            status(&component, runtime)
        };
        Self { component, plugin, status, runner: Arc::default(), ..self.clone() }
    }

    /// The same place and who works there, with other inputs.
    pub fn rerouted(&self, component: Component) -> Self {
        Self { component, ..self.clone() }
    }

    /// Makes the queue before it one of this component's settings and status.
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

    /// A way into that component beside its inputs; `None` when this is another one, or a source.
    pub fn feed(&self, id: &str, shutdown: &Arc<Shutdown>) -> Option<Feed> {
        let queue = self.queue.as_ref().filter(|_| self.component.id == id)?;
        Some(Feed::new(Arc::clone(queue), Arc::clone(&self.letters), Arc::clone(shutdown)))
    }

    /// Who works there; `None` before somebody does.
    pub fn runner(&self) -> Option<Arc<Runner>> {
        self.runner.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Closes the queue and the way out, at which nobody will ever be.
    pub fn close(&self) {
        if let Some(queue) = &self.queue {
            queue.abort();
        }
        if let Some(fanout) = &self.fanout {
            fanout.close();
        }
    }

    /// Lets whoever works at another place with the same queue and way out work here.
    pub fn adopt_runner(&self, other: &Self) {
        let mut here = self.runner.write().unwrap_or_else(PoisonError::into_inner);
        *here = other.runner();
    }

    /// Leaves the place without anybody.
    pub fn clear_runner(&self) {
        self.runner.write().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Puts somebody to work there.
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
    ComponentStatus::new(id, *kind, plugin, runtime.metrics.component(id, *kind, plugin))
}
