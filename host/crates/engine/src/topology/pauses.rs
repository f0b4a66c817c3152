//! Pauses components, and lets them go on.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use dataserver_config::Pipeline;

use super::{Topology, lock};
use crate::pause::{PauseSwitch, PausedFile};

/// The switch of each component, and the file that keeps those that are on.
#[derive(Debug)]
pub struct Pauses {
    file: PausedFile,
    by_id: Mutex<BTreeMap<String, PauseSwitch>>,
}

/// Why a component is not paused, or does not go on.
#[derive(Debug, thiserror::Error)]
pub enum PauseError {
    /// There is no such component.
    #[error("the pipeline that runs has no component `{0}`")]
    Unknown(String),
    /// Nothing is paused while the host ends.
    #[error("the host ends; pause it when it has ended, or when it runs again")]
    Ending,
    /// It would be forgotten at the end of the host.
    #[error("{}: {error}; nothing was changed: mend the folder and try again", path.display())]
    NotKept {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl Topology {
    /// Pauses a component, now and after every restart, until it is resumed. A source is not asked
    /// any more; a transform or sink takes nothing from its queue, which fills by its rule. A call
    /// that runs ends first.
    ///
    /// # Errors
    /// When there is no such component, the host ends, or it cannot be kept; nothing is changed then.
    pub fn pause(&self, id: &str) -> Result<(), PauseError> {
        self.set_paused(id, true)
    }

    /// Lets a component go on.
    ///
    /// # Errors
    /// As [`pause`](Self::pause).
    pub fn resume(&self, id: &str) -> Result<(), PauseError> {
        self.set_paused(id, false)
    }

    fn set_paused(&self, id: &str, is_paused: bool) -> Result<(), PauseError> {
        let (pauses, mut statuses) = (&self.runtime.pauses, lock(&self.graph).statuses());
        statuses.retain(|status| status.id == id);
        // one that is gone can still be taken out of the file
        if statuses.is_empty() && (is_paused || !pauses.is_paused(id)) {
            return Err(PauseError::Unknown(id.to_owned()));
        }
        if is_paused && self.runtime.shutdown.is_stopping() {
            return Err(PauseError::Ending);
        }
        if pauses.set(id, is_paused)? {
            statuses.iter().for_each(|status| status.note_paused());
            let text = if is_paused { "paused until it is resumed" } else { "resumed" };
            tracing::info!(component = id, "{text}");
        }
        Ok(())
    }
}

impl Pauses {
    /// Those that an earlier run left.
    pub fn load(data_dir: &Path) -> Self {
        let file = PausedFile::of(data_dir);
        let switch = |id: String| {
            let switch = PauseSwitch::default();
            switch.set(true);
            (id, switch)
        };
        let by_id = file.load().into_iter().map(switch).collect();
        Self { file, by_id: Mutex::new(by_id) }
    }

    /// The switch of that component, whatever becomes of its instances.
    pub fn switch(&self, id: &str) -> PauseSwitch {
        self.lock().entry(id.to_owned()).or_default().clone()
    }

    /// Whether that component is paused.
    pub fn is_paused(&self, id: &str) -> bool {
        self.lock().get(id).is_some_and(PauseSwitch::is_on)
    }

    /// Pauses a component or lets it go on, once that is kept; false when it was so already.
    ///
    /// # Errors
    /// When it cannot be kept; nothing is changed then.
    pub fn set(&self, id: &str, is_on: bool) -> Result<bool, PauseError> {
        let mut by_id = self.lock();
        let mut paused = paused(&by_id);
        let changes = if is_on { paused.insert(id.to_owned()) } else { paused.remove(id) };
        if changes {
            self.keep(paused)?;
            by_id.entry(id.to_owned()).or_default().set(is_on);
        }
        Ok(changes)
    }

    /// Forgets components that a reload has removed: they would be new ones.
    pub fn forget(&self, removed: &[String]) {
        let mut by_id = self.lock();
        let before = paused(&by_id);
        by_id.retain(|id, _| !removed.contains(id));
        let after = paused(&by_id);
        if before != after
            && let Err(error) = self.keep(after)
        {
            tracing::warn!("components that are gone stay paused: {error}");
        }
    }

    /// Says which components of a pipeline that starts are paused.
    pub fn tell(&self, pipeline: &Pipeline) {
        for component in self.among(pipeline, true) {
            tracing::warn!(component, "it stays paused until `dataserver resume {component}`");
        }
    }

    /// Says what is paused that is no component of a whole pipeline.
    pub fn tell_others(&self, pipeline: &Pipeline) {
        let file = self.file.path().display();
        for component in self.among(pipeline, false) {
            tracing::warn!(component, %file, "it is paused there, and not in this pipeline");
        }
    }

    /// What is paused of a pipeline, or what is no part of it.
    fn among(&self, pipeline: &Pipeline, is_part: bool) -> Vec<String> {
        let has = |id: &String| pipeline.components.iter().any(|it| it.id == *id);
        paused(&self.lock()).into_iter().filter(|id| has(id) == is_part).collect()
    }

    fn keep(&self, paused: BTreeSet<String>) -> Result<(), PauseError> {
        let not_kept = |error| PauseError::NotKept { path: self.file.path().to_owned(), error };
        self.file.write(paused).map_err(not_kept)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, PauseSwitch>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn paused(by_id: &BTreeMap<String, PauseSwitch>) -> BTreeSet<String> {
    by_id.iter().filter(|(_, switch)| switch.is_on()).map(|(id, _)| id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_outlives_the_host_and_ends_with_the_component() {
        let dir = tempfile::tempdir().unwrap();
        let pauses = Pauses::load(dir.path());
        let switch = pauses.switch("lake");
        assert!(pauses.set("lake", true).unwrap() && switch.is_on());
        assert!(!pauses.set("lake", true).unwrap(), "it was so already");
        assert!(pauses.set("day", true).unwrap());
        assert!(pauses.set("day", false).unwrap() && !pauses.is_paused("day"));
        let next = Pauses::load(dir.path());
        assert!(next.is_paused("lake") && !next.is_paused("day"));
        next.forget(&["lake".to_owned()]);
        assert!(!next.switch("lake").is_on());
        assert!(!Pauses::load(dir.path()).is_paused("lake"));
    }

    #[test]
    fn what_cannot_be_kept_is_not_done() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = dir.path().join("data");
        std::fs::write(&data_dir, "a file where the folder should be").unwrap();
        let pauses = Pauses::load(&data_dir);
        let error = pauses.set("lake", true).unwrap_err().to_string();
        assert!(error.contains("paused.json") && error.contains("nothing was changed"), "{error}");
        assert!(!pauses.is_paused("lake"));
    }
}
