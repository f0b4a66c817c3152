//! Notices that the pipeline file or a plugin file has become another one.
//!
//! Whole folders are watched, because editors and installers put a new file in the place of the old
//! one. A file that goes away is no reason to reload: whoever uses it goes on.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode, ModifyKind},
};

use super::{Bell, Trigger};
use crate::{config::HostSettings, topology::Topology};

/// A file is taken as written when nothing has happened for so long.
const QUIET: Duration = Duration::from_millis(300);
/// What never rests is read all the same after this long.
const LONGEST_UNREST: Duration = Duration::from_secs(5);
/// How often folders that cannot be watched, or are new in the file, are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Watches the files of a pipeline, for as long as `[host] watch` says so, and rings the bell when
/// one of them is another one.
///
/// # Errors
/// When the system cannot watch files or gives no thread.
pub fn start(topology: Arc<Topology>, bell: Bell) -> Result<Watching, notify::Error> {
    let (tell, changes) = sync_channel(64);
    let wake = tell.clone();
    let watcher = notify::recommended_watcher(move |event| {
        // when so many wait, the next quiet moment is awaited anyway
        let _ = tell.try_send(event);
    })?;
    let mut watch = Watch { topology, bell, watcher, watched: BTreeSet::new() };
    // whoever is told that the pipeline runs may change files at once
    let files = Files::of(&watch.topology);
    watch.watch(&files);
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
    bell: Bell,
    watcher: RecommendedWatcher,
    watched: BTreeSet<PathBuf>,
}

impl Watch {
    fn run(mut self, changes: &Receiver<notify::Result<Event>>) {
        while !self.topology.shutdown().is_stopping() {
            let files = Files::of(&self.topology);
            self.watch(&files);
            match changes.recv_timeout(LOOK_EVERY) {
                Ok(event) if files.concern(&event) => {
                    wait_for_quiet(changes, &files);
                    self.bell.ring(Trigger::Files);
                }
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Watches the folders that the pipeline has now; one that is not there is looked for again.
    fn watch(&mut self, files: &Files) {
        for folder in self.watched.difference(&files.folders) {
            let _ = self.watcher.unwatch(folder);
        }
        self.watched.retain(|folder| files.folders.contains(folder) && folder.is_dir());
        for folder in &files.folders {
            if !self.watched.contains(folder)
                && self.watcher.watch(folder, RecursiveMode::NonRecursive).is_ok()
            {
                self.watched.insert(folder.clone());
            }
        }
    }
}

fn wait_for_quiet(changes: &Receiver<notify::Result<Event>>, files: &Files) {
    let (mut last, since) = (Instant::now(), Instant::now());
    while last.elapsed() < QUIET && since.elapsed() < LONGEST_UNREST {
        if let Ok(event) = changes.recv_timeout(QUIET.saturating_sub(last.elapsed()))
            && files.concern(&event)
        {
            last = Instant::now();
        }
    }
}

/// The files that count.
struct Files {
    pipeline: PathBuf,
    /// Where the pipeline file really lies, when it is a link.
    target: Option<PathBuf>,
    plugins: Vec<PathBuf>,
    folders: BTreeSet<PathBuf>,
}

impl Files {
    fn of(topology: &Topology) -> Self {
        let pipeline = topology.pipeline();
        Self::new(&pipeline.file, &pipeline.host)
    }

    fn new(file: &Path, host: &HostSettings) -> Self {
        let pipeline = file.to_owned();
        let target = file.canonicalize().ok().filter(|target| *target != pipeline);
        let plugins = host.plugins.clone();
        let mut folders = BTreeSet::new();
        if host.watch {
            folders.extend(plugins.iter().cloned());
            let files = [Some(&pipeline), target.as_ref()].into_iter().flatten();
            folders.extend(files.filter_map(|it| Some(it.parent()?.to_owned())));
        }
        Self { pipeline, target, plugins, folders }
    }

    /// Whether one of the files is, or may be, another one.
    fn concern(&self, event: &notify::Result<Event>) -> bool {
        // what could not be told in full may be anything
        let Ok(event) = event else { return true };
        let is_change = match event.kind {
            EventKind::Remove(_) => false,
            EventKind::Modify(ModifyKind::Metadata(_)) => false,
            EventKind::Access(access) => {
                matches!(access, AccessKind::Close(AccessMode::Write))
            }
            EventKind::Modify(ModifyKind::Name(notify::event::RenameMode::From)) => false,
            EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Other => true,
        };
        is_change && (event.need_rescan() || event.paths.iter().any(|path| self.is_one(path)))
    }

    fn is_one(&self, path: &Path) -> bool {
        let is_plugin = path.extension().is_some_and(|it| it == "so" || it == "wasm")
            && self.plugins.iter().any(|folder| path.parent() == Some(folder));
        is_plugin || path == self.pipeline || self.target.as_deref() == Some(path)
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, RemoveKind, RenameMode};

    use super::*;
    use crate::config::{self, ProcessEnvironment};

    #[test]
    fn only_what_makes_a_file_another_one_counts() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pipeline.toml");
        let text = "[host]\nplugins = [\"plugins\"]\n";
        let draft = config::load_text(text, &file, &ProcessEnvironment).unwrap();
        let files = Files::new(&file, draft.host());
        assert_eq!(files.folders.len(), 2);
        let concern = |kind, name: &str| {
            files.concern(&Ok(Event::new(kind).add_path(folder.path().join(name))))
        };
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
        let draft = config::load_text(text, file, &ProcessEnvironment).unwrap();
        assert!(Files::new(file, draft.host()).folders.is_empty());
    }
}
