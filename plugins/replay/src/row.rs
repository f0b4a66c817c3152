//! One recorded quote, or another record as its own table describes it.

use plugin_api::{
    Batch, Record, Round, SpotListEncoder, SpotRecord, SpotView,
    schemas::{
        encode::MAX_LEVELS,
        records::OwnedRecord,
        spot::{market_name, shares},
    },
};

/// What the merge needs to know of a row.
pub trait Row: Default + Clone {
    /// Exchange time, microseconds since 1970 UTC.
    fn time_us(&self) -> i64;

    /// The rows as bytes, for [`unpack`](Self::unpack).
    ///
    /// # Errors
    /// A text, when they do not fit into one list.
    fn pack(rows: &[Self]) -> Result<Vec<u8>, String>;

    /// The rows that were packed.
    ///
    /// # Errors
    /// A text, when the bytes are not what was packed.
    fn unpack(bytes: Vec<u8>) -> Result<Vec<Self>, String>;
}

/// One side of the book, or its sizes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Levels<T> {
    values: [T; MAX_LEVELS],
    len: usize,
}

impl<T: Copy + Default> Levels<T> {
    pub fn as_slice(&self) -> &[T] {
        &self.values[..self.len]
    }

    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Takes over those levels, ten of them at most.
    pub fn fill(&mut self, levels: impl IntoIterator<Item = T>) {
        self.clear();
        for (level, value) in levels.into_iter().enumerate() {
            self.set(level, value);
        }
    }

    /// Sets a level; those left out before it are 0. Levels beyond the tenth are dropped.
    pub fn set(&mut self, level: usize, value: T) {
        if level < MAX_LEVELS {
            self.values[self.len.min(level)..level].fill(T::default());
            self.values[level] = value;
            self.len = level + 1;
        }
    }
}

/// A recorded quote; fields as in [`SpotRecord`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SpotRow {
    pub market: &'static str,
    pub code: String,
    pub name: String,
    pub time_us: i64,
    /// The event's time where none was recorded.
    pub recv_time_us: i64,
    pub pre_close: f64,
    pub open: f64,
    pub high: f64,
    pub low: f64,
    pub close: f64,
    pub amount_cny: f64,
    pub volume_shares: u64,
    pub bid: Levels<f64>,
    pub bid_volume: Levels<u64>,
    pub ask: Levels<f64>,
    pub ask_volume: Levels<u64>,
    /// Empty where none was recorded.
    pub source: String,
    pub quality_score: Option<f32>,
}

impl Row for SpotRow {
    fn time_us(&self) -> i64 {
        self.time_us
    }

    fn pack(rows: &[Self]) -> Result<Vec<u8>, String> {
        let mut encoder = SpotListEncoder::new(rows.len());
        for row in rows {
            encoder.push(&row.record("", 0, 0)).map_err(|error| error.to_string())?;
        }
        Ok(encoder.finish())
    }

    fn unpack(bytes: Vec<u8>) -> Result<Vec<Self>, String> {
        let batch = Batch::from_untrusted_spots(bytes, Round::MIDDLE);
        let batch = batch.map_err(|error| error.to_string())?;
        Ok(batch.spots().iter().map(|spot| Self::of(&spot)).collect())
    }
}

impl SpotRow {
    fn of(spot: &SpotView<'_>) -> Self {
        let mut row = Self {
            market: market_name(spot.market()).unwrap_or_default(),
            code: spot.code().to_owned(),
            name: spot.name().to_owned(),
            time_us: spot.time_us(),
            recv_time_us: spot.recv_time_us(),
            pre_close: spot.pre_close(),
            open: spot.open(),
            high: spot.high(),
            low: spot.low(),
            close: spot.close(),
            amount_cny: spot.amount_cny(),
            volume_shares: spot.volume_shares(),
            source: spot.source().to_owned(),
            quality_score: spot.quality_score(),
            ..Self::default()
        };
        row.bid.fill(spot.bid().iter());
        row.bid_volume.fill(spot.bid_lots().iter().map(shares));
        row.ask.fill(spot.ask().iter());
        row.ask_volume.fill(spot.ask_lots().iter().map(shares));
        row
    }

    /// The record with its times moved by `shift_us`.
    pub fn record<'a>(&'a self, instance: &'a str, sequence: u64, shift_us: i64) -> SpotRecord<'a> {
        SpotRecord {
            market: self.market,
            code: &self.code,
            name: &self.name,
            time_us: self.time_us + shift_us,
            recv_time_us: self.recv_time_us + shift_us,
            pre_close: self.pre_close,
            open: self.open,
            high: self.high,
            low: self.low,
            close: self.close,
            amount_cny: self.amount_cny,
            volume_shares: self.volume_shares,
            bid: self.bid.as_slice(),
            bid_volume: self.bid_volume.as_slice(),
            ask: self.ask.as_slice(),
            ask_volume: self.ask_volume.as_slice(),
            source: if self.source.is_empty() { instance } else { &self.source },
            sequence,
            quality_score: self.quality_score,
        }
    }
}

/// Rows that are kept in the columns of the `parquet` sink.
impl<R: OwnedRecord> Row for R {
    fn time_us(&self) -> i64 {
        self.record(0).time_us()
    }

    fn pack(rows: &[Self]) -> Result<Vec<u8>, String> {
        let records = rows.iter().map(|row| row.record(0));
        Record::encode(records).map_err(|error| error.to_string())
    }

    fn unpack(bytes: Vec<u8>) -> Result<Vec<Self>, String> {
        R::read_list(&bytes).map_err(|error| error.to_string())
    }
}

/// Writes a symbol the way sets of symbols keep it.
pub fn symbol_key(market: &str, code: &str, key: &mut String) {
    key.clear();
    key.push_str(code);
    key.push('.');
    key.push_str(market);
}
