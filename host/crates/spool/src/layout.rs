//! The layout of a segment: intact entries, and what lies between them.

use std::{io, ops::Range, os::unix::fs::FileExt};

use super::{
    entry::{Frame, Head, Tally},
    lossy,
    search::{Search, Whole},
    segment::{Named, Start, is_newer},
    stretch::{Stretch, Wrong},
};
use crate::own_file::{self, Access};

/// Entries and damage of a segment's file.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// Intact entries, by number, each once.
    pub entries: Vec<Placed>,
    /// Damage and duplicate entries, by offset.
    pub stretches: Vec<Stretch>,
    /// What had come into the spool before, if the header says so, or else its neighbours.
    pub start: Option<Tally>,
    /// Bytes of the file.
    pub bytes: u64,
    /// Where the last entry ends.
    pub end: u64,
    /// An incomplete append follows `end`.
    pub is_unfinished: bool,
    /// The file is of a later format and cannot be read.
    pub is_newer: bool,
    /// Damage may have lost entries after the last one.
    pub ends_damaged: bool,
}

/// An intact entry in its file.
#[derive(Debug)]
pub(super) struct Placed {
    pub head: Head,
    pub at: u64,
    pub next: u64,
    /// Bytes of its payload.
    pub payload: u64,
    /// Damage may have lost entries right before it.
    pub after_damage: bool,
}

/// What is known of the segments after one.
#[derive(Debug, Clone, Default)]
pub(super) struct SegmentContext {
    /// Number of the first entry of the next segment.
    pub next_first: Option<u64>,
    /// The same of the next one without a mark.
    pub next_plain: Option<u64>,
    /// Count before the next segment, if known.
    pub next_start: Option<Tally>,
    /// What had come by the end of the segment before, where that is known.
    pub behind: Option<Tally>,
    /// Everything up to that number is delivered.
    pub committed: u64,
}

impl SegmentContext {
    /// The context of each of these segments.
    pub fn of_all(segments: &[Named], committed: u64) -> Vec<Self> {
        let mut context = Self { committed, ..Self::default() };
        let mut all: Vec<_> = segments
            .iter()
            .rev()
            .map(|segment| {
                let here = context.clone();
                context.next_first = Some(segment.first);
                match segment.frame {
                    Frame::Plain => context.next_plain = Some(segment.first),
                    Frame::Marked(_) => {
                        context.next_start = match start_of(segment) {
                            // an inserted segment has no counts
                            Some(Start::Unnumbered) => context.next_start,
                            Some(Start::At(tally)) => Some(tally),
                            None => None,
                        };
                    }
                }
                here
            })
            .collect();
        all.reverse();
        all
    }

    /// What had come before a segment whose header is damaged; `None` where that is not sure.
    fn start(&self) -> Option<Tally> {
        // one that was put in between later has no numbers, and its neighbours miss none
        let goes_on =
            |behind: &Tally| self.next_start.is_some_and(|next| behind.entries < next.entries);
        self.behind.filter(goes_on)
    }
}

/// The header of a segment; `None` when it is damaged.
fn start_of(segment: &Named) -> Option<Start> {
    let mut header = vec![0; usize::try_from(segment.frame.header()).ok()?];
    own_file::open(&segment.path, Access::Read).ok()?.read_exact_at(&mut header, 0).ok()?;
    segment.frame.start(&header)
}

impl Layout {
    /// Reads a segment's file.
    pub fn of_file(named: &Named, context: &SegmentContext) -> io::Result<Self> {
        let file = own_file::open(&named.path, Access::Read)?;
        let length = file.metadata()?.len();
        let bytes = lossy::read(length, |bytes, at| file.read_at(bytes, at))?;
        let numbers = named.first..context.next_plain.unwrap_or(u64::MAX);
        let mut layout = Self::of_bytes(&bytes, named.frame, numbers, context.next_first.is_none());
        layout.bytes = length;
        if matches!(named.frame, Frame::Marked(_)) && named.frame.start(&bytes).is_none() {
            layout.start = context.start();
        }
        layout.count_losses(named.frame, context);
        Ok(layout)
    }

    fn of_bytes(bytes: &[u8], frame: Frame, numbers: Range<u64>, is_last: bool) -> Self {
        let mut layout =
            Self { bytes: bytes.len() as u64, start: tally_of(bytes, frame), ..Self::default() };
        let mut search = Search::new(bytes, frame, numbers);
        layout.look_at_header(bytes, frame);
        let mut at = usize::try_from(frame.header()).unwrap_or(0).min(bytes.len());
        loop {
            let found = match search.whole_at(at) {
                Some(whole) => whole,
                None => match search.next_from(at + 1) {
                    Some(whole) => {
                        layout.add_stretch(Wrong::Damaged, at, whole.at);
                        whole
                    }
                    None => break,
                },
            };
            at = found.next;
            layout.add_entry(found);
        }
        layout.is_newer = layout.entries.is_empty() && is_newer(bytes);
        layout.find_end(bytes, at, frame, is_last);
        layout.put_in_order();
        layout
    }

    fn look_at_header(&mut self, bytes: &[u8], frame: Frame) {
        let length = usize::try_from(frame.header()).unwrap_or(0);
        match bytes.get(..length) {
            None => self.add_stretch(Wrong::CutOff, 0, bytes.len()),
            Some(header) if frame.is_header(header) => {}
            Some(_) => self.add_stretch(Wrong::Damaged, 0, length),
        }
    }

    fn add_entry(&mut self, Whole { head, at, next, payload }: Whole) {
        let (at, next) = (at as u64, next as u64);
        self.entries.push(Placed { head, at, next, payload, after_damage: false });
    }

    fn add_stretch(&mut self, wrong: Wrong, from: usize, to: usize) {
        self.stretches.push(Stretch::new(wrong, from as u64, (to - from) as u64));
    }

    /// Examines what follows the last entry, which ends at that offset.
    fn find_end(&mut self, bytes: &[u8], at: usize, frame: Frame, is_last: bool) {
        self.end = at as u64;
        let rest = &bytes[at..];
        if self.is_newer {
            self.stretches = vec![Stretch::about(Wrong::Newer, 0, self.bytes)];
            return;
        }
        if self.bytes < frame.header() {
            self.ends_damaged = true;
            return;
        }
        match frame.end() {
            Some(end) if rest.starts_with(&end) => self.is_unfinished = rest.len() > end.len(),
            Some(_) if rest.is_empty() => self.add_stretch(Wrong::CutOff, at, at),
            // earlier hosts left an entry that is longer than its file
            None if is_last && self.is_orderly() && is_begun(rest) => {
                self.is_unfinished = !rest.is_empty()
            }
            None if rest.is_empty() => {}
            _ => self.add_stretch(Wrong::Damaged, at, bytes.len()),
        }
        self.ends_damaged = self.stretches.last().is_some_and(|it| it.at >= self.end);
    }

    /// Sorts the entries by number, and removes duplicates.
    fn put_in_order(&mut self) {
        let mut before = None;
        let mut disorder = None;
        for (index, entry) in self.entries.iter_mut().enumerate() {
            let follows = before.is_none_or(|(number, next)| {
                if entry.head.number < number {
                    disorder.get_or_insert(entry.at);
                }
                number < entry.head.number && next == entry.at
            });
            let is_at_start = index > 0 || self.stretches.first().is_none_or(|it| it.at > entry.at);
            entry.after_damage = !follows || !is_at_start;
            before = Some((entry.head.number, entry.next));
        }
        self.entries.sort_by_key(|entry| entry.head.number);
        let mut again: Vec<Stretch> = Vec::new();
        self.entries.dedup_by(|entry, kept| {
            let is_again = entry.head.number == kept.head.number;
            if is_again {
                kept.after_damage |= entry.after_damage;
                let bytes = entry.next - entry.at;
                match again.iter_mut().find(|it| it.at + it.bytes == entry.at) {
                    Some(stretch) => stretch.bytes += bytes,
                    None => again.push(Stretch::new(Wrong::Repeated, entry.at, bytes)),
                }
            }
            is_again
        });
        if let Some(at) = disorder.filter(|_| again.is_empty()) {
            self.stretches.push(Stretch::new(Wrong::Disordered, at, 0));
        }
        self.stretches.append(&mut again);
        self.stretches.sort_by_key(|stretch| stretch.at);
    }

    /// Count after the last entry, with an estimate of what is lost after it.
    pub fn tally_behind(&self) -> Option<Tally> {
        let last = self.entries.iter().rev().find_map(|it| {
            let tally = it.head.tally?;
            Some((tally.and(1, u64::from(it.head.records)), it.next))
        });
        let (tally, end) = last.or_else(|| Some((self.start?, 0)))?;
        let lost = self.stretches.iter().filter(|it| it.at >= end);
        Some(lost.fold(tally, |tally, it| tally.and(it.batches, it.records)))
    }

    /// Whether the entries are contiguous.
    pub fn is_orderly(&self) -> bool {
        self.stretches.is_empty()
    }
}

fn tally_of(bytes: &[u8], frame: Frame) -> Option<Tally> {
    match frame.start(bytes)? {
        Start::At(tally) => Some(tally),
        Start::Unnumbered => None,
    }
}

/// Whether an entry without a mark begins there that is longer than its file.
fn is_begun(rest: &[u8]) -> bool {
    Frame::Plain.open(rest).is_none_or(|(length, _)| length > rest.len() - Frame::Plain.prefix())
}
