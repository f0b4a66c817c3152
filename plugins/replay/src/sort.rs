//! Sorts the rows of a file that is not in time order, within bounded memory.
//!
//! Vendors write whole days security by security. Such a file is cut into runs that fit into
//! memory; each run is sorted and, unless it is the only one, set down in a file without a name in
//! the component's folder. Then the runs are joined.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek, Write},
    path::Path,
    sync::Arc,
    time::Instant,
};

use crate::{
    desk::{Desk, Tally},
    next_row::{Came, read_row},
    reader::{Reader, Step, in_file, shown},
    row::Row,
};

/// Rows between two looks at the clock.
const SLICE_ROWS: usize = 4_096;
/// Rows of a run: about 120 MB.
const RUN_ROWS: usize = 200_000;
/// Rows that are read back at a time from each run.
const CHUNK_ROWS: usize = 256;

/// Reads and sorts a file, a slice at a call.
pub struct Sorting<R> {
    tally: Tally,
    reader: Box<dyn Reader<R>>,
    run_rows: usize,
    rows: Vec<R>,
    total_rows: usize,
    runs: Vec<File>,
}

impl<R: Row + 'static> Sorting<R> {
    pub fn new(file: Arc<Path>, reader: Box<dyn Reader<R>>) -> Self {
        let (rows, runs) = (Vec::new(), Vec::new());
        let tally = Tally::new(file);
        Self { tally, reader, run_rows: RUN_ROWS, rows, total_rows: 0, runs }
    }

    /// Goes on until `deadline`, at least a little; true when all rows are read.
    ///
    /// # Errors
    /// A text that names the file, when a run cannot be set down.
    pub fn go_on(&mut self, desk: &mut Desk, deadline: Instant) -> Result<bool, String> {
        loop {
            for _ in 0..SLICE_ROWS {
                let mut row = R::default();
                match read_row(self.reader.as_mut(), &mut self.tally, &mut row, desk) {
                    Came::Row => {}
                    Came::Nothing => break,
                    Came::End => {
                        desk.end_of_file(&self.tally);
                        return Ok(true);
                    }
                    Came::Damage => return Ok(true),
                }
                desk.rows -= 1; // counted when it is played
                self.rows.push(row);
                self.total_rows += 1;
                if self.rows.len() == self.run_rows {
                    self.set_down(desk).map_err(|error| self.unsorted(&error))?;
                }
            }
            if Instant::now() >= deadline || desk.context.is_stopping() {
                return Ok(false);
            }
        }
    }

    /// The rows in time order, those of one time in the order of the file.
    ///
    /// # Errors
    /// A text that names the file, when the runs cannot be read back.
    pub fn finish(mut self, desk: &mut Desk) -> Result<Box<dyn Reader<R>>, String> {
        let (file, rows) = (shown(&self.tally.file), self.total_rows);
        let unsorted = format!("{file} is not sorted by time");
        if rows == 0 {
            return Ok(Box::new(SortedRows(Vec::new().into_iter())));
        }
        if self.runs.is_empty() {
            desk.context.info(&format!("{unsorted}: sorted {rows} rows in memory"));
            self.rows.sort_by_key(R::time_us);
            return Ok(Box::new(SortedRows(self.rows.into_iter())));
        }
        if !self.rows.is_empty() {
            self.set_down(desk).map_err(|error| self.unsorted(&error))?;
        }
        let runs = std::mem::take(&mut self.runs);
        desk.context
            .info(&format!("{unsorted}: sorted {rows} rows in {} runs on disk", runs.len()));
        let joined = JoinedRuns::new(Arc::clone(&self.tally.file), runs);
        Ok(Box::new(joined.map_err(|error| self.unsorted(&error))?))
    }

    /// Sorts the run in memory and writes it to a file of its own.
    fn set_down(&mut self, desk: &Desk) -> io::Result<()> {
        self.rows.sort_by_key(R::time_us);
        let mut run = BufWriter::new(tempfile::tempfile_in(desk.context.state_dir()?)?);
        for chunk in self.rows.chunks(CHUNK_ROWS) {
            let bytes = R::pack(chunk).map_err(io::Error::other)?;
            run.write_all(&(bytes.len() as u64).to_le_bytes())?;
            run.write_all(&bytes)?;
        }
        self.rows.clear();
        let mut run = run.into_inner().map_err(io::IntoInnerError::into_error)?;
        run.rewind()?;
        self.runs.push(run);
        Ok(())
    }

    fn unsorted(&self, error: &io::Error) -> String {
        in_file(&self.tally.file, format!("cannot be sorted by time: {error}; sort it beforehand"))
    }
}

/// A file that fitted into memory.
struct SortedRows<R>(std::vec::IntoIter<R>);

impl<R: Row> Reader<R> for SortedRows<R> {
    fn next(&mut self, row: &mut R) -> Result<Step, String> {
        match self.0.next() {
            Some(next) => *row = next,
            None => return Ok(Step::End),
        }
        Ok(Step::Row)
    }
}

/// Sorted runs of one file.
struct JoinedRuns<R> {
    file: Arc<Path>,
    runs: Vec<Run<R>>,
    /// Time of the next row of each run, and which run.
    heads: BinaryHeap<Reverse<(i64, usize)>>,
}

struct Run<R> {
    packed: BufReader<File>,
    rows: std::vec::IntoIter<R>,
}

impl<R: Row> JoinedRuns<R> {
    fn new(file: Arc<Path>, files: Vec<File>) -> io::Result<Self> {
        let mut joined = Self { file, runs: Vec::new(), heads: BinaryHeap::new() };
        for (index, file) in files.into_iter().enumerate() {
            let mut run = Run { packed: BufReader::new(file), rows: Vec::new().into_iter() };
            if let Some(time_us) = run.peek_us()? {
                joined.heads.push(Reverse((time_us, index)));
            }
            joined.runs.push(run);
        }
        Ok(joined)
    }

    fn take(&mut self) -> io::Result<Option<R>> {
        let Some(Reverse((_, index))) = self.heads.pop() else { return Ok(None) };
        let row = self.runs[index].rows.next();
        if let Some(time_us) = self.runs[index].peek_us()? {
            self.heads.push(Reverse((time_us, index)));
        }
        Ok(row)
    }
}

impl<R: Row> Run<R> {
    /// Time of the next row; reads the next rows when those at hand are used up.
    fn peek_us(&mut self) -> io::Result<Option<i64>> {
        if self.rows.len() == 0 {
            let mut len = [0; 8];
            match self.packed.read_exact(&mut len) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                read => read?,
            }
            let mut bytes =
                vec![0; usize::try_from(u64::from_le_bytes(len)).map_err(io::Error::other)?];
            self.packed.read_exact(&mut bytes)?;
            self.rows = R::unpack(bytes).map_err(io::Error::other)?.into_iter();
        }
        Ok(self.rows.as_slice().first().map(R::time_us))
    }
}

impl<R: Row> Reader<R> for JoinedRuns<R> {
    fn next(&mut self, row: &mut R) -> Result<Step, String> {
        match self.take() {
            Ok(Some(next)) => {
                *row = next;
                Ok(Step::Row)
            }
            Ok(None) => Ok(Step::End),
            Err(error) => Err(in_file(&self.file, format!("its sorted runs: {error}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use plugin_api::{
        schemas::records::bar::OwnedBar,
        testing::{self, TestHost},
    };

    use super::*;
    use crate::row::SpotRow;

    /// Gives rows from the back.
    struct Backwards<R>(Vec<R>);

    impl<R: Row> Reader<R> for Backwards<R> {
        fn next(&mut self, row: &mut R) -> Result<Step, String> {
            match self.0.pop() {
                Some(next) => *row = next,
                None => return Ok(Step::End),
            }
            Ok(Step::Row)
        }
    }

    fn sorted<R: Row + 'static>(rows: &[R], run_rows: usize) -> (Vec<R>, Arc<TestHost>) {
        let dir = tempfile::tempdir().unwrap();
        let host = Arc::<TestHost>::default();
        let mut desk = Desk::new(testing::context(&host, dir.path()));
        let reader = Backwards(rows.iter().rev().cloned().collect());
        let mut sorting = Sorting::new(Arc::from(Path::new("day.csv")), Box::new(reader));
        sorting.run_rows = run_rows;
        assert_eq!(sorting.go_on(&mut desk, Instant::now()), Ok(true));
        let mut reader = sorting.finish(&mut desk).unwrap();
        let mut read = Vec::new();
        loop {
            let mut row = R::default();
            if reader.next(&mut row).unwrap() != Step::Row {
                return (read, host);
            }
            read.push(row);
        }
    }

    #[test]
    fn runs_on_disk_give_the_order_of_a_sort_in_memory() {
        let spots: Vec<SpotRow> = (0..1_000_u32)
            .map(|n| {
                let mut row = SpotRow {
                    market: "SH",
                    code: format!("{}", 600_000 + n),
                    name: "浦发".to_owned(),
                    time_us: i64::from(1 + (n * 7_919) % 300),
                    recv_time_us: 5,
                    close: f64::from(n) / 3.0,
                    volume_shares: u64::from(n) * 7,
                    source: "quotes".to_owned(),
                    quality_score: Some(0.1),
                    ..SpotRow::default()
                };
                row.bid.fill([0.1, 0.0, 0.3]);
                row.ask_volume.fill([1, 99, 100, 12_345]);
                row
            })
            .collect();
        let mut expected = spots.clone();
        expected.sort_by_key(Row::time_us);
        for run_rows in [10, 300, 1_000, 5_000] {
            let (read, host) = sorted(&spots, run_rows);
            assert!(read == expected, "runs of {run_rows}");
            let (_, line) = host.told().logs.remove(0);
            let place = if run_rows > 1_000 {
                "in memory".to_owned()
            } else {
                format!("in {} runs on disk", 1_000_usize.div_ceil(run_rows))
            };
            assert_eq!(line, format!("day.csv is not sorted by time: sorted 1000 rows {place}"));
        }
    }

    #[test]
    fn bars_are_sorted_like_quotes() {
        let bars: Vec<OwnedBar> = (0..20)
            .map(|n| OwnedBar {
                market: "SZ".to_owned(),
                code: format!("{n:06}"),
                period: "1m".to_owned(),
                time_us: 100 - n / 3,
                close: 1.5,
                closed: n % 2 == 0,
                ..OwnedBar::default()
            })
            .collect();
        let mut expected = bars.clone();
        expected.sort_by_key(Row::time_us);
        assert_eq!(sorted(&bars, 6).0, expected);
    }
}
