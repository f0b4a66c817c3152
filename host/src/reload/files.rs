//! Where the files of a pipeline really lie, and whether they have become others.
//!
//! A path may lead over links: of the file, of a folder above it, one after the other. Kubernetes
//! and git-sync put a new pipeline in place by turning one of them to another folder, in which the
//! file itself never changes. So every link on the way counts, and what a path leads to in the end
//! is compared by its identity, which also tells of changes that no event told of.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ffi::OsString,
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
};

use dataserver_config::HostSettings;
use dataserver_loader::may_be_plugin;

/// Links that are followed on one way, as the system does.
const MAX_LINKS: usize = 40;

/// The files that count, and the folders in which they could be replaced.
pub struct Files {
    /// The pipeline file as it was named.
    pipeline: PathBuf,
    /// The plugin folders as they were named.
    plugins: Vec<PathBuf>,
    /// Where the plugin folders lie.
    plugin_folders: Vec<PathBuf>,
    /// Links on the way, and the files at its end.
    exact: BTreeSet<PathBuf>,
    /// The folders of all of them.
    pub folders: BTreeSet<PathBuf>,
}

/// What tells a file from the one that was there before: device, number, size, time of its last
/// change in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity(u64, u64, u64, i128);

impl Identity {
    fn of(file: &Metadata) -> Self {
        let changed = i128::from(file.mtime()) * 1_000_000_000 + i128::from(file.mtime_nsec());
        Self(file.dev(), file.ino(), file.len(), changed)
    }
}

/// What the files of a pipeline were when they were looked at.
#[derive(Debug, Default)]
pub struct Seen {
    by_path: BTreeMap<PathBuf, Identity>,
    folders: BTreeSet<PathBuf>,
}

impl Files {
    /// The files of that pipeline; none when they are not to be watched.
    pub fn new(file: &Path, host: &HostSettings) -> Self {
        let mut files = Self {
            pipeline: file.to_owned(),
            plugins: host.plugins.clone(),
            plugin_folders: Vec::new(),
            exact: BTreeSet::new(),
            folders: BTreeSet::new(),
        };
        if host.watch {
            files.find();
        }
        files
    }

    fn find(&mut self) {
        self.add(&self.pipeline.clone());
        for folder in &self.plugins.clone() {
            let (links, end) = way(folder);
            self.add_links(links);
            self.folders.insert(end.clone());
            for plugin in plugins_in(&end).filter(|it| it.is_symlink()) {
                self.add(&plugin);
            }
            self.plugin_folders.push(end);
        }
    }

    fn add(&mut self, path: &Path) {
        let (links, end) = way(path);
        self.add_links(links.into_iter().chain([end]));
    }

    fn add_links(&mut self, links: impl IntoIterator<Item = PathBuf>) {
        for link in links {
            self.folders.extend(link.parent().map(Path::to_owned));
            self.exact.insert(link);
        }
    }

    /// Whether the path is one of the files, or a link to one.
    pub fn is_one(&self, path: &Path) -> bool {
        let is_plugin = may_be_plugin(path)
            && path
                .parent()
                .is_some_and(|it| self.plugin_folders.iter().any(|folder| folder == it));
        is_plugin || self.exact.contains(path)
    }

    /// Looks at the files: whether one is another one than before, or new. One that is gone, or that
    /// a link does not reach for the moment, is none: whoever uses it goes on.
    pub fn look(&self, seen: &mut Seen) -> bool {
        if self.folders.is_empty() {
            *seen = Seen::default();
            return false;
        }
        let named: BTreeSet<PathBuf> =
            self.plugins.iter().chain([&self.pipeline]).cloned().collect();
        let plugins = self.plugins.iter().flat_map(|folder| plugins_in(folder));
        let mut changed = false;
        for path in plugins.chain([self.pipeline.clone()]) {
            let Ok(file) = fs::metadata(&path) else { continue };
            let now = Identity::of(&file);
            let before = seen.by_path.insert(path.clone(), now);
            // what is in a folder that was not looked at before was there already
            let folder = path.parent().filter(|_| path != self.pipeline).unwrap_or(&path);
            changed |= seen.folders.contains(folder) && before != Some(now);
        }
        seen.folders = named;
        changed
    }
}

/// The links that lead from a path to what it stands for, and that; as far as it is there.
fn way(path: &Path) -> (Vec<PathBuf>, PathBuf) {
    let mut left: VecDeque<OsString> = parts(path);
    let (mut at, mut links) = (PathBuf::from("/"), Vec::new());
    while let Some(part) = left.pop_front() {
        if part == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&part);
        match fs::read_link(&next) {
            Ok(target) if links.len() < MAX_LINKS => {
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                for part in parts(&target).into_iter().rev() {
                    left.push_front(part);
                }
                links.push(next);
            }
            _ => at = next,
        }
    }
    (links, at)
}

fn parts(path: &Path) -> VecDeque<OsString> {
    let part = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    };
    path.components().filter_map(part).collect()
}

fn plugins_in(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| may_be_plugin(path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use dataserver_config::{self as config, ProcessEnvironment};
    use tempfile::TempDir;

    use super::*;

    struct Place {
        folder: TempDir,
        seen: Seen,
    }

    impl Place {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap(), seen: Seen::default() }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().canonicalize().unwrap().join(name)
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        /// A link in the place of another one at once, as Kubernetes does it.
        fn turn(&self, link: &str, target: &str) {
            let new = self.path("new-link");
            symlink(target, &new).unwrap();
            fs::rename(new, self.path(link)).unwrap();
        }

        fn files(&self, file: &str) -> Files {
            let file = self.path(file);
            let parsed = config::load_text("", &file, &ProcessEnvironment).unwrap();
            let mut host = parsed.host().clone();
            host.plugins = vec![file.parent().unwrap().join("plugins")];
            Files::new(&file, &host)
        }

        fn look(&mut self, file: &str) -> bool {
            self.files(file).look(&mut self.seen)
        }
    }

    #[test]
    fn every_link_on_the_way_is_watched() {
        let place = Place::new();
        place.write("etc/..v1/pipeline.toml", "");
        symlink("..v1", place.path("etc/..data")).unwrap();
        symlink("..data/pipeline.toml", place.path("etc/pipeline.toml")).unwrap();
        symlink("etc", place.path("conf")).unwrap();
        let files = place.files("conf/pipeline.toml");
        for counts in ["conf", "etc/pipeline.toml", "etc/..data", "etc/..v1/pipeline.toml"] {
            assert!(files.is_one(&place.path(counts)), "{counts}");
            assert!(files.folders.contains(place.path(counts).parent().unwrap()), "{counts}");
        }
        assert!(!files.is_one(&place.path("etc/other.toml")));
    }

    #[test]
    fn a_link_that_is_turned_makes_the_file_another_one_whichever_it_is() {
        let mut place = Place::new();
        place.write("..v1/pipeline.toml", "a");
        place.write("..v2/pipeline.toml", "a");
        place.write("..v2/plugins/libx.so", "a");
        symlink("..v1", place.path("..data")).unwrap();
        symlink("..data/pipeline.toml", place.path("pipeline.toml")).unwrap();
        symlink("..data", place.path("folder")).unwrap();
        for named in ["pipeline.toml", "folder/pipeline.toml"] {
            place.turn("..data", "..v1");
            place.seen = Seen::default();
            assert!(!place.look(named), "a first look");
            assert!(!place.look(named), "nothing happened");
            place.turn("..data", "..v2");
            assert!(place.look(named), "{named}");
            assert!(!place.look(named), "{named}: told once");
        }
    }

    #[test]
    fn a_link_that_leads_nowhere_for_a_moment_is_no_change_until_it_leads_somewhere_else() {
        let mut place = Place::new();
        place.write("v1/pipeline.toml", "a");
        place.write("v2/pipeline.toml", "a");
        symlink("v1", place.path("now")).unwrap();
        assert!(!place.look("now/pipeline.toml"));
        place.turn("now", "v3");
        assert!(!place.look("now/pipeline.toml"), "it leads nowhere");
        place.turn("now", "v1");
        assert!(!place.look("now/pipeline.toml"), "it is the one it was");
        place.turn("now", "v3");
        assert!(!place.look("now/pipeline.toml"));
        place.turn("now", "v2");
        assert!(place.look("now/pipeline.toml"));
    }

    #[test]
    fn plugins_behind_links_are_files_as_any_others() {
        let mut place = Place::new();
        place.write("pipeline.toml", "");
        place.write("store/1/libx.so", "a");
        place.write("store/2/libx.so", "b");
        fs::create_dir(place.path("plugins")).unwrap();
        symlink("../store/1/libx.so", place.path("plugins/libx.so")).unwrap();
        assert!(!place.look("pipeline.toml"));
        let files = place.files("pipeline.toml");
        assert!(files.is_one(&place.path("store/1/libx.so")));
        fs::remove_file(place.path("plugins/libx.so")).unwrap();
        assert!(!place.look("pipeline.toml"), "one that goes away is no reason");
        symlink("../store/2/libx.so", place.path("plugins/libx.so")).unwrap();
        assert!(place.look("pipeline.toml"));
        place.write("plugins/liby.so", "c");
        assert!(place.look("pipeline.toml"), "a new one");
        place.write("plugins/notes.txt", "c");
        assert!(!place.look("pipeline.toml"));
    }

    #[test]
    fn links_in_a_circle_end() {
        let place = Place::new();
        symlink("b", place.path("a")).unwrap();
        symlink("a", place.path("b")).unwrap();
        let (links, _) = way(&place.path("a/pipeline.toml"));
        assert_eq!(links.len(), MAX_LINKS);
    }
}
