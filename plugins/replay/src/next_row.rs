//! Reads on to the next row of a file that is played.

use crate::{
    desk::{Desk, Tally},
    reader::{Reader, Step},
    row::Row,
};

/// Rows between two looks at the clock.
const SLICE_ROWS: usize = 4_096;

/// What came of a look at a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// A row to be played.
    Row,
    /// None so far.
    Nothing,
    End,
    /// The end of what can be read, which was reported.
    Damage,
}

/// Reads some rows, until one is to be played. Reports what is bad.
pub fn read_row<R: Row>(
    reader: &mut dyn Reader<R>,
    tally: &mut Tally,
    row: &mut R,
    desk: &mut Desk,
) -> Came {
    for _ in 0..SLICE_ROWS {
        match reader.next(row) {
            Ok(Step::Row) => {
                desk.rows += 1;
                tally.rows += 1;
                return Came::Row;
            }
            Ok(Step::Skipped) => {
                desk.rows += 1;
                tally.rows += 1;
            }
            Ok(Step::Other) => {
                desk.rows += 1;
                tally.others += 1;
            }
            Ok(Step::Bad(bad)) => desk.bad_row(&tally.file, &bad),
            Ok(Step::End) => return Came::End,
            Err(text) => {
                desk.bad_file(&text);
                return Came::Damage;
            }
        }
    }
    Came::Nothing
}
