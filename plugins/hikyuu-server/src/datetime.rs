//! Datetimes as Hikyuu's parser takes them.
//!
//! Hikyuu 2.8.3 reads `2025-06-03 09:31:02.5`, `2025/6/3 9:31`, `2025-Jun-03`, `20250603` and
//! `20250603T093102`; carries an hour of 25 over to the next day; and prints a fraction as
//! `09:31:2.1234560`, which comes back in requests. Its largest moment is written `+infinity`.

use plugin_api::schemas::time::{ExchangeTime, SECOND_US};

/// Later than every record.
pub const NEVER_US: i64 = i64::MAX;
/// First and last year that Hikyuu has.
const YEARS: std::ops::RangeInclusive<i32> = 1400..=9999;
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Microseconds since 1970 UTC of a datetime on the exchange's clock, [`NEVER_US`] for
/// `+infinity`; `None` for what Hikyuu refuses.
pub fn parse(text: &str) -> Option<i64> {
    let text = text.trim_matches(' ');
    if text.eq_ignore_ascii_case("+infinity") {
        return Some(NEVER_US);
    }
    if text.len() < 8 || !text.is_ascii() {
        return None;
    }
    let is_compact = text.as_bytes()[..8].iter().all(u8::is_ascii_digit);
    let (date, time) = if is_compact {
        let rest = &text[8..];
        // more digits in a row are not looked at
        if rest.starts_with(|c: char| c.is_ascii_digit()) {
            (&text[..8], "")
        } else {
            (&text[..8], rest)
        }
    } else {
        text.split_at(text.find(' ').unwrap_or(text.len()))
    };
    let (year, month, day) = if is_compact { compact_date(date)? } else { spelled_date(date)? };
    let midnight_us = ExchangeTime::from_civil((year, month, day), (0, 0, 0, 0))?;
    let of_day_us = match time.as_bytes().first() {
        None => 0,
        Some(b' ') => time_of_day(&time[1..])?,
        Some(b'T' | b't') => compact_time(&time[1..])?,
        Some(_) => return None,
    };
    YEARS.contains(&year).then_some(midnight_us + of_day_us)
}

fn compact_date(text: &str) -> Option<(i32, u32, u32)> {
    Some((text[..4].parse().ok()?, number(&text[4..6])?, number(&text[6..])?))
}

/// `2025-06-03`, `2025/6/3`, `2025-Jun-03`.
fn spelled_date(text: &str) -> Option<(i32, u32, u32)> {
    let mut parts = text.split(['-', '/']);
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 {
        return None;
    }
    let named = MONTHS.iter().zip(1..).find(|(name, _)| name.eq_ignore_ascii_case(month));
    let month = match named {
        Some((_, month)) => month,
        None => number(month)?,
    };
    Some((i32::try_from(number(year)?).ok()?, month, number(day)?))
}

/// `9:31`, `09:31:02`, `09:31:2.1234560`, `-1:00:00`; each part may be larger than the clock's.
fn time_of_day(text: &str) -> Option<i64> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let (whole, fraction_us) = split_fraction(text)?;
    let mut parts = whole.split(':');
    let (hour, minute) = (number(parts.next()?)?, number(parts.next()?)?);
    let second = parts.next().map_or(Some(0), number)?;
    if parts.next().is_some() {
        return None;
    }
    Some(sign * (of_day(hour, minute, second) + fraction_us))
}

/// `093102`, `093102.25`, `093102Z`.
fn compact_time(text: &str) -> Option<i64> {
    let (whole, fraction_us) = split_fraction(text.strip_suffix('Z').unwrap_or(text))?;
    let digits = whole.len() == 6 && whole.bytes().all(|byte| byte.is_ascii_digit());
    let part = |range| digits.then(|| number(&whole[range])).flatten();
    Some(of_day(part(0..2)?, part(2..4)?, part(4..6)?) + fraction_us)
}

fn of_day(hour: u32, minute: u32, second: u32) -> i64 {
    (i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second)) * SECOND_US
}

/// What stands before a fraction, and the fraction in microseconds; digits after six are cut.
fn split_fraction(text: &str) -> Option<(&str, i64)> {
    let Some(at) = text.find(['.', ',']) else { return Some((text, 0)) };
    let digits = &text[at + 1..];
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction = digits.bytes().chain(std::iter::repeat(b'0')).take(6);
    Some((&text[..at], fraction.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'))))
}

/// Up to four digits.
fn number(text: &str) -> Option<u32> {
    let is_number = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use plugin_api::schemas::time::DatetimeText;
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> Option<String> {
        let us = parse(text)?;
        Some(String::from_utf8(DatetimeText::default().format(us).to_vec()).unwrap())
    }

    #[test]
    fn everything_that_hikyuu_reads_is_read_the_same() {
        let cases = [
            ("2025-06-03 09:31:02", "2025-06-03 09:31:02"),
            ("2025-6-3 9:3:2", "2025-06-03 09:03:02"),
            ("2025/06/03 09:31:02", "2025-06-03 09:31:02"),
            ("2025-Jun-03 09:31:02", "2025-06-03 09:31:02"),
            ("2025-06-03 09:31:02.5", "2025-06-03 09:31:02.500000"),
            ("2025-06-03 09:31:02,5", "2025-06-03 09:31:02.500000"),
            ("2025-06-03 09:31:02.1234567", "2025-06-03 09:31:02.123456"),
            ("2025-06-03 09:31:2.1234560", "2025-06-03 09:31:02.123456"),
            ("2025-06-03", "2025-06-03 00:00:00"),
            ("2025/6/3", "2025-06-03 00:00:00"),
            ("20250603", "2025-06-03 00:00:00"),
            ("2025-06-03 09:31", "2025-06-03 09:31:00"),
            ("20250603 09:31", "2025-06-03 09:31:00"),
            ("20250603 09:31:02.230", "2025-06-03 09:31:02.230000"),
            ("20250603T093102", "2025-06-03 09:31:02"),
            ("20250603t093102.25", "2025-06-03 09:31:02.250000"),
            ("20250603T093102Z", "2025-06-03 09:31:02"),
            ("  2025-06-03 09:31:02 ", "2025-06-03 09:31:02"),
            ("20250603093102", "2025-06-03 00:00:00"),
            ("202506030931", "2025-06-03 00:00:00"),
            ("2025-06-03 25:00:00", "2025-06-04 01:00:00"),
            ("2025-06-03 09:61:61", "2025-06-03 10:02:01"),
            ("2025-06-03 -1:00:00", "2025-06-02 23:00:00"),
            ("1400-01-01 00:00:00", "1400-01-01 00:00:00"),
        ];
        for (text, moment) in cases {
            assert_eq!(shown(text).as_deref(), Some(moment), "{text}");
        }
        assert_eq!(parse("+Infinity"), Some(NEVER_US));
    }

    #[test]
    fn what_hikyuu_refuses_is_refused() {
        for text in [
            "2025-06-03  09:31:02",
            "2025-06-03T09:31:02",
            "2025-06-03 09:31:02+08:00",
            "2025-13-01",
            "2025-02-30",
            "1399-12-31 00:00:00",
            "10000-01-01 00:00:00",
            "03/06/2025",
            "2025.06.03",
            "yesterday",
            "2025-6",
            "",
            "2025-06-03 09:31:02.",
            "二〇二五年六月三日",
            "20250603X",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[0-9TtZ :./,+-]{0,40}|.{0,40}") {
            parse(&text);
        }
    }
}
