//! Spawns the worker threads of a component.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use plugin_api::{Context, HostServices, Provenance};

use super::{
    fanout::Fanout,
    handoff::{WorkerEnd, handoff_channel},
    node::Node,
    runner::Runner,
    runtime::RuntimeContext,
    services::Services,
    sink::SinkLoop,
    source::SourceLoop,
    stage::Stage,
    transform::TransformLoop,
};
use crate::{
    queue::Queue,
    shutdown::{Phase, Shutdown},
    telemetry::{ComponentStatus, WorkerStatus},
};

/// Spawns the threads of a component; `known_good` ones retry when the plugin does not open.
pub fn start(node: &Node, runtime: &RuntimeContext, known_good: bool) -> std::io::Result<Runner> {
    let shutdown = runtime.shutdown.child();
    let exit = Arc::new(Exit {
        shutdown: Arc::clone(&shutdown),
        status: Arc::clone(&node.status),
        queue: node.queue.clone(),
        fanout: node.fanout.clone(),
        owns_queue: AtomicBool::new(true),
    });
    let mut handles = Vec::new();
    for _ in 0..node.component.workers.max(1) {
        let (worker, handle) = handoff_channel(known_good);
        if let Err(error) = spawn(node, runtime, &shutdown, worker, &exit) {
            shutdown.advance(Phase::Aborting);
            return Err(error);
        }
        handles.push(handle);
    }
    Ok(Runner::new(shutdown, handles))
}

/// Releases the component's readers and writers when its last thread ends, also by a panic of the
/// host.
struct Exit {
    shutdown: Arc<Shutdown>,
    status: Arc<ComponentStatus>,
    queue: Option<Arc<Queue>>,
    fanout: Option<Arc<Fanout>>,
    /// No successor has taken the queue over.
    owns_queue: AtomicBool,
}

impl Drop for Exit {
    fn drop(&mut self) {
        if let Some(fanout) = self.fanout.as_ref().filter(|_| thread::panicking()) {
            fanout.close();
        }
        if let Some(queue) = self.queue.as_ref().filter(|_| self.owns_queue.load(Ordering::Acquire))
        {
            if self.shutdown.is_cancelled() {
                self.status.note_dropped("removed", queue.discard());
            } else {
                queue.abort();
            }
        }
    }
}

/// Retires the status of a thread when it ends.
struct Done(WorkerStatus);

impl Drop for Done {
    fn drop(&mut self) {
        self.0.retire();
    }
}

fn spawn(
    node: &Node,
    runtime: &RuntimeContext,
    shutdown: &Arc<Shutdown>,
    worker: WorkerEnd,
    exit: &Arc<Exit>,
) -> std::io::Result<()> {
    let stage = stage(node, runtime, shutdown);
    let clock = Arc::clone(&runtime.clock);
    let (queue, fanout, exit) = (node.queue.clone(), node.fanout.clone(), Arc::clone(exit));
    let (shutdown, done) = (Arc::clone(shutdown), Done(stage.status.clone()));
    let active = shutdown.active_guard();
    thread::Builder::new().name(node.component.id.clone()).spawn(move || {
        done.0.note_thread();
        match (queue, fanout) {
            (None, Some(fanout)) => {
                let mut provenance = Provenance::of_source(&stage.component.id);
                // sequence numbers that the host assigns restart with every run
                provenance.epoch = u64::try_from(clock.now_us()).unwrap_or_default();
                SourceLoop { stage, fanout, clock, provenance }.run(&worker);
            }
            (Some(queue), Some(fanout)) => {
                TransformLoop { stage, queue, fanout, in_flight: None }.run(&worker);
            }
            (Some(queue), None) => SinkLoop::new(stage, queue, clock).run(&worker),
            (None, None) => {}
        }
        // a queue that was handed off, or never read, belongs to another runner
        if shutdown.stop_requested() || !worker.has_started() {
            exit.owns_queue.store(false, Ordering::Release);
        }
        drop((exit, done));
        drop(active);
    })?;
    Ok(())
}

fn stage(node: &Node, runtime: &RuntimeContext, shutdown: &Arc<Shutdown>) -> Stage {
    let id = &node.component.id;
    let services = Services {
        status: Arc::clone(&node.status),
        shutdown: Arc::clone(shutdown),
        clock: Arc::clone(&runtime.clock),
        dead_letters: Arc::clone(&node.letters),
    };
    let services: Arc<dyn HostServices> = Arc::new(services);
    let mut stage = Stage::new(
        node.component.clone(),
        Arc::clone(&node.plugin),
        Context::new(id, &runtime.base_dir, runtime.state_dir(id), services),
        node.queue.clone(),
        node.status.join(),
        Arc::clone(shutdown),
        Arc::clone(&node.letters),
    );
    stage.questions = Arc::clone(&node.questions);
    stage
}
