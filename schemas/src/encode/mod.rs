//! Encodes a list of quotes in one pass, without an allocation per record.
//!
//! The general builder of the flatbuffers crate writes backwards and looks every table's vtable
//! up again. All our tables have one shape, so this writes forwards with a fixed layout:
//!
//! ```text
//! root offset │ SpotList │ offsets of the tables │ vtable │ table, strings, vectors │ … │ sources
//! ```
//!
//! Any FlatBuffers reader reads it. The bytes depend on the records alone.

mod layout;
mod quote;

use self::layout::{
    AT_CODE, AT_DATETIME, AT_LEVELS, AT_MARKET, AT_NAME, AT_SOURCE, FIELD_OFFSETS, HEAD,
    OPTIONAL_FIELDS, TABLE_LEN, VTABLE_LEN, body_start, offset, padded, put, write_fixed,
    write_vector,
};
use crate::{
    time::DatetimeText,
    units::{CNY_PER_WIRE_AMOUNT, SHARES_PER_LOT, shares_per_wire_volume},
};

pub use self::quote::{Levels, MAX_LEVELS, SpotRecord, WireSpot};

/// Largest list, in bytes; offsets of the format end at twice that.
pub const MAX_LIST_BYTES: usize = 1 << 30;

/// A list reached [`MAX_LIST_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a list of quotes holds at most {MAX_LIST_BYTES} bytes; send smaller batches")]
pub struct ListFull;

/// Builds one list after the other.
#[derive(Debug)]
pub struct SpotListEncoder {
    /// Head and room for `reserved` offsets, then the body.
    buffer: Vec<u8>,
    /// Start of each table, counted from the body.
    tables: Vec<u32>,
    reserved: usize,
    /// Where the vtable of each set of absent fields starts in the body, once it is written.
    vtables: [Option<u32>; 1 << OPTIONAL_FIELDS.len()],
    sources: Vec<String>,
    datetime: DatetimeText,
}

impl SpotListEncoder {
    /// An encoder for lists of about `expected` quotes; more or fewer cost one move of the bytes.
    pub fn new(expected: usize) -> Self {
        let mut encoder = Self {
            buffer: Vec::new(),
            tables: Vec::with_capacity(expected),
            reserved: expected,
            vtables: [None; 1 << OPTIONAL_FIELDS.len()],
            sources: Vec::new(),
            datetime: DatetimeText::default(),
        };
        encoder.start();
        encoder
    }

    /// Number of quotes so far.
    pub fn len(&self) -> usize {
        self.tables.len()
    }

    /// Whether no quote was pushed since the last list.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Size of the list so far.
    pub fn byte_len(&self) -> usize {
        self.buffer.len()
    }

    /// Adds a quote in base units.
    ///
    /// # Errors
    /// [`ListFull`] when the list has no room for it; it is unchanged then.
    pub fn push(&mut self, record: &SpotRecord<'_>) -> Result<(), ListFull> {
        let mut datetime = std::mem::take(&mut self.datetime);
        let (bid_lots, ask_lots) = (lots(record.bid_volume), lots(record.ask_volume));
        let shares_per_unit = shares_per_wire_volume(record.market, record.code);
        #[allow(clippy::cast_precision_loss)] // whole below 2^53
        let volume = record.volume_shares as f64 / shares_per_unit;
        let result = self.push_wire(&WireSpot {
            market: record.market,
            code: record.code,
            name: record.name,
            datetime: datetime.format(record.time_us),
            yesterday_close: record.pre_close,
            open: record.open,
            high: record.high,
            low: record.low,
            close: record.close,
            amount: record.amount_cny / CNY_PER_WIRE_AMOUNT,
            volume,
            bid: clipped(record.bid).into(),
            bid_amount: bid_lots[..record.bid_volume.len().min(MAX_LEVELS)].into(),
            ask: clipped(record.ask).into(),
            ask_amount: ask_lots[..record.ask_volume.len().min(MAX_LEVELS)].into(),
            time_us: record.time_us,
            recv_time_us: record.recv_time_us,
            amount_cny: Some(record.amount_cny),
            volume_shares: Some(record.volume_shares),
            source: record.source,
            sequence: record.sequence,
            quality_score: record.quality_score,
        });
        self.datetime = datetime;
        result
    }

    /// Adds a quote as it stands on the wire.
    ///
    /// # Errors
    /// [`ListFull`] when the list has no room for it; it is unchanged then.
    pub fn push_wire(&mut self, spot: &WireSpot<'_>) -> Result<(), ListFull> {
        let strings =
            [spot.market.as_bytes(), spot.code.as_bytes(), spot.name.as_bytes(), spot.datetime];
        let levels = [spot.bid.0, spot.bid_amount.0, spot.ask.0, spot.ask_amount.0];
        let size = strings.iter().map(|text| padded(text.len() + 5, 4)).sum::<usize>()
            + levels.iter().map(|levels| levels.len() + 8).sum::<usize>();
        if self.buffer.len() + VTABLE_LEN + TABLE_LEN + size > MAX_LIST_BYTES - 8 * self.reserved {
            return Err(ListFull);
        }
        if self.tables.len() == self.reserved {
            self.make_room_for(self.reserved.max(8) * 2);
        }
        let source = self.source_index(spot.source);
        let vtable = self.vtable(spot);

        // the body grows in steps of 8 from an aligned start; zeroes are padding and terminators
        let start = self.buffer.len();
        self.buffer.resize(padded(start + 4 + TABLE_LEN + size, 8), 0);
        let body_start = body_start(self.reserved);
        self.tables.push(offset(start + 4 - body_start));
        let (table, rest) = self.buffer[start + 4..].split_at_mut(TABLE_LEN);
        let Some(table) = table.first_chunk_mut::<TABLE_LEN>() else { return Err(ListFull) };

        write_fixed(table, spot, offset(start + 4 - body_start - vtable as usize), source);
        let mut at = TABLE_LEN; // counted from the table, as every offset of it is
        for (field, levels) in levels.into_iter().enumerate() {
            at = padded(at, 8); // the length at 4 mod 8 of the list, the doubles behind it at 0
            at = write_vector(table, rest, AT_LEVELS + 4 * field, at, levels, levels.len() / 8);
        }
        for (field, text) in [AT_MARKET, AT_CODE, AT_NAME, AT_DATETIME].into_iter().zip(strings) {
            if !text.is_empty() || field != AT_NAME {
                at = padded(write_vector(table, rest, field, at, text, text.len()) + 1, 4);
            }
        }
        let end = padded(start + 4 + at, 8);
        self.buffer.truncate(end);
        Ok(())
    }

    /// Hands the list over and starts the next.
    pub fn finish(&mut self) -> Vec<u8> {
        if self.tables.len() != self.reserved {
            self.make_room_for(self.tables.len());
        }
        self.write_sources();
        let body_start = body_start(self.reserved);
        self.buffer[..HEAD.len()].copy_from_slice(&HEAD);
        put(&mut self.buffer, HEAD.len() - 4, offset(self.tables.len()).to_le_bytes());
        for (index, table) in self.tables.iter().enumerate() {
            let slot = HEAD.len() + 4 * index;
            put(&mut self.buffer, slot, offset(body_start + *table as usize - slot).to_le_bytes());
        }
        let list = std::mem::take(&mut self.buffer);
        self.reserved = self.tables.len();
        self.tables.clear();
        self.sources.clear();
        self.vtables.fill(None);
        self.start_sized(list.len());
        list
    }

    fn start(&mut self) {
        self.start_sized(self.reserved * 448);
    }

    fn start_sized(&mut self, expected_bytes: usize) {
        self.buffer.reserve_exact(expected_bytes.max(body_start(self.reserved)));
        self.buffer.resize(body_start(self.reserved), 0);
    }

    /// Moves the body so that so many offsets fit before it; nothing in the body counts from
    /// outside.
    fn make_room_for(&mut self, slots: usize) {
        let (old, new) = (body_start(self.reserved), body_start(slots));
        let end = self.buffer.len();
        if new > old {
            self.buffer.resize(end + new - old, 0);
        }
        self.buffer.copy_within(old..end, new);
        self.buffer.truncate(end + new - old);
        self.buffer[HEAD.len()..new].fill(0);
        self.reserved = slots;
    }

    /// 0 for no source, otherwise where it stands in `sources`, from 1.
    fn source_index(&mut self, source: &str) -> u32 {
        if source.is_empty() {
            return 0;
        }
        let known = self.sources.iter().position(|known| known == source);
        let index = known.unwrap_or_else(|| {
            self.sources.push(source.to_owned());
            self.sources.len() - 1
        });
        offset(index + 1)
    }

    /// Start in the body of the vtable for the fields that the quote has.
    fn vtable(&mut self, spot: &WireSpot<'_>) -> u32 {
        let absent = [
            spot.name.is_empty(),
            spot.amount_cny.is_none(),
            spot.volume_shares.is_none(),
            spot.source.is_empty(),
            spot.quality_score.is_none(),
        ];
        let variant =
            absent.iter().rev().fold(0, |bits, &is_absent| bits << 1 | usize::from(is_absent));
        if let Some(at) = self.vtables[variant] {
            return at;
        }
        let mut fields = FIELD_OFFSETS;
        for (field, is_absent) in OPTIONAL_FIELDS.into_iter().zip(absent) {
            if is_absent {
                fields[usize::from(field - 4) / 2] = 0;
            }
        }
        let at = offset(self.buffer.len() - body_start(self.reserved));
        #[allow(clippy::cast_possible_truncation)] // 48 and 140
        for word in [VTABLE_LEN as u16, TABLE_LEN as u16].into_iter().chain(fields) {
            self.buffer.extend_from_slice(&word.to_le_bytes());
        }
        self.vtables[variant] = Some(at);
        at
    }

    /// Writes every source once, behind all tables, and points their tables at it.
    fn write_sources(&mut self) {
        let mut positions = vec![0_usize; self.sources.len() + 1];
        for (source, position) in self.sources.iter().zip(&mut positions[1..]) {
            *position = self.buffer.len();
            self.buffer.extend_from_slice(&offset(source.len()).to_le_bytes());
            self.buffer.extend_from_slice(source.as_bytes());
            self.buffer.resize(padded(self.buffer.len() + 1, 4), 0);
        }
        if self.sources.is_empty() {
            return;
        }
        for table in &self.tables {
            let field = body_start(self.reserved) + *table as usize + AT_SOURCE;
            if let Some(index) = self.buffer[field..].first_chunk().copied().map(u32::from_le_bytes)
                && index > 0
            {
                put(
                    &mut self.buffer,
                    field,
                    offset(positions[index as usize] - field).to_le_bytes(),
                );
            }
        }
    }
}

fn lots(shares: &[u64]) -> [f64; MAX_LEVELS] {
    let mut lots = [0.0; MAX_LEVELS];
    for (lots, shares) in lots.iter_mut().zip(shares) {
        #[allow(clippy::cast_precision_loss)] // whole below 2^53
        let shares = *shares as f64;
        *lots = shares / SHARES_PER_LOT;
    }
    lots
}

fn clipped(levels: &[f64]) -> &[f64] {
    &levels[..levels.len().min(MAX_LEVELS)]
}
