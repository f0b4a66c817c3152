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

use flatbuffers::Vector;

use crate::{
    flat::Spot,
    time::DatetimeText,
    units::{CNY_PER_WIRE_AMOUNT, SHARES_PER_LOT, shares_per_wire_volume},
};

/// Most book levels that a [`SpotRecord`] takes over; exchanges publish ten.
pub const MAX_LEVELS: usize = 10;
/// Largest list, in bytes; offsets of the format end at twice that.
pub const MAX_LIST_BYTES: usize = 1 << 30;

/// A list reached [`MAX_LIST_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a list of quotes holds at most {MAX_LIST_BYTES} bytes; send smaller batches")]
pub struct ListFull;

/// Prices or sizes of one side of the book, best first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Levels<'a>(&'a [u8]);

impl<'a> Levels<'a> {
    /// Number of levels.
    pub fn len(&self) -> usize {
        self.0.len() / size_of::<f64>()
    }

    /// Whether this side of the book is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The levels, best first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = f64> + use<'a> {
        self.0.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes))
    }
}

impl<'a> From<Option<Vector<'a, f64>>> for Levels<'a> {
    fn from(vector: Option<Vector<'a, f64>>) -> Self {
        Self(vector.map_or(&[], |vector| vector.bytes()))
    }
}

#[cfg(target_endian = "little")]
impl<'a> From<&'a [f64]> for Levels<'a> {
    fn from(levels: &'a [f64]) -> Self {
        Self(bytemuck::cast_slice(levels))
    }
}

/// One quote in the units of the wire; fields as `spot.fbs` documents them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[allow(missing_docs)] // the schema's own
pub struct WireSpot<'a> {
    pub market: &'a str,
    pub code: &'a str,
    /// Left out of the list when empty.
    pub name: &'a str,
    pub datetime: &'a [u8],
    pub yesterday_close: f64,
    pub open: f64,
    pub high: f64,
    pub low: f64,
    pub close: f64,
    pub amount: f64,
    pub volume: f64,
    pub bid: Levels<'a>,
    pub bid_amount: Levels<'a>,
    pub ask: Levels<'a>,
    pub ask_amount: Levels<'a>,
    pub time_us: i64,
    pub recv_time_us: i64,
    pub amount_cny: Option<f64>,
    pub volume_shares: Option<u64>,
    /// Left out of the list when empty.
    pub source: &'a str,
    pub sequence: u64,
    pub quality_score: Option<f32>,
}

/// One quote in base units: prices and amounts in CNY, volumes in shares, times in UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SpotRecord<'a> {
    /// Exchange in upper case.
    pub market: &'a str,
    /// Code without the exchange.
    pub code: &'a str,
    /// Display name; may be empty.
    pub name: &'a str,
    /// Exchange time, microseconds since 1970 UTC.
    pub time_us: i64,
    /// When the source received it, microseconds since 1970 UTC.
    pub recv_time_us: i64,
    /// Close of the day before.
    pub pre_close: f64,
    /// First price of the day, 0 before the first trade.
    pub open: f64,
    /// Highest price of the day.
    pub high: f64,
    /// Lowest price of the day.
    pub low: f64,
    /// Last price.
    pub close: f64,
    /// Turnover since the open.
    pub amount_cny: f64,
    /// Volume since the open.
    pub volume_shares: u64,
    /// Bid prices, best first; at most [`MAX_LEVELS`] of each side are taken over.
    pub bid: &'a [f64],
    /// Bid sizes, shares.
    pub bid_volume: &'a [u64],
    /// Ask prices, best first.
    pub ask: &'a [f64],
    /// Ask sizes, shares.
    pub ask_volume: &'a [u64],
    /// Id of the source; may be empty.
    pub source: &'a str,
    /// Number of the record at its source, from 1.
    pub sequence: u64,
    /// Share of quality rules passed.
    pub quality_score: Option<f32>,
}

// The table, counted from its start; a table starts at 4 mod 8, so that its doubles are aligned.
const TABLE_LEN: usize = 140;
const AT_DOUBLES: usize = 4; // yesterday_close to volume, then amount_cny
const AT_TIME: usize = 68;
const AT_RECV_TIME: usize = 76;
const AT_SHARES: usize = 84;
const AT_SEQUENCE: usize = 92;
const AT_MARKET: usize = 100;
const AT_CODE: usize = 104;
const AT_NAME: usize = 108;
const AT_DATETIME: usize = 112;
const AT_LEVELS: usize = 116; // bid, bid_amount, ask, ask_amount
const AT_SOURCE: usize = 132;
const AT_QUALITY: usize = 136;

const FIELDS: usize = 22;
const VTABLE_LEN: usize = 4 + 2 * FIELDS;
/// Where the vtable sends each field of `spot.fbs`, in order.
const FIELD_OFFSETS: [u16; FIELDS] = [
    100, 104, 108, 112, 4, 12, 20, 28, 36, 44, 52, 116, 120, 124, 128, 68, 76, 60, 84, 132, 92, 136,
];
/// Fields that a record may lack, each with a bit of its own.
const OPTIONAL_FIELDS: [u16; 5] = [
    Spot::VT_NAME,
    Spot::VT_AMOUNT_CNY,
    Spot::VT_VOLUME_SHARES,
    Spot::VT_SOURCE,
    Spot::VT_QUALITY_SCORE,
];

// The list's head: root offset, vtable and table of SpotList, length of the vector.
const HEAD: [u8; 24] = [
    12, 0, 0, 0, // root table
    6, 0, 8, 0, 4, 0, 0, 0, // vtable: its length, the table's, field 0; padding
    8, 0, 0, 0, // table: back to its vtable
    4, 0, 0, 0, // on to the vector
    0, 0, 0, 0, // length of the vector
];

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

/// Where the body begins behind so many offsets.
const fn body_start(slots: usize) -> usize {
    padded(HEAD.len() + 4 * slots, 8)
}

const fn padded(len: usize, align: usize) -> usize {
    (len + align - 1) & !(align - 1)
}

/// Every length and distance lies below [`MAX_LIST_BYTES`].
#[allow(clippy::cast_possible_truncation)]
const fn offset(len: usize) -> u32 {
    len as u32
}

fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}

#[inline]
fn write_fixed(table: &mut [u8; TABLE_LEN], spot: &WireSpot<'_>, to_vtable: u32, source: u32) {
    put(table, 0, to_vtable.to_le_bytes());
    let doubles = [
        spot.yesterday_close,
        spot.open,
        spot.high,
        spot.low,
        spot.close,
        spot.amount,
        spot.volume,
        spot.amount_cny.unwrap_or_default(),
    ];
    for (index, value) in doubles.into_iter().enumerate() {
        put(table, AT_DOUBLES + 8 * index, value.to_le_bytes());
    }
    put(table, AT_TIME, spot.time_us.to_le_bytes());
    put(table, AT_RECV_TIME, spot.recv_time_us.to_le_bytes());
    put(table, AT_SHARES, spot.volume_shares.unwrap_or_default().to_le_bytes());
    put(table, AT_SEQUENCE, spot.sequence.to_le_bytes());
    put(table, AT_SOURCE, source.to_le_bytes());
    put(table, AT_QUALITY, spot.quality_score.unwrap_or_default().to_le_bytes());
}

/// Writes length and bytes at `at` behind the table, points `field` there, returns the end.
#[inline]
fn write_vector(
    table: &mut [u8; TABLE_LEN],
    rest: &mut [u8],
    field: usize,
    at: usize,
    bytes: &[u8],
    len: usize,
) -> usize {
    put(table, field, offset(at - field).to_le_bytes());
    let behind = at - TABLE_LEN;
    put(rest, behind, offset(len).to_le_bytes());
    rest[behind + 4..behind + 4 + bytes.len()].copy_from_slice(bytes);
    at + 4 + bytes.len()
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
