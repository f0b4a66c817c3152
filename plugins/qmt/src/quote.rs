//! A tick into a quote: units, and the faults of QMT that are known.
//!
//! A function of the tick alone, so that a frame that comes again gives the same quotes again.
//!
//! Seen in payloads of 2022 to 2026:
//!
//! - `volume` and book sizes are in lots of 100 shares. `pvolume` is in shares in miniQMT, repeats
//!   `volume` in the full terminal, and was 0 in some. What fits the turnover decides; for bonds, of
//!   which no traded one is recorded, it alone (see [`lots`](plugin_api::schemas::lots)).
//! - In the call auction some payloads have prices without sizes.
//! - Prices carry the noise of binary sums (10.620000000000001).
//! - `amount` was a hundred times too large after 15:30.
//! - In the after-hours phase from 15:05 `volume` and `amount` fall back to 0 while the prices stay.
//! - Bars have `close` instead of `lastPrice`; their volume is not that of the day.
//! - `openInt` is the phase of the day, not open interest.

use plugin_api::{
    SpotRecord, Symbol,
    schemas::{
        lots::{Kind, Unit},
        time::{ExchangeTime, SECOND_US, parse_exchange_time},
    },
};

use crate::tick::{Coded, MOST_LEVELS, Number, Side, Tick};

/// Decimals of the finest price that is quoted, of indices.
const PRICE_SCALE: f64 = 10_000.0;
/// Highest price that can be meant; the dearest share of all time stood at 2,600.
const MOST_PRICE: f64 = 10_000_000.0;
/// Largest sum of a day that can be meant, CNY or shares; floats are whole up to here.
const MOST_SUM: f64 = 9_007_199_254_740_992.0;
/// 2000-01-01 and 2100-01-01, milliseconds since 1970 UTC.
const TIMES_MS: std::ops::Range<f64> = 946_684_800_000.0..4_102_444_800_000.0;
/// Phases of after-hours trading at the closing price, under way and finished.
const AFTER_HOURS: [f64; 2] = [22.0, 23.0];
/// How much too large an `amount` can be from [`LATE_US`] on.
const AMOUNT_FAULT: f64 = 100.0;
/// 15:30 on the exchange's clock.
const LATE_US: i64 = (15 * 60 + 30) * 60 * SECOND_US;

/// Why a tick gives no quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// No security of SH, SZ or BJ: futures, sectors, other markets.
    OtherMarket,
    /// A bar, whose volume is not that of the day.
    Bar,
    /// Volume and turnover fell back to nothing after hours.
    VolumeReset,
    /// No time, or none that exists.
    NoTime,
    /// Without one of the values that every quote has.
    Missing(&'static str),
    /// A value that cannot be meant.
    Malformed(&'static str),
}

impl Refusal {
    /// The reason under which it is counted.
    pub fn reason(self) -> &'static str {
        match self {
            Self::OtherMarket => "other_market",
            Self::Bar => "bar",
            Self::VolumeReset => "volume_reset",
            Self::NoTime => "no_time",
            Self::Missing(_) => "missing",
            Self::Malformed(_) => "malformed",
        }
    }

    /// Whether the tick deserves a look: it is none that QMT is known to send.
    pub fn is_odd(self) -> bool {
        matches!(self, Self::NoTime | Self::Missing(_) | Self::Malformed(_))
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OtherMarket => f.write_str("no security of SH, SZ or BJ"),
            Self::Bar => f.write_str("a bar; subscribe to period=\"tick\""),
            Self::VolumeReset => f.write_str("volume fell back to 0 after hours"),
            Self::NoTime => f.write_str("`time`, `stime` and `timetag` give no time"),
            Self::Missing(field) => write!(f, "`{field}` is missing"),
            Self::Malformed(field) => write!(f, "`{field}` is no value that can be meant"),
        }
    }
}

/// A quote in base units, with what was mended in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Quote<'a> {
    /// The security.
    pub symbol: Symbol<'a>,
    /// Exchange time, microseconds since 1970 UTC.
    pub time_us: i64,
    /// Close of the day before; 0 where the tick has none. CNY, as every price.
    pub pre_close: f64,
    /// First price of the day; 0 before the first trade, or where the tick has none.
    pub open: f64,
    /// Highest price; as `open`.
    pub high: f64,
    /// Lowest price; as `open`.
    pub low: f64,
    /// Last price; in the call auction the indicative one.
    pub close: f64,
    /// Turnover since the open, CNY.
    pub amount_cny: f64,
    /// Volume since the open, shares.
    pub volume_shares: u64,
    /// Bid prices, best first; levels that are empty are 0, as QMT gives them.
    pub bid: Levels<f64>,
    /// Bid sizes, shares; 0 where they are not known.
    pub bid_volume: Levels<u64>,
    /// Ask prices.
    pub ask: Levels<f64>,
    /// Ask sizes, as those of the bids.
    pub ask_volume: Levels<u64>,
    /// The turnover was a hundred times too large.
    pub is_amount_mended: bool,
}

/// Values of the levels of one side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Levels<T> {
    values: [T; MOST_LEVELS],
    len: usize,
}

impl<T> Levels<T> {
    /// The values, best first.
    pub fn as_slice(&self) -> &[T] {
        &self.values[..self.len]
    }
}

impl<'a> Quote<'a> {
    /// Reads a tick.
    ///
    /// # Errors
    /// Why it gives no quote.
    pub fn read(coded: &'a Coded<'_>) -> Result<Self, Refusal> {
        let tick = &coded.tick;
        let symbol = Symbol::parse(&coded.code, None).ok_or(Refusal::OtherMarket)?;
        if tick.is_bar && tick.last.is_nan() {
            return Err(Refusal::Bar);
        }
        let close = price(tick.last, "lastPrice")?.ok_or(Refusal::Missing("lastPrice"))?;
        let optional = |value, field| Ok(price(value, field)?.unwrap_or(0.0));
        let open = optional(tick.open, "open")?;
        let high = optional(tick.high, "high")?;
        let low = optional(tick.low, "low")?;
        let pre_close = optional(tick.pre_close, "lastClose")?;
        let time_us = time_us(tick)?;
        let amount = sum(tick.amount, "amount")?.ok_or(Refusal::Missing("amount"))?;
        let volume = sum(tick.volume, "volume")?;
        let pvolume = sum(tick.pvolume, "pvolume")?;

        let is_after_hours = AFTER_HOURS.iter().any(|phase| is_same(*phase, tick.phase));
        let is_nothing = volume.or(pvolume).is_some_and(is_zero) && is_zero(amount);
        if is_after_hours && is_nothing && !is_zero(high) {
            return Err(Refusal::VolumeReset);
        }
        let span = match (is_zero(low), is_zero(high)) {
            (false, false) => Some((low, high)),
            _ if !is_zero(close) => Some((close, close)),
            _ => None,
        };
        let day = Day {
            span,
            kind: Kind::of(symbol.market, symbol.code),
            is_late: ExchangeTime::from_utc_us(time_us).of_day_us >= LATE_US,
        };
        let turnover = Turnover::judge(volume, pvolume, amount, &day)?;
        let [ask, bid, ask_lots, bid_lots] = &tick.book;
        let unit = turnover.book_unit;
        let (bid, bid_volume) = side(bid, bid_lots, unit, ("bidPrice", "bidVol"))?;
        let (ask, ask_volume) = side(ask, ask_lots, unit, ("askPrice", "askVol"))?;
        Ok(Self {
            symbol,
            time_us,
            pre_close,
            open,
            high,
            low,
            close,
            amount_cny: turnover.amount,
            volume_shares: turnover.shares,
            bid,
            bid_volume,
            ask,
            ask_volume,
            is_amount_mended: turnover.is_amount_mended,
        })
    }

    /// The quote as the encoder takes it.
    pub fn record<'s>(
        &'s self,
        recv_time_us: i64,
        source: &'s str,
        sequence: u64,
    ) -> SpotRecord<'s> {
        SpotRecord {
            market: self.symbol.market,
            code: self.symbol.code,
            name: "",
            time_us: self.time_us,
            recv_time_us,
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
            source,
            sequence,
            quality_score: None,
        }
    }
}

/// Volume and turnover of the day, units settled.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Turnover {
    shares: u64,
    amount: f64,
    /// Shares in one unit of the book's sizes; `None` when nothing tells.
    book_unit: Option<f64>,
    is_amount_mended: bool,
}

/// What volume and turnover have to fit.
struct Day {
    /// Lowest and highest price so far.
    span: Option<(f64, f64)>,
    kind: Kind,
    /// From 15:30 on.
    is_late: bool,
}

impl Day {
    /// Whether the mean price is one of the day's.
    fn fits(&self, amount: f64, shares: f64) -> bool {
        self.kind != Kind::Index
            && self.span.is_some_and(|span| self.kind.fits(amount, shares, span))
    }

    /// Whether the turnover can tell anything.
    fn tells(&self, amount: f64) -> bool {
        self.span.is_some() && !is_zero(amount) && self.kind.has_turnover_at_price()
    }
}

/// How far a volume says by itself what it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Two fields say the same.
    Proven,
    /// It is as usual, unless the turnover fits nothing.
    Usual,
    /// Only the turnover can tell.
    Doubtful,
}

impl Turnover {
    /// Settles the unit by the mean price of the day, which lies between its lowest and highest.
    fn judge(
        volume: Option<f64>,
        pvolume: Option<f64>,
        amount: f64,
        day: &Day,
    ) -> Result<Self, Refusal> {
        let is_measured = matches!(day.kind.tencent_unit(), Unit::Pieces(_));
        let (candidates, trust) = match (volume, pvolume) {
            (None, None) => return Err(Refusal::Missing("volume")),
            _ if is_measured => units(volume, pvolume),
            _ if volume.is_none_or(is_zero) && pvolume.is_none_or(is_zero) => {
                let book_unit = None;
                return Ok(Self { shares: 0, amount, book_unit, is_amount_mended: false });
            }
            _ => (unmeasured_units(volume, pvolume), Trust::Doubtful),
        };
        let fitting =
            |amount: f64| candidates.iter().copied().find(|(shares, _)| day.fits(amount, *shares));
        let mended = fitting(amount / AMOUNT_FAULT).filter(|_| day.is_late);
        // alone, `pvolume` was only seen in shares
        let is_shares =
            |(shares, _)| volume.is_none() && pvolume.is_some_and(|it| is_same(it, shares));
        let will_do = match trust {
            Trust::Proven => true,
            Trust::Usual => !day.tells(amount),
            Trust::Doubtful => day.kind == Kind::Index,
        };
        let ((shares, book_unit), is_amount_mended) = match (fitting(amount), mended) {
            (Some(found), Some(other)) if is_shares(other) && !is_shares(found) => (other, true),
            (Some(found), _) => (found, false),
            (None, Some(found)) if trust != Trust::Doubtful => (found, true),
            _ if will_do => (candidates[0], false),
            _ => return Err(Refusal::Malformed("volume")),
        };
        let amount = if is_amount_mended { amount / AMOUNT_FAULT } else { amount };
        let book_unit = Some(book_unit);
        Ok(Self { shares: whole(shares, "volume")?, amount, book_unit, is_amount_mended })
    }
}

/// Shares that `volume` and `pvolume`, of which there is one, can mean, likeliest first, each with the
/// shares in one unit of the book.
fn units(volume: Option<f64>, pvolume: Option<f64>) -> (Vec<(f64, f64)>, Trust) {
    let lots = |v: f64| (100.0 * v, 100.0);
    match (volume, pvolume) {
        (Some(v), Some(p)) if is_same(p, v) => (vec![lots(v), (v, 1.0)], Trust::Usual),
        (Some(v), Some(p)) if (p - 100.0 * v).abs() < 100.0 => (vec![(p, 100.0)], Trust::Proven),
        (Some(v), Some(p)) if is_zero(p) => (vec![lots(v), (v, 1.0)], Trust::Usual),
        (Some(v), Some(p)) if is_zero(v) => (vec![(p, 100.0)], Trust::Proven),
        (Some(v), Some(p)) if (p - 10.0 * v).abs() < 10.0 => {
            (vec![(p, 10.0), lots(v), (v, 1.0)], Trust::Usual)
        }
        (Some(v), Some(p)) => (vec![lots(v), (p, 100.0), (v, 1.0)], Trust::Doubtful),
        (Some(v), None) => (vec![lots(v), (v, 1.0)], Trust::Usual),
        (None, p) => {
            let p = p.unwrap_or_default();
            (vec![(p, 100.0), lots(p)], Trust::Usual)
        }
    }
}

/// The same where nothing was measured. What is more than a `volume` of whole lots is `pvolume`'s.
#[allow(clippy::cast_precision_loss)] // 1, 10, 100
fn unmeasured_units(volume: Option<f64>, pvolume: Option<f64>) -> Vec<(f64, f64)> {
    let all = Kind::possible_units().map(|unit| unit as f64);
    let nonzero = |value: Option<f64>| value.filter(|value| !is_zero(*value));
    let counted = |value: f64| all.map(|unit| (unit * value, unit)).to_vec();
    match (nonzero(volume), nonzero(pvolume)) {
        (Some(v), Some(p)) => {
            let is_rest = |unit: &f64| *unit > 1.0 && (p - unit * v).abs() < *unit;
            let whole = all.into_iter().find(is_rest).map(|unit| (p, unit));
            whole.into_iter().chain(counted(v)).collect()
        }
        (Some(counts), None) | (None, Some(counts)) => counted(counts),
        (None, None) => Vec::new(),
    }
}

fn time_us(tick: &Tick<'_>) -> Result<i64, Refusal> {
    if tick.time.is_nan() {
        let text = tick.time_text.trim();
        return parse_exchange_time(text)
            .filter(|_| is_whole_time(text))
            .filter(|us| TIMES_MS.contains(&(*us as f64 / 1_000.0)))
            .ok_or(Refusal::NoTime);
    }
    if !TIMES_MS.contains(&tick.time) {
        return Err(Refusal::NoTime);
    }
    #[allow(clippy::cast_possible_truncation)] // in range
    Ok((tick.time * 1_000.0).round() as i64)
}

/// Whether a text is date and time to the second, as `20231106 15:00:04`, `20250929 10:13:41.153` or
/// `20231107110321.000`; other spellings, such as a date alone, were never seen.
fn is_whole_time(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let pattern: &[u8] = match whole.len() {
        14 => b"00000000000000",
        17 => b"00000000 00:00:00",
        _ => return false,
    };
    let fits = |(byte, like): (u8, &u8)| match like {
        b'0' => byte.is_ascii_digit(),
        like => byte == *like,
    };
    whole.bytes().zip(pattern).all(fits)
        && !fraction.is_empty()
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
}

/// A price without the noise of binary sums; `None` when absent.
fn price(value: Number, field: &'static str) -> Result<Option<f64>, Refusal> {
    if value.is_nan() {
        return Ok(None);
    }
    if !(0.0..MOST_PRICE).contains(&value) {
        return Err(Refusal::Malformed(field));
    }
    Ok(Some((value * PRICE_SCALE).round() / PRICE_SCALE))
}

/// A sum of the day; `None` when absent.
fn sum(value: Number, field: &'static str) -> Result<Option<f64>, Refusal> {
    match value {
        _ if value.is_nan() => Ok(None),
        _ if (0.0..MOST_SUM).contains(&value) => Ok(Some(value)),
        _ => Err(Refusal::Malformed(field)),
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // in range
fn whole(shares: f64, field: &'static str) -> Result<u64, Refusal> {
    let rounded = shares.round();
    let is_whole = (shares - rounded).abs() < 1e-6 && (0.0..MOST_SUM).contains(&rounded);
    if is_whole { Ok(rounded as u64) } else { Err(Refusal::Malformed(field)) }
}

fn side(
    prices: &Side,
    lots: &Side,
    unit: Option<f64>,
    (price_field, lots_field): (&'static str, &'static str),
) -> Result<(Levels<f64>, Levels<u64>), Refusal> {
    let (prices, lots) = (prices.levels(), lots.levels());
    let mut out = (
        Levels { values: [0.0; MOST_LEVELS], len: 0 },
        Levels { values: [0; MOST_LEVELS], len: 0 },
    );
    for &value in prices {
        out.0.values[out.0.len] =
            price(value, price_field)?.ok_or(Refusal::Malformed(price_field))?;
        out.0.len += 1;
    }
    for &value in lots {
        let lots = sum(value, lots_field)?.ok_or(Refusal::Malformed(lots_field))?;
        out.1.values[out.1.len] = whole(lots * unit.unwrap_or(1.0), lots_field)?;
        out.1.len += 1;
    }
    // prices without sizes are those of a call auction; sizes without prices are nothing
    if prices.is_empty() {
        out.1.len = 0;
    } else if lots.is_empty() || unit.is_none() {
        out.1 = Levels { values: [0; MOST_LEVELS], len: out.0.len.max(out.1.len) };
    }
    if out.0.len == out.1.len { Ok(out) } else { Err(Refusal::Malformed(lots_field)) }
}

/// Both are whole numbers, or the same reading of one.
#[allow(clippy::float_cmp)]
fn is_same(one: f64, other: f64) -> bool {
    one == other
}

fn is_zero(value: f64) -> bool {
    is_same(value, 0.0)
}
