//! Tells the host when silence matters, and how full the buffer is.

use kit::hours::SilenceWatch;
use plugin_api::{Context, schemas::time::SECOND_US};

use crate::options::Settings;

/// Follows the clock.
#[derive(Debug)]
pub struct Watch {
    silence: SilenceWatch,
    /// Second in which the gauge of the buffer was set last.
    second: i64,
}

impl Default for Watch {
    fn default() -> Self {
        Self { silence: SilenceWatch::of_successor(), second: 0 }
    }
}

impl Watch {
    /// Tells the host what changed; called before every wait.
    pub fn look(&mut self, settings: &Settings, context: &Context, bytes: impl Fn() -> usize) {
        let second = context.now_us().div_euclid(SECOND_US);
        if self.second != second {
            self.second = second;
            #[allow(clippy::cast_precision_loss)] // a gauge
            context.gauge("receive_buffer_bytes", bytes() as f64);
        }
        self.silence.look(&settings.sessions, settings.stale_after, context);
    }
}
