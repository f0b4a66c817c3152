//! Lines that make no record, and what is told of them.

use memchr::memchr_iter;

use crate::lines::Line;

/// What is kept of lines that are set aside.
pub const KEPT_BYTES: usize = 1 << 16;

/// Lines that make no record.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Number of the first line, from 1.
    pub first: u64,
    pub lines: u64,
    pub bytes: u64,
    pub why: &'static str,
    /// The start of what they are.
    pub raw: Vec<u8>,
    /// Number of the line with which reading goes on; `None` at the end of the file.
    pub next: Option<u64>,
}

impl Damage {
    pub(super) fn of(line: &Line, why: &'static str) -> Self {
        let mut damage = Self { first: line.number, why, ..Self::default() };
        damage.add(line);
        damage
    }

    pub(super) fn add(&mut self, line: &Line) {
        self.add_raw(&line.bytes);
        self.bytes += line.cut_bytes;
    }

    pub(super) fn add_raw(&mut self, raw: &[u8]) {
        self.lines += 1 + memchr_iter(b'\n', raw).count() as u64;
        self.bytes += raw.len() as u64 + 1;
        let room = KEPT_BYTES.saturating_sub(self.raw.len());
        self.raw.extend_from_slice(&raw[..raw.len().min(room)]);
        if room > raw.len() {
            self.raw.push(b'\n');
        }
    }
}
