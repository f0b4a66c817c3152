//! Units of Hikyuu's wire against base units.
//!
//! On the wire volume is in lots of 100 shares (of an index, lots times 0.01, as the original
//! collector sends it) and amount in 10,000 CNY. Everywhere else in this project volume is in
//! shares and amount in CNY.

/// Shares in a lot (手).
pub const SHARES_PER_LOT: f64 = 100.0;
/// CNY in the unit of the wire's amount (万元).
pub const CNY_PER_WIRE_AMOUNT: f64 = 10_000.0;

/// Whether a code names an index: SH 000xxx or SZ 39xxxx.
pub fn is_index(market: &str, code: &str) -> bool {
    matches!(market, "SH" if code.starts_with("000"))
        || matches!(market, "SZ" if code.starts_with("39"))
}

/// Shares in one unit of the wire's volume of that security.
pub fn shares_per_wire_volume(market: &str, code: &str) -> f64 {
    if is_index(market, code) { SHARES_PER_LOT * 100.0 } else { SHARES_PER_LOT }
}

/// Whole shares of a size in units of the wire; 0 for what is no size (negative, not finite).
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // `as` saturates, NaN gives 0
pub fn to_shares(wire: f64, shares_per_unit: f64) -> u64 {
    (wire * shares_per_unit).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_shares_survive_the_wire() {
        for shares in [0_u32, 1, 7, 99, 100, 123, 1_234_567, u32::MAX] {
            for unit in [SHARES_PER_LOT, SHARES_PER_LOT * 100.0] {
                assert_eq!(to_shares(f64::from(shares) / unit, unit), u64::from(shares));
            }
        }
        assert_eq!(to_shares(f64::NAN, 100.0), 0);
        assert_eq!(to_shares(-3.0, 100.0), 0);
    }

    /// Why lists carry exact amounts behind the wire's own.
    #[test]
    #[allow(clippy::float_cmp)]
    fn a_whole_amount_may_not_survive_the_wire() {
        let recorded = 3_429_770.0;
        assert_ne!(recorded / CNY_PER_WIRE_AMOUNT * CNY_PER_WIRE_AMOUNT, recorded);
    }

    #[test]
    fn indices_are_told_by_market_and_code() {
        assert!(is_index("SH", "000001") && is_index("SZ", "399001"));
        assert!(
            !is_index("SZ", "000001") && !is_index("SH", "600000") && !is_index("BJ", "899050")
        );
    }
}
