//! Bounds how many lines a misbehaving peer can write to the log.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use plugin_api::Context;

/// Lines that pass within a window.
const MOST: u32 = 5;
/// Length of a window.
const WINDOW: Duration = Duration::from_secs(10);

/// Lets a few lines a window pass and counts the others.
#[derive(Debug, Default)]
pub struct Throttle {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    since: Option<Instant>,
    passed: u32,
    held_back: u64,
}

impl Throttle {
    /// Logs a fault that was recovered from, unless too many were logged just before.
    pub fn warn(&self, context: &Context, line: String) {
        if let Some(line) = self.pass(line) {
            context.warn(&line);
        }
    }

    /// Logs a step of the life cycle, unless too many were logged just before.
    pub fn info(&self, context: &Context, line: String) {
        if let Some(line) = self.pass(line) {
            context.info(&line);
        }
    }

    /// The line, with a note of those held back before it; `None` when it is held back itself.
    pub fn pass(&self, line: String) -> Option<String> {
        self.pass_at(Instant::now(), line)
    }

    fn pass_at(&self, now: Instant, line: String) -> Option<String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.since.is_none_or(|since| now.duration_since(since) >= WINDOW) {
            (state.since, state.passed) = (Some(now), 0);
        }
        if state.passed == MOST {
            state.held_back += 1;
            return None;
        }
        state.passed += 1;
        match std::mem::take(&mut state.held_back) {
            0 => Some(line),
            held_back => Some(format!("{line} ({held_back} lines like this were held back)")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_lines_becomes_a_few_and_a_count() {
        let throttle = Throttle::default();
        let start = Instant::now();
        let passed = (0..100).filter_map(|_| throttle.pass_at(start, "x".to_owned())).count();
        assert_eq!(passed, 5);
        let next = throttle.pass_at(start + WINDOW, "y".to_owned()).unwrap();
        assert_eq!(next, "y (95 lines like this were held back)");
        assert_eq!(throttle.pass_at(start + WINDOW, "z".to_owned()).unwrap(), "z");
    }
}
