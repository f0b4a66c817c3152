//! Notices that the pipeline file or a plugin file has become another one.
//!
//! Whole folders are watched, because editors and installers put a new file in the place of the old
//! one: those of the files, and those of every link that leads to one. Events tell of most changes at
//! once; every few seconds the files themselves are looked at, so that a change of which no event
//! tells is found too. A file that goes away is no reason to reload: whoever uses it goes on.

use std::{
    collections::BTreeMap,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use dataserver_engine::topology::Topology;
use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode, ModifyKind, RenameMode},
};

use super::{
    ReloadHandle, Trigger,
    files::{Files, Seen},
};

/// A file is taken as written when nothing has happened for so long.
const QUIET: Duration = Duration::from_millis(300);
/// What never rests is read all the same after this long.
const MAX_UNREST: Duration = Duration::from_secs(5);
/// How often the files are looked at, and folders that could not be watched.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// Watches the files of a pipeline as `[host] watch` says, and requests a reload when one of them
/// has changed.
///
/// # Errors
/// When the system cannot watch files or gives no thread.
pub fn start(
    topology: Arc<Topology>,
    reload_handle: ReloadHandle,
) -> Result<Watching, notify::Error> {
    let (tell, changes) = sync_channel(64);
    let wake = tell.clone();
    let watcher = notify::recommended_watcher(move |event| {
        // when so many wait, the next quiet moment is awaited anyway
        let _ = tell.try_send(event);
    })?;
    let (watched, seen) = (BTreeMap::new(), Seen::default());
    let mut watch = Watch { topology, reload_handle, watcher, watched, seen };
    // whoever is told that the pipeline runs may change files at once
    let files = watch.files();
    watch.watch(&files);
    files.look(&mut watch.seen);
    let builder = thread::Builder::new().name("watch".to_owned());
    let thread = builder.spawn(move || watch.run(&changes))?;
    Ok(Watching { wake, thread })
}

/// Watches for as long as the pipeline runs, whatever becomes of this.
pub struct Watching {
    wake: SyncSender<notify::Result<Event>>,
    thread: JoinHandle<()>,
}

impl Watching {
    /// Waits for the end of the watch, of a pipeline that ends.
    pub fn end(self) {
        // when so many wait, it is awake
        let _ = self.wake.try_send(Ok(Event::new(EventKind::Access(AccessKind::Any))));
        let _ = self.thread.join();
    }
}

struct Watch {
    topology: Arc<Topology>,
    reload_handle: ReloadHandle,
    watcher: RecommendedWatcher,
    /// Device and number of the folder that is watched at that path.
    watched: BTreeMap<PathBuf, (u64, u64)>,
    seen: Seen,
}

impl Watch {
    fn files(&self) -> Files {
        let pipeline = self.topology.pipeline();
        Files::new(&pipeline.file, &pipeline.host)
    }

    fn run(mut self, changes: &Receiver<notify::Result<Event>>) {
        let mut looked = Instant::now();
        while !self.topology.shutdown().is_stopping() {
            let mut files = self.files();
            self.watch(&files);
            let is_told = match changes.recv_timeout(POLL_INTERVAL) {
                Ok(event) => concerns(&files, &event),
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if !is_told && looked.elapsed() < POLL_INTERVAL {
                continue;
            }
            looked = Instant::now();
            // an event may be of a way that is not taken any more
            files = self.files();
            if files.look(&mut self.seen) || is_told {
                wait_for_quiet(changes, &files);
                files.look(&mut self.seen);
                self.reload_handle.request(Trigger::Files);
            }
        }
    }

    /// Watches the folders that the pipeline has now; one that is not there is looked for again, and
    /// one that is another folder than it was is watched anew.
    fn watch(&mut self, files: &Files) {
        let gone = |path: &PathBuf, folder: &(u64, u64)| {
            !files.folders.contains(path) || identity(path) != Some(*folder)
        };
        let left: Vec<_> =
            self.watched.iter().filter(|it| gone(it.0, it.1)).map(|it| it.0.clone()).collect();
        for path in left {
            let _ = self.watcher.unwatch(&path);
            self.watched.remove(&path);
        }
        for path in &files.folders {
            if !self.watched.contains_key(path)
                && let Some(folder) = identity(path)
                && self.watcher.watch(path, RecursiveMode::NonRecursive).is_ok()
            {
                self.watched.insert(path.clone(), folder);
            }
        }
    }
}

fn identity(folder: &Path) -> Option<(u64, u64)> {
    let metadata = folder.metadata().ok().filter(|it| it.is_dir())?;
    Some((metadata.dev(), metadata.ino()))
}

fn wait_for_quiet(changes: &Receiver<notify::Result<Event>>, files: &Files) {
    let (mut last, since) = (Instant::now(), Instant::now());
    while last.elapsed() < QUIET && since.elapsed() < MAX_UNREST {
        if let Ok(event) = changes.recv_timeout(QUIET.saturating_sub(last.elapsed()))
            && concerns(files, &event)
        {
            last = Instant::now();
        }
    }
}

/// Whether one of the files is, or may be, another one.
fn concerns(files: &Files, event: &notify::Result<Event>) -> bool {
    // what could not be told in full may be anything
    let Ok(event) = event else { return true };
    let is_change = match event.kind {
        EventKind::Remove(_) => false,
        EventKind::Modify(ModifyKind::Metadata(_)) => false,
        EventKind::Access(access) => matches!(access, AccessKind::Close(AccessMode::Write)),
        EventKind::Modify(ModifyKind::Name(RenameMode::From)) => false,
        EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Other => true,
    };
    is_change && (event.need_rescan() || event.paths.iter().any(|path| files.is_one(path)))
}

#[cfg(test)]
mod tests {
    use dataserver_config::{self as config, ProcessEnvironment};
    use notify::event::{CreateKind, RemoveKind};

    use super::*;

    #[test]
    fn only_what_makes_a_file_another_one_counts() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        let file = base.join("pipeline.toml");
        let text = "[host]\nplugins = [\"plugins\"]\n";
        let parsed = config::load_text(text, &file, &ProcessEnvironment).unwrap();
        let files = Files::new(&file, parsed.host());
        assert_eq!(files.folders.len(), 2);
        let concern =
            |kind, name: &str| concerns(&files, &Ok(Event::new(kind).add_path(base.join(name))));
        let (create, remove) =
            (EventKind::Create(CreateKind::File), EventKind::Remove(RemoveKind::File));
        let moved = |mode| EventKind::Modify(ModifyKind::Name(mode));
        assert!(concern(create, "pipeline.toml"));
        assert!(concern(moved(RenameMode::To), "plugins/libfilter.so"));
        assert!(concern(create, "plugins/quality.wasm"));
        assert!(!concern(moved(RenameMode::From), "plugins/libfilter.so"));
        assert!(!concern(remove, "pipeline.toml"));
        assert!(!concern(create, "pipeline.toml.swp"));
        assert!(!concern(create, "plugins/notes.txt"));
        assert!(!concern(create, "elsewhere/libfilter.so"));
    }

    #[test]
    fn a_pipeline_that_is_not_to_be_watched_is_not() {
        let text = "[host]\nwatch = false\n";
        let file = Path::new("/nowhere/pipeline.toml");
        let parsed = config::load_text(text, file, &ProcessEnvironment).unwrap();
        assert!(Files::new(file, parsed.host()).folders.is_empty());
    }
}
