//! Places of a file where something is wrong.

use std::fmt;

/// What is wrong at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// Bytes are no whole batch.
    Damaged,
    /// Batches stand there a second time; they are taken once.
    Repeated,
    /// Batches stand out of order; they are taken in order.
    Disordered,
    /// What should follow there is not in the file.
    CutOff,
    /// The file is of a later format.
    Newer,
    /// The checksum is right, but what it covers is no batch.
    Unusable,
    /// The file is gone.
    Gone,
    /// The position is damaged.
    Position,
}

/// Bytes of a segment with something wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// What.
    pub wrong: Wrong,
    /// Where they begin.
    pub at: u64,
    /// How many they are.
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

    /// Both, from where the first begins.
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

    /// One of which nobody knows what it has cost.
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
