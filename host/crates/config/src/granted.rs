//! Folders that components may write: none where the host or the system keeps what it trusts.

use std::{
    ops::Range,
    path::{Component as Part, Path, PathBuf},
};

use super::{
    Access, Environment, HostSettings,
    report::Report,
    tree::{Entry, Table, Value},
};

/// Where files are the system's or devices: a write there changes the machine or a process.
const OF_THE_SYSTEM: [&str; 3] = ["/proc", "/sys", "/dev"];

/// A folder that a component may use, and where that stands.
pub(super) struct Granted {
    /// As it is on the disk, as far as it is there; absolute.
    folder: PathBuf,
    /// What the plugin may do there.
    access: Access,
    /// Where it stands.
    span: Range<usize>,
}

/// The folders that a component's table grants.
pub(super) fn granted(component: &Table, base_dir: &Path) -> Vec<Granted> {
    let table = |entry: &Entry| match &entry.node.value {
        Value::Table(table) => Some(table.clone()),
        _ => None,
    };
    let grants = component.get("grants").and_then(&table);
    let dirs = grants.and_then(|grants| grants.get("dirs").and_then(&table));
    let granted = |entry: &Entry| Granted {
        // not shortened before links are followed: `..` behind a link leads from where that leads
        folder: real(&base_dir.join(&entry.key)),
        access: match &entry.node.value {
            Value::Text(text) if text.value == "write" => Access::Write,
            _ => Access::Read,
        },
        span: entry.key_span.clone(),
    };
    dirs.iter().flat_map(|dirs| &dirs.entries).map(granted).collect()
}

/// What the host trusts, with what it is called.
pub(super) struct Kept {
    /// Nothing in these is written, nor a folder above.
    whole: Vec<(&'static str, PathBuf)>,
    /// These must not be replaced; folders within them may be written.
    themselves: Vec<(&'static str, PathBuf)>,
}

impl Kept {
    /// What a host with those settings, and that pipeline file, trusts.
    pub fn of(host: &HostSettings, file: &Path, environment: &dyn Environment) -> Self {
        let credentials = environment.variable("CREDENTIALS_DIRECTORY").ok().map(PathBuf::from);
        let whole = [("`data_dir`", Some(host.data_dir.clone()))]
            .into_iter()
            .chain(host.plugins.iter().map(|it| ("a plugin folder", Some(it.clone()))))
            .chain([("$CREDENTIALS_DIRECTORY", credentials)])
            .chain([("the cache of compiled components", user_cache_folder())])
            .chain(OF_THE_SYSTEM.map(|it| (it, Some(PathBuf::from(it)))));
        let themselves = [
            ("this file", Some(file.to_owned())),
            ("the program", environment.executable_dir()),
            ("the folder for temporary files", Some(std::env::temp_dir())),
        ];
        let known = |(name, path): (_, Option<PathBuf>)| {
            Some((name, real(&path.filter(|it| it.is_absolute())?)))
        };
        Self {
            whole: whole.filter_map(known).collect(),
            themselves: themselves.into_iter().filter_map(known).collect(),
        }
    }

    /// What of it lies in that folder, or around it.
    fn touched_by(&self, folder: &Path) -> Option<&'static str> {
        let whole =
            self.whole.iter().find(|(_, it)| it.starts_with(folder) || folder.starts_with(it));
        let found = whole.or_else(|| self.themselves.iter().find(|(_, it)| it.starts_with(folder)));
        found.map(|(name, _)| *name)
    }
}

/// Reports folders that a plugin must not write into: it would write what the host trusts, or
/// decide where another grant leads.
pub(super) fn check(report: &mut Report, granted: &[Granted], kept: &Kept) {
    let mut folders: Vec<_> = granted.iter().map(|it| it.folder.as_path()).collect();
    folders.sort_unstable();
    for grant in granted.iter().filter(|grant| grant.access == Access::Write) {
        // what lies within a folder comes right behind it
        let next = folders.partition_point(|folder| *folder <= grant.folder.as_path());
        let holds_another =
            folders.get(next).is_some_and(|folder| folder.starts_with(&grant.folder));
        if let Some(name) = kept.touched_by(&grant.folder) {
            let message = format!("a plugin in a sandbox must not write where {name} is");
            let help = "grant a folder of its own beside it, or `grants.state = true`";
            report.fault(&grant.span, message).help(help);
        } else if holds_another {
            let message = "another grant lies within this folder, and what writes here could \
                           lead it elsewhere";
            report.fault(&grant.span, message).help("grant folders beside each other");
        }
    }
}

/// Where compiled components are kept for whoever has no data folder; `None` when the user has no
/// home.
pub fn user_cache_folder() -> Option<PathBuf> {
    let given = |name| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    let caches = given("XDG_CACHE_HOME").or_else(|| Some(given("HOME")?.join(".cache")))?;
    caches.is_absolute().then(|| caches.join("dataserver/wasm"))
}

/// Without symbolic links and `..`, as far as the path is there; what is not there is shortened.
fn real(path: &Path) -> PathBuf {
    let known = path.ancestors().find_map(|it| Some((it, it.canonicalize().ok()?)));
    let Some((known, mut real)) = known else { return path.to_owned() };
    for part in path.strip_prefix(known).unwrap_or(Path::new("")).components() {
        match part {
            Part::ParentDir => {
                real.pop();
            }
            Part::Normal(name) => real.push(name),
            Part::CurDir | Part::Prefix(_) | Part::RootDir => {}
        }
    }
    real
}
