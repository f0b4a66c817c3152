//! Single values of a tick, and whether they can be meant.

use plugin_api::schemas::time::parse_exchange_time;

use super::{Levels, Refusal};
use crate::tick::{MOST_LEVELS, Number, Side, Tick};

/// Decimals of the finest price that is quoted, of indices.
const PRICE_SCALE: f64 = 10_000.0;
/// Highest price that can be meant; the dearest share of all time stood at 2,600.
const MOST_PRICE: f64 = 10_000_000.0;
/// Largest sum of a day that can be meant, CNY or shares; floats are whole up to here.
const MOST_SUM: f64 = 9_007_199_254_740_992.0;
/// 2000-01-01 and 2100-01-01, milliseconds since 1970 UTC.
const TIMES_MS: std::ops::Range<f64> = 946_684_800_000.0..4_102_444_800_000.0;

pub(super) fn time_us(tick: &Tick<'_>) -> Result<i64, Refusal> {
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
pub(super) fn price(value: Number, field: &'static str) -> Result<Option<f64>, Refusal> {
    if value.is_nan() {
        return Ok(None);
    }
    if !(0.0..MOST_PRICE).contains(&value) {
        return Err(Refusal::Malformed(field));
    }
    Ok(Some((value * PRICE_SCALE).round() / PRICE_SCALE))
}

/// A sum of the day; `None` when absent.
pub(super) fn sum(value: Number, field: &'static str) -> Result<Option<f64>, Refusal> {
    match value {
        _ if value.is_nan() => Ok(None),
        _ if (0.0..MOST_SUM).contains(&value) => Ok(Some(value)),
        _ => Err(Refusal::Malformed(field)),
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // in range
pub(super) fn whole(shares: f64, field: &'static str) -> Result<u64, Refusal> {
    let rounded = shares.round();
    let is_whole = (shares - rounded).abs() < 1e-6 && (0.0..MOST_SUM).contains(&rounded);
    if is_whole { Ok(rounded as u64) } else { Err(Refusal::Malformed(field)) }
}

pub(super) fn side(
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
pub(super) fn is_same(one: f64, other: f64) -> bool {
    one == other
}

pub(super) fn is_zero(value: f64) -> bool {
    is_same(value, 0.0)
}
