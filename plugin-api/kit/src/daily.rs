//! Work that is done once a day of the exchange's calendar, and again soon when it failed.

use plugin_api::schemas::time::ExchangeTime;

/// Pause after a failure.
const PAUSE_US: i64 = 600 * 1_000_000;

/// Tells when such work is due; at the first look it is.
#[derive(Debug, Default)]
pub struct Daily {
    done: Option<i64>,
    /// The last failure, microseconds since 1970 UTC.
    failed_us: Option<i64>,
}

impl Daily {
    /// The day since 1970 that it is by the exchange's clock, if the work is due.
    pub fn due(&self, now_us: i64) -> Option<i64> {
        let today = ExchangeTime::from_utc_us(now_us).day;
        let rests = self.failed_us.is_some_and(|failed| {
            // a clock that was put back must not put the work off
            (0..PAUSE_US).contains(&now_us.saturating_sub(failed))
        });
        (self.done != Some(today) && !rests).then_some(today)
    }

    /// The work of that day is done.
    pub fn done(&mut self, day: i64) {
        (self.done, self.failed_us) = (Some(day), None);
    }

    /// The work failed at that time.
    pub fn failed(&mut self, now_us: i64) {
        self.failed_us = Some(now_us);
    }
}

#[cfg(test)]
mod tests {
    use plugin_api::schemas::time::parse_exchange_time;

    use super::*;

    fn us(time: &str) -> i64 {
        parse_exchange_time(time).unwrap()
    }

    #[test]
    fn work_is_due_at_the_start_and_with_each_day() {
        let mut daily = Daily::default();
        let Some(day) = daily.due(us("2021-12-01 15:00")) else { panic!("it is due") };
        daily.done(day);
        assert_eq!(daily.due(us("2021-12-01 23:59:59")), None);
        assert_eq!(daily.due(us("2021-12-02 00:00")), Some(day + 1));
    }

    #[test]
    fn what_failed_is_tried_again_soon() {
        let mut daily = Daily::default();
        daily.failed(us("2021-12-01 15:00"));
        assert_eq!(daily.due(us("2021-12-01 15:09:59")), None);
        assert!(daily.due(us("2021-12-01 15:10")).is_some());
        assert!(daily.due(us("2021-12-01 14:00")).is_some(), "the clock was put back");
    }
}
