//! What files are called.
//!
//! `spot-20211201T011501.000000Z-lake-0.parquet`: kind, time of the first write, writer. Names sort
//! in the order of writing. An unfinished file is hidden by a dot before its name, and by another
//! ending from readers that list hidden files too.

use std::{fs, path::Path};

use plugin_api::{
    RecordKind,
    schemas::time::{DAY_US, EXCHANGE_OFFSET_US, ExchangeTime, SECOND_US},
};

use crate::fault::Fault;

/// What an unfinished file's name ends with.
pub const UNFINISHED: &str = ".parquet.tmp";
/// What the name of a copy without old footers ends with until it takes the file's place.
pub const COPY: &str = ".parquet.copy";

/// What the name ends with of what is kept because it is damaged.
pub const DAMAGED: &str = ".parquet.damaged";

/// Name without dot and ending of a new file in that folder, behind all others of its kind even
/// when the clock was put back.
pub fn next_stem(folder: &Path, kind: &str, writer: &str, now_us: i64) -> Result<String, Fault> {
    let earliest = stamp(now_us);
    let stamp = match newest_stamp(folder, kind)? {
        Some(newest) if newest >= earliest => after(&newest),
        _ => earliest,
    };
    Ok(format!("{kind}-{stamp}-{writer}"))
}

/// Whether a name is that of a copy that a killed writer did not complete.
pub fn is_copy(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(COPY)
}

/// Whether a name is that of a file that a writer has finished, or kept because it is damaged.
pub fn is_of_lake(name: &str) -> bool {
    let stem = name.strip_suffix(".parquet").or_else(|| name.strip_suffix(DAMAGED));
    let mut parts = stem.unwrap_or_default().splitn(3, '-');
    let (kind, stamp, writer) = (parts.next(), parts.next(), parts.next());
    kind.and_then(RecordKind::named).is_some()
        && stamp.is_some_and(is_stamp)
        && writer.is_some_and(|writer| !writer.is_empty())
}

/// Name of the writer in the name of an unfinished file or copy.
pub fn writer_of(name: &str) -> Option<&str> {
    let stem = name.strip_prefix('.')?;
    let stem = stem.strip_suffix(UNFINISHED).or_else(|| stem.strip_suffix(COPY))?;
    // kind-stamp-writer; a writer's name may hold dashes
    stem.splitn(3, '-').nth(2).filter(|writer| !writer.is_empty())
}

/// The newest time in the names of a folder's files of one kind, finished or not.
fn newest_stamp(folder: &Path, prefix: &str) -> Result<Option<String>, Fault> {
    let mut newest = None;
    for entry in fs::read_dir(folder).map_err(Fault::disk("list", folder))? {
        let name = entry.map_err(Fault::disk("list", folder))?.file_name();
        let Some(name) = name.to_str() else { continue };
        let name = name.strip_prefix('.').unwrap_or(name);
        let stamp = name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-'));
        let stamp = stamp.and_then(|rest| rest.get(..STAMP_LEN)).filter(|stamp| is_stamp(stamp));
        if let Some(stamp) = stamp
            && newest.as_deref().is_none_or(|newest: &str| stamp > newest)
        {
            newest = Some(stamp.to_owned());
        }
    }
    Ok(newest)
}

const STAMP_LEN: usize = "20211201T011501.000000Z".len();

/// `20211201T011501.000000Z`; moments outside the years 1 to 9999 come out as the nearest within.
fn stamp(us: i64) -> String {
    let day = us.div_euclid(DAY_US).clamp(-719_162, 2_932_896);
    let of_day = us.rem_euclid(DAY_US);
    let (year, month, day) = ExchangeTime { day, of_day_us: 0 }.date();
    let (second, micro) = (of_day / SECOND_US, of_day % SECOND_US);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}.{micro:06}Z")
}

fn is_stamp(text: &str) -> bool {
    stamp_us(text).is_some()
}

fn stamp_us(text: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u32>().ok();
    if text.len() != STAMP_LEN || !text.ends_with('Z') {
        return None;
    }
    let date = (i32::try_from(number(0..4)?).ok()?, number(4..6)?, number(6..8)?);
    let time = (number(9..11)?, number(11..13)?, number(13..15)?, number(16..22)?);
    ExchangeTime::from_civil(date, time).map(|us| us + EXCHANGE_OFFSET_US)
}

/// The time that follows a stamp.
fn after(stamp_text: &str) -> String {
    stamp_us(stamp_text).map_or_else(|| stamp_text.to_owned(), |us| stamp(us.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_sort_like_the_moments_they_stand_for() {
        let moments = [i64::MIN, -1, 0, 1, 1_638_321_301_000_000, i64::MAX];
        let stamps = moments.map(stamp);
        assert!(stamps.is_sorted() && stamps.iter().all(|text| is_stamp(text)), "{stamps:?}");
        assert_eq!(stamps[4], "20211201T011501.000000Z");
        assert_eq!(stamp_us(&stamps[4]), Some(moments[4]));
        assert_eq!(after("20211231T235959.999999Z"), "20220101T000000.000000Z");
    }

    #[test]
    fn writers_are_read_from_the_names_of_their_unfinished_files_alone() {
        for (name, writer) in [
            (".spot-20211201T011501.000000Z-my-lake-0.parquet.tmp", Some("my-lake-0")),
            (".bar-20211201T011501.000000Z-lake-0.parquet.copy", Some("lake-0")),
            ("spot-20211201T011501.000000Z-lake-0.parquet", None),
            (".spot-lake.parquet.tmp", None),
            (".writer-lake-0.lock", None),
            (".parquet.tmp", None),
        ] {
            assert_eq!(writer_of(name), writer, "{name}");
        }
    }

    #[test]
    fn files_of_the_lake_are_known_by_their_names() {
        for (name, is_known) in [
            ("spot-20211201T011501.000000Z-my-lake-0.parquet", true),
            ("bar-20211201T011501.000000Z-lake-0~1.parquet", true),
            ("bar-20211201T011501.000000Z-lake-0.parquet.damaged", true),
            (".spot-20211201T011501.000000Z-lake-0.parquet.tmp", false),
            ("spot-20211201T011501.000000Z-lake-0.parquet.bak", false),
            ("spot-20211201.parquet", false),
            ("other-20211201T011501.000000Z-lake-0.parquet", false),
            ("spot-20211201T011501.000000Z-.parquet", false),
            ("part-0.parquet", false),
            (".parquet", false),
        ] {
            assert_eq!(is_of_lake(name), is_known, "{name}");
        }
    }
}
