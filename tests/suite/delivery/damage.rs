//! Damage in the middle of a spool, and which records it may cost.

use std::{fs, ops::Range, path::Path};

use harness::Random;
use plugin_api::{Batch, Round};

use super::site::entries;

const MAGIC: &[u8] = b"DSSPOOL1";
/// Length and checksum before an entry.
const PREFIX: usize = 8;
/// Before the names of an entry: number, flags, records, time of receipt, epoch, sequence, part.
const FIXED: usize = 8 + 1 + 4 + 8 + 3 * 8;

/// What was done to the spool of a sink.
pub struct Damaged {
    /// The sink.
    pub sink: String,
    /// Symbol and time, in microseconds since 1970 UTC, of every record that was in the bytes.
    pub records: Vec<(String, i64)>,
    /// For the journal.
    pub told: String,
}

/// Flips or zeroes bytes within one segment of each spool in a folder, where there are batches.
pub fn damage(spools: &Path, random: &mut Random) -> Vec<Damaged> {
    let mut all = Vec::new();
    for spool in entries(spools) {
        let segments: Vec<_> = entries(&spool)
            .into_iter()
            .filter(|path| path.extension().is_some_and(|it| it == "seg"))
            .collect();
        if segments.is_empty() {
            continue;
        }
        let segment =
            &segments[usize::try_from(random.between(0, segments.len() as u64 - 1)).unwrap()];
        if let Some((records, told)) = damage_segment(segment, random) {
            let sink = spool.file_name().unwrap().to_string_lossy().into_owned();
            all.push(Damaged { sink, records, told });
        }
    }
    all
}

fn damage_segment(segment: &Path, random: &mut Random) -> Option<(Vec<(String, i64)>, String)> {
    let mut bytes = fs::read(segment).unwrap();
    let places = places(&bytes);
    // not the last one: that is the spool's end
    let most = places.len().checked_sub(2)?;
    let place = places[usize::try_from(random.between(0, most as u64)).unwrap()].clone();
    let begin = random.between(place.start as u64, place.end as u64 - 1);
    let length = random.pick(&[1, 16, 700, 9_000]);
    let end = (begin + length).min(places.last()?.start as u64);
    let range = usize::try_from(begin).unwrap()..usize::try_from(end).unwrap();
    let is_flipped = random.between(0, 1) == 0;
    let before = bytes[range.clone()].to_vec();
    let touched: Vec<_> = places
        .iter()
        .filter(|place| place.start < range.end && range.start < place.end)
        .flat_map(|place| records(&bytes[place.clone()]))
        .collect();
    bytes[range.clone()].iter_mut().for_each(|byte| *byte = if is_flipped { !*byte } else { 0 });
    if bytes[range.clone()] == before {
        return None;
    }
    fs::write(segment, bytes).unwrap();
    let how = if is_flipped { "flipped" } else { "zeroed" };
    let told = format!(
        "\n    {} bytes at {} {how} in {}, of {} records",
        range.len(),
        range.start,
        segment.display(),
        touched.len()
    );
    Some((touched, told))
}

/// Where the whole entries of a segment are.
fn places(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    let mut at = MAGIC.len();
    while bytes.starts_with(MAGIC) {
        let Some(length) = bytes.get(at..at + 4) else { break };
        let length = u32::from_le_bytes(length.try_into().unwrap());
        let end = at + PREFIX + usize::try_from(length).unwrap();
        if length == 0 || end > bytes.len() {
            break;
        }
        places.push(at..end);
        at = end;
    }
    places
}

/// Symbol and time of the records of an entry.
fn records(entry: &[u8]) -> Vec<(String, i64)> {
    let mut at = PREFIX + FIXED;
    for _ in ["writer", "source"] {
        let Some(length) = entry.get(at..at + 2) else { return Vec::new() };
        at += 2 + usize::from(u16::from_le_bytes(length.try_into().unwrap()));
    }
    let payload = entry.get(at..).unwrap_or_default().to_vec();
    let Ok(batch) = Batch::from_untrusted_spots(payload, Round::MIDDLE) else { return Vec::new() };
    batch.spots().iter().map(|spot| (spot.symbol().to_string(), spot.time_us())).collect()
}
