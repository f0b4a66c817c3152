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
    buffer::{Around, make_queue},
    fanout::Fanout,
    feed::Feed,
    runner::Runner,
    surrounds::Surrounds,
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
pub struct Slot {
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
    around: Option<Arc<Around>>,
    runner: Arc<RwLock<Option<Arc<Runner>>>>,
}

impl Slot {
    /// A place for a new component, with what an earlier run left in its queue.
    ///
    /// # Errors
    /// When the folder of a queue on disk cannot be used.
    pub fn new(
        component: Component,
        plugin: Arc<dyn Plugin>,
        pipeline: &Pipeline,
        all: &Surrounds,
    ) -> Result<Self, ChangeError> {
        let Component { id, kind, .. } = &component;
        let status = status(&component, all);
        let around = (*kind != RoleKind::Source).then(|| Around::new(&status, &all.shutdown));
        let queue = around.as_ref().map(|around| make_queue(&component, pipeline, around));
        let folder = dead_letter::folder(&all.data_dir).join(id);
        let letters = Arc::new(DeadLetters::new(id, folder, Arc::clone(&all.clock)));
        Ok(Self {
            queue: queue.transpose()?.map(Arc::new),
            fanout: (*kind != RoleKind::Sink).then(Arc::default),
            status,
            letters,
            around,
            runner: Arc::default(),
            component,
            plugin,
        })
    }

    /// The same place with other settings, and with nobody at work.
    pub fn changed(&self, component: Component, plugin: Arc<dyn Plugin>, all: &Surrounds) -> Self {
        let status = if component.plugin == self.component.plugin {
            Arc::clone(&self.status)
        } else {
            status(&component, all)
        };
        Self { component, plugin, status, runner: Arc::default(), ..self.clone() }
    }

    /// The same place and who works there, with other inputs.
    pub fn rerouted(&self, component: Component) -> Self {
        Self { component, ..self.clone() }
    }

    /// Makes the queue before it one of this component's settings and status.
    pub fn adopt_queue(&self) {
        if let Some(queue) = &self.queue {
            queue.configure(self.component.buffer);
        }
        if let Some(around) = &self.around {
            around.read_by(&self.status);
        }
        if let Some(queue) = &self.queue {
            queue.tell_damage();
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
    pub fn shut(&self) {
        if let Some(queue) = &self.queue {
            queue.abort();
        }
        if let Some(fanout) = &self.fanout {
            fanout.close();
        }
    }

    /// Lets whoever works at another place with the same queue and way out work here.
    pub fn take_from(&self, other: &Self) {
        let mut here = self.runner.write().unwrap_or_else(PoisonError::into_inner);
        *here = other.runner();
    }

    /// Leaves the place without anybody.
    pub fn unemploy(&self) {
        self.runner.write().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Puts somebody to work there.
    pub fn employ(&self, runner: Runner) -> Arc<Runner> {
        let runner = Arc::new(runner);
        let mut at_work = self.runner.write().unwrap_or_else(PoisonError::into_inner);
        *at_work = Some(Arc::clone(&runner));
        runner
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("component", &self.component).finish_non_exhaustive()
    }
}

fn status(component: &Component, all: &Surrounds) -> Arc<ComponentStatus> {
    let Component { id, kind, plugin, .. } = component;
    ComponentStatus::new(id, *kind, plugin, all.metrics.component(id, *kind, plugin))
}
