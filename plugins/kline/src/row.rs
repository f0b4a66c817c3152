//! One row of an answer.

use plugin_api::{
    schemas::{
        lots::{Kind, Unit},
        number::{parse_float, whole_shares},
        time::{ExchangeTime, SECOND_US, parse_date, parse_exchange_time},
    },
    serde_json::Value,
};

use crate::question::{Period, Question};

/// CNY in the unit of a row's turnover (万元).
const CNY_PER_TURNOVER: f64 = 10_000.0;
/// Minutes of a day at which bars of minutes end; the opening auction may have one of its own, and so has
/// the fixed-price trading after the close.
const ENDS: [std::ops::RangeInclusive<i64>; 2] = [570..=690, 780..=930];
/// Place of the turnover, in rows that have one.
const TURNOVER: usize = 8;

/// Numbers of a row, as the service counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// Label, microseconds since 1970 UTC: the end of the bar, of a day its first moment.
    pub time_us: i64,
    /// First price, CNY.
    pub open: f64,
    /// Last price, CNY.
    pub close: f64,
    /// Highest price, CNY.
    pub high: f64,
    /// Lowest price, CNY.
    pub low: f64,
    /// In the service's unit, which differs from security to security.
    pub volume: f64,
    /// CNY; `None` where the row has none.
    pub amount_cny: Option<f64>,
}

impl Row {
    /// Reads a row: label, open, close, high, low, volume, and what follows in some answers: what is
    /// due on an ex-day, the rate and the amount of the turnover.
    ///
    /// # Errors
    /// A text that says what is wrong with it.
    pub fn read(row: &Value, question: &Question) -> Result<Self, String> {
        let cells = row.as_array().ok_or("a row is no list")?;
        if cells.len() < 6 {
            return Err(format!("a row has {} values; 6 at least are read", cells.len()));
        }
        let label = cells[0].as_str().unwrap_or_default();
        let time_us =
            time_us(label, question.period).ok_or_else(|| format!("{} is no time", cells[0]))?;
        if !is_label(time_us, question.period) {
            return Err(format!("{} is no time of trading", cells[0]));
        }
        let number = |place: usize| number(&cells[place]);
        let [open, close, high, low, volume] =
            [number(1)?, number(2)?, number(3)?, number(4)?, number(5)?];
        let amount_cny = match (question.tells_turnover(), cells.len() > TURNOVER) {
            (true, true) => Some(number(TURNOVER)? * CNY_PER_TURNOVER),
            (true, false) => return Err("a row has no turnover".to_owned()),
            (false, _) => None,
        };
        if !(low <= open.min(close) && open.max(close) <= high) {
            let text = format!("open {open} and close {close} are not within {low} to {high}");
            return Err(text);
        }
        if volume < 0.0 || amount_cny.is_some_and(|it| it < 0.0) {
            return Err("volume or turnover is negative".to_owned());
        }
        Ok(Self { time_us, open, close, high, low, volume, amount_cny })
    }

    /// Whether nothing was traded: the row repeats a price, or has none at all.
    pub fn is_padding(&self) -> bool {
        // low ≤ open, close ≤ high
        self.volume <= 0.0 && self.high <= self.low
    }

    /// The volume in single shares, bonds or fund units.
    ///
    /// The turnover of a row that has one proves the unit, unless `is_adjusted` prices say nothing of
    /// it; otherwise it is the measured one of that kind of security.
    ///
    /// # Errors
    /// A text, when no unit is known, or the turnover contradicts every unit.
    pub fn shares(&self, kind: Kind, is_adjusted: bool) -> Result<u64, String> {
        let amount = self.amount_cny.unwrap_or_default();
        let can_prove =
            !is_adjusted && amount > 0.0 && self.volume > 0.0 && kind.has_turnover_at_price();
        let span = (self.low, self.high);
        let fits = |unit: &u32| kind.fits(amount, self.volume * f64::from(*unit), span);
        let unit = match (measured_unit(kind), can_prove) {
            (Some(unit), false) => Some(unit),
            // the newer form of the service may count STAR shares by the hundred
            (Some(unit), true) => [unit, 100, 1].into_iter().find(fits),
            (None, true) => {
                let unit = kind.unit_of(self.volume, amount, span);
                unit.and_then(|unit| u32::try_from(unit).ok())
            }
            (None, false) => return Err(NO_UNIT.to_owned()),
        };
        let unit = unit.ok_or_else(|| {
            format!("turnover {amount} CNY fits no unit of volume {}", self.volume)
        })?;
        whole_shares(self.volume, unit)
            .map_err(|why| format!("volume {} {}", self.volume, why.why()))
    }
}

/// Why volumes of some kinds cannot be given.
pub const NO_UNIT: &str =
    "the unit of its volume is not known; set `turnover = true` and ask for days";

/// Pieces in a unit of the service's volume, where it was measured: that of its quotes.
pub fn measured_unit(kind: Kind) -> Option<u32> {
    match kind.tencent_unit() {
        Unit::Pieces(unit) => u32::try_from(unit).ok(),
        Unit::ByTurnover => None,
    }
}

fn time_us(label: &str, period: Period) -> Option<i64> {
    match period {
        Period::Day => ExchangeTime::from_civil(parse_date(label)?, (0, 0, 0, 0)),
        Period::Minutes(_) if label.len() == 12 => parse_exchange_time(label),
        Period::Minutes(_) => None,
    }
}

/// Whether a bar of that period can have that label.
fn is_label(time_us: i64, period: Period) -> bool {
    let minute = ExchangeTime::from_utc_us(time_us).of_day_us / (60 * SECOND_US);
    period == Period::Day || ENDS.iter().any(|ends| ends.contains(&minute))
}

fn number(value: &Value) -> Result<f64, String> {
    let read = match value {
        Value::String(text) => parse_float(text).map_err(|fault| fault.why()),
        value => value.as_f64().ok_or("is no number"),
    };
    read.map_err(|why| format!("{} {why}", shown(value)))
}

/// The beginning of a value.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    text.chars().filter(|it| !it.is_control()).take(40).collect()
}
