//! What a source keeps between its runs.

use std::{
    collections::BTreeMap,
    fs,
    hash::{BuildHasher, Hasher},
    io::Write,
    path::PathBuf,
};

use plugin_api::{Context, PluginError, options, serde_json};

const FILE: &str = "groups.json";

options! {
    /// The file.
    #[derive(Default)]
    #[serde(default)]
    pub struct Kept {
        /// Which counting the ids of a stream belong to, by server, stream and group.
        pub epochs: BTreeMap<String, u64>,
        /// Entries that a server counts as still to be given and that are lost, by the same.
        pub never_given: BTreeMap<String, u64>,
        /// Whether the last run was ended in order.
        pub closed: bool,
    }
}

/// The file, and what it holds.
pub struct State {
    path: PathBuf,
    kept: Kept,
    /// Whether the run before was ended in order, or there was none.
    pub was_closed: bool,
}

impl State {
    /// Reads what the last run left.
    ///
    /// # Errors
    /// `Retry` when the component's folder cannot be used.
    pub fn open(context: &Context) -> Result<Self, PluginError> {
        let folder = context
            .state_dir()
            .map_err(|error| unusable(&context.state_path().join(FILE), &error))?;
        let path = folder.join(FILE);
        let kept = match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).unwrap_or_else(|error| {
                context.warn(&format!(
                    "{} is damaged ({error}) and written anew; entries that were under way may \
                     come twice",
                    path.display()
                ));
                Kept::default()
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Kept { closed: true, ..Kept::default() }
            }
            Err(error) => return Err(unusable(&path, &error)),
        };
        let was_closed = kept.closed;
        Ok(Self { path, kept, was_closed })
    }

    /// Notes that another run has begun.
    ///
    /// # Errors
    /// `Retry` when it cannot be kept.
    pub fn begin(&mut self) -> Result<(), PluginError> {
        self.kept.closed = false;
        self.write()
    }

    /// The epoch of a stream, if it was read before.
    pub fn epoch(&self, key: &str) -> Option<u64> {
        self.kept.epochs.get(key).copied()
    }

    /// Entries of a stream that are lost and that its server counts as still to be given.
    pub fn never_given(&self, key: &str) -> u64 {
        self.kept.never_given.get(key).copied().unwrap_or_default()
    }

    /// Notes how many these are.
    ///
    /// # Errors
    /// `Retry` when it cannot be kept.
    pub fn note_never_given(&mut self, key: &str, entries: u64) -> Result<(), PluginError> {
        self.kept.never_given.insert(key.to_owned(), entries);
        self.write()
    }

    /// Begins another counting for a stream.
    ///
    /// # Errors
    /// `Retry` when it cannot be kept.
    pub fn renew(&mut self, key: &str) -> Result<u64, PluginError> {
        let epoch = random().max(1);
        self.kept.never_given.remove(key);
        self.kept.epochs.insert(key.to_owned(), epoch);
        self.write()?;
        Ok(epoch)
    }

    /// Notes that the run was ended in order.
    ///
    /// # Errors
    /// `Retry` when it cannot be kept.
    pub fn close(&mut self) -> Result<(), PluginError> {
        self.kept.closed = true;
        self.write()
    }

    /// In one step: a kill leaves the old file or the new one.
    fn write(&self) -> Result<(), PluginError> {
        let fresh = self.path.with_extension("new");
        let text = serde_json::to_vec(&self.kept).unwrap_or_default();
        let written = fs::File::create(&fresh)
            .and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&fresh, &self.path));
        written.map_err(|error| unusable(&self.path, &error))
    }
}

fn unusable(path: &std::path::Path, error: &std::io::Error) -> PluginError {
    PluginError::retry(format!(
        "cannot keep {}: {error}; free space, or let this user write there",
        path.display()
    ))
}

/// A number that no other run has: the standard library seeds each hasher at random.
fn random() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}
