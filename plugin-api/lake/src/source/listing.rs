//! Which files of a lake may hold what is asked for, told by their folders and names.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use kit::history::Wanted;
use plugin_api::schemas::time::{ExchangeTime, parse_date};

use crate::{
    names::{UNFINISHED, writer_of},
    partition::escaped,
};

/// What a finished file's name ends with.
const FINISHED: &str = ".parquet";

/// A file by the name that it was listed under.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Where it is.
    pub path: PathBuf,
    /// The writer that has not finished it.
    pub writer: Option<String>,
}

impl Listed {
    /// Names that an unfinished file may have got meanwhile, the likeliest first.
    pub fn finished_names(&self) -> impl Iterator<Item = PathBuf> + '_ {
        let name = self.path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let stem = name.strip_prefix('.').and_then(|name| name.strip_suffix(UNFINISHED));
        let numbers = 0..if stem.is_some() { 8 } else { 0 };
        numbers.map(move |number| {
            let stem = stem.unwrap_or_default();
            self.path.with_file_name(match number {
                0 => format!("{stem}{FINISHED}"),
                _ => format!("{stem}~{number}{FINISHED}"),
            })
        })
    }
}

/// The files in groups, each of which is read by itself, earlier days first; within a group in the
/// order of writing. A lake that is not parted by days is one group.
///
/// # Errors
/// The folder that cannot be listed.
pub fn groups(lake: &Path, wanted: &Wanted) -> Result<Vec<Vec<Listed>>, (PathBuf, io::Error)> {
    let mut files = BTreeMap::<Option<i64>, BTreeSet<Listed>>::new();
    let symbols = wanted.asked().symbols.iter();
    let levels = Levels {
        days: day(wanted.asked().from_us)..=day(wanted.asked().to_us),
        symbols: symbols.clone().map(|symbol| escaped(symbol)).collect(),
        markets: symbols
            .filter_map(|symbol| symbol.rsplit_once('.'))
            .map(|(_, market)| escaped(market))
            .collect(),
        kind: wanted.kind().as_str(),
    };
    list(lake, None, &levels, &mut files)?;
    let is_parted = !files.contains_key(&None);
    let groups = files.into_values().map(|files| in_order_of_writing(files.into_iter()));
    Ok(if is_parted { groups.collect() } else { vec![in_order_of_writing(groups.flatten())] })
}

/// What the levels of folders may be.
struct Levels<'a> {
    days: std::ops::RangeInclusive<i64>,
    symbols: BTreeSet<String>,
    markets: BTreeSet<String>,
    kind: &'a str,
}

impl Levels<'_> {
    /// Whether a folder may hold what is wanted; sets the day that it is of.
    fn take(&self, name: &str, value: &str, folder_day: &mut Option<i64>) -> bool {
        let is_among = |names: &BTreeSet<String>| names.is_empty() || names.contains(value);
        match name {
            "kind" => value == self.kind,
            "market" => is_among(&self.markets),
            "symbol" => is_among(&self.symbols),
            "date" => {
                // what has no date has no time either, and nobody can ask for it
                *folder_day = parse_date(value).and_then(day_number);
                folder_day.is_some_and(|day| self.days.contains(&day))
            }
            _ => true,
        }
    }
}

fn list(
    folder: &Path,
    of_day: Option<i64>,
    levels: &Levels<'_>,
    files: &mut BTreeMap<Option<i64>, BTreeSet<Listed>>,
) -> Result<(), (PathBuf, io::Error)> {
    let failed = |error| (folder.to_owned(), error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let file_name = entry.file_name();
        let Some(name) = file_name.to_str() else { continue };
        let path = entry.path();
        if path.is_dir() {
            let mut day = of_day;
            if let Some((level, value)) = name.split_once('=')
                && levels.take(level, value, &mut day)
            {
                list(&path, day, levels, files)?;
            }
            continue;
        }
        let writer = writer_of(name).filter(|_| name.ends_with(UNFINISHED)).map(str::to_owned);
        let is_finished = name.ends_with(FINISHED) && !name.starts_with('.');
        if writer.is_some() || is_finished {
            files.entry(of_day).or_default().insert(Listed { path, writer });
        }
    }
    Ok(())
}

/// By name, as names begin with the time of the first write. A file that was finished while its
/// folder was listed may have been seen under both names; the finished one is read.
fn in_order_of_writing(files: impl Iterator<Item = Listed>) -> Vec<Listed> {
    let mut files: Vec<_> = files.collect();
    let finished: BTreeSet<_> =
        files.iter().filter(|it| it.writer.is_none()).map(|it| it.path.clone()).collect();
    files.retain(|it| !it.finished_names().any(|name| finished.contains(&name)));
    let key = |file: &Listed| {
        let name = file.path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        (name.trim_start_matches('.').to_owned(), file.path.clone())
    };
    files.sort_by_cached_key(key);
    files
}

fn day(us: i64) -> i64 {
    ExchangeTime::from_utc_us(us).day
}

/// Days since 1970 of a civil date.
pub fn day_number(date: (i32, u32, u32)) -> Option<i64> {
    ExchangeTime::from_civil(date, (0, 0, 0, 0)).map(day)
}
