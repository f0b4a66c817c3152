//! Damaged ranges of a file.

use std::fmt;

/// Kind of damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// The bytes are no intact entry.
    Damaged,
    /// Duplicate entries; each is read once.
    Repeated,
    /// Entries out of order; they are read in order.
    Disordered,
    /// The file is truncated there.
    CutOff,
    /// The file is of a later format.
    Newer,
    /// The checksum matches, but the entry cannot be decoded.
    Unusable,
    /// The file is missing.
    Gone,
    /// The position is damaged.
    Position,
}

/// A damaged range of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// Kind.
    pub wrong: Wrong,
    /// Offset.
    pub at: u64,
    /// Length.
    pub bytes: u64,
    /// Batches that are lost with them.
    pub batches: u64,
    /// Records that are lost with them.
    pub records: u64,
    /// These numbers are known, not estimated.
    pub is_exact: bool,
}

impl Stretch {
    pub(super) fn new(wrong: Wrong, at: u64, bytes: u64) -> Self {
        Self { wrong, at, bytes, batches: 0, records: 0, is_exact: true }
    }

    /// One stretch that covers both.
    pub(super) fn joined(first: &Self, second: &Self) -> Self {
        let is_empty = first.bytes == 0;
        Self {
            wrong: if is_empty { second.wrong } else { first.wrong },
            at: first.at,
            bytes: (second.at + second.bytes).max(first.at + first.bytes) - first.at,
            batches: first.batches + second.batches,
            records: first.records + second.records,
            is_exact: first.is_exact && second.is_exact,
        }
    }

    /// A stretch with an unknown loss.
    pub(super) fn about(wrong: Wrong, at: u64, bytes: u64) -> Self {
        Self { is_exact: false, ..Self::new(wrong, at, bytes) }
    }
}

impl fmt::Display for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { wrong, at, bytes, batches, records, is_exact } = self;
        match wrong {
            Wrong::Damaged => write!(f, "damaged at byte {at}: {bytes} bytes are no whole batch")?,
            Wrong::Repeated => {
                write!(f, "{bytes} bytes at byte {at} are batches that stand there twice")?;
            }
            Wrong::Disordered => write!(f, "batches stand out of order at byte {at}")?,
            Wrong::CutOff => write!(f, "cut off at byte {at}")?,
            Wrong::Newer => {
                return write!(
                    f,
                    "written by a newer version; it is left as it is, and that \
                                  version delivers what waits in it"
                );
            }
            Wrong::Unusable => write!(f, "the batch at byte {at} cannot be used")?,
            Wrong::Gone => write!(f, "the file is gone")?,
            Wrong::Position => {
                return write!(
                    f,
                    "the position cannot be used; what was under way is offered again"
                );
            }
        }
        match (is_exact, if *is_exact { batches } else { records }) {
            (true, 0) => write!(f, "; nothing that waited is lost"),
            (true, _) => write!(
                f,
                "; {records} records in {batches} batches are lost, unless their source sends them again"
            ),
            (false, 0) => write!(f, "; how many records are lost is not known"),
            (false, _) => write!(
                f,
                "; about {records} records in {batches} batches are lost, unless their source sends them again"
            ),
        }
    }
}
