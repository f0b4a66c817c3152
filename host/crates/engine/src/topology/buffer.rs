//! Makes the queues of components, in memory or on disk.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use dataserver_config::{BufferKind, Component, Pipeline};
use dataserver_spool::{self as spool, Finding, Unacknowledged};
use plugin_api::RoleKind;

use super::ChangeError;
use crate::{
    queue::{DiskHooks, Queue},
    shutdown::Shutdown,
    telemetry::ComponentStatus,
};

/// Status and shutdown behind a queue on disk.
#[derive(Debug)]
pub(super) struct QueueOwner {
    reader: Mutex<Arc<ComponentStatus>>,
    shutdown: Arc<Shutdown>,
}

impl QueueOwner {
    /// The owner of a queue that this component reads.
    pub fn new(reader: &Arc<ComponentStatus>, shutdown: &Arc<Shutdown>) -> Arc<Self> {
        let reader = Mutex::new(Arc::clone(reader));
        Arc::new(Self { reader, shutdown: Arc::clone(shutdown) })
    }

    fn reader(&self) -> Arc<ComponentStatus> {
        Arc::clone(&self.reader.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reports to that component from now on.
    pub fn set_reader(&self, reader: &Arc<ComponentStatus>) {
        *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(reader);
    }
}

impl DiskHooks for Arc<QueueOwner> {
    fn note_disk(&self, fault: Option<&str>) {
        self.reader().note_disk(fault);
    }

    fn note_damage(&self, finding: &Finding) {
        self.reader().note_damage(finding);
    }

    fn set_damage(&self, damage: Unacknowledged) {
        self.reader().set_damage(damage);
    }

    fn is_stopping(&self) -> bool {
        self.shutdown.is_stopping()
    }
}

/// Makes a component's queue, with what an earlier run left in it.
pub(super) fn make_queue(
    component: &Component,
    pipeline: &Pipeline,
    owner: &Arc<QueueOwner>,
) -> Result<Queue, ChangeError> {
    if component.buffer.kind == BufferKind::Memory {
        return Ok(Queue::in_memory(component.buffer));
    }
    let id = component.id.as_str();
    let folder = spool_folder(&pipeline.host.data_dir).join(id);
    let (queue, found) = Queue::on_disk(component.buffer, &folder, Box::new(Arc::clone(owner)))
        .map_err(|error| ChangeError::Spool { component: id.to_owned(), folder, error })?;
    if let Some((path, bytes)) = &found.unfinished {
        let file = path.display().to_string();
        tracing::warn!(
            component = id,
            file,
            bytes,
            "the buffer on disk ended in an unfinished batch, which was cut off; sources that can \
             will send it again"
        );
    }
    if found.awaited + found.given_up > 0 {
        let (awaited, given_up) = (found.awaited, found.given_up);
        tracing::warn!(
            component = id,
            awaited,
            given_up,
            "batches that had been offered to the sink are missing in the buffer on disk; sources \
             that can will send them again, awaited ones to their old place"
        );
    }
    if found.entries > 0 {
        let (batches, records) = (found.entries, found.records);
        tracing::info!(component = id, batches, records, "goes on with what waits on disk");
    }
    Ok(queue)
}

/// Folder of the buffers on disk, each in a folder named for its component.
pub fn spool_folder(data_dir: &Path) -> PathBuf {
    data_dir.join("spool")
}

/// Folders with records of sinks that the pipeline does not have, or not with a buffer on disk.
pub fn orphans(pipeline: &Pipeline) -> Vec<(String, String)> {
    let is_kept = |id: &str| {
        pipeline.components.iter().any(|component| {
            component.id == id
                && component.kind == RoleKind::Sink
                && component.buffer.kind == BufferKind::Disk
        })
    };
    let Ok(folders) = std::fs::read_dir(spool_folder(&pipeline.host.data_dir)) else {
        return Vec::new();
    };
    let mut orphans: Vec<_> = folders
        .flatten()
        .map(|folder| (folder.path(), folder.file_name().to_string_lossy().into_owned()))
        .filter(|(path, id)| {
            !is_kept(id) && spool::inspect(path).is_ok_and(|found| found.entries > 0)
        })
        .map(|(path, id)| (path.display().to_string(), id))
        .collect();
    orphans.sort();
    orphans
}
