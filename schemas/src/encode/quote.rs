//! A quote as the encoder takes it, in base units or in those of the wire.

use flatbuffers::Vector;

/// Most book levels that a [`SpotRecord`] takes over; exchanges publish ten.
pub const MAX_LEVELS: usize = 10;

/// Prices or sizes of one side of the book, best first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Levels<'a>(pub(super) &'a [u8]);

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
