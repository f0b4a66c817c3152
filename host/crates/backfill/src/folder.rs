//! A job on disk: `data_dir/backfill/NAME/`.
//!
//! | file | what |
//! |---|---|
//! | `job.json` | what is asked for; written once |
//! | `00007.page` | what came for the eighth piece, until all stores have it |
//! | `00007.done` | the counts of a piece that all stores have |
//! | `result.json` | what came of the job, when it has ended; pages and counts are gone then |

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use dataserver_spool::own_file::{self, Access};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    outcome::{Outcome, Tally},
    page::sync_folder,
    plan::{Piece, Series},
};

const JOB: &str = "job.json";
const RESULT: &str = "result.json";
/// Version of what is written here; another one is left alone.
const VERSION: u32 = 1;
/// Results that are kept.
const MAX_RESULTS: usize = 50;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    version: u32,
    /// Its name, and that of its folder.
    pub name: String,
    /// Which counting the numbers of its batches belong to: when it began, microseconds since 1970
    /// UTC.
    pub epoch: u64,
    /// Whether the host began it by itself.
    pub is_automatic: bool,
    /// First and last day, as people wrote them, e.g. `2026-01-05`.
    pub days: (String, String),
    /// What is asked for.
    pub series: Series,
    /// Securities that were named; all when empty.
    #[serde(default)]
    pub symbols: Vec<String>,
    /// Ids of the sources, in their order.
    pub sources: Vec<String>,
    /// Ids of the stores.
    pub stores: Vec<String>,
    /// Those of them that are read first, because no ledger knows what they have.
    #[serde(default)]
    pub read_first: Vec<String>,
    /// Bars that are there are asked for as well, and take the place of those.
    #[serde(default)]
    pub replace: bool,
    /// What is missing, about: see [`Outcome`].
    pub asked: u64,
    /// What is missing beside that and nobody can be asked for, about.
    #[serde(default)]
    pub out_of_reach: u64,
    /// Who is asked for what.
    pub pieces: Vec<Piece>,
}

impl Job {
    /// A job that begins at that time, microseconds since 1970 UTC; without anything asked for yet.
    pub fn new(name: String, epoch: u64, series: Series) -> Self {
        Self {
            version: VERSION,
            name,
            epoch,
            is_automatic: false,
            days: Default::default(),
            series,
            symbols: Vec::new(),
            sources: Vec::new(),
            stores: Vec::new(),
            read_first: Vec::new(),
            replace: false,
            asked: 0,
            out_of_reach: 0,
            pieces: Vec::new(),
        }
    }
}

/// Why a job on disk cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", path.display())]
pub struct FolderError {
    path: PathBuf,
    what: String,
}

impl FolderError {
    fn new(path: &Path, what: impl ToString) -> Self {
        Self { path: path.to_owned(), what: what.to_string() }
    }
}

/// The folder of a job.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the folder of a new job.
    ///
    /// # Errors
    /// When the disk fails; nothing of the job counts then.
    pub fn create(root: &Path, job: &Job) -> Result<Self, FolderError> {
        let path = root.join(&job.name);
        let failed = |error: io::Error| FolderError::new(&path, error);
        fs::create_dir_all(&path).map_err(failed)?;
        let folder = Self { path: path.clone() };
        folder.write(JOB, job).map_err(failed)?;
        sync_folder(&path).map_err(failed)?;
        Ok(folder)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the page of a piece is, or will be.
    pub fn page(&self, piece: usize) -> PathBuf {
        self.path.join(format!("{piece:05}.page"))
    }

    /// The counts of a piece that all stores have; `None` before.
    pub fn done(&self, piece: usize) -> Option<Tally> {
        self.read(&format!("{piece:05}.done")).ok().flatten()
    }

    /// Notes that all stores have a piece, and removes its page.
    ///
    /// # Errors
    /// When the disk fails; the piece is not done then.
    pub fn set_done(&self, piece: usize, tally: &Tally) -> io::Result<()> {
        self.write(&format!("{piece:05}.done"), tally)?;
        match fs::remove_file(self.page(piece)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Pages that wait for stores.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn pages(&self) -> io::Result<usize> {
        let is_page = |path: &PathBuf| path.extension().is_some_and(|it| it == "page");
        Ok(files(&self.path)?.iter().filter(|path| is_page(path)).count())
    }

    /// Notes what came of the job, and removes all else but what was asked for.
    ///
    /// # Errors
    /// When the disk fails; the job has not ended then.
    pub fn finish(&self, outcome: &Outcome) -> Result<(), FolderError> {
        let failed = |error: io::Error| FolderError::new(&self.path, error);
        self.write(RESULT, outcome).map_err(failed)?;
        for path in files(&self.path).map_err(failed)? {
            if !matches!(path.file_name().and_then(|it| it.to_str()), Some(JOB | RESULT)) {
                fs::remove_file(&path).map_err(|error| FolderError::new(&path, error))?;
            }
        }
        Ok(())
    }

    /// What came of the job; `None` while it has not ended.
    fn result(&self) -> Option<Outcome> {
        self.read(RESULT).ok().flatten()
    }

    fn job(&self) -> Result<Option<Job>, FolderError> {
        let path = self.path.join(JOB);
        let job: Option<Job> = self.read(JOB).map_err(|error| FolderError::new(&path, error))?;
        match job {
            Some(job) if job.version != VERSION => {
                let found = job.version;
                let what = format!(
                    "a backfill of version {found}, and this host knows {VERSION}; end it with the \
                     host that began it, or remove the folder"
                );
                Err(FolderError::new(&path, what))
            }
            job => Ok(job),
        }
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> io::Result<Option<T>> {
        match own_file::read(&self.path.join(name)) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a file whole or not at all.
    fn write(&self, name: &str, value: &impl Serialize) -> io::Result<()> {
        let (path, part) = (self.path.join(name), self.path.join(format!("{name}.part")));
        let mut file = own_file::open(&part, Access::Truncate)?;
        file.write_all(&serde_json::to_vec(value)?)?;
        file.sync_data()?;
        fs::rename(&part, &path)?;
        sync_folder(&path)
    }
}

/// The job that was begun and has not ended, with its folder; `None` without one. What was begun
/// and broken off before it counted is removed.
///
/// # Errors
/// When the folder cannot be read, or a job in it is of another version.
pub fn unfinished(root: &Path) -> Result<Option<(Folder, Job)>, FolderError> {
    for folder in folders(root)? {
        match folder.job()? {
            None => fs::remove_dir_all(&folder.path)
                .map_err(|error| FolderError::new(&folder.path, error))?,
            Some(job) if folder.result().is_none() => return Ok(Some((folder, job))),
            Some(_) => {}
        }
    }
    Ok(None)
}

/// What came of the last job that has ended; removes the oldest results where there are many.
///
/// # Errors
/// When the folder cannot be read.
pub fn latest(root: &Path) -> Result<Option<Outcome>, FolderError> {
    let mut ended: Vec<_> =
        folders(root)?.into_iter().filter_map(|folder| Some((folder.result()?, folder))).collect();
    ended.sort_by_key(|(outcome, _)| outcome.begun_us);
    let many = ended.len().saturating_sub(MAX_RESULTS);
    for (_, folder) in ended.drain(..many) {
        // the next time tries again
        let _ = fs::remove_dir_all(&folder.path);
    }
    Ok(ended.pop().map(|(outcome, _)| outcome))
}

fn folders(root: &Path) -> Result<Vec<Folder>, FolderError> {
    let mut folders = match files(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        found => found.map_err(|error| FolderError::new(root, error))?,
    };
    folders.retain(|path| path.is_dir());
    folders.sort();
    Ok(folders.into_iter().map(|path| Folder { path }).collect())
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(name: &str, epoch: u64) -> Job {
        Job {
            sources: vec!["past".to_owned()],
            ..Job::new(name.to_owned(), epoch, Series::spots())
        }
    }

    #[test]
    fn a_job_is_found_until_it_has_ended_and_its_result_after_that() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("backfill");
        assert!(unfinished(&root).unwrap().is_none() && latest(&root).unwrap().is_none());
        let folder = Folder::create(&root, &job("one", 1)).unwrap();
        let (found, read) = unfinished(&root).unwrap().unwrap();
        assert_eq!((found.path(), read), (folder.path(), job("one", 1)));
        fs::write(folder.page(3), "x").unwrap();
        assert_eq!((folder.pages().unwrap(), folder.done(3)), (1, None));
        let tally = Tally { received: 7, ..Tally::default() };
        folder.set_done(3, &tally).unwrap();
        folder.set_done(3, &tally).unwrap();
        assert_eq!((folder.pages().unwrap(), folder.done(3)), (0, Some(tally)));
        let outcome = Outcome { name: "one".to_owned(), begun_us: 1, ..Outcome::default() };
        folder.finish(&outcome).unwrap();
        assert!(unfinished(&root).unwrap().is_none());
        assert_eq!(latest(&root).unwrap(), Some(outcome));
        assert_eq!(files(folder.path()).unwrap().len(), 2);
    }

    #[test]
    fn what_was_broken_off_before_it_counted_is_removed_and_another_version_is_left() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("broken")).unwrap();
        fs::write(dir.path().join("broken/job.json.part"), "{").unwrap();
        assert!(unfinished(dir.path()).unwrap().is_none());
        assert!(!dir.path().join("broken").exists());
        Folder::create(dir.path(), &Job { version: 2, ..job("newer", 1) }).unwrap();
        let error = unfinished(dir.path()).unwrap_err().to_string();
        assert!(error.contains("newer/job.json: a backfill of version 2"), "{error}");
        fs::write(dir.path().join("newer/job.json"), "{").unwrap();
        assert!(unfinished(dir.path()).is_err(), "a damaged one is told, not taken for none");
    }

    #[test]
    fn old_results_make_room() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..MAX_RESULTS + 5 {
            let name = format!("job{number}");
            let folder = Folder::create(dir.path(), &job(&name, 1)).unwrap();
            let begun_us = i64::try_from(number).unwrap();
            folder.finish(&Outcome { name, begun_us, ..Outcome::default() }).unwrap();
        }
        assert_eq!(latest(dir.path()).unwrap().unwrap().name, format!("job{}", MAX_RESULTS + 4));
        assert_eq!(files(dir.path()).unwrap().len(), MAX_RESULTS);
        assert!(!dir.path().join("job0").exists());
    }
}
