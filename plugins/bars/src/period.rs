//! Periods, and which bar of each a moment belongs to.

use plugin_api::{
    options,
    schemas::time::{DAY_US, EXCHANGE_OFFSET_US, ExchangeTime},
};

use crate::hours::{Hours, MINUTE_US};

options! {
    /// Length of a bar.
    #[derive(PartialOrd, Ord)]
    pub enum Period {
        /// One minute; Hikyuu's MIN.
        #[serde(rename = "1m")]
        Minute,
        /// Three minutes; MIN3.
        #[serde(rename = "3m")]
        Minutes3,
        /// Five minutes; MIN5.
        #[serde(rename = "5m")]
        Minutes5,
        /// A quarter of an hour; MIN15.
        #[serde(rename = "15m")]
        Minutes15,
        /// Half an hour; MIN30.
        #[serde(rename = "30m")]
        Minutes30,
        /// One hour; MIN60.
        #[serde(rename = "60m")]
        Minutes60,
        /// Two hours; HOUR2.
        #[serde(rename = "2h")]
        Hours2,
        /// Four hours; HOUR4.
        #[serde(rename = "4h")]
        Hours4,
        /// Six hours; HOUR6.
        #[serde(rename = "6h")]
        Hours6,
        /// Twelve hours; HOUR12.
        #[serde(rename = "12h")]
        Hours12,
        /// One day; DAY.
        Day,
        /// Monday to Friday; WEEK.
        Week,
        /// A calendar month; MONTH.
        Month,
        /// A quarter of a year; QUARTER.
        Quarter,
        /// Half a year; HALFYEAR.
        Halfyear,
        /// A year; YEAR.
        Year,
    }
}

/// A bar's place in time, microseconds since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// The bar's own time: its end, or from a day on the midnight that begins its last day.
    pub time_us: i64,
    /// When trading in it ends.
    pub end_us: i64,
    /// The first moment at which it can change no more.
    pub due_us: i64,
}

impl Period {
    /// Every period, shortest first.
    pub const ALL: [Self; 16] = [
        Self::Minute,
        Self::Minutes3,
        Self::Minutes5,
        Self::Minutes15,
        Self::Minutes30,
        Self::Minutes60,
        Self::Hours2,
        Self::Hours4,
        Self::Hours6,
        Self::Hours12,
        Self::Day,
        Self::Week,
        Self::Month,
        Self::Quarter,
        Self::Halfyear,
        Self::Year,
    ];

    /// The name that bars carry.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "1m",
            Self::Minutes3 => "3m",
            Self::Minutes5 => "5m",
            Self::Minutes15 => "15m",
            Self::Minutes30 => "30m",
            Self::Minutes60 => "60m",
            Self::Hours2 => "2h",
            Self::Hours4 => "4h",
            Self::Hours6 => "6h",
            Self::Hours12 => "12h",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Halfyear => "halfyear",
            Self::Year => "year",
        }
    }

    /// Length of a bar within a day, minutes; `None` for days and longer.
    fn minutes(self) -> Option<i64> {
        Some(match self {
            Self::Minute => 1,
            Self::Minutes3 => 3,
            Self::Minutes5 => 5,
            Self::Minutes15 => 15,
            Self::Minutes30 => 30,
            Self::Minutes60 => 60,
            Self::Hours2 => 120,
            Self::Hours4 => 240,
            Self::Hours6 => 360,
            Self::Hours12 => 720,
            _ => return None,
        })
    }

    /// Whether a day has several bars, which are made of last prices; longer ones are made of the
    /// day's own prices.
    pub fn is_within_day(self) -> bool {
        self.minutes().is_some()
    }

    /// Whether a bar lasts for several days.
    pub fn is_over_days(self) -> bool {
        self > Self::Day
    }

    /// The bar that a moment within the sessions belongs to.
    pub fn slot(self, moment: ExchangeTime, hours: &Hours) -> Slot {
        if let Some(minutes) = self.minutes() {
            let end_us = hours.bar_end(moment.of_day_us, minutes * MINUTE_US);
            let last_us = hours.last_trade(end_us);
            let midnight_us = midnight_us(moment.day);
            return Slot {
                time_us: midnight_us + end_us,
                end_us: midnight_us + last_us,
                due_us: midnight_us + hours.due(last_us),
            };
        }
        let time_us = midnight_us(self.last_day(moment));
        let close_us = hours.close_of_day();
        Slot { time_us, end_us: time_us + close_us, due_us: time_us + hours.due(close_us) }
    }

    /// When a bar starts that has that time; of days and longer ones its time.
    pub fn start_us(self, time_us: i64, hours: &Hours) -> i64 {
        let Some(minutes) = self.minutes() else { return time_us };
        let last = ExchangeTime::from_utc_us(time_us - 1);
        let start_us = hours.bar_start(last.of_day_us + 1, minutes * MINUTE_US);
        midnight_us(last.day) + start_us
    }

    /// The last day of the bar that a day belongs to, counted from 1970-01-01.
    fn last_day(self, moment: ExchangeTime) -> i64 {
        let (year, month, _) = moment.date();
        let months = match self {
            // 1970-01-01 was a Thursday
            Self::Week => return moment.day - (moment.day + 3).rem_euclid(7) + 4,
            Self::Month => 1,
            Self::Quarter => 3,
            Self::Halfyear => 6,
            Self::Year => 12,
            _ => return moment.day,
        };
        let next = (month - 1) / months * months + months + 1;
        let (year, month) = if next > 12 { (year + 1, next - 12) } else { (year, next) };
        let first = ExchangeTime::from_civil((year, month, 1), (0, 0, 0, 0));
        first.map_or(moment.day, |first| ExchangeTime::from_utc_us(first).day - 1)
    }
}

/// The moment at which a day of the exchange's calendar begins.
pub fn midnight_us(day: i64) -> i64 {
    day * DAY_US - EXCHANGE_OFFSET_US
}

#[cfg(test)]
mod tests {
    use plugin_api::schemas::time::{DatetimeText, parse_exchange_time};

    use super::*;

    fn hours() -> Hours {
        Hours::parse(&["09:30-11:30", "13:00-15:00"].map(str::to_owned)).unwrap()
    }

    fn slot(period: Period, text: &str) -> (String, String) {
        let moment = ExchangeTime::from_utc_us(parse_exchange_time(text).unwrap());
        let Slot { time_us, due_us, .. } = period.slot(moment, &hours());
        let shown = |us| String::from_utf8(DatetimeText::default().format(us).to_vec()).unwrap();
        (shown(time_us), shown(due_us))
    }

    #[test]
    fn bars_within_a_day_end_where_hikyuus_do() {
        let cases: [(Period, &[(&str, &str)]); 8] = [
            // period, time of the quote and end of its bar
            (
                Period::Minute,
                &[
                    ("09:30:00", "09:31"),
                    ("09:30:59.999", "09:31"),
                    ("09:31:00", "09:32"),
                    ("11:29:59", "11:30"),
                    ("11:30:00", "11:30"),
                    ("11:30:30", "11:30"),
                    ("13:00:00", "13:01"),
                    ("14:59:59", "15:00"),
                    ("15:00:00", "15:00"),
                    ("15:00:30", "15:00"),
                ],
            ),
            (
                Period::Minutes3,
                &[("09:30:00", "09:33"), ("11:30:00", "11:30"), ("13:02:59", "13:03")],
            ),
            (
                Period::Minutes5,
                &[("09:34:59", "09:35"), ("09:35:00", "09:40"), ("15:00:01", "15:00")],
            ),
            (
                Period::Minutes60,
                &[
                    ("09:30:00", "10:00"),
                    ("10:00:00", "11:00"),
                    ("11:00:00", "11:30"),
                    ("11:30:01", "11:30"),
                    ("13:00:00", "14:00"),
                    ("14:00:00", "15:00"),
                    ("15:00:00", "15:00"),
                ],
            ),
            (
                Period::Hours2,
                &[
                    ("09:30:00", "10:00"),
                    ("10:00:00", "11:30"),
                    ("13:00:00", "14:00"),
                    ("14:00:00", "15:00"),
                ],
            ),
            (Period::Hours4, &[("09:30:00", "11:30"), ("13:00:00", "15:00")]),
            (Period::Hours6, &[("09:30:00", "11:30"), ("13:00:00", "15:00")]),
            (Period::Hours12, &[("09:30:00", "11:30"), ("13:00:00", "15:00")]),
        ];
        for (period, quotes) in cases {
            for (quote, end) in quotes {
                let (time, _) = slot(period, &format!("2021-12-01 {quote}"));
                assert_eq!(time, format!("2021-12-01 {end}:00"), "{period:?} {quote}");
            }
        }
    }

    #[test]
    fn longer_bars_carry_their_last_day() {
        let cases = [
            // period, day of the quote, time of the bar
            (Period::Day, "2021-12-01", "2021-12-01"),
            (Period::Week, "2021-11-29", "2021-12-03"), // Monday
            (Period::Week, "2021-12-03", "2021-12-03"), // Friday
            (Period::Week, "2021-12-05", "2021-12-03"), // Sunday
            (Period::Week, "1969-12-31", "1970-01-02"),
            (Period::Month, "2021-12-01", "2021-12-31"),
            (Period::Month, "2024-02-01", "2024-02-29"),
            (Period::Quarter, "2021-11-30", "2021-12-31"),
            (Period::Quarter, "2021-04-01", "2021-06-30"),
            (Period::Halfyear, "2021-06-30", "2021-06-30"),
            (Period::Halfyear, "2021-07-01", "2021-12-31"),
            (Period::Year, "2021-01-01", "2021-12-31"),
        ];
        for (period, day, last) in cases {
            let (time, due) = slot(period, &format!("{day} 10:00:00"));
            assert_eq!(time, format!("{last} 00:00:00"), "{period:?} {day}");
            assert_eq!(due, format!("{last} 15:00:30.000001"), "{period:?} {day}");
        }
    }

    #[test]
    fn a_bar_can_change_until_the_next_begins_or_the_session_is_over() {
        let due = |period, quote: &str| slot(period, &format!("2021-12-01 {quote}")).1;
        assert_eq!(due(Period::Minute, "09:30:00"), "2021-12-01 09:31:00");
        assert_eq!(due(Period::Minute, "11:29:00"), "2021-12-01 11:30:30.000001");
        assert_eq!(due(Period::Minutes60, "14:59:00"), "2021-12-01 15:00:30.000001");
    }

    #[test]
    fn a_market_that_never_closes_has_bars_around_the_clock() {
        let hours = Hours::parse(&[]).unwrap();
        let at = |text: &str| ExchangeTime::from_utc_us(parse_exchange_time(text).unwrap());
        let slot = Period::Minutes60.slot(at("2021-12-01 23:30:00"), &hours);
        assert_eq!(slot.time_us, parse_exchange_time("2021-12-02 00:00:00").unwrap());
        assert_eq!(slot.due_us, slot.time_us);
        let day = Period::Day.slot(at("2021-12-01 23:30:00"), &hours);
        assert_eq!(day.due_us, slot.time_us);
    }

    #[test]
    fn names_and_order_are_those_of_the_options() {
        for pair in Period::ALL.windows(2) {
            assert!(pair[0] < pair[1]);
        }
        for period in Period::ALL {
            let name = plugin_api::serde_json::json!(period.as_str());
            let read: Period = plugin_api::serde_json::from_value(name).unwrap();
            assert_eq!(read, period);
        }
    }
}
