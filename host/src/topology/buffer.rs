//! The queues before components, in memory or on disk.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use plugin_api::RoleKind;

use super::StartError;
use crate::{
    config::{BufferKind, Component, Pipeline},
    queue::{Queue, Surroundings},
    shutdown::Shutdown,
    spool,
    telemetry::ComponentStatus,
};

/// What is around a queue on disk: its reader, and the host.
struct Around {
    reader: Arc<ComponentStatus>,
    shutdown: Arc<Shutdown>,
}

impl Surroundings for Around {
    fn note_disk(&self, fault: Option<&str>) {
        self.reader.note_disk(fault);
    }

    fn is_stopping(&self) -> bool {
        self.shutdown.is_stopping()
    }
}

/// The queue before a component, with what an earlier run left in it.
pub(super) fn make_queue(
    component: &Component,
    pipeline: &Pipeline,
    status: &Arc<ComponentStatus>,
    shutdown: &Arc<Shutdown>,
) -> Result<Queue, StartError> {
    if component.buffer.kind == BufferKind::Memory {
        return Ok(Queue::in_memory(component.buffer));
    }
    let id = component.id.as_str();
    let folder = spool_folder(&pipeline.host.data_dir).join(id);
    let around = Around { reader: Arc::clone(status), shutdown: Arc::clone(shutdown) };
    let (queue, found) = Queue::on_disk(component.buffer, &folder, Box::new(around))
        .map_err(|error| StartError::Spool { component: id.to_owned(), folder, error })?;
    for (path, bytes) in &found.cut {
        let file = path.display().to_string();
        tracing::warn!(
            component = id,
            file,
            bytes,
            "the buffer on disk ended in an unfinished \
            batch, which was cut off; sources that can will send it again"
        );
    }
    if found.entries > 0 {
        let (batches, records) = (found.entries, found.records);
        tracing::info!(component = id, batches, records, "goes on with what waits on disk");
    }
    Ok(queue)
}

/// Where the buffers on disk lie, each in a folder of its component's name.
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
