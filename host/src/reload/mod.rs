//! Applies the pipeline file and the plugin folders anew while the host runs.
//!
//! A reload is a transaction: the file is read and checked as at a start, the plugins are looked up,
//! and then the running pipeline [changes](Topology::change) as a whole or not at all.

mod files;
pub mod history;
pub mod report;
pub mod watch;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Instant,
};

use dataserver_config::{self as config, Faults, ParsedConfig, Pipeline, ProcessEnvironment};
use dataserver_engine::topology::{ChangeError, Topology};
use dataserver_loader::PluginCatalog;
use tokio::sync::oneshot;

use self::{
    history::History,
    report::{Outcome, Report},
};
use crate::lock::HostLock;

/// Why the pipeline is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// SIGHUP.
    Signal,
    /// Somebody asked over the control interface.
    Request,
    /// The pipeline file or a plugin file is another one.
    Files,
}

impl Trigger {
    fn as_str(self) -> &'static str {
        match self {
            Self::Signal => "SIGHUP",
            Self::Request => "a request",
            Self::Files => "a changed file",
        }
    }
}

/// Requests reloads without waiting for their outcome.
#[derive(Debug, Clone)]
pub struct ReloadHandle(SyncSender<Trigger>);

impl ReloadHandle {
    /// A handle, and the receiver of its requests.
    pub fn new() -> (Self, Receiver<Trigger>) {
        // one pending request stands for all that come meanwhile
        let (reload_handle, requests) = sync_channel(1);
        (Self(reload_handle), requests)
    }

    /// Requests a reload, unless one is pending.
    pub fn request(&self, trigger: Trigger) {
        let _ = self.0.try_send(trigger);
    }
}

/// How a pipeline is read, each time anew.
pub type ReadPipeline = Box<dyn Fn() -> Result<ParsedConfig, Faults> + Send + Sync>;

/// Applies the pipeline file anew.
pub struct Reloader {
    read: ReadPipeline,
    topology: Arc<Topology>,
    /// What the plugin folders held when they were last looked at.
    catalog: Mutex<Arc<PluginCatalog>>,
    /// The data folder, once something is kept there. Held while something changes.
    lock: Mutex<Option<HostLock>>,
    asked: Mutex<Asked>,
    history: History,
}

/// Who waits for the next reload.
#[derive(Default)]
struct Asked {
    /// Somebody asked, who may have left since.
    is_due: bool,
    callers: Vec<oneshot::Sender<Report>>,
}

impl Reloader {
    /// For the pipeline that runs, whose plugins came from that catalog, and who has its data
    /// folder if it keeps something there. It is read anew from its file, unless told how else.
    pub fn new(
        topology: Arc<Topology>,
        catalog: PluginCatalog,
        lock: Option<HostLock>,
        read: Option<ReadPipeline>,
    ) -> Self {
        let file = topology.pipeline().file.clone();
        let read =
            read.unwrap_or_else(|| Box::new(move || config::load(&file, &ProcessEnvironment)));
        let (catalog, lock) = (Mutex::new(Arc::new(catalog)), Mutex::new(lock));
        Self { read, topology, catalog, lock, asked: Mutex::default(), history: History::default() }
    }

    /// What the plugin folders held when they were last looked at.
    pub fn catalog(&self) -> Arc<PluginCatalog> {
        Arc::clone(&locked(&self.catalog))
    }

    /// The pipeline that runs.
    pub fn topology(&self) -> &Arc<Topology> {
        &self.topology
    }

    /// How the last reloads went.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Starts the components; a reload that comes meanwhile waits for that.
    ///
    /// # Errors
    /// As [`topology::start`](dataserver_engine::topology::start).
    pub fn begin(&self, pipeline: Pipeline) -> Result<(), ChangeError> {
        let _one_at_a_time = locked(&self.lock);
        self.topology.begin(pipeline, &self.catalog())
    }

    /// Requests a reload by that handle; returns the receiver of its report.
    ///
    /// One that begins from now on does for all who ask until then, so that of however many
    /// requests one is carried out and one waits.
    pub fn ask(&self, reload_handle: &ReloadHandle) -> oneshot::Receiver<Report> {
        let (tell, report) = oneshot::channel();
        let mut asked = locked(&self.asked);
        asked.is_due = true;
        asked.callers.retain(|caller| !caller.is_closed());
        asked.callers.push(tell);
        drop(asked);
        reload_handle.request(Trigger::Request);
        report
    }

    /// Reloads on request, on a thread of its own, until the last handle is dropped.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn answer(
        self: &Arc<Self>,
        requests: Receiver<Trigger>,
    ) -> std::io::Result<thread::JoinHandle<()>> {
        let reloader = Arc::clone(self);
        thread::Builder::new().name("reload".to_owned()).spawn(move || {
            for trigger in requests {
                let Asked { is_due, callers } = std::mem::take(&mut *locked(&reloader.asked));
                // another trigger's reload has done for who asked
                if trigger == Trigger::Request && !is_due {
                    continue;
                }
                let report = reloader.reload(trigger);
                for caller in callers {
                    // who has left is not told
                    let _ = caller.send(report.clone());
                }
            }
        })
    }

    /// Reads the pipeline file and the plugin folders, and changes the pipeline to what they say.
    ///
    /// On any fault the pipeline goes on as it was, and the report says why.
    pub fn reload(&self, trigger: Trigger) -> Report {
        let started = Instant::now();
        let mut lock = locked(&self.lock);
        let report = match self.look() {
            Err(faults) => Report::refused(&faults),
            Ok((pipeline, catalog)) => {
                let report = self.apply(pipeline, &catalog, &mut lock);
                *locked(&self.catalog) = Arc::new(catalog);
                report
            }
        };
        let report = report.took(started.elapsed());
        tell(&report, trigger);
        self.history.note(&report);
        report
    }

    /// What a reload would do now. It reads all that a reload reads, and changes nothing.
    pub fn check(&self) -> Report {
        let started = Instant::now();
        let report = match self.look() {
            Err(faults) => Report::refused(&faults),
            Ok((pipeline, catalog)) => match self.topology.plan(&pipeline, &catalog) {
                Ok(plan) => Report::planned(plan),
                Err(error) => Report::failed(&error),
            },
        };
        Report { checked: true, ..report.took(started.elapsed()) }
    }

    fn look(&self) -> Result<(Pipeline, PluginCatalog), Faults> {
        let parsed = (self.read)()?;
        let host = parsed.host();
        let catalog = self.catalog().rescan(&host.plugins, &host.pins);
        let catalog = catalog.with_compile(host.compile).with_python(host.python.as_deref());
        catalog.warn_of_exposed();
        let pipeline = parsed.resolve(&catalog)?;
        Ok((pipeline, catalog))
    }

    fn apply(
        &self,
        pipeline: Pipeline,
        catalog: &PluginCatalog,
        lock: &mut Option<HostLock>,
    ) -> Report {
        if self.topology.shutdown().is_stopping() {
            return Report::failed(&ChangeError::Ending);
        }
        // what is kept there from now on must be this host's alone
        if lock.is_none() && pipeline.host.data_dir == self.topology.pipeline().host.data_dir {
            match HostLock::for_pipeline(&pipeline) {
                Ok(taken) => *lock = taken,
                Err(text) => return Report::failed(&ChangeError::Taken(text)),
            }
        }
        match self.topology.change(pipeline, catalog) {
            Ok(applied) => Report::applied(applied),
            Err(error) => Report::failed(&error),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tell(report: &Report, trigger: Trigger) {
    let trigger = trigger.as_str();
    let plan = report.plan.as_ref().map(ToString::to_string).unwrap_or_default();
    let (ms, gap_us) = (report.duration_ms, report.gap_us);
    match report.outcome {
        Outcome::Done => tracing::info!(trigger, plan, ms, gap_us, "reloaded"),
        Outcome::Unchanged => tracing::info!(trigger, "nothing to reload: all is as it was"),
        Outcome::Refused | Outcome::Failed => {
            let reason = report.reason.as_deref().unwrap_or_default();
            tracing::error!(trigger, ms, "not reloaded, the pipeline goes on as it was: {reason}");
        }
    }
    for component in &report.left_behind {
        tracing::error!(component, "removed, but its plugin does not come back from a call");
    }
}
