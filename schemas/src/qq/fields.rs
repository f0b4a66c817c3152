//! Splits a line at its `~` and reads decimal numbers, without an allocation.

/// Most fields that are told apart.
const MAX_FIELDS: usize = 96;
/// What lies behind so many bytes is not looked at; real lines have less than 1,000.
const MAX_LINE: usize = 1 << 16;
const SEPARATOR: u8 = b'~';

/// The fields of a line up to some place.
pub struct Fields<'a> {
    text: &'a [u8],
    /// Place of the field that the text begins with.
    first: usize,
    /// Where each field ends.
    ends: [u32; MAX_FIELDS],
    len: usize,
}

impl<'a> Fields<'a> {
    /// Splits a text that begins with the field `first` before the field `end`, or at its own end.
    #[allow(clippy::cast_possible_truncation)] // longer texts are cut before
    pub fn split(text: &'a [u8], first: usize, end: usize) -> Self {
        let text = &text[..text.len().min(MAX_LINE)];
        let most = end.saturating_sub(first).clamp(1, MAX_FIELDS);
        let mut fields = Self { text, first, ends: [0; MAX_FIELDS], len: 0 };
        let (words, rest) = text.as_chunks::<8>();
        for (index, word) in words.iter().enumerate() {
            let mut found = separators(u64::from_le_bytes(*word));
            while found != 0 {
                fields.ends[fields.len] = 8 * index as u32 + found.trailing_zeros() / 8;
                fields.len += 1;
                if fields.len == most {
                    return fields;
                }
                found &= found - 1;
            }
        }
        let start = 8 * words.len();
        for (index, byte) in rest.iter().enumerate() {
            if *byte == SEPARATOR {
                fields.ends[fields.len] = (start + index) as u32;
                fields.len += 1;
                if fields.len == most {
                    return fields;
                }
            }
        }
        fields.ends[fields.len] = text.len() as u32;
        fields.len += 1;
        fields
    }

    /// A field; empty when the line ends before it.
    #[inline]
    pub fn get(&self, field: usize) -> &'a [u8] {
        let place = field.wrapping_sub(self.first);
        if place >= self.len {
            return &[];
        }
        let start = if place == 0 { 0 } else { self.ends[place - 1] as usize + 1 };
        self.text.get(start..self.ends[place] as usize).unwrap_or_default()
    }
}

/// The highest bit of every byte that is a separator; exact, as no sum of one byte carries over.
#[inline]
fn separators(word: u64) -> u64 {
    const LOW: u64 = u64::from_le_bytes([0x7f; 8]);
    let zero_where_found = word ^ u64::from_le_bytes([SEPARATOR; 8]);
    !(((zero_where_found & LOW) + LOW) | zero_where_found | LOW)
}

/// A decimal number, exactly as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    is_negative: bool,
    digits: u64,
    decimals: u32,
}

/// Powers of ten that a float holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];
/// Whole numbers up to this are exact as floats.
const EXACT_FLOATS: u64 = 1 << 53;

impl Decimal {
    /// Reads digits with an optional sign and decimals; `None` for anything else, and for more than
    /// 18 digits.
    #[inline]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (is_negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            _ => (false, text),
        };
        if text.is_empty() || text.len() > 19 {
            return None;
        }
        let (mut digits, mut point) = (0_u64, None);
        for (index, byte) in text.iter().enumerate() {
            match byte {
                b'0'..=b'9' => digits = digits * 10 + u64::from(byte - b'0'),
                b'.' if point.is_none() && text.len() > 1 => point = Some(index),
                _ => return None,
            }
        }
        if point.is_none() && text.len() > 18 {
            return None;
        }
        let decimals = point.map_or(0, |point| text.len() - point - 1);
        Some(Self { is_negative, digits, decimals: u32::try_from(decimals).ok()? })
    }

    /// The nearest float, the same that the standard library reads.
    #[inline]
    pub fn float(text: &[u8]) -> Option<f64> {
        match Self::parse(text) {
            // both numbers are exact, so their quotient is rounded once
            #[allow(clippy::cast_precision_loss)]
            Some(number) if number.digits <= EXACT_FLOATS => {
                let value = number.digits as f64 / POWERS[number.decimals as usize];
                Some(if number.is_negative { -value } else { value })
            }
            _ => {
                let is_plain = text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-'));
                let text = std::str::from_utf8(text).ok().filter(|_| is_plain)?;
                text.parse().ok().filter(|value: &f64| value.is_finite())
            }
        }
    }

    /// Digits behind the point.
    pub fn decimals(self) -> u32 {
        self.decimals
    }

    /// The number when it is whole and not negative.
    #[inline]
    pub fn whole(self) -> Option<u64> {
        if self.is_negative && self.digits > 0 {
            return None;
        }
        if self.decimals == 0 {
            return Some(self.digits);
        }
        let scale = 10_u64.pow(self.decimals);
        self.digits.is_multiple_of(scale).then(|| self.digits / scale)
    }

    /// The nearest float to ten to the power of `exponent` times the number.
    #[allow(clippy::cast_precision_loss)] // checked
    pub fn scaled(self, exponent: u32) -> Option<f64> {
        let (digits, decimals) = match self.decimals.checked_sub(exponent) {
            Some(decimals) => (self.digits, decimals),
            None => (self.digits.checked_mul(10_u64.pow(exponent - self.decimals))?, 0),
        };
        if digits > EXACT_FLOATS {
            return None;
        }
        let value = digits as f64 / POWERS[decimals as usize];
        Some(if self.is_negative { -value } else { value })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_what_the_standard_library_reads(text in "-?[0-9]{1,20}(\\.[0-9]{1,20})?") {
            let bits = Decimal::float(text.as_bytes()).map(f64::to_bits);
            prop_assert_eq!(bits, text.parse::<f64>().ok().map(f64::to_bits));
        }

        #[test]
        fn scaling_shifts_the_point(text in "[0-9]{1,9}(\\.[0-9]{1,6})?") {
            let scaled = Decimal::parse(text.as_bytes()).and_then(|number| number.scaled(4));
            let shifted = format!("{text}e4").parse::<f64>().ok();
            prop_assert_eq!(scaled.map(f64::to_bits), shifted.map(f64::to_bits));
        }

        #[test]
        fn fields_are_those_of_a_plain_split(
            text in "[a~浦]{0,120}", first in 0_usize..4, most in 1_usize..20,
        ) {
            let fields = Fields::split(text.as_bytes(), first, first + most);
            let mut parts = text.split('~').map(Some).take(most).chain(std::iter::repeat(None));
            for field in first..first + most + 2 {
                let expected = parts.next().flatten().unwrap_or_default();
                prop_assert_eq!(fields.get(field), expected.as_bytes());
            }
            prop_assert!((0..first).all(|field| fields.get(field).is_empty()));
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-", ".", "1.2.3", "1e5", "+1", "inf", "nan", " 1", "１"] {
            assert_eq!(Decimal::parse(text.as_bytes()), None, "{text}");
            assert_eq!(Decimal::float(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Decimal::parse(b"12.0").and_then(Decimal::whole), Some(12));
        assert_eq!(Decimal::parse(b"12.5").and_then(Decimal::whole), None);
        assert_eq!(Decimal::parse(b"-1").and_then(Decimal::whole), None);
        assert_eq!(Decimal::parse(b"-0").and_then(Decimal::whole), Some(0));
    }
}
