//! Tells the host when silence matters, and how full the buffer is.

use plugin_api::{Context, schemas::time::SECOND_US};

use crate::options::Settings;

/// Follows the clock.
#[derive(Debug, Default)]
pub struct Watch {
    /// Whether records are expected, as the host was told last.
    told: Option<bool>,
    warned: bool,
    /// Second in which the host heard of the buffer.
    second: i64,
}

impl Watch {
    /// Tells the host what changed; called before every wait.
    pub fn look(&mut self, settings: &Settings, context: &Context, bytes: impl Fn() -> usize) {
        let now_us = context.now_us();
        let second = now_us.div_euclid(SECOND_US);
        if self.second != second {
            self.second = second;
            #[allow(clippy::cast_precision_loss)] // a gauge
            context.gauge("receive_buffer_bytes", bytes() as f64);
        }
        let Some(stale_after) = settings.stale_after else { return };
        let is_open = settings.sessions.is_open(now_us);
        if self.told == Some(is_open) {
            return;
        }
        self.told = Some(is_open);
        context.expect_records(is_open.then_some(stale_after));
        if !self.warned
            && let Some(warning) = settings.sessions.warning(now_us)
        {
            self.warned = true;
            context.warn(&warning);
        }
    }
}
