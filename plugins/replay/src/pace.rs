//! When each round is due, and how far its times are moved.

use crate::config::{Clock, Options};

/// What the wall clock may be set back before the pace starts over.
const SLACK_US: i64 = 1_000_000;

/// Follows the recorded times on the wall clock.
#[derive(Debug)]
pub struct Pace {
    speed: f64,
    max_gap_us: i64,
    clock: Clock,
    anchor: Option<Anchor>,
}

/// One moment on both clocks.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    wall_us: i64,
    recorded_us: i64,
    /// Time of the last round.
    last_us: i64,
    /// What was cut from long pauses since `recorded_us`.
    cut_us: i64,
    /// What times are moved by, apart from the cuts.
    shift_us: i64,
}

impl Pace {
    pub fn new(options: &Options) -> Self {
        Self {
            speed: options.speed,
            max_gap_us: kit::count::micros(options.max_gap),
            clock: options.clock,
            anchor: None,
        }
    }

    /// What is left until the round of that time is due, microseconds of the wall clock; 0 when it
    /// is due now.
    pub fn until_due_us(&mut self, time_us: i64, now_us: i64) -> i64 {
        let Some(anchor) = self.anchor else { return 0 };
        if self.speed == 0.0 {
            return 0;
        }
        let played_us = time_us - anchor.recorded_us - anchor.cut_us - self.cut(&anchor, time_us);
        let left_us = anchor.wall_us.saturating_add(self.on_wall(played_us)).saturating_sub(now_us);
        let longest_us = self.on_wall(self.max_gap_us).saturating_add(SLACK_US);
        if left_us > longest_us {
            // no round is further away than the longest gap: the wall clock was set back
            let last_us = anchor.last_us;
            let moved = Anchor { wall_us: now_us, recorded_us: last_us, cut_us: 0, ..anchor };
            let shift_us = anchor.shift_us - anchor.cut_us;
            self.anchor = Some(Anchor { shift_us, ..moved });
            return self.until_due_us(time_us, now_us);
        }
        left_us.max(0)
    }

    /// Starts the round of that time and says what its times are moved by, microseconds.
    pub fn start(&mut self, time_us: i64, now_us: i64) -> i64 {
        let mut anchor = self.anchor.unwrap_or(Anchor {
            wall_us: now_us,
            recorded_us: time_us,
            last_us: time_us,
            cut_us: 0,
            shift_us: match self.clock {
                Clock::Recorded => 0,
                Clock::Now => now_us - time_us,
            },
        });
        anchor.cut_us += self.cut(&anchor, time_us);
        anchor.last_us = time_us;
        self.anchor = Some(anchor);
        match self.clock {
            Clock::Recorded => 0,
            // at the recorded speed the times keep up with the wall clock through cut pauses
            Clock::Now => anchor.shift_us - anchor.cut_us,
        }
    }

    /// Forgets where it was: the next round starts at once.
    pub fn reset(&mut self) {
        self.anchor = None;
    }

    /// What is cut from the pause before the round of that time.
    fn cut(&self, anchor: &Anchor, time_us: i64) -> i64 {
        if self.speed == 0.0 { 0 } else { (time_us - anchor.last_us - self.max_gap_us).max(0) }
    }

    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)] // `as` saturates
    fn on_wall(&self, recorded_us: i64) -> i64 {
        (recorded_us as f64 / self.speed) as i64
    }
}

#[cfg(test)]
mod tests {
    use plugin_api::{serde_json::json, testing};

    use super::*;

    const SECOND_US: i64 = 1_000_000;

    fn pace(options: plugin_api::serde_json::Value) -> Pace {
        let mut all = json!({ "path": "." });
        for (key, value) in options.as_object().unwrap() {
            all[key] = value.clone();
        }
        Pace::new(&testing::options(all).unwrap())
    }

    #[test]
    fn rounds_keep_their_distance_divided_by_the_speed() {
        let mut pace = pace(json!({ "speed": 10.0 }));
        assert_eq!(pace.until_due_us(1_000, 50), 0, "the first is due at once");
        assert_eq!(pace.start(1_000, 50), 0);
        assert_eq!(pace.until_due_us(1_000 + 3 * SECOND_US, 50), 300_000);
        assert_eq!(pace.until_due_us(1_000 + 3 * SECOND_US, 250_050), 50_000);
        pace.start(1_000 + 3 * SECOND_US, 400_050);
        assert_eq!(
            pace.until_due_us(1_000 + 6 * SECOND_US, 400_050),
            200_000,
            "lateness is made up"
        );
    }

    #[test]
    fn long_pauses_are_cut_to_the_longest_gap() {
        let mut pace = pace(json!({ "max_gap": "5m" }));
        pace.start(0, 0);
        let lunch_end_us = 5_400 * SECOND_US;
        assert_eq!(pace.until_due_us(lunch_end_us, 0), 300 * SECOND_US);
        assert_eq!(pace.start(lunch_end_us, 300 * SECOND_US), 0, "recorded times stay");
        assert_eq!(pace.until_due_us(lunch_end_us + SECOND_US, 300 * SECOND_US), SECOND_US);
    }

    #[test]
    fn live_times_follow_the_wall_clock_through_a_cut_pause() {
        let mut pace = pace(json!({ "clock": "now", "max_gap": "10s" }));
        assert_eq!(pace.start(100 * SECOND_US, 1_000 * SECOND_US), 900 * SECOND_US);
        assert_eq!(pace.start(103 * SECOND_US, 1_003 * SECOND_US), 900 * SECOND_US);
        let shift_us = pace.start(203 * SECOND_US, 1_013 * SECOND_US);
        assert_eq!(203 * SECOND_US + shift_us, 1_013 * SECOND_US);
    }

    #[test]
    fn as_fast_as_possible_waits_for_nothing_and_cuts_nothing() {
        let mut pace = pace(json!({ "speed": 0.0, "clock": "now" }));
        assert_eq!(pace.start(0, 7), 7);
        assert_eq!(pace.until_due_us(i64::MAX / 2, 0), 0);
        assert_eq!(pace.start(100_000 * SECOND_US, 8), 7);
    }

    #[test]
    fn a_wall_clock_set_back_does_not_stall_the_replay() {
        let mut pace = pace(json!({}));
        pace.start(0, 90_000 * SECOND_US);
        assert_eq!(pace.until_due_us(3 * SECOND_US, 100 * SECOND_US), 3 * SECOND_US);
    }
}
