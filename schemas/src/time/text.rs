//! Reads times in the spellings of vendors and tools.

use super::{EXCHANGE_OFFSET_US, ExchangeTime, SECOND_US};

/// Year, month, day.
type Date = (i32, u32, u32);
/// Hour, minute, second, microseconds.
type TimeOfDay = (u32, u32, u32, u32);

/// Furthest that a zone is from UTC.
const MAX_OFFSET_US: i64 = 14 * 3_600 * SECOND_US;

/// Microseconds since 1970 UTC of a time in any spelling that a vendor or a tool uses.
///
/// Date: `2021-12-01`, `2021/12/1`, `2021.12.01`, `20211201`. Then a blank or `T`, then
/// `9:15:01`, `09:15`, `091501`, `091501000`, `93000000`, with a fraction after `.` or `,` of which
/// six digits count. Twelve digits in a row are date, hour and minute; fourteen and more are date,
/// time and fraction together.
///
/// A zone may follow, also after a blank: `Z`, `UTC`, `GMT`, `+08`, `+0800`, `+08:00`, `UTC+8`,
/// `Asia/Shanghai`, `+08:00[Asia/Shanghai]`. Without one it is the exchange's clock. Abbreviations
/// that name several zones, such as `CST`, are not guessed at.
///
/// `None` for anything else, and for a date or time that does not exist.
pub fn parse_exchange_time(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 12 || digits >= 14 {
        let (time, offset_us) = split_zone(&text[8..])?;
        return moment(parse_date(&text[..8])?, parse_digits(time)?, offset_us);
    }
    if let Some(at) = text.find([' ', 'T', 't']) {
        let (time, offset_us) = split_zone(&text[at + 1..])?;
        let time = parse_time_of_day(time).or_else(|| parse_digits(time))?;
        return moment(parse_date(&text[..at])?, time, offset_us);
    }
    // a `-` may be one of the date
    let zone = text.find(['Z', 'z', '+']).unwrap_or(text.len());
    let offset_us = if zone < text.len() { Some(parse_zone(&text[zone..])?) } else { None };
    moment(parse_date(&text[..zone])?, (0, 0, 0, 0), offset_us)
}

/// As [`parse_exchange_time`]; besides, seconds, milliseconds, microseconds or nanoseconds since
/// 1970 UTC, told by the digits of a moment between 2001 and 2286. No date is written with as many.
pub fn parse_moment(text: &str) -> Option<i64> {
    let text = text.trim();
    parse_epoch(text).or_else(|| parse_exchange_time(text))
}

/// Microseconds since 1970 UTC of a time of day on that date; both are in the zone that the text
/// names, otherwise on the exchange's clock. See [`parse_exchange_time`] for the spellings.
pub fn parse_time_on(date: (i32, u32, u32), text: &str) -> Option<i64> {
    let (time, offset_us) = split_zone(text.trim())?;
    moment(date, parse_time_of_day(time)?, offset_us)
}

/// Year, month and day of a date alone; see [`parse_exchange_time`] for the spellings.
pub fn parse_date(text: &str) -> Option<(i32, u32, u32)> {
    let text = text.trim();
    if text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some((
            digits(&text[..4])?.try_into().ok()?,
            digits(&text[4..6])?,
            digits(&text[6..])?,
        ));
    }
    let mut parts = text.split(['-', '/', '.']);
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 || month.len() > 2 || day.len() > 2 {
        return None;
    }
    Some((digits(year)?.try_into().ok()?, digits(month)?, digits(day)?))
}

/// Hour, minute, second and microseconds; see [`parse_exchange_time`] for the spellings.
pub fn parse_time_of_day(text: &str) -> Option<(u32, u32, u32, u32)> {
    let text = text.trim();
    let (whole, fraction) = split_fraction(text)?;
    if whole.contains(':') {
        let mut parts = whole.split(':');
        let (hour, minute) = (parts.next()?, parts.next()?);
        let second = parts.next().unwrap_or("0");
        if parts.next().is_some() || [hour, minute, second].iter().any(|part| part.len() > 2) {
            return None;
        }
        return Some((digits(hour)?, digits(minute)?, digits(second)?, fraction));
    }
    // 93000 and 93000000 lack the zero that a number column loses
    match whole.len() {
        5 | 6 => split_packed(digits(whole)?, fraction),
        8 | 9 if fraction == 0 => {
            let packed = digits(whole)?;
            split_packed(packed / 1_000, packed % 1_000 * 1_000)
        }
        _ => None,
    }
}

/// `0915`, `091501`, and digits of a fraction right behind them.
fn parse_digits(text: &str) -> Option<TimeOfDay> {
    let (whole, fraction) = split_fraction(text)?;
    if !whole.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    match whole.len() {
        4 if whole == text => split_packed(digits(whole)? * 100, 0),
        6 => split_packed(digits(whole)?, fraction),
        7.. if whole == text => split_packed(digits(&whole[..6])?, parse_fraction(&whole[6..])?),
        _ => None,
    }
}

fn moment(date: Date, time: TimeOfDay, offset_us: Option<i64>) -> Option<i64> {
    let on_exchange_us = ExchangeTime::from_civil(date, time)?;
    Some(on_exchange_us + EXCHANGE_OFFSET_US - offset_us.unwrap_or(EXCHANGE_OFFSET_US))
}

/// The time, and how far the zone behind it is ahead of UTC.
fn split_zone(text: &str) -> Option<(&str, Option<i64>)> {
    let text = text.trim();
    let is_time = |c: char| c.is_ascii_digit() || matches!(c, ':' | '.' | ',');
    match text.find(|c| !is_time(c)) {
        None => Some((text, None)),
        Some(at) => Some((&text[..at], Some(parse_zone(&text[at..])?))),
    }
}

/// Microseconds that a zone is ahead of UTC.
fn parse_zone(text: &str) -> Option<i64> {
    let text = text.trim();
    let zone = match text.strip_suffix(']') {
        Some(text) => {
            let (offset, name) = text.split_once('[')?;
            if offset.trim().is_empty() { name } else { offset }
        }
        None => text,
    };
    let zone = zone.trim();
    match zone.to_ascii_lowercase().as_str() {
        "z" | "utc" | "gmt" => return Some(0),
        "asia/shanghai" => return Some(EXCHANGE_OFFSET_US),
        _ => {}
    }
    let names_utc = zone
        .get(..3)
        .is_some_and(|name| name.eq_ignore_ascii_case("utc") || name.eq_ignore_ascii_case("gmt"));
    parse_offset(if names_utc { zone[3..].trim() } else { zone })
}

/// `+8`, `+08`, `+0800`, `+08:00`, `-05:00:00`.
fn parse_offset(text: &str) -> Option<i64> {
    let (sign, offset) = match text.strip_prefix('+') {
        Some(offset) => (1, offset),
        None => (-1, text.strip_prefix(['-', '\u{2212}'])?),
    };
    let (hours, minutes, seconds) = if offset.contains(':') {
        let mut parts = offset.split(':');
        let (hours, minutes) = (parts.next()?, parts.next()?);
        let seconds = parts.next().unwrap_or("00");
        let all_pairs = [hours, minutes, seconds].iter().all(|part| part.len() == 2);
        if !all_pairs || parts.next().is_some() {
            return None;
        }
        (digits(hours)?, digits(minutes)?, digits(seconds)?)
    } else {
        let value = digits(offset)?;
        match offset.len() {
            1 | 2 => (value, 0, 0),
            4 => (value / 100, value % 100, 0),
            _ => return None,
        }
    };
    if minutes > 59 || seconds > 59 {
        return None;
    }
    let offset_us = i64::from(hours * 3_600 + minutes * 60 + seconds) * SECOND_US;
    (offset_us <= MAX_OFFSET_US).then_some(sign * offset_us)
}

fn parse_epoch(text: &str) -> Option<i64> {
    let (whole, fraction_us) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, i64::from(parse_fraction(fraction)?)),
        None => (text, 0),
    };
    if !whole.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value = || whole.parse::<i64>().ok();
    match whole.len() {
        10 => Some(value()? * SECOND_US + fraction_us),
        13 => Some(value()? * 1_000 + fraction_us / 1_000),
        16 => value(),
        19 => Some(value()? / 1_000),
        _ => None,
    }
}

fn split_packed(packed: u32, micros: u32) -> Option<TimeOfDay> {
    Some((packed / 10_000, packed / 100 % 100, packed % 100, micros))
}

/// What is before the point, and the microseconds behind it.
fn split_fraction(text: &str) -> Option<(&str, u32)> {
    match text.find(['.', ',']) {
        Some(at) => Some((&text[..at], parse_fraction(&text[at + 1..])?)),
        None => Some((text, 0)),
    }
}

fn parse_fraction(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let kept = &text[..text.len().min(6)];
    let scale = 10_u32.pow(6 - u32::try_from(kept.len()).ok()?);
    Some(digits(kept)? * scale)
}

fn digits(text: &str) -> Option<u32> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    // 2021-12-01 09:15:01 in Shanghai
    const NINE_FIFTEEN_US: i64 = 1_638_321_301 * SECOND_US;

    #[test]
    fn every_vendor_spelling_gives_the_same_moment() {
        for text in [
            "2021-12-01 09:15:01",
            "2021.12.01T09:15:01.000",
            "2021/12/1 9:15:1",
            "20211201 09:15:01.000000",
            "20211201091501",
            "20211201091501000",
            "20211201091501000000",
            "20211201 91501000",
            "20211201T091501",
            "20211201T091501000000",
            "2021-12-01  09:15:01.000000000",
            " 2021-12-01 09:15:01 ",
        ] {
            assert_eq!(parse_exchange_time(text), Some(NINE_FIFTEEN_US), "{text}");
        }
        for text in ["202112010915", "20211201T0915", "2021-12-01 09:15"] {
            assert_eq!(parse_exchange_time(text), Some(NINE_FIFTEEN_US - SECOND_US), "{text}");
        }
        assert_eq!(parse_exchange_time("2021-12-01 09:15:01.25"), Some(NINE_FIFTEEN_US + 250_000));
        assert_eq!(parse_exchange_time("20211201091501.25"), Some(NINE_FIFTEEN_US + 250_000));
        assert_eq!(
            parse_exchange_time("2021-12-01 09:15:01,1234567"),
            Some(NINE_FIFTEEN_US + 123_456)
        );
        assert_eq!(parse_exchange_time("20211201"), Some(NINE_FIFTEEN_US - 33_301 * SECOND_US));
    }

    #[test]
    fn a_zone_is_honoured_in_every_spelling() {
        for text in [
            "2021-12-01T01:15:01Z",
            "2021-12-01T01:15:01z",
            "2021-12-01 01:15:01 Z",
            "2021-12-01 01:15:01 UTC",
            "2021-12-01 01:15:01utc",
            "2021-12-01 01:15:01 GMT",
            "2021-12-01T01:15:01+00:00",
            "2021-12-01T01:15:01-00:00",
            "2021-12-01 01:15:01+00",
            "2021-12-01 01:15:01 +0000",
            "2021-12-01T01:15:01.000000000Z",
            "2021-12-01T01:15:01,0Z",
            "20211201T011501Z",
            "20211201T011501.000+0000",
            "20211201011501Z",
            "20211201011501000Z",
            "2021-12-01T09:15:01+08:00",
            "2021-12-01T09:15:01.000+0800",
            "2021-12-01 09:15:01+08",
            "2021-12-01 09:15:01 +08:00",
            "2021-12-01 09:15:01 UTC+8",
            "2021-12-01 09:15:01 GMT+08:00",
            "2021-12-01T09:15:01+08:00[Asia/Shanghai]",
            "2021-12-01T09:15:01[Asia/Shanghai]",
            "2021-12-01 09:15:01 Asia/Shanghai",
            "20211201091501+0800",
            "2021-11-30T20:15:01-05:00",
            "2021-11-30 20:15:01-0500",
            "2021-11-30 20:15:01 -05",
            "2021-11-30 20:15:01 \u{2212}05:00",
            "2021-12-01T06:45:01+05:30",
        ] {
            assert_eq!(parse_exchange_time(text), Some(NINE_FIFTEEN_US), "{text}");
        }
        assert_eq!(
            parse_exchange_time("2021-12-01T01:15:01.1234567Z"),
            Some(NINE_FIFTEEN_US + 123_456)
        );
        assert_eq!(parse_exchange_time("2021-12-01Z"), Some(1_638_316_800 * SECOND_US));
        assert_eq!(parse_exchange_time("2021-12-01+08:00"), parse_exchange_time("2021-12-01"));
    }

    #[test]
    fn a_time_of_day_keeps_the_zone_of_its_own() {
        let date = (2021, 12, 1);
        for text in ["09:15:01", "01:15:01Z", "01:15:01+00:00", "091501", "91501 +08"] {
            assert_eq!(parse_time_on(date, text), Some(NINE_FIFTEEN_US), "{text}");
        }
        assert_eq!(parse_time_on((2021, 11, 30), "20:15:01-05:00"), Some(NINE_FIFTEEN_US));
        assert_eq!(parse_time_on(date, "09:15:01 CST"), None);
    }

    #[test]
    fn counts_since_1970_are_told_by_their_digits() {
        for text in [
            "1638321301",
            "1638321301.000",
            "1638321301000",
            "1638321301000000",
            "1638321301000000000",
            "2021-12-01T01:15:01Z",
        ] {
            assert_eq!(parse_moment(text), Some(NINE_FIFTEEN_US), "{text}");
        }
        assert_eq!(parse_moment("1638321301.5"), Some(NINE_FIFTEEN_US + 500_000));
        for text in ["-638321301", "163832130", "9999999999999999999", "1638321301."] {
            assert_eq!(parse_moment(text), None, "{text}");
        }
    }

    #[test]
    fn times_that_do_not_exist_are_refused() {
        for text in [
            "",
            "x",
            "2021-13-01 09:15:01",
            "2021-02-29 09:15:01",
            "2021-12-01 24:00:00",
            "2021-12-01 09:60:00",
            "2021-12-01 09:15:60",
            "09:15:01",
            "2021-12",
            "2021-12-01 09:15:01.",
            "2021-12-01 09:15:01.x",
            "2021-12-01T",
            "2021-12-01 1",
            "٢٠٢١-12-01",
            "2021-12-01-03 09:15",
            "2021-12-01 09:15:01 CST",
            "2021-12-01 09:15:01+15:00",
            "2021-12-01 09:15:01+08:60",
            "2021-12-01 09:15:01+080",
            "2021-12-01 09:15:01+",
            "2021-12-01 09:15:01 UTC8",
            "2021-12-01 09:15:01]",
            "2021-12-01 09:15:01 Z Z",
        ] {
            assert_eq!(parse_exchange_time(text), None, "{text:?}");
        }
        assert!(parse_exchange_time("2024-02-29 09:15:01").is_some());
    }
}
