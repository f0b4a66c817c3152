//! Numbers in few bytes: differences of whole fractions, seven bits a byte.

/// Whole numbers up to here are exact.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Bit by bit, so that zero with a sign and what is no number come back as they were.
#[inline]
pub(super) fn same(one: f64, two: f64) -> bool {
    one.to_bits() == two.to_bits()
}

/// The value in whole fractions, if that gives it back.
#[allow(clippy::cast_possible_truncation)] // within 2^53
#[inline]
pub(super) fn scaled(value: f64, scale: f64) -> Option<i64> {
    let whole = (value * scale).round();
    (whole.abs() < EXACT && same(unscaled(whole as i64, scale), value)).then_some(whole as i64)
}

#[allow(clippy::cast_precision_loss)] // within 2^54
#[inline]
pub(super) fn unscaled(whole: i64, scale: f64) -> f64 {
    whole as f64 / scale
}

#[inline]
pub(super) fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

#[inline]
pub(super) fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

/// Seven bits a byte, lowest first; the highest bit says that more follow. Times of records and
/// differences of scaled numbers stay below 2^56, so their tokens have room for two bits more.
#[allow(clippy::cast_possible_truncation)] // seven bits
#[inline]
pub(super) fn push_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

#[inline]
pub(super) fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7f) << (7 * at);
        if *byte < 0x80 {
            *bytes = &bytes[at + 1..];
            return Some(number);
        }
    }
    None
}

#[inline]
pub(super) fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}
