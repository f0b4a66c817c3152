//! Which components are paused: a switch for each, and the file that keeps them over restarts.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use dataserver_spool::own_file::{self, Access};
use serde::{Deserialize, Serialize};

const FILE: &str = "paused.json";
/// A longer file is none of ours.
const MAX_BYTES: u64 = 1 << 20;

/// Whether a component is paused. Clones are one switch.
#[derive(Debug, Clone, Default)]
pub struct PauseSwitch(Arc<AtomicBool>);

impl PauseSwitch {
    /// Whether it is paused.
    pub fn is_on(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Pauses it, or lets it go on.
    pub fn set(&self, is_on: bool) {
        self.0.store(is_on, Ordering::Release);
    }
}

/// `data_dir/paused.json`: the ids of paused components. Its owner is who has the data folder.
#[derive(Debug)]
pub struct PausedFile {
    path: PathBuf,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    paused: BTreeSet<String>,
}

impl PausedFile {
    /// The file of that data folder; neither need be there.
    pub fn of(data_dir: &Path) -> Self {
        Self { path: data_dir.join(FILE) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The ids in it; none where it is not there. A damaged one is told and put aside.
    pub fn load(&self) -> BTreeSet<String> {
        match self.read() {
            Ok(paused) => paused,
            Err(error) => {
                let aside = if is_damage(&error) { self.put_aside() } else { String::new() };
                let file = self.path.display();
                tracing::error!(
                    %file,
                    "it does not tell which components are paused: {error}; {aside}none is paused, \
                     pause them again"
                );
                BTreeSet::new()
            }
        }
    }

    fn put_aside(&self) -> String {
        let aside = self.path.with_extension("json.damaged");
        match fs::rename(&self.path, &aside) {
            Ok(()) => format!("it is {} now; ", aside.display()),
            Err(error) => format!("it cannot be put aside ({error}); "),
        }
    }

    /// The ids in it; none where it is not there.
    ///
    /// # Errors
    /// When it cannot be read, or is damaged.
    pub fn read(&self) -> io::Result<BTreeSet<String>> {
        let file = match own_file::open(&self.path, Access::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            file => file?,
        };
        let mut bytes = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut bytes)?;
        Ok(serde_json::from_slice::<Content>(&bytes)?.paused)
    }

    /// Keeps these ids in the place of those before: all or nothing of it, also in a crash.
    ///
    /// # Errors
    /// When the folder cannot be written; the file is as it was then.
    pub fn write(&self, paused: BTreeSet<String>) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let new = self.path.with_extension("json.new");
        let mut file = own_file::open(&new, Access::Truncate)?;
        file.write_all(&serde_json::to_vec(&Content { paused })?)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        File::open(folder)?.sync_all()
    }
}

/// Whether the file is to blame, and not its folder or who asks.
fn is_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(of: &[&str]) -> BTreeSet<String> {
        of.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn what_is_paused_is_found_again_and_a_damaged_file_is_put_aside() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = dir.path().join("data");
        let file = PausedFile::of(&data_dir);
        assert_eq!(file.load(), ids(&[]), "nothing is there yet");
        file.write(ids(&["lake", "day"])).unwrap();
        assert_eq!(PausedFile::of(&data_dir).load(), ids(&["day", "lake"]));
        assert_eq!(fs::read_to_string(file.path()).unwrap(), "{\"paused\":[\"day\",\"lake\"]}\n");
        for damaged in ["", "{", "[]", "{\"paused\":7}", "{\"paused\":[],\"x\":1}", "\u{0}\u{0}"] {
            fs::write(file.path(), damaged).unwrap();
            assert!(file.read().is_err(), "{damaged:?}");
            assert_eq!(file.load(), ids(&[]));
            assert!(!file.path().exists(), "{damaged:?} stays");
            let kept = fs::read_to_string(data_dir.join("paused.json.damaged")).unwrap();
            assert_eq!(kept, damaged);
        }
        file.write(ids(&[])).unwrap();
        assert_eq!(file.read().unwrap(), ids(&[]));
    }

    #[test]
    fn a_link_in_its_place_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let precious = dir.path().join("precious");
        fs::write(&precious, "{\"paused\":[\"lake\"]}").unwrap();
        let file = PausedFile::of(dir.path());
        std::os::unix::fs::symlink(&precious, file.path()).unwrap();
        assert!(file.read().is_err());
        file.write(ids(&["day"])).unwrap();
        assert_eq!(file.read().unwrap(), ids(&["day"]));
        assert!(fs::read_to_string(&precious).unwrap().contains("lake"), "it was written through");
    }

    #[test]
    fn clones_of_a_switch_are_one() {
        let switch = PauseSwitch::default();
        let clone = switch.clone();
        switch.set(true);
        assert!(clone.is_on());
    }
}
