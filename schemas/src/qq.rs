//! The text format of the Tencent quote service.
//!
//! ```text
//! v_sh600000="1~浦发银行~600000~9.40~9.26~9.28~771871~…~9.40/771871/722307374~…";
//! ```
//!
//! Fields are separated by `~`; their number grew from 50 (2012) to 88 (2026) while the first 58
//! kept their place, so nothing here depends on it. Numbers below are places, from 0. Measured on
//! recorded answers of 2012 to 2026:
//!
//! - Volume (6) is in lots, but in shares for STAR (sh688, sh689). Book sizes are in lots; those of
//!   STAR are in units of as many shares as field 87 says, in shares where it is absent (2022). Of
//!   bonds the turnover tells; see [`lots`](crate::lots).
//! - Statements end with `";` and usually a line end, which may be missing. A symbol of which the service
//!   has nothing to say has an empty one, `v_sh600000="";`.
//! - Turnover is exact in field 35 (`price/volume/amount`), which lagged behind in 2012 and 2013:
//!   its volume differs from field 6 then. Field 57 has it in 10,000 with two to four decimals,
//!   field 37 rounded to 10,000; should that come with four decimals, it is exact and is taken, as
//!   Hikyuu's collector does.
//! - A line in which a field is missing or one too many is told by the form of field 35, or else by
//!   field 36, which repeats field 6.
//! - Suspended and delisted securities answer with their last price and zeros; one that is not
//!   listed yet has nothing to say.
//! - Prices and turnover are in the currency of the security (SH B shares: USD).

mod encoding;
mod fields;
mod line;
mod names;

pub use encoding::{Encoding, decode};
pub use line::{lines, statement_len, symbol_of};

use crate::{
    encode::SpotRecord,
    lots::{Kind, Unit},
    time::ExchangeTime,
    units::is_index,
};
use fields::{Decimal, Fields};
use line::Line;

/// Levels of each side of the book.
pub const LEVELS: usize = 5;

const CODE: usize = 2;
const LAST: usize = 3;
const PRE_CLOSE: usize = 4;
const OPEN: usize = 5;
const VOLUME: usize = 6;
const BID: usize = 9;
const ASK: usize = 19;
const TIME: usize = 30;
const HIGH: usize = 33;
const LOW: usize = 34;
const TURNOVER: usize = 35;
const VOLUME_AGAIN: usize = 36;
const AMOUNT: usize = 37;
const STATUS: usize = 40;
const EXACT_AMOUNT: usize = 57;
const BOOK_UNIT: usize = 87;

/// Fields 37 and 57 are in 10,000.
const AMOUNT_EXPONENT: u32 = 4;

/// Whether a security trades.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Like any other day.
    Trading,
    /// Not today: last is the close of the day before, all else 0.
    Suspended,
    /// Never again; the time is 09:00:00 of the day of the answer.
    Delisted,
}

/// One quote, in base units: volumes in shares, times in UTC.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quote<'a> {
    /// Exchange: SH, SZ or BJ.
    pub market: &'static str,
    /// Code without the exchange.
    pub code: &'a str,
    /// Display name, as it came: with inner blanks and full-width letters.
    pub name: &'a str,
    /// Exchange time, microseconds since 1970 UTC.
    pub time_us: i64,
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
    pub amount: f64,
    /// Volume since the open.
    pub volume_shares: u64,
    /// Bid prices, best first; 0 where there is no order.
    pub bid: [f64; LEVELS],
    /// Bid sizes, shares.
    pub bid_volume: [u64; LEVELS],
    /// Ask prices, best first; 0 where there is no order.
    pub ask: [f64; LEVELS],
    /// Ask sizes, shares.
    pub ask_volume: [u64; LEVELS],
    /// Whether the security trades.
    pub status: Status,
}

/// Why a line gives no quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Skip {
    /// The service knows none of the symbols asked for.
    #[error("the service does not know the symbol")]
    NoneMatch,
    /// The short form `v_s_…`, which has neither time nor book.
    #[error("short form without time and book; ask for the symbol without `s_`")]
    Short,
    /// Hong Kong, New York, or another kind of answer.
    #[error("not a security of Shanghai, Shenzhen or Beijing")]
    Foreign,
    /// Announced, without a first trading day so far.
    #[error("not listed yet")]
    NotListed,
    /// The service has nothing to say.
    #[error("an empty line")]
    Empty,
    /// A bond whose turnover does not tell what its volume counts.
    #[error("the turnover fits the volume in no unit: neither 1, 10, nor 100 bonds")]
    Unit,
    /// The line cannot be read.
    #[error("field {field} {why}")]
    Malformed {
        /// Place of the field, from 0.
        field: usize,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl Skip {
    /// Whether the line is damaged, not just of no use.
    pub fn is_malformed(self) -> bool {
        matches!(self, Self::Malformed { .. } | Self::Unit)
    }
}

impl<'a> Quote<'a> {
    /// Reads one line; blanks around it are allowed.
    ///
    /// # Errors
    /// Why there is no quote in it.
    pub fn parse(line: &'a str) -> Result<Self, Skip> {
        let line = Line::split(line.as_bytes(), Encoding::Utf8)?;
        // the name was cut out of text at separators, so it is text itself
        Self::of_line(&line, std::str::from_utf8(line.name).unwrap_or_default())
    }

    /// Reads one line as it came; blanks around it are allowed. `name` keeps the text of the name,
    /// so that nothing is allocated for it once it is large enough.
    ///
    /// # Errors
    /// Why there is no quote in it.
    pub fn parse_bytes(
        line: &'a [u8],
        encoding: Encoding,
        name: &'a mut String,
    ) -> Result<Self, Skip> {
        let line = Line::split(line, encoding)?;
        let mut quote = Self::of_line(&line, "")?;
        quote.name = names::text(line.name, encoding, name);
        Ok(quote)
    }

    fn of_line(line: &Line<'a>, name: &'a str) -> Result<Self, Skip> {
        let (market, code) = (line.market, line.code);
        let kind = Kind::of(market, code);
        let end = if kind == Kind::Star { BOOK_UNIT + 1 } else { EXACT_AMOUNT + 1 };
        let fields = Fields::split(line.rest, CODE, end);
        let status = match fields.get(STATUS) {
            b"U" => return Err(Skip::NotListed),
            b"S" => Status::Suspended,
            b"D" => Status::Delisted,
            _ => Status::Trading,
        };
        if fields.get(CODE) != code.as_bytes() {
            return Err(malformed(CODE, "is not the code of the line"));
        }
        let amount = amount(&fields)?;
        let (low, high) = (price(&fields, LOW)?, price(&fields, HIGH)?);
        let close = price(&fields, LAST)?;
        let span = if low > 0.0 && high > 0.0 { (low, high) } else { (close, close) };
        let (per_volume, per_size) = units(kind, &fields, amount, span)?;
        let (bid, bid_volume) = book(&fields, BID, per_size)?;
        let (ask, ask_volume) = book(&fields, ASK, per_size)?;
        Ok(Self {
            market,
            code,
            name,
            time_us: time(&fields)?,
            pre_close: price(&fields, PRE_CLOSE)?,
            open: price(&fields, OPEN)?,
            high,
            low,
            close,
            amount,
            volume_shares: size(&fields, VOLUME, per_volume)?,
            bid,
            bid_volume,
            ask,
            ask_volume,
            status,
        })
    }

    /// The quote as a record of that source.
    pub fn record(&'a self, source: &'a str, sequence: u64, recv_time_us: i64) -> SpotRecord<'a> {
        SpotRecord {
            market: self.market,
            code: self.code,
            name: self.name,
            time_us: self.time_us,
            recv_time_us,
            pre_close: self.pre_close,
            open: self.open,
            high: self.high,
            low: self.low,
            close: self.close,
            amount_cny: self.amount,
            volume_shares: self.volume_shares,
            bid: &self.bid,
            bid_volume: &self.bid_volume,
            ask: &self.ask,
            ask_volume: &self.ask_volume,
            source,
            sequence,
            quality_score: None,
        }
    }

    /// Whether this is an index, which has no book.
    pub fn is_index(&self) -> bool {
        is_index(self.market, self.code)
    }
}

/// The time of a line, microseconds since 1970 UTC, without reading the rest.
///
/// # Errors
/// As [`Quote::parse`], as far as it gets.
pub fn parse_time(line: &str) -> Result<i64, Skip> {
    let line = Line::split(line.as_bytes(), Encoding::Utf8)?;
    let fields = Fields::split(line.rest, CODE, STATUS + 1);
    if fields.get(STATUS) == b"U" { Err(Skip::NotListed) } else { time(&fields) }
}

/// The quotes of a whole answer, line by line; empty lines are passed over.
pub fn quotes(answer: &str) -> impl Iterator<Item = Result<Quote<'_>, Skip>> {
    // lines are cut before and behind ASCII, so each is text itself
    lines(answer.as_bytes()).map(|line| Quote::parse(std::str::from_utf8(line).unwrap_or_default()))
}

fn malformed(field: usize, why: &'static str) -> Skip {
    Skip::Malformed { field, why }
}

/// Pieces in the unit of the volume and in that of the book's sizes. The sizes of a bond that has not
/// traded count nothing that is known, and become 0.
fn units(
    kind: Kind,
    fields: &Fields<'_>,
    amount: f64,
    span: (f64, f64),
) -> Result<(u64, u64), Skip> {
    match kind.tencent_unit() {
        Unit::Pieces(per_volume) if kind == Kind::Star => {
            let per_size = Decimal::parse(fields.get(BOOK_UNIT)).and_then(|unit| unit.whole());
            Ok((per_volume, per_size.filter(|unit| *unit > 0).unwrap_or(1)))
        }
        Unit::Pieces(unit) => Ok((unit, unit)),
        Unit::ByTurnover => {
            let volume = size(fields, VOLUME, 1)?;
            if volume == 0 {
                return Ok((0, 0));
            }
            #[allow(clippy::cast_precision_loss)] // units lie far apart
            let unit = kind.unit_of(volume as f64, amount, span).ok_or(Skip::Unit)?;
            Ok((unit, unit))
        }
    }
}

fn price(fields: &Fields<'_>, field: usize) -> Result<f64, Skip> {
    Decimal::float(fields.get(field)).ok_or(malformed(field, "is no price"))
}

fn size(fields: &Fields<'_>, field: usize, per_unit: u64) -> Result<u64, Skip> {
    let units = Decimal::parse(fields.get(field)).and_then(|size| size.whole());
    units.and_then(|units| units.checked_mul(per_unit)).ok_or(malformed(field, "is no volume"))
}

type Side = ([f64; LEVELS], [u64; LEVELS]);

/// Prices and sizes from `first` on, in turn.
fn book(fields: &Fields<'_>, first: usize, per_unit: u64) -> Result<Side, Skip> {
    let (mut prices, mut sizes) = Side::default();
    for (level, (to_price, to_size)) in prices.iter_mut().zip(&mut sizes).enumerate() {
        *to_price = price(fields, first + 2 * level)?;
        *to_size = size(fields, first + 2 * level + 1, per_unit)?;
    }
    Ok((prices, sizes))
}

fn amount(fields: &Fields<'_>) -> Result<f64, Skip> {
    let rounded = fields.get(AMOUNT);
    if rounded.is_empty() {
        return Err(malformed(AMOUNT, "is missing"));
    }
    let rounded = Decimal::parse(rounded);
    let exact = turnover(fields)?;
    if let Some(exact) = rounded.filter(|amount| amount.decimals() >= AMOUNT_EXPONENT) {
        return exact.scaled(AMOUNT_EXPONENT).ok_or(malformed(AMOUNT, "is too large"));
    }
    let or_rounded = || Decimal::parse(fields.get(EXACT_AMOUNT)).or(rounded);
    exact
        .or_else(|| or_rounded().and_then(|amount| amount.scaled(AMOUNT_EXPONENT)))
        .ok_or(malformed(AMOUNT, "is no amount, nor are 35 and 57"))
}

/// The amount of field 35, when that is of the same moment as the rest.
fn turnover(fields: &Fields<'_>) -> Result<Option<f64>, Skip> {
    let turnover = fields.get(TURNOVER);
    if !turnover.is_empty() {
        let mut parts = turnover.split(|byte| *byte == b'/').skip(1);
        let (Some(volume), Some(amount), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed(TURNOVER, "is not price/volume/amount"));
        };
        if volume == fields.get(VOLUME) {
            let amount = Decimal::float(amount).ok_or(malformed(TURNOVER, "has no amount"))?;
            return Ok(Some(amount));
        }
    }
    if fields.get(VOLUME_AGAIN) != fields.get(VOLUME) {
        return Err(malformed(VOLUME_AGAIN, "does not repeat field 6"));
    }
    Ok(None)
}

/// `20211201091501`, on the exchange's clock.
fn time(fields: &Fields<'_>) -> Result<i64, Skip> {
    let no_time = malformed(TIME, "is no time");
    let digits: &[u8; 14] = fields.get(TIME).try_into().map_err(|_| no_time)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(no_time);
    }
    let number = |range: std::ops::Range<usize>| {
        digits[range].iter().fold(0, |value: u32, digit| value * 10 + u32::from(digit - b'0'))
    };
    let date = (number(0..4).cast_signed(), number(4..6), number(6..8));
    let of_day = (number(8..10), number(10..12), number(12..14), 0);
    ExchangeTime::from_civil(date, of_day).ok_or(no_time)
}
