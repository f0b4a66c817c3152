//! Numbers as text, read by one rule wherever a quote comes in as text.

/// Whole numbers above this are not exact as floats.
const EXACT_FLOATS: f64 = 9_007_199_254_740_992.0;

/// Why a text or a float is not the number that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberFault {
    /// It is none.
    NoNumber,
    /// NaN or infinite.
    NotFinite,
    /// A volume below 0.
    Negative,
    /// A volume with parts of shares.
    NotWhole,
    /// Beyond what can be kept exactly.
    TooLarge,
}

impl NumberFault {
    /// The fault as the end of a sentence that begins with the value.
    pub const fn why(self) -> &'static str {
        match self {
            Self::NoNumber => "is no number",
            Self::NotFinite => "is not finite",
            Self::Negative => "is negative",
            Self::NotWhole => "is no whole number of shares",
            Self::TooLarge => "is too large",
        }
    }
}

/// A price or an amount.
///
/// # Errors
/// `NoNumber` or `NotFinite`.
pub fn parse_float(text: &str) -> Result<f64, NumberFault> {
    let value: f64 = text.trim().parse().map_err(|_| NumberFault::NoNumber)?;
    if value.is_finite() { Ok(value) } else { Err(NumberFault::NotFinite) }
}

/// A volume in shares; `12300`, `12300.0` and `1.23e4` are one.
///
/// # Errors
/// Why it is none.
pub fn parse_shares(text: &str) -> Result<u64, NumberFault> {
    let text = text.trim();
    match text.parse() {
        Ok(shares) => Ok(shares),
        Err(_) => whole_shares(parse_float(text)?, 1),
    }
}

/// Whole shares of so many units.
///
/// # Errors
/// Why they are none.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // checked to be whole
pub fn whole_shares(units: f64, shares_per_unit: u32) -> Result<u64, NumberFault> {
    if !units.is_finite() {
        return Err(NumberFault::NotFinite);
    }
    if units < 0.0 {
        return Err(NumberFault::Negative);
    }
    let shares = units * f64::from(shares_per_unit);
    if shares > EXACT_FLOATS {
        return Err(NumberFault::TooLarge);
    }
    let whole = shares.round();
    // lots with decimals come out a little beside the whole share
    if (shares - whole).abs() > 1e-6_f64.max(whole * 1e-12) {
        return Err(NumberFault::NotWhole);
    }
    Ok(whole as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_finite_is_no_price() {
        assert_eq!(parse_float(" 9.40 "), Ok(9.4));
        for text in ["nan", "NaN", "-nan", "inf", "-Infinity", "1e400"] {
            assert_eq!(parse_float(text), Err(NumberFault::NotFinite), "{text}");
        }
        for text in ["", "1.0.0", "9,40", "x"] {
            assert_eq!(parse_float(text), Err(NumberFault::NoNumber), "{text}");
        }
    }

    #[test]
    fn volumes_are_whole_shares() {
        for text in ["12300", "12300.0", "1.23e4", " 12300 "] {
            assert_eq!(parse_shares(text), Ok(12_300), "{text}");
        }
        assert_eq!(parse_shares("18446744073709551615"), Ok(u64::MAX));
        for (text, fault) in [
            ("-1", NumberFault::Negative),
            ("1.5", NumberFault::NotWhole),
            ("nan", NumberFault::NotFinite),
            ("1e30", NumberFault::TooLarge),
            ("12x", NumberFault::NoNumber),
        ] {
            assert_eq!(parse_shares(text), Err(fault), "{text}");
        }
    }
}
