//! Warm start from a lake of the `parquet` sink: the last days, as if they had just come.
//!
//! Where folders carry dates (`date=2021-12-01`), only those of the last days with quotes are read. A file that
//! its writer did not end is whole up to its last row group, and is read too.

mod rows;

use std::{
    collections::BTreeSet,
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use plugin_api::{Context, PluginError};

use crate::store::{Keeper, Left};

/// What the name of a file ends with, when it is whole and when it is not.
const WHOLE: &str = ".parquet";
const UNFINISHED: &str = ".parquet.tmp";
/// What the name of a file of quotes begins with.
const QUOTES: &str = "spot-";
/// Pause between lines that tell how far the reading is.
const PROGRESS: Duration = Duration::from_secs(10);

/// Tells whether there is a lake at all.
///
/// # Errors
/// `Config` when there is no such folder.
pub fn check(lake: &Path) -> Result<(), PluginError> {
    if lake.is_dir() {
        return Ok(());
    }
    Err(PluginError::config(format!(
        "warm_start: {} is no folder; name the `path` of a parquet sink, or leave warm_start out",
        lake.display()
    )))
}

/// Takes in the last `days` of a lake. A file that cannot be read is named in the log and left out.
///
/// # Errors
/// `Config` when the lake cannot be listed.
pub fn read(
    keeper: &mut Keeper,
    lake: &Path,
    days: usize,
    context: &Context,
) -> Result<(), PluginError> {
    check(lake)?;
    let files = files(lake, days).map_err(|error| {
        PluginError::config(format!(
            "warm_start: cannot list {}: {error}; check its permissions",
            lake.display()
        ))
    })?;
    let begun = Instant::now();
    let (mut rows, mut left, mut told) = (0, Left::default(), begun);
    for (done, file) in files.iter().enumerate() {
        if context.is_stopping() {
            return Ok(());
        }
        match read_file(keeper, file, context.now_us(), &mut left) {
            Ok(taken) => rows += taken,
            Err(fault) => context.warn(&format!(
                "warm_start: {} is left out from where it cannot be read: {fault}",
                file.display()
            )),
        }
        if told.elapsed() >= PROGRESS {
            told = Instant::now();
            context.info(&format!(
                "warm start: {} of {} files read, {rows} rows",
                done + 1,
                files.len()
            ));
        }
    }
    context.info(&format!(
        "warm start: {rows} rows of {} files in {} read in {:.1?}",
        files.len(),
        lake.display(),
        begun.elapsed()
    ));
    Ok(())
}

fn read_file(
    keeper: &mut Keeper,
    file: &Path,
    now_us: i64,
    left: &mut Left,
) -> Result<u64, String> {
    let mut read = |path: &Path| {
        // a damaged file can make its reader panic
        catch_unwind(AssertUnwindSafe(|| rows::read(keeper, path, now_us, left)))
            .unwrap_or_else(|_| Err("its reader failed, so it is damaged".to_owned()))
    };
    match read(file) {
        // the sink that mends it may just have given it its name
        Err(fault) => match finished(file).filter(|finished| finished.exists()) {
            Some(finished) => read(&finished),
            None => Err(fault),
        },
        taken => taken,
    }
}

/// The name that an unfinished file gets in the end.
fn finished(file: &Path) -> Option<PathBuf> {
    let name = file.file_name()?.to_str()?;
    let stem = name.strip_prefix('.')?.strip_suffix(UNFINISHED)?;
    Some(file.with_file_name(format!("{stem}{WHOLE}")))
}

/// The files to read, oldest first.
fn files(lake: &Path, days: usize) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    list(lake, None, &mut files)?;
    // bars of a month carry its last day, which may lie ahead
    let of_quotes = files.iter().filter(|(_, path)| written(path).starts_with(QUOTES));
    let dates: BTreeSet<_> = of_quotes.filter_map(|(date, _)| date.clone()).collect();
    let first = dates.len().saturating_sub(days);
    let first = dates.into_iter().nth(first);
    files.retain(|(date, _)| date.is_none() || *date >= first);
    files.sort_by(|(one_date, one), (other_date, other)| {
        (one_date, written(one)).cmp(&(other_date, written(other)))
    });
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

/// By its name a file tells when it was begun.
fn written(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.trim_start_matches('.').to_owned()
}

fn list(
    folder: &Path,
    date: Option<&str>,
    files: &mut Vec<(Option<String>, PathBuf)>,
) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_string_lossy();
        if entry.file_type()?.is_dir() {
            list(&path, name.strip_prefix("date=").or(date), files)?;
        } else if name.ends_with(WHOLE) || name.ends_with(UNFINISHED) {
            files.push((date.map(str::to_owned), path));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_days_are_read_in_the_order_of_writing() {
        let lake = tempfile::tempdir().unwrap();
        let make = |path: &str| {
            let path = lake.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        };
        make("kind=spot/date=2021-12-01/spot-1-a.parquet");
        make("kind=spot/date=2021-12-02/spot-3-a.parquet");
        make("kind=spot/date=2021-12-02/.spot-4-a.parquet.tmp");
        make("kind=bar/date=2021-12-02/bar-2-a.parquet");
        make("kind=bar/date=2021-12-31/bar-2-a.parquet");
        make("kind=spot/date=2021-12-02/.writer-a.lock");
        make("spot-0-a.parquet");
        let names = |days| {
            let files = files(lake.path(), days).unwrap();
            files.iter().map(|path| written(path)).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            names(1),
            "spot-0-a.parquet bar-2-a.parquet spot-3-a.parquet spot-4-a.parquet.tmp bar-2-a.parquet"
        );
        assert!(names(2).contains("spot-1-a"));
        assert_eq!(
            finished(Path::new("/x/.spot-4-a.parquet.tmp")),
            Some(PathBuf::from("/x/spot-4-a.parquet"))
        );
        assert_eq!(finished(Path::new("/x/spot-4-a.parquet")), None);
    }

    #[test]
    fn a_folder_that_is_not_there_is_a_fault_of_the_configuration() {
        let error = check(Path::new("/nowhere/lake")).unwrap_err();
        assert!(error.message.contains("/nowhere/lake") && error.message.contains("parquet"));
    }
}
