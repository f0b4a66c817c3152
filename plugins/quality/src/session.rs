//! The trading day of the three exchanges, on their own clock.

use plugin_api::schemas::time::{ExchangeTime, SECOND_US};

const MINUTE_US: i64 = 60 * SECOND_US;
const MORNING_OPEN_US: i64 = 570 * MINUTE_US;
const MORNING_CLOSE_US: i64 = 690 * MINUTE_US;
const AFTERNOON_OPEN_US: i64 = 780 * MINUTE_US;
const AFTERNOON_CLOSE_US: i64 = 900 * MINUTE_US;
/// From here on only trades at the closing price, on STAR and ChiNext.
const AFTER_HOURS_US: i64 = 905 * MINUTE_US;

/// Whether the day is over: 15:05 and later.
pub fn is_after_hours(time: ExchangeTime) -> bool {
    time.of_day_us >= AFTER_HOURS_US
}

/// How much trading time lies between two moments of one day, microseconds; of different days,
/// that of the later day alone. 0 when the later one lies outside of the session.
pub fn trading_time_between(earlier: ExchangeTime, later: ExchangeTime) -> i64 {
    let in_session = (MORNING_OPEN_US..MORNING_CLOSE_US).contains(&later.of_day_us)
        || (AFTERNOON_OPEN_US..AFTERNOON_CLOSE_US).contains(&later.of_day_us);
    if !in_session || earlier.day > later.day {
        return 0;
    }
    let start = if earlier.day < later.day { 0 } else { traded_until(earlier.of_day_us) };
    traded_until(later.of_day_us) - start
}

fn traded_until(of_day_us: i64) -> i64 {
    of_day_us.clamp(MORNING_OPEN_US, MORNING_CLOSE_US) - MORNING_OPEN_US
        + of_day_us.clamp(AFTERNOON_OPEN_US, AFTERNOON_CLOSE_US)
        - AFTERNOON_OPEN_US
}
