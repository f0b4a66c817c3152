//! Exchange time: microseconds since 1970 UTC, and the local text that Hikyuu reads.
//!
//! All three exchanges keep China Standard Time, UTC+8 without daylight saving for as long as
//! quotes have been recorded, so the conversion is arithmetic and needs no zone database.

mod text;

pub use text::{parse_date, parse_exchange_time, parse_moment, parse_time_of_day, parse_time_on};

/// Microseconds in a second.
pub const SECOND_US: i64 = 1_000_000;
/// Microseconds in a day.
pub const DAY_US: i64 = 86_400 * SECOND_US;
/// What China Standard Time is ahead of UTC.
pub const EXCHANGE_OFFSET_US: i64 = 8 * 3_600 * SECOND_US;

/// A moment on the exchange's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExchangeTime {
    /// Days since 1970-01-01 on the local calendar.
    pub day: i64,
    /// Microseconds since local midnight.
    pub of_day_us: i64,
}

impl ExchangeTime {
    /// Local time of a UTC moment.
    pub fn from_utc_us(utc_us: i64) -> Self {
        let local = utc_us.saturating_add(EXCHANGE_OFFSET_US);
        Self { day: local.div_euclid(DAY_US), of_day_us: local.rem_euclid(DAY_US) }
    }

    /// Microseconds since 1970 UTC of a local calendar day and time; `None` for a date or time
    /// that does not exist.
    pub fn from_civil(
        (year, month, day): (i32, u32, u32),
        (hour, minute, second, micros): (u32, u32, u32, u32),
    ) -> Option<i64> {
        let in_range = (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60
            && micros < 1_000_000;
        let of_day = i64::from(hour * 3_600 + minute * 60 + second) * SECOND_US;
        in_range.then(|| {
            days_from_civil(year, month, day) * DAY_US + of_day + i64::from(micros)
                - EXCHANGE_OFFSET_US
        })
    }

    /// Local calendar date: year, month, day.
    pub fn date(self) -> (i32, u32, u32) {
        civil_from_days(self.day)
    }
}

fn days_in_month(year: i32, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar, counted in eras of 400
/// years that begin in March.
fn days_from_civil(year: i32, month: u32, day: u32) -> i64 {
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((i64::from(month) + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The date that lies so many days after 1970-01-01.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // all within a year or an era
fn civil_from_days(days: i64) -> (i32, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = ((month_from_march + 2) % 12 + 1) as u32;
    let year = (year_of_era + era * 400) as i32 + i32::from(month <= 2);
    (year, month, day)
}

/// Longest text of [`DatetimeText`]: `2021-12-01 09:15:01.000001`.
pub const DATETIME_MAX_LEN: usize = 26;

/// Writes exchange times as text, remembering the last second because batches repeat it.
#[derive(Debug, Clone)]
pub struct DatetimeText {
    second: i64,
    text: [u8; DATETIME_MAX_LEN],
    len: usize,
}

impl Default for DatetimeText {
    fn default() -> Self {
        Self { second: i64::MIN, text: *b"0000-00-00 00:00:00.000000", len: 19 }
    }
}

impl DatetimeText {
    /// `YYYY-MM-DD HH:MM:SS`, followed by `.ffffff` unless the fraction is zero.
    ///
    /// Years outside 0 to 9999 have no such text and come out as the nearest that has.
    pub fn format(&mut self, utc_us: i64) -> &[u8] {
        let second = utc_us.div_euclid(SECOND_US);
        let micros = utc_us.rem_euclid(SECOND_US);
        if second != self.second {
            self.second = second;
            self.write_second(utc_us);
        }
        self.len = 19;
        if micros != 0 {
            self.text[19] = b'.';
            write_digits(&mut self.text[20..26], micros.unsigned_abs());
            self.len = 26;
        }
        &self.text[..self.len]
    }

    fn write_second(&mut self, utc_us: i64) {
        let local = ExchangeTime::from_utc_us(utc_us);
        let (year, month, day) = local.date();
        let of_day = local.of_day_us.unsigned_abs() / SECOND_US.unsigned_abs();
        let text = &mut self.text;
        write_digits(&mut text[0..4], u64::from(year.clamp(0, 9_999).unsigned_abs()));
        write_digits(&mut text[5..7], u64::from(month));
        write_digits(&mut text[8..10], u64::from(day));
        write_digits(&mut text[11..13], of_day / 3_600);
        write_digits(&mut text[14..16], of_day / 60 % 60);
        write_digits(&mut text[17..19], of_day % 60);
    }
}

fn write_digits(text: &mut [u8], mut value: u64) {
    for digit in text.iter_mut().rev() {
        *digit = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // 2021-12-01 09:15:01 in Shanghai
    const NINE_FIFTEEN_US: i64 = 1_638_321_301 * SECOND_US;

    #[test]
    fn text_and_moment_are_inverse() {
        let mut text = DatetimeText::default();
        for us in [0, NINE_FIFTEEN_US, NINE_FIFTEEN_US + 1, -1, 951_782_400 * SECOND_US + 999_999] {
            let written = String::from_utf8(text.format(us).to_vec()).unwrap();
            assert_eq!(parse_exchange_time(&written), Some(us), "{written}");
        }
        assert_eq!(text.format(NINE_FIFTEEN_US), b"2021-12-01 09:15:01");
        assert_eq!(text.format(NINE_FIFTEEN_US + 230_000), b"2021-12-01 09:15:01.230000");
    }
}
