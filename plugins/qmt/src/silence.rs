//! Tells the host when quotes are expected.

use std::time::Duration;

use plugin_api::{Context, schemas::session::Sessions};

/// Knows what the host was told last.
pub struct Silence {
    sessions: Sessions,
    stale_after: Option<Duration>,
    told: Option<Duration>,
    /// When the answer may change, microseconds since 1970 UTC.
    next_change_us: i64,
}

/// How long a session that seems endless is taken for granted, microseconds.
const LONGEST_STEP_US: i64 = 60_000_000;

impl Silence {
    /// For those sessions; nothing is expected so far.
    pub fn new(sessions: Sessions, stale_after: Option<Duration>, context: &Context) -> Self {
        if let Some(warning) = stale_after.and_then(|_| sessions.warning(context.now_us())) {
            context.warn(&warning);
        }
        Self { sessions, stale_after, told: None, next_change_us: i64::MIN }
    }

    /// Tells the host when the answer has changed.
    pub fn update(&mut self, context: &Context) {
        let now_us = context.now_us();
        // a clock that was put back is noticed within a step
        if now_us < self.next_change_us && now_us > self.next_change_us - LONGEST_STEP_US {
            return;
        }
        let is_open = self.sessions.is_open(now_us);
        let change =
            if is_open { self.sessions.close_of(now_us) } else { self.sessions.next_open(now_us) };
        let latest = now_us.saturating_add(LONGEST_STEP_US);
        self.next_change_us = change.unwrap_or(latest).min(latest);
        let wanted = self.stale_after.filter(|_| is_open);
        if wanted != self.told {
            self.told = wanted;
            context.expect_records(wanted);
        }
    }
}
