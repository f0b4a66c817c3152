//! Finds intact entries in the bytes of a segment, also after damage.

use std::ops::Range;

use super::entry::{Frame, Head};

/// Bytes before the payload that the length of an entry without a mark counts at least.
const MIN_HEAD: usize = 49;
const MAX_FLAGS: u8 = 7;
/// Entries without a mark are searched at every byte; checksums that fail may cover so many times
/// the file's bytes.
const VAIN_PASSES: usize = 32;

/// A whole entry.
pub(super) struct Whole {
    pub head: Head,
    pub at: usize,
    pub next: usize,
    /// Bytes of its payload.
    pub payload: u64,
}

/// The bytes of a segment.
pub(super) struct Search<'a> {
    bytes: &'a [u8],
    frame: Frame,
    /// The numbers that entries without a mark can have.
    numbers: Range<u64>,
    /// Bytes that failed checksums may still cover.
    vain: usize,
}

impl<'a> Search<'a> {
    pub fn new(bytes: &'a [u8], frame: Frame, numbers: Range<u64>) -> Self {
        Self { bytes, frame, numbers, vain: bytes.len().saturating_mul(VAIN_PASSES) }
    }

    /// The entry that begins there, if it is whole.
    pub fn whole_at(&mut self, at: usize) -> Option<Whole> {
        let body_at = at.checked_add(self.frame.prefix())?;
        let (length, crc) = self.frame.open(self.bytes.get(at..body_at)?)?;
        let next = body_at.checked_add(length)?;
        let body = self.bytes.get(body_at..next)?;
        if self.frame == Frame::Plain && !self.is_likely(body) {
            return None;
        }
        if self.frame.checksum(body, &[]) != crc {
            self.vain = self.vain.saturating_sub(body.len());
            return None;
        }
        let (head, payload_at) = Head::decode(self.frame, body)?;
        let payload = (body.len() - payload_at) as u64;
        Some(Whole { head, at, next, payload })
    }

    /// The first whole entry from there on.
    pub fn next_from(&mut self, from: usize) -> Option<Whole> {
        match self.frame {
            Frame::Marked(mark) => {
                let mark = mark.to_le_bytes();
                let mut from = from;
                loop {
                    from += find(self.bytes.get(from..)?, &mark)?;
                    if let Some(whole) = self.whole_at(from) {
                        return Some(whole);
                    }
                    from += 1;
                }
            }
            Frame::Plain => (from..self.bytes.len()).find_map(|at| {
                // crafted bytes must not delay the start
                if self.vain == 0 { None } else { self.whole_at(at) }
            }),
        }
    }

    /// Whether these bytes may be an entry without a mark, before the checksum is computed.
    fn is_likely(&self, body: &[u8]) -> bool {
        let flags = body.get(8).copied().unwrap_or(u8::MAX);
        body.len() >= MIN_HEAD
            && flags <= MAX_FLAGS
            && Head::decode(Frame::Plain, body).is_some_and(|(head, _)| {
                let is_received = u64::try_from(head.received_at_us).unwrap_or(0) <= head.number;
                let is_name =
                    |name: &str| name.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
                self.numbers.contains(&head.number)
                    && is_received
                    && !head.stream.writer.is_empty()
                    && is_name(&head.stream.writer)
                    && is_name(&head.stream.source)
            })
    }
}

/// Where a mark stands first.
fn find(bytes: &[u8], mark: &[u8; 8]) -> Option<usize> {
    let mut from = 0;
    loop {
        // compare one byte first: that skips nearly all places
        from += bytes.get(from..)?.iter().position(|byte| *byte == mark[0])?;
        if bytes[from..].starts_with(mark) {
            return Some(from);
        }
        from += 1;
    }
}
