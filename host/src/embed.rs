//! Runs a pipeline inside a process: the `dataserver` program, or another that has this library
//! linked in.
//!
//! A [`ParsedConfig`] and a [`PluginCatalog`] make a pipeline that is [`Checked`],
//! that one [starts](Checked::start), and the [`Host`] runs until its shutdown advances. Nothing
//! here listens to signals, writes to stdout or ends the process.
//!
//! Plugin files are tried in a child process, for which a [`Helper`](dataserver_loader::Helper) names the
//! program; without one, only plugins that are [linked in](PluginCatalog::with_linked) can be used.

use std::{
    io,
    sync::{Arc, mpsc::Receiver},
    thread::JoinHandle,
};

use dataserver_config::{Faults, ParsedConfig, Pipeline};
use dataserver_engine::{
    clock::{Clock, SystemClock},
    shutdown::{Phase, Shutdown},
    topology::{ChangeError, Outcome, Topology},
};
use dataserver_loader::PluginCatalog;

use crate::{
    alarms::{self, Alarming},
    backfill::{
        hub::{Hub, HubThread},
        joined::{self, Joining},
    },
    control::{self, Control},
    days::judging::{self, Judging},
    descriptors,
    lock::HostLock,
    reload::{
        ReadPipeline, ReloadHandle, Reloader, Trigger,
        watch::{self, Watching},
    },
};

/// A pipeline that can run, with the plugins it uses.
pub struct Checked {
    pipeline: Pipeline,
    catalog: PluginCatalog,
    read: Option<ReadPipeline>,
}

/// Why a pipeline does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address of the control interface cannot be taken.
    #[error("{0}")]
    Address(io::Error),
    /// The data folder is another host's, or cannot be used.
    #[error("{0}")]
    Taken(String),
    /// A component cannot start.
    #[error("{0}")]
    Topology(#[from] ChangeError),
    /// The system gave no thread.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

impl StartError {
    /// Whether the pipeline file has to be changed for it to work.
    pub fn is_config(&self) -> bool {
        matches!(self, Self::Topology(error) if error.is_config())
    }
}

/// A pipeline that runs, with all that surrounds it.
pub struct Host {
    topology: Arc<Topology>,
    control: Option<Control>,
    watching: Option<Watching>,
    alarming: Option<Alarming>,
    judging: Option<Judging>,
    /// What fills gaps.
    apart: (Option<HubThread>, Option<Joining>),
    reloading: JoinHandle<()>,
    clock: Arc<dyn Clock>,
}

impl Checked {
    /// Looks the plugins of a pipeline up and checks their options.
    ///
    /// # Errors
    /// All that is wrong with the pipeline.
    pub fn new(parsed: ParsedConfig, catalog: PluginCatalog) -> Result<Self, Faults> {
        catalog.warn_of_exposed();
        let pipeline = parsed.resolve(&catalog)?;
        Ok(Self { pipeline, catalog, read: None })
    }

    /// Has it read in that way when it is applied anew, instead of from its file; also one that is
    /// no file then follows its plugins as `[host] watch` says.
    #[must_use]
    pub fn read_by(
        mut self,
        read: impl Fn() -> Result<ParsedConfig, Faults> + Send + Sync + 'static,
    ) -> Self {
        self.read = Some(Box::new(read));
        self
    }

    /// What is to run.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// Starts it; it ends with `shutdown`. Each reload request applies the pipeline file anew; a
    /// pipeline with a file, or with [`read_by`](Self::read_by), also requests reloads by itself as
    /// `[host] watch` says.
    ///
    /// # Errors
    /// When an address or the data folder is taken, or a component cannot start. Nothing of it runs
    /// any longer then.
    pub fn start(
        self,
        shutdown: Arc<Shutdown>,
        (reload_handle, requests): (ReloadHandle, Receiver<Trigger>),
    ) -> Result<Host, StartError> {
        let Self { pipeline, catalog, read } = self;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        // before anything runs: a second host by mistake must not send anything
        let (http, token) = (pipeline.host.http, pipeline.host.token.clone());
        let listening = http.map(|address| control::listen(address, token)).transpose();
        let listening = listening.map_err(StartError::Address)?;
        // and the folder of what must not be lost: a second host would deliver everything twice
        let lock = HostLock::for_pipeline(&pipeline).map_err(StartError::Taken)?;
        descriptors::warn_if_few(&pipeline, &catalog);
        let can_change = read.is_some() || pipeline.file.is_file();
        let topology = Topology::empty(&pipeline, &clock, shutdown).map_err(StartError::Thread)?;
        let topology = Arc::new(topology);
        let reloader = Arc::new(Reloader::new(Arc::clone(&topology), catalog, lock, read));
        // from the beginning, because a plugin may be slow to open
        let hub = Hub::new(&reloader);
        let serve =
            |listening: control::Listening| listening.serve(&reloader, reload_handle.clone(), &hub);
        let control = listening.map(serve);
        reloader.begin(pipeline)?;
        let reloading = reloader.answer(requests).map_err(|error| {
            topology.shutdown().advance(Phase::Aborting);
            topology.wait();
            StartError::Thread(error)
        })?;
        let watching =
            can_change.then(|| watch::start(Arc::clone(&topology), reload_handle)).transpose();
        let watching = watching.unwrap_or_else(|error| {
            tracing::warn!(
                "files are not watched, reload by `dataserver reload` or SIGHUP: {error}"
            );
            None
        });
        let no_thread = |error: io::Error| {
            tracing::error!("gaps are not filled by themselves; restart the host: {error}");
        };
        let filling = hub.start().map_err(no_thread).ok();
        let joining = joined::start(&reloader).map_err(no_thread).ok();
        let judging = judging::start(Arc::clone(&topology), Arc::clone(&clock));
        let judging = judging.map_err(|error| {
            tracing::error!("no day is judged; restart the host: {error}");
        });
        let judging = judging.ok();
        let judged = judging.as_ref().map(Judging::judged).unwrap_or_default();
        let alarming = alarms::start(Arc::clone(&topology), Arc::clone(&clock), judged);
        let alarming = alarming.map_err(|error| {
            tracing::error!("nothing is reported, and no alarm sent; restart the host: {error}");
        });
        let alarming = alarming.ok();
        let apart = (filling, joining);
        Ok(Host { topology, control, watching, alarming, judging, apart, reloading, clock })
    }
}

impl Host {
    /// The pipeline that runs.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The control interface, if it is on.
    pub fn control(&self) -> Option<&Control> {
        self.control.as_ref()
    }

    /// Waits as [`Topology::wait`] does, and then some seconds for the last alarms to be sent.
    pub fn wait(&self) -> Outcome {
        let outcome = self.topology.wait();
        if let Some(alarming) = &self.alarming {
            alarming.finish();
        }
        outcome
    }

    /// A table of what was done and lost, for the log.
    pub fn summary(&self) -> String {
        self.topology.summary(self.clock.as_ref())
    }

    /// Ends what surrounds the pipeline and waits for its threads, so that nothing of this library
    /// is at work any longer but components that do not come back from a call. A thread that was
    /// waited for may still be returning to the system.
    ///
    /// Blocks while a [`ReloadHandle`] of this host exists elsewhere.
    pub fn close(self) {
        self.topology.shutdown().advance(Phase::Aborting);
        if let Some(alarming) = self.alarming {
            alarming.end();
        }
        if let Some(judging) = self.judging {
            judging.end();
        }
        let (filling, joining) = self.apart;
        if let Some(filling) = filling {
            filling.end();
        }
        if let Some(joining) = joining {
            joining.end();
        }
        // drops its connections and its reload handle
        drop(self.control);
        // drops the last reload handle, which ends the reload thread
        if let Some(watching) = self.watching {
            watching.end();
        }
        let _ = self.reloading.join();
    }
}
