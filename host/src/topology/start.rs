//! Wires a pipeline and starts its threads: sinks and transforms first, then sources.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use plugin_api::{Context, ErrorKind, HostServices, PluginError, Provenance, RoleKind};

use super::{
    LAST_WAIT, Topology,
    buffer::make_queue,
    fanout::Fanout,
    feed::Feed,
    services::Services,
    sink::SinkLoop,
    source::SourceLoop,
    stage::{Report, Stage, Started},
    transform::TransformLoop,
    watchdog,
};
use crate::{
    clock::Clock,
    config::{Component, Pipeline, WhenFull},
    dead_letter::{self, DeadLetters},
    plugin::{Plugin, PluginCatalog},
    queue::Queue,
    shutdown::{Phase, Shutdown},
    telemetry::{ComponentStatus, Metrics},
};

/// How often a start that takes long looks whether it should go on.
const POLL: Duration = Duration::from_millis(20);

/// Why a pipeline did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Components whose plugins refused their options or could not start.
    #[error("{}", .0.iter().map(|(id, error)| format!("{id}: {error}")).collect::<Vec<_>>().join("\n"))]
    Components(Vec<(String, PluginError)>),
    /// A plugin that was there when the pipeline was checked is gone.
    #[error("{0}: {1}")]
    Plugin(String, String),
    /// The folder of a buffer on disk cannot be used.
    #[error("{component}: buffer on disk {}: {error}; mend the folder, or set another `data_dir`",
        folder.display())]
    Spool {
        /// The sink.
        component: String,
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The system gave no thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

impl StartError {
    /// Whether the pipeline file has to be changed for it to start.
    pub fn is_config(&self) -> bool {
        matches!(self, Self::Components(failed)
            if failed.iter().any(|(_, error)| error.kind == ErrorKind::Config))
    }
}

/// Starts a pipeline, which ends when `shutdown` says so.
///
/// A shutdown that begins meanwhile does not wait for plugins that do not open: the pipeline counts
/// as started, and [`Topology::wait`] ends it.
///
/// # Errors
/// When a plugin refuses its options or cannot start. A server that is away is no reason: its sink
/// goes on trying while records wait.
pub fn start(
    pipeline: Pipeline,
    catalog: &PluginCatalog,
    clock: &Arc<dyn Clock>,
    shutdown: Arc<Shutdown>,
) -> Result<Topology, StartError> {
    start_with(pipeline, catalog, clock, shutdown, |_| ()).map(|(topology, ())| topology)
}

/// Starts one sink of a pipeline alone, with what waits in its buffer on disk.
///
/// It runs until the way into it is dropped and everything is delivered.
///
/// # Errors
/// As [`start`].
pub fn start_alone(
    pipeline: &Pipeline,
    sink: &Component,
    catalog: &PluginCatalog,
    clock: &Arc<dyn Clock>,
    shutdown: &Arc<Shutdown>,
) -> Result<(Topology, Feed), StartError> {
    let mut sink = Component { inputs: Vec::new(), ..sink.clone() };
    // nobody is there to be held up, and nothing must be lost
    sink.buffer.when_full = WhenFull::Block;
    sink.retry.dead_letter = true;
    let id = sink.id.clone();
    let pipeline = Pipeline { components: vec![sink], ..pipeline.clone() };
    // before the sink looks, which would take a queue without a writer for the end
    let feed = |wiring: &Wiring| {
        let (queue, letters) = (&wiring.queues[&id], &wiring.dead_letters[&id]);
        Feed::new(Arc::clone(queue), Arc::clone(letters), Arc::clone(shutdown))
    };
    start_with(pipeline, catalog, clock, Arc::clone(shutdown), feed)
}

fn start_with<T>(
    pipeline: Pipeline,
    catalog: &PluginCatalog,
    clock: &Arc<dyn Clock>,
    shutdown: Arc<Shutdown>,
    before: impl FnOnce(&Wiring) -> T,
) -> Result<(Topology, T), StartError> {
    let metrics = Arc::new(Metrics::default());
    let wiring = Wiring::new(&pipeline, catalog, &metrics, clock, &shutdown)?;
    let made = before(&wiring);
    let started_us = clock.now_us();
    let components: Vec<_> =
        pipeline.components.iter().map(|it| Arc::clone(&wiring.statuses[&it.id])).collect();
    // first of all, because a plugin may already hang when it is opened
    watchdog::watch(components.clone(), Arc::clone(&shutdown), pipeline.host.stuck_after)?;
    if let Err(error) = open_all(&pipeline, &wiring, clock, &shutdown) {
        shutdown.advance(Phase::Aborting);
        wiring.queues.values().for_each(|queue| queue.abort());
        // no thread may outlive a failed start but one that its plugin does not let go
        shutdown.wait_last(pipeline.host.drain_timeout);
        return Err(error);
    }
    let (queues, dead_letters) = (wiring.queues.into_iter().collect(), wiring.dead_letters);
    let topology =
        Topology { pipeline, components, queues, dead_letters, shutdown, metrics, started_us };
    Ok((topology, made))
}

/// Opens what reads before what writes. Ways out that nobody took are dropped on the way back.
fn open_all(
    pipeline: &Pipeline,
    wiring: &Wiring,
    clock: &Arc<dyn Clock>,
    shutdown: &Arc<Shutdown>,
) -> Result<(), StartError> {
    let mut fanouts = wiring.fanouts(pipeline);
    let (downstream, upstream): (Vec<_>, Vec<_>) =
        pipeline.components.iter().partition(|component| component.kind != RoleKind::Source);
    for components in [downstream, upstream] {
        let (started, reports) = sync_channel(components.len().max(1));
        for component in &components {
            let mut fanout = fanouts.remove(&component.id);
            let closing = wiring.queues.get(&component.id).map(close_when_dropped);
            for worker in 0..component.workers.max(1) as usize {
                let stage = wiring.stage(component, worker, pipeline, shutdown, clock);
                spawn(stage, fanout.take(), closing.clone(), clock, shutdown, started.clone())?;
            }
        }
        drop(started);
        all_started(&reports, shutdown)?;
    }
    Ok(())
}

/// Waits for all reports; not much longer once one component has failed or a shutdown has begun.
fn all_started(reports: &Receiver<Report>, shutdown: &Shutdown) -> Result<(), StartError> {
    let mut failed = Vec::new();
    let mut deadline: Option<Instant> = None;
    loop {
        match reports.recv_timeout(POLL) {
            Ok((_, Ok(()))) => {}
            Ok((id, Err(error))) => {
                // each worker of a component says the same
                if !failed.iter().any(|(other, _)| *other == id) {
                    failed.push((id, error));
                }
                deadline.get_or_insert_with(|| Instant::now() + LAST_WAIT);
            }
            Err(RecvTimeoutError::Timeout) => {
                if shutdown.is_stopping() || deadline.is_some_and(|it| Instant::now() > it) {
                    break;
                }
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(StartError::Components(failed)) }
}

/// The parts of a pipeline, by the ids of their components.
struct Wiring {
    statuses: HashMap<String, Arc<ComponentStatus>>,
    plugins: HashMap<String, Arc<dyn Plugin>>,
    queues: HashMap<String, Arc<Queue>>,
    dead_letters: HashMap<String, Arc<DeadLetters>>,
}

impl Wiring {
    fn new(
        pipeline: &Pipeline,
        catalog: &PluginCatalog,
        metrics: &Arc<Metrics>,
        clock: &Arc<dyn Clock>,
        shutdown: &Arc<Shutdown>,
    ) -> Result<Self, StartError> {
        let letters_folder = dead_letter::folder(&pipeline.host.data_dir);
        let mut wiring = Self {
            statuses: HashMap::new(),
            plugins: HashMap::new(),
            queues: HashMap::new(),
            dead_letters: HashMap::new(),
        };
        for component in &pipeline.components {
            let Component { id, kind, plugin: name, carrier, .. } = component;
            let plugin = catalog
                .plugin(name, *kind, *carrier)
                .map_err(|missing| StartError::Plugin(id.clone(), missing.message))?
                .plugin;
            let status = ComponentStatus::new(id, *kind, name, metrics.component(id, *kind, name));
            if *kind != RoleKind::Source {
                let queue = make_queue(component, pipeline, &status, shutdown)?;
                wiring.queues.insert(id.clone(), Arc::new(queue));
            }
            let letters = DeadLetters::new(id, letters_folder.join(id), Arc::clone(clock));
            wiring.dead_letters.insert(id.clone(), Arc::new(letters));
            wiring.statuses.insert(id.clone(), status);
            wiring.plugins.insert(id.clone(), plugin);
        }
        Ok(wiring)
    }

    /// The way out of every source and transform.
    fn fanouts(&self, pipeline: &Pipeline) -> HashMap<String, Fanout> {
        let writers = pipeline.components.iter().filter(|it| it.kind != RoleKind::Sink);
        let mut fanouts: HashMap<_, _> = writers
            .map(|it| (it.id.clone(), Fanout::new(Arc::clone(&self.statuses[&it.id]))))
            .collect();
        for reader in &pipeline.components {
            for input in &reader.inputs {
                if let Some(fanout) = fanouts.get_mut(input) {
                    let status = Arc::clone(&self.statuses[&reader.id]);
                    fanout.add(status, Arc::clone(&self.queues[&reader.id]));
                }
            }
        }
        fanouts
    }

    fn stage(
        &self,
        component: &Component,
        worker: usize,
        pipeline: &Pipeline,
        shutdown: &Arc<Shutdown>,
        clock: &Arc<dyn Clock>,
    ) -> Stage {
        let id = &component.id;
        let data_dir = &pipeline.host.data_dir;
        let dead_letters = Arc::clone(&self.dead_letters[id]);
        let services = Services {
            status: Arc::clone(&self.statuses[id]),
            shutdown: Arc::clone(shutdown),
            clock: Arc::clone(clock),
            dead_letters: Arc::clone(&dead_letters),
        };
        let services: Arc<dyn HostServices> = Arc::new(services);
        let state_dir = data_dir.join("state").join(id);
        Stage::new(
            component.clone(),
            Arc::clone(&self.plugins[id]),
            Context::new(id, &pipeline.base_dir, state_dir, services),
            self.queues.get(id).map(Arc::clone),
            self.statuses[id].worker(worker),
            Arc::clone(shutdown),
            dead_letters,
        )
    }
}

/// Writers must not wait for a reader that is gone, in order or by a panic of the host itself.
struct CloseQueue(Arc<Queue>);

/// Each worker of a component has a clone.
type Closing = Arc<CloseQueue>;

fn close_when_dropped(queue: &Arc<Queue>) -> Closing {
    Arc::new(CloseQueue(Arc::clone(queue)))
}

impl Drop for CloseQueue {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn spawn(
    stage: Stage,
    fanout: Option<Fanout>,
    closing: Option<Closing>,
    clock: &Arc<dyn Clock>,
    shutdown: &Arc<Shutdown>,
    started: Started,
) -> std::io::Result<()> {
    let clock = Arc::clone(clock);
    let queue = stage.inlet.as_ref().map(Arc::clone);
    let at_work = shutdown.at_work();
    thread::Builder::new().name(stage.component.id.clone()).spawn(move || {
        match (queue, fanout) {
            (None, fanout) => {
                let mut provenance = Provenance::of_source(&stage.component.id);
                // numbers of the host's own start anew with every run
                provenance.epoch = u64::try_from(clock.now_us()).unwrap_or_default();
                SourceLoop { stage, fanout, clock, provenance }.run(started);
            }
            (Some(queue), Some(fanout)) => TransformLoop { stage, queue, fanout }.run(started),
            (Some(queue), None) => SinkLoop::new(stage, queue, clock).run(started),
        }
        drop(closing);
        drop(at_work);
    })?;
    Ok(())
}
