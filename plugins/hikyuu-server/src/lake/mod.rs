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

use plugin_api::{
    Context, PluginError,
    schemas::time::{ExchangeTime, parse_date},
};

use crate::store::{Skipped, StoreWriter};

/// What the name of a file ends with, when it is whole and when it is not.
const WHOLE: &str = ".parquet";
const UNFINISHED: &str = ".parquet.tmp";
/// What the name of a file of quotes begins with.
const QUOTES: &str = "spot-";
/// Pause between lines that tell how far the reading is.
const PROGRESS: Duration = Duration::from_secs(10);

/// Whether that can be a lake. A folder that does not exist yet can: another sink may make it.
///
/// # Errors
/// `Config` when it is something else than a folder.
pub fn check(lake: &Path) -> Result<(), PluginError> {
    if lake.is_dir() || !lake.exists() {
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
    writer: &mut StoreWriter,
    lake: &Path,
    days: usize,
    context: &Context,
    settle: &mut impl FnMut(&mut StoreWriter, Skipped),
) -> Result<(), PluginError> {
    check(lake)?;
    if !lake.exists() {
        context.info(&format!("warm start: there is no {} yet", lake.display()));
        return Ok(());
    }
    let today = ExchangeTime::from_utc_us(context.now_us()).day;
    let files = files(lake, days, today).map_err(|error| {
        PluginError::config(format!(
            "warm_start: cannot list {}: {error}; check its permissions",
            lake.display()
        ))
    })?;
    let begun = Instant::now();
    let (mut rows, mut told) = (0, begun);
    for (done, file) in files.iter().enumerate() {
        if context.is_stopping() {
            return Ok(());
        }
        match read_file(writer, file, context.now_us(), settle) {
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
    writer: &mut StoreWriter,
    file: &Path,
    now_us: i64,
    settle: &mut impl FnMut(&mut StoreWriter, Skipped),
) -> Result<u64, String> {
    let mut read = |path: &Path| {
        // a damaged file can make its reader panic
        catch_unwind(AssertUnwindSafe(|| rows::read(writer, path, now_us, settle)))
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

/// The files to read, oldest first. `today` is counted from 1970-01-01.
fn files(lake: &Path, days: usize, today: i64) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    list(lake, Folder::Undated, &mut files)?;
    // bars of a month carry its last day, which may lie ahead
    let first = first_day(&files, days, today, |name| name.starts_with(QUOTES))
        .or_else(|| first_day(&files, days, today, |_| true));
    files.retain(|(folder, path)| match folder {
        Folder::Undated => true,
        // nothing in it has a time
        Folder::Other => false,
        Folder::Of(day) => {
            let is_ahead = *day > today && written(path).starts_with(QUOTES);
            first.is_none_or(|first| *day >= first) && !is_ahead
        }
    });
    files.sort_by(|(one_folder, one), (other_folder, other)| {
        (one_folder, written(one)).cmp(&(other_folder, written(other)))
    });
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

/// The first of the last `days` until today that have files of those names.
fn first_day(
    files: &[(Folder, PathBuf)],
    days: usize,
    today: i64,
    counts: impl Fn(&str) -> bool,
) -> Option<i64> {
    let of_files = files.iter().filter(|(_, path)| counts(&written(path)));
    let seen: BTreeSet<_> = of_files
        .filter_map(|(folder, _)| match folder {
            Folder::Of(day) if *day <= today => Some(*day),
            _ => None,
        })
        .collect();
    seen.into_iter().rev().take(days).min()
}

/// By its name a file tells when it was begun.
fn written(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.trim_start_matches('.').to_owned()
}

fn list(folder: &Path, kind: Folder, files: &mut Vec<(Folder, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_string_lossy();
        if entry.file_type()?.is_dir() {
            list(&path, name.strip_prefix("date=").map_or(kind, Folder::named), files)?;
        } else if name.ends_with(WHOLE) || name.ends_with(UNFINISHED) {
            files.push((kind, path));
        }
    }
    Ok(())
}

/// What the name of a folder says of the files in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Folder {
    /// Nothing.
    Undated,
    /// That they are of a day, counted from 1970-01-01.
    Of(i64),
    /// That they are of no day.
    Other,
}

impl Folder {
    /// By what follows `date=`.
    fn named(date: &str) -> Self {
        let midnight = parse_date(date).and_then(|day| ExchangeTime::from_civil(day, (0, 0, 0, 0)));
        midnight.map_or(Self::Other, |us| Self::Of(ExchangeTime::from_utc_us(us).day))
    }
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
        make("kind=spot/date=2021-12-09/spot-5-a.parquet");
        make("kind=spot/date=__HIVE_DEFAULT_PARTITION__/spot-5-a.parquet");
        let Folder::Of(today) = Folder::named("2021-12-03") else { panic!() };
        let names = |days| {
            let files = files(lake.path(), days, today).unwrap();
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
    fn what_is_no_folder_is_a_fault_of_the_configuration() {
        assert!(check(Path::new("/nowhere/lake")).is_ok(), "it may be made later");
        let error = check(Path::new("/dev/null")).unwrap_err();
        assert!(error.message.contains("/dev/null") && error.message.contains("parquet"));
    }
}
