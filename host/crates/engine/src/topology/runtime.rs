//! What all components of a pipeline share.

use std::{path::PathBuf, sync::Arc};

use dataserver_config::Pipeline;

use super::pauses::Pauses;
use crate::{clock::Clock, shutdown::Shutdown, telemetry::Metrics};

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
    pub fn new(pipeline: &Pipeline, clock: &Arc<dyn Clock>, shutdown: Arc<Shutdown>) -> Self {
        Self {
            shutdown,
            clock: Arc::clone(clock),
            metrics: Arc::default(),
            pauses: Pauses::load(&pipeline.host.data_dir),
            base_dir: pipeline.base_dir.clone(),
            data_dir: pipeline.host.data_dir.clone(),
        }
    }
}
