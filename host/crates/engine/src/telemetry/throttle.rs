//! Keeps a component that fails again and again from filling the log.
//!
//! A server that is down for a night, or a feed of bad records, repeats the same text thousands of
//! times. Counters have the exact numbers; the log shows new texts.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

/// Within this time a text is logged once.
const WINDOW: Duration = Duration::from_secs(60);
/// So many different texts are logged within that time.
const MAX_TEXTS: usize = 100;

/// What one component logged lately.
#[derive(Debug, Default)]
pub struct Throttle {
    window_began: Option<Instant>,
    texts: HashSet<String>,
    left_out: u64,
}

impl Throttle {
    /// Whether to log a text now; if so, how many lines were left out since the last one.
    pub fn admit(&mut self, text: &str, now: Instant) -> Option<u64> {
        let is_over = |began| now.saturating_duration_since(began) >= WINDOW;
        if self.window_began.is_none_or(is_over) {
            self.window_began = Some(now);
            self.texts.clear();
        }
        if self.texts.len() == MAX_TEXTS || !self.texts.insert(text.to_owned()) {
            self.left_out += 1;
            return None;
        }
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_away_for_hours_costs_a_line_a_minute() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        let lines: Vec<u64> = (0..3 * 3600)
            .filter_map(|second| {
                throttle.admit("connection refused", start + Duration::from_secs(second))
            })
            .collect();
        assert_eq!(lines.len(), 180);
        assert_eq!((lines[0], lines[1]), (0, 59));
    }

    #[test]
    fn different_texts_get_through_up_to_a_limit() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        let logged = (0..10_000).filter(|row| throttle.admit(&format!("row {row}"), now).is_some());
        assert_eq!(logged.count(), MAX_TEXTS);
        assert_eq!(throttle.admit("row 0", now + WINDOW), Some(10_000 - MAX_TEXTS as u64));
    }
}
