//! Looks through the times of every file before it is played.
//!
//! Only then is it known which files need to be sorted, when each has its turn, and how far along
//! a replay is. The times alone are read, a slice of them at a call.

use std::{path::Path, sync::Arc, time::Instant};

use plugin_api::RecordKind;

use crate::{
    desk::Desk,
    open::open_times,
    reader::{Input, TimeReader, Timed},
    settings::{Filter, Settings},
};

/// Rows between two looks at the clock.
const SLICE_ROWS: u64 = 4_096;

/// What is known of a file before it is played.
#[derive(Debug, Clone)]
pub struct Scanned {
    pub input: Input,
    pub kind: RecordKind,
    /// Its place among all files.
    pub order: usize,
    /// The path, as reports share it.
    pub file: Arc<Path>,
    /// Rows whose time can be read.
    pub rows: u64,
    /// Whether there is anything else: rows without a time, or damage.
    pub has_faults: bool,
    pub first_us: i64,
    pub last_us: i64,
    /// Whether the times never go back.
    pub is_sorted: bool,
}

/// Scans one file after the other.
pub struct Scan {
    settings: Arc<Settings>,
    waiting: std::vec::IntoIter<(Input, RecordKind)>,
    current: Option<(Box<dyn TimeReader>, Scanned)>,
    done: Vec<Scanned>,
    order: usize,
}

impl Scanned {
    /// Whether the file must be read: for rows to be played, or to tell what it is instead.
    ///
    /// A run that goes on does not tell again what the run before it has told.
    pub fn is_due(&self, filter: &Filter) -> bool {
        self.rows == 0
            || filter.may_take(self.first_us, self.last_us)
            || (self.has_faults && filter.after_us.is_none())
    }
}

impl Scan {
    pub fn new(files: Vec<(Input, RecordKind)>, settings: Arc<Settings>) -> Self {
        Self { settings, waiting: files.into_iter(), current: None, done: Vec::new(), order: 0 }
    }

    /// Goes on until `deadline`, at least a little; `Some` with all files when done.
    pub fn go_on(&mut self, desk: &mut Desk, deadline: Instant) -> Option<Vec<Scanned>> {
        loop {
            let Some((times, scanned)) = &mut self.current else {
                match self.waiting.next() {
                    Some((input, kind)) => self.start(input, kind, desk),
                    None => return Some(std::mem::take(&mut self.done)),
                }
                continue;
            };
            let goes_on = read_slice(times.as_mut(), scanned);
            // what stops a scan stops the replay at the same place, and is reported there
            scanned.has_faults |= goes_on.is_err();
            if !matches!(goes_on, Ok(true)) {
                self.done.extend(self.current.take().map(|(_, scanned)| scanned));
            }
            if Instant::now() >= deadline || desk.context.is_stopping() {
                return None;
            }
        }
    }

    fn start(&mut self, input: Input, kind: RecordKind, desk: &mut Desk) {
        let order = self.order;
        self.order += 1;
        match open_times(&input, kind, &self.settings) {
            Ok(times) => {
                let file = Arc::from(input.path.as_path());
                let scanned = Scanned {
                    input,
                    kind,
                    order,
                    file,
                    rows: 0,
                    has_faults: false,
                    first_us: i64::MAX,
                    last_us: i64::MIN,
                    is_sorted: true,
                };
                self.current = Some((times, scanned));
            }
            Err(fault) => desk.bad_file(&fault.to_string()),
        }
    }
}

/// Reads some times; false at the end of the file.
fn read_slice(times: &mut dyn TimeReader, scanned: &mut Scanned) -> Result<bool, String> {
    for _ in 0..SLICE_ROWS {
        let time_us = match times.next_time()? {
            Timed::At(time_us) => time_us,
            Timed::Unreadable => {
                scanned.has_faults = true;
                continue;
            }
            Timed::None => continue,
            Timed::End => return Ok(false),
        };
        scanned.rows += 1;
        scanned.is_sorted &= time_us >= scanned.last_us;
        scanned.first_us = scanned.first_us.min(time_us);
        scanned.last_us = scanned.last_us.max(time_us);
    }
    Ok(true)
}
