//! The body of a batch frame: quotes as columns, packed by the bridge.
//!
//! ```text
//! previous u64 │ first record u64 │ received u64 (µs) │ records u32 │ flags u8 │ unpacked length u32
//! then, packed with zlib when flag 2 is set:
//! rows u32 │ levels u8 ×4 │ codes u32 │ times u32 │ json u32       (rows, and lengths in bytes)
//! codes, one a line │ times as text, one a line, or nothing │ columns │ json
//! ```
//!
//! Columns are doubles, NaN for what is absent: `time lastPrice open high low lastClose amount
//! volume pvolume openInt`, then `askPrice bidPrice askVol bidVol` with their levels row by row. The
//! bytes of all columns are shuffled: first the lowest byte of every double, then the next, because
//! zlib finds more in them so. What does not fit into columns is JSON, see [`json`](crate::json).

use std::{borrow::Cow, io::Read};

use flate2::read::ZlibDecoder;

use crate::{
    json,
    tick::{Coded, MOST_LEVELS, Side, Tick},
};

/// Length of what is never packed.
const HEAD_LEN: usize = 33;
/// Length of the packed part before its codes.
const INNER_LEN: usize = 20;
/// Columns of one number a row.
const SCALARS: usize = 10;
/// Largest unpacked body, bytes.
const MOST_UNPACKED: usize = 64 << 20;
/// Flag: the quotes are a full snapshot, not changes.
const SNAPSHOT: u8 = 1;
/// Flag: what follows the head is packed.
const PACKED: u8 = 2;

/// What the bridge says about a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Sequence of the frame before it in the spool; 0 when it is the first of all.
    pub previous: u64,
    /// Number of its first record, from 1.
    pub first_record: u64,
    /// When the bridge got it, microseconds since 1970 UTC by its own clock.
    pub received_us: i64,
    /// Records that were numbered for it.
    pub records: u32,
    /// It is part of a full snapshot.
    pub is_snapshot: bool,
    is_packed: bool,
    unpacked_len: usize,
}

impl Head {
    /// Reads the head of a body.
    ///
    /// # Errors
    /// A text for people.
    pub fn parse(body: &[u8]) -> Result<(Self, &[u8]), String> {
        let (head, rest) = body
            .split_first_chunk::<HEAD_LEN>()
            .ok_or_else(|| format!("a batch of {} bytes has no head", body.len()))?;
        let mut cursor = Cursor(head);
        let head = Self {
            previous: cursor.u64()?,
            first_record: cursor.u64()?,
            received_us: i64::try_from(cursor.u64()?).unwrap_or(0),
            records: cursor.u32()?,
            is_snapshot: head[28] & SNAPSHOT != 0,
            is_packed: cursor.take(1)?[0] & PACKED != 0,
            unpacked_len: cursor.u32()? as usize,
        };
        if head.first_record == 0 || head.unpacked_len > MOST_UNPACKED {
            return Err(format!(
                "a batch claims record {} and {} bytes; records count from 1 and the most bytes are \
                 {MOST_UNPACKED}",
                head.first_record, head.unpacked_len
            ));
        }
        Ok((head, rest))
    }

    /// Unpacks what follows the head.
    ///
    /// # Errors
    /// A text for people.
    pub fn unpack<'a>(&self, rest: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
        if self.is_packed {
            return inflate(rest, self.unpacked_len).map(Cow::Owned);
        }
        has_announced(rest.len(), self.unpacked_len)?;
        Ok(Cow::Borrowed(rest))
    }
}

/// Unpacks what has that length then.
///
/// # Errors
/// A text for people.
pub fn inflate(packed: &[u8], unpacked_len: usize) -> Result<Vec<u8>, String> {
    if unpacked_len > MOST_UNPACKED {
        return Err(format!("a batch claims {unpacked_len} bytes; the most are {MOST_UNPACKED}"));
    }
    let mut bytes = Vec::with_capacity(unpacked_len);
    // one byte more than announced is enough to see that there is more
    let read = ZlibDecoder::new(packed).take(unpacked_len as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("a batch cannot be unpacked: {error}"))?;
    has_announced(bytes.len(), unpacked_len)?;
    Ok(bytes)
}

fn has_announced(found: usize, announced: usize) -> Result<(), String> {
    if found == announced {
        return Ok(());
    }
    Err(format!("a batch has not the {announced} bytes that it announces"))
}

/// The ticks of an unpacked body, columns first.
///
/// # Errors
/// A text for people; nothing of the body is used then.
pub fn ticks(body: &[u8]) -> Result<Vec<Coded<'_>>, String> {
    let mut cursor = Cursor(body);
    let rows = cursor.u32()? as usize;
    let levels: [u8; 4] = cursor.take(4)?.try_into().unwrap_or_default();
    let (codes, times, json) =
        (cursor.u32()? as usize, cursor.u32()? as usize, cursor.u32()? as usize);
    debug_assert_eq!(body.len() - cursor.0.len(), INNER_LEN);
    if levels.iter().any(|levels| usize::from(*levels) > MOST_LEVELS) {
        return Err(format!("a batch has {levels:?} book levels; the most are {MOST_LEVELS}"));
    }
    let codes = text(cursor.take(codes)?)?;
    let times = text(cursor.take(times)?)?;
    let numbers = SCALARS + levels.iter().map(|levels| usize::from(*levels)).sum::<usize>();
    let length = rows.checked_mul(numbers * 8).ok_or("a batch has too many rows")?;
    let columns = unshuffled(cursor.take(length)?);
    let json = cursor.take(json)?;
    if !cursor.0.is_empty() {
        return Err(format!("a batch has {} bytes too many", cursor.0.len()));
    }
    let mut ticks = rows_of(rows, &levels, codes, times, &columns)?;
    if !json.is_empty() {
        ticks.extend(json::ticks(json)?);
    }
    Ok(ticks)
}

fn rows_of<'a>(
    rows: usize,
    levels: &[u8; 4],
    codes: &'a str,
    times: &'a str,
    columns: &[f64],
) -> Result<Vec<Coded<'a>>, String> {
    let mut codes = codes.split('\n');
    let mut times_left = (!times.is_empty()).then(|| times.split('\n'));
    let mut ticks = Vec::with_capacity(rows);
    for row in 0..rows {
        let number = |column: usize| columns[column * rows + row];
        let mut start = SCALARS * rows;
        let mut book = [Side::default(); 4];
        for (side, &levels) in book.iter_mut().zip(levels) {
            let levels = usize::from(levels);
            for level in 0..levels {
                side.push(columns[start + row * levels + level]);
            }
            start += rows * levels;
        }
        let time_text = match &mut times_left {
            Some(times) => times.next().ok_or("a batch has fewer times than rows")?,
            None => "",
        };
        let tick = Tick {
            time: number(0),
            time_text: Cow::Borrowed(time_text),
            last: number(1),
            open: number(2),
            high: number(3),
            low: number(4),
            pre_close: number(5),
            amount: number(6),
            volume: number(7),
            pvolume: number(8),
            phase: number(9),
            book,
            is_bar: false,
        };
        let code = codes.next().ok_or("a batch has fewer codes than rows")?;
        ticks.push(Coded { code: Cow::Borrowed(code), tick });
    }
    let is_rest = |rest: Option<&str>| rest.is_some_and(|rest| rows > 0 || !rest.is_empty());
    if is_rest(codes.next()) || times_left.is_some_and(|mut times| is_rest(times.next())) {
        return Err("a batch has more codes or times than rows".to_owned());
    }
    Ok(ticks)
}

/// Doubles of which all lowest bytes come first, then all next ones.
pub fn unshuffled(bytes: &[u8]) -> Vec<f64> {
    let count = bytes.len() / 8;
    let plane = |place: usize| &bytes[place * count..][..count];
    let [b0, b1, b2, b3] = [plane(0), plane(1), plane(2), plane(3)];
    let [b4, b5, b6, b7] = [plane(4), plane(5), plane(6), plane(7)];
    (0..count)
        .map(|at| {
            f64::from_le_bytes([b0[at], b1[at], b2[at], b3[at], b4[at], b5[at], b6[at], b7[at]])
        })
        .collect()
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes)
        .map_err(|error| format!("a batch has codes or times that are no UTF-8: {error}"))
}

/// Takes from the front.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self
            .0
            .split_at_checked(len)
            .ok_or_else(|| format!("a batch ends {} bytes early", len - self.0.len()))?;
        self.0 = rest;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, String> {
        Ok(u32::from_le_bytes(self.take(4)?.try_into().unwrap_or_default()))
    }

    fn u64(&mut self) -> Result<u64, String> {
        Ok(u64::from_le_bytes(self.take(8)?.try_into().unwrap_or_default()))
    }
}
