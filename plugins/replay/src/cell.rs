//! One value of a recorded table, whatever wrote it.

use std::{borrow::Cow, str};

use plugin_api::schemas::{
    number::{NumberFault, parse_float, whole_shares},
    qq::decode,
};

/// One value of a recorded table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// Nothing was recorded.
    Empty,
    /// Text, not empty and without blanks around it; UTF-8 or GBK.
    Text(&'a [u8]),
    Float(f64),
    Int(i64),
    Uint(u64),
    /// Microseconds since 1970 UTC.
    Utc(i64),
    /// Microseconds since 1970 on the exchange's clock; a date alone is its midnight.
    Local(i64),
    /// Microseconds since midnight.
    TimeOfDay(i64),
    /// Yes or no.
    Truth(bool),
    /// Several values; `Cells::element` gives each.
    List,
}

/// Why a value cannot be read; for people.
pub type Why = &'static str;

const NO_NUMBER: Why = NumberFault::NoNumber.why();
const NOT_FINITE: Why = NumberFault::NotFinite.why();
const NEGATIVE: Why = NumberFault::Negative.why();
const NOT_WHOLE: Why = "is no whole number of shares; check units.volume";
const TOO_LARGE: Why = NumberFault::TooLarge.why();
const NO_TRUTH: Why = "is neither true nor false";

/// How tools write that nothing was recorded. A NaN is none of them: it is a number gone wrong.
const NULLS: [&[u8]; 8] = [b"NULL", b"null", b"None", b"\\N", b"<NA>", b"NA", b"N/A", b"NaT"];

impl<'a> Cell<'a> {
    /// A cell of a text file.
    pub fn from_text(text: &'a [u8]) -> Self {
        match text.trim_ascii() {
            [] => Self::Empty,
            text => Self::Text(text),
        }
    }

    /// A price; `None` where nothing was recorded.
    pub fn float(self) -> Result<Option<f64>, Why> {
        let value = match self {
            Self::Empty => return Ok(None),
            Self::Text(text) if is_null(text) => return Ok(None),
            Self::Text(text) => return float(text).map(Some),
            Self::Float(value) => value,
            #[allow(clippy::cast_precision_loss)] // whole below 2^53
            Self::Int(value) => value as f64,
            #[allow(clippy::cast_precision_loss)]
            Self::Uint(value) => value as f64,
            Self::Utc(_) | Self::Local(_) | Self::TimeOfDay(_) | Self::Truth(_) | Self::List => {
                return Err(NO_NUMBER);
            }
        };
        if value.is_finite() { Ok(Some(value)) } else { Err(NOT_FINITE) }
    }

    /// A float in units of ten to the power of `exponent`, exact as if it were written so.
    pub fn scaled(self, exponent: u8) -> Result<Option<f64>, Why> {
        let Some(value) = self.float()? else { return Ok(None) };
        if exponent == 0 || value == 0.0 {
            return Ok(Some(value));
        }
        // a product would be rounded once more than the decimal that was recorded
        let shifted = match self {
            Self::Text(text) if !text.iter().any(|byte| matches!(byte, b'e' | b'E')) => {
                format!("{}e{exponent}", str::from_utf8(text).map_err(|_| NO_NUMBER)?)
            }
            _ => {
                let text = format!("{value:e}");
                let (digits, power) = text.split_once('e').ok_or(NO_NUMBER)?;
                let power: i32 = power.parse().map_err(|_| NO_NUMBER)?;
                format!("{digits}e{}", power + i32::from(exponent))
            }
        };
        let value: f64 = shifted.parse().map_err(|_| NO_NUMBER)?;
        if value.is_finite() { Ok(Some(value)) } else { Err(TOO_LARGE) }
    }

    /// A volume of so many shares a unit; `None` where nothing was recorded.
    pub fn shares(self, per_unit: u32) -> Result<Option<u64>, Why> {
        let units = match self {
            Self::Empty => return Ok(None),
            Self::Uint(units) => units,
            Self::Int(units) => u64::try_from(units).map_err(|_| NEGATIVE)?,
            Self::Text(text) if is_null(text) => return Ok(None),
            Self::Text(text) => match parse_digits(text) {
                Some(units) => units,
                None => return shares(float(text)?, per_unit).map(Some),
            },
            Self::Float(units) => return shares(units, per_unit).map(Some),
            Self::Utc(_) | Self::Local(_) | Self::TimeOfDay(_) | Self::Truth(_) | Self::List => {
                return Err(NO_NUMBER);
            }
        };
        units.checked_mul(u64::from(per_unit)).map(Some).ok_or(TOO_LARGE)
    }

    /// Yes or no.
    pub fn truth(self) -> Result<bool, Why> {
        const YES: [&str; 4] = ["true", "t", "yes", "1"];
        const NO: [&str; 4] = ["false", "f", "no", "0"];
        let text = self.text();
        let is_one_of = |words: [&str; 4]| words.iter().any(|it| it.eq_ignore_ascii_case(&text));
        match (is_one_of(YES), is_one_of(NO)) {
            (true, _) => Ok(true),
            (_, true) => Ok(false),
            _ => Err(NO_TRUTH),
        }
    }

    /// The value as text; empty where nothing was recorded, and for a list.
    pub fn text(self) -> Cow<'a, str> {
        match self {
            Self::Empty | Self::List => "".into(),
            Self::Text(text) => decode(text),
            Self::Float(value) => value.to_string().into(),
            Self::Int(value) | Self::Utc(value) | Self::Local(value) | Self::TimeOfDay(value) => {
                value.to_string().into()
            }
            Self::Uint(value) => value.to_string().into(),
            Self::Truth(value) => value.to_string().into(),
        }
    }
}

fn is_null(text: &[u8]) -> bool {
    // nearly all are numbers
    text.first().is_some_and(|byte| matches!(byte, b'N' | b'n' | b'\\' | b'<'))
        && NULLS.contains(&text)
}

fn float(text: &[u8]) -> Result<f64, Why> {
    let text = str::from_utf8(text).map_err(|_| NO_NUMBER)?;
    parse_float(text).map_err(NumberFault::why)
}

fn shares(units: f64, per_unit: u32) -> Result<u64, Why> {
    whole_shares(units, per_unit).map_err(|fault| match fault {
        NumberFault::NotWhole => NOT_WHOLE,
        other => other.why(),
    })
}

/// Digits alone, as nearly all volumes are.
fn parse_digits(text: &[u8]) -> Option<u64> {
    if text.len() > 18 {
        return None;
    }
    text.iter().try_fold(0, |value: u64, byte| {
        byte.is_ascii_digit().then(|| value * 10 + u64::from(byte - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Cell<'_> {
        Cell::from_text(text.as_bytes())
    }

    #[test]
    #[allow(clippy::float_cmp)]
    fn amounts_are_shifted_as_decimals() {
        for (written, cny) in [("22816.8610", 228_168_610.0), ("0.0001", 1.0), ("1.1", 11_000.0)] {
            assert_eq!(text(written).scaled(4), Ok(Some(cny)));
            assert_eq!(Cell::Float(written.parse().unwrap()).scaled(4), Ok(Some(cny)));
        }
        assert_eq!(text("2.5e3").scaled(4), Ok(Some(25_000_000.0)));
        assert_eq!(text("2.419483288E7").scaled(0), Ok(Some(24_194_832.88)));
        assert_eq!(text(" ").scaled(4), Ok(None));
    }

    #[test]
    fn nothing_recorded_is_told_from_a_number_gone_wrong() {
        for written in ["", "NULL", "None", "\\N", "<NA>"] {
            assert_eq!((text(written).float(), text(written).shares(1)), (Ok(None), Ok(None)));
        }
        assert_eq!(text("NaN").float(), Err(NOT_FINITE));
    }

    #[test]
    fn what_is_no_number_gives_none() {
        for cell in [Cell::Truth(true), Cell::List, Cell::Local(0), Cell::TimeOfDay(0)] {
            assert_eq!(
                (cell.float(), cell.shares(1)),
                (Err(NO_NUMBER), Err(NO_NUMBER)),
                "{cell:?}"
            );
        }
    }

    #[test]
    fn truth_is_read_as_every_tool_writes_it() {
        for (cell, expected) in [
            (text("true"), Ok(true)),
            (text("False"), Ok(false)),
            (text("t"), Ok(true)),
            (Cell::Uint(0), Ok(false)),
            (Cell::Truth(true), Ok(true)),
            (Cell::Int(1), Ok(true)),
            (text("maybe"), Err(NO_TRUTH)),
        ] {
            assert_eq!(cell.truth(), expected, "{cell:?}");
        }
    }

    #[test]
    fn volumes_are_whole_shares() {
        for (written, unit, shares) in [
            ("123", 1, 123),
            ("123", 100, 12_300),
            ("123.0", 1, 123),
            ("1.23", 100, 123),
            ("1e3", 1, 1_000),
        ] {
            assert_eq!(text(written).shares(unit), Ok(Some(shares)), "{written}");
        }
        assert_eq!(text("").shares(1), Ok(None));
        assert_eq!(Cell::Float(88.0).shares(1), Ok(Some(88)));
        for (written, why) in [
            ("-1", NEGATIVE),
            ("nan", NOT_FINITE),
            ("1e400", NOT_FINITE),
            ("1.5", NOT_WHOLE),
            ("1e300", TOO_LARGE),
            ("12x", NO_NUMBER),
        ] {
            assert_eq!(text(written).shares(1), Err(why), "{written}");
        }
        assert_eq!(Cell::Uint(u64::MAX).shares(100), Err(TOO_LARGE));
    }
}
