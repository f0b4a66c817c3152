//! Joins the rows of all files in time order.
//!
//! A file is opened when its first time comes up, so a folder of many days needs one open at a
//! time. Rows of one time leave in the order of their files, within a file in its own order.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    sync::Arc,
    time::Instant,
};

use crate::{
    departure::Rows,
    desk::{Desk, Tally},
    next_row::{Came, read_row},
    open::{Readable, open},
    reader::Reader,
    scan::Scanned,
    settings::Settings,
    sort::Sorting,
};

/// All files of one kind of rows.
pub struct Merge<R: Readable> {
    settings: Arc<Settings>,
    /// By first time, then place among all files.
    waiting: VecDeque<Scanned>,
    sorting: Option<(Scanned, Sorting<R>)>,
    files: Vec<OpenFile<R>>,
    /// Time of the next row of each open file, its place among all files, its place in `files`.
    heads: BinaryHeap<Reverse<(i64, usize, usize)>>,
}

struct OpenFile<R> {
    tally: Tally,
    /// What is wrong with the file was told when it was sorted.
    is_told: bool,
    reader: Option<Box<dyn Reader<R>>>,
    /// The next row.
    head: R,
}

impl<R: Readable> Merge<R> {
    /// Joins those files that must be read; the ones without a time come last.
    pub fn new(files: impl Iterator<Item = Scanned>, settings: Arc<Settings>) -> Self {
        let mut waiting: Vec<_> = files.filter(|file| file.is_due(&settings.filter)).collect();
        waiting.sort_by_key(|file| (file.first_us, file.order));
        Self {
            settings,
            waiting: waiting.into(),
            sorting: None,
            files: Vec::new(),
            heads: BinaryHeap::new(),
        }
    }

    /// Opens what has its turn; false when `deadline` came first. Only then is [`peek_us`] true.
    ///
    /// [`peek_us`]: Self::peek_us
    pub fn prepare(&mut self, desk: &mut Desk, deadline: Instant) -> bool {
        loop {
            if let Some((_, sorting)) = &mut self.sorting {
                match sorting.go_on(desk, deadline) {
                    Ok(true) => {}
                    Ok(false) => return false,
                    Err(text) => {
                        desk.bad_file(&text);
                        self.sorting = None;
                        continue;
                    }
                }
                if let Some((scanned, sorting)) = self.sorting.take() {
                    match sorting.finish(desk) {
                        Ok(reader) => self.start(&scanned, reader, true, desk),
                        Err(text) => desk.bad_file(&text),
                    }
                }
                continue;
            }
            let head_us = self.peek_us().unwrap_or(i64::MAX);
            match self.waiting.pop_front_if(|file| file.first_us <= head_us) {
                None => return true,
                Some(scanned) => self.open(scanned, desk),
            }
        }
    }

    fn open(&mut self, scanned: Scanned, desk: &mut Desk) {
        match open::<R>(&scanned.input, &self.settings) {
            Err(fault) => desk.bad_file(&fault.to_string()),
            Ok(reader) if scanned.is_sorted && scanned.rows > 0 => {
                self.start(&scanned, reader, false, desk);
            }
            // also one without a row that is known: it is read a slice at a call
            Ok(reader) => {
                let sorting = Sorting::new(Arc::clone(&scanned.file), reader);
                self.sorting = Some((scanned, sorting));
            }
        }
    }

    fn start(
        &mut self,
        scanned: &Scanned,
        reader: Box<dyn Reader<R>>,
        is_told: bool,
        desk: &mut Desk,
    ) {
        let tally = Tally::new(Arc::clone(&scanned.file));
        let mut file = OpenFile { tally, is_told, reader: Some(reader), head: R::default() };
        if let Some(time_us) = file.advance(desk) {
            // the room of a file that has ended is used again
            let index = match self.files.iter().position(|file| file.reader.is_none()) {
                Some(index) => {
                    self.files[index] = file;
                    index
                }
                None => {
                    self.files.push(file);
                    self.files.len() - 1
                }
            };
            self.heads.push(Reverse((time_us, scanned.order, index)));
        }
    }
}

impl<R: Readable> Rows<R> for Merge<R> {
    fn peek_us(&self) -> Option<i64> {
        self.heads.peek().map(|Reverse((time_us, ..))| *time_us)
    }

    fn take<T>(&mut self, desk: &mut Desk, use_row: impl FnOnce(&R) -> T) -> Option<T> {
        let Reverse((_, order, index)) = self.heads.pop()?;
        let file = &mut self.files[index];
        let result = use_row(&file.head);
        if let Some(time_us) = file.advance(desk) {
            self.heads.push(Reverse((time_us, order, index)));
        }
        Some(result)
    }
}

impl<R: Readable> OpenFile<R> {
    /// Reads the next row that is played and returns its time.
    fn advance(&mut self, desk: &mut Desk) -> Option<i64> {
        let reader = self.reader.as_mut()?;
        loop {
            match read_row(reader.as_mut(), &mut self.tally, &mut self.head, desk) {
                Came::Row => return Some(self.head.time_us()),
                Came::Nothing => {}
                Came::End if self.is_told => break,
                Came::End => {
                    desk.end_of_file(&self.tally);
                    break;
                }
                Came::Damage => break,
            }
        }
        self.reader = None;
        None
    }
}
