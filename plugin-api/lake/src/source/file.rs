//! A file of the lake as its readers see it, also while it is being written.
//!
//! Of a finished file all rows count, of an unfinished one those of commits that hold: the footer of
//! the last of these is searched for from the end, as recovery does. Its writer may go on, finish it
//! and give it its name between two looks, so it is looked at anew each time; row groups keep their
//! order then.

use std::{
    fs::File,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
};

use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};

use super::listing::Listed;
use crate::{recover::last_footer, writer_lock::Committed};

/// An open file and what its footer says.
pub struct Opened {
    file: File,
    metadata: ArrowReaderMetadata,
}

/// Opens a file of that lake; `None` when nothing in it holds yet.
///
/// # Errors
/// A text for people that names the file, when it cannot be read.
pub fn open(lake: &Path, listed: &Listed) -> Result<Option<Opened>, String> {
    let unreadable = |error: &dyn std::fmt::Display| in_file(&listed.path, error);
    let Some(writer) = &listed.writer else {
        let file = kit::file::open(&listed.path).map_err(|error| unreadable(&error))?;
        return finished(file).map(Some).map_err(|error| unreadable(&error));
    };
    match kit::file::open(&listed.path) {
        Ok(file) => unfinished(lake, writer, file).map_err(|error| unreadable(&error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let renamed = listed.finished_names().find_map(|name| kit::file::open(&name).ok());
            let file = renamed.ok_or_else(|| unreadable(&error))?;
            finished(file).map(Some).map_err(|error| unreadable(&error))
        }
        Err(error) => Err(unreadable(&error)),
    }
}

impl Opened {
    /// The footer.
    pub fn metadata(&self) -> &ArrowReaderMetadata {
        &self.metadata
    }

    /// Number of row groups.
    pub fn row_groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    /// A reader of the file.
    ///
    /// # Errors
    /// When the system has no further handle for it.
    pub fn reader(&self) -> io::Result<ParquetRecordBatchReaderBuilder<File>> {
        let file = self.file.try_clone()?;
        Ok(ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone()))
    }
}

fn finished(file: File) -> Result<Opened, String> {
    let metadata = contained(|| ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()))?;
    Ok(Opened { file, metadata })
}

fn unfinished(lake: &Path, writer: &str, file: File) -> Result<Option<Opened>, String> {
    let len = file.metadata().map_err(|error| error.to_string())?.len();
    // not before: what the file has by then is at most one commit ahead of the record
    let committed =
        Committed::look(lake, writer).map_err(|fault| fault.into_error().to_string())?;
    let last = last_footer(&file, len, |tag| committed.is_complete(tag));
    let Some((_, metadata)) = last.map_err(|error| error.to_string())? else { return Ok(None) };
    let metadata =
        contained(|| ArrowReaderMetadata::try_new(Arc::new(metadata), ArrowReaderOptions::new()))?;
    Ok(Some(Opened { file, metadata }))
}

/// Runs a call into the parquet crate, which panics on some damaged files.
///
/// # Errors
/// As the call, in words.
pub fn contained<T, E: std::fmt::Display>(
    call: impl FnOnce() -> Result<T, E>,
) -> Result<T, String> {
    // what the call worked on is not used again after an error
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("its content contradicts itself".to_owned()),
    }
}

/// What is wrong with a file, for people.
pub fn in_file(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!(
        "{} cannot be read: {error}; rows of it are left out, so mend the file or move it out of \
         the lake",
        path.display()
    )
}
