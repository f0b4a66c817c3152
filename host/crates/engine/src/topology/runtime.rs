//! What all components of a pipeline share.

use std::{io, path::PathBuf, sync::Arc};

use dataserver_config::Pipeline;

use super::pauses::Pauses;
use crate::{clock::Clock, observer::Observer, shutdown::Shutdown, telemetry::Metrics};

/// What all components of a pipeline share, for as long as it runs.
#[derive(Debug)]
pub struct RuntimeContext {
    /// Ends the pipeline.
    pub shutdown: Arc<Shutdown>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// All metrics.
    pub metrics: Arc<Metrics>,
    /// Which components are paused.
    pub pauses: Pauses,
    /// Sees what passes, while there is somebody who can ask it.
    pub observer: Option<Arc<Observer>>,
    /// Folder of the pipeline file.
    pub base_dir: PathBuf,
    /// Dead letters, states, spools.
    pub data_dir: PathBuf,
}

impl RuntimeContext {
    /// State folder of that component, kept over restarts.
    pub fn state_dir(&self, id: &str) -> PathBuf {
        self.data_dir.join("state").join(id)
    }

    /// The context of that pipeline.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn new(
        pipeline: &Pipeline,
        clock: &Arc<dyn Clock>,
        shutdown: Arc<Shutdown>,
    ) -> io::Result<Self> {
        Ok(Self {
            shutdown,
            clock: Arc::clone(clock),
            metrics: Arc::default(),
            pauses: Pauses::load(&pipeline.host.data_dir),
            observer: pipeline.host.http.map(|_| Observer::start()).transpose()?,
            base_dir: pipeline.base_dir.clone(),
            data_dir: pipeline.host.data_dir.clone(),
        })
    }
}
