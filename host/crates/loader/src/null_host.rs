//! Host services without effect, for components that are checked, not run.

use std::time::Duration;

use plugin_api::{HostServices, Level};

/// A host that records nothing: a component that is checked must leave no trace.
#[derive(Debug)]
pub struct NullHost {
    /// Wall time, microseconds since 1970 UTC.
    pub now_us: fn() -> i64,
}

impl HostServices for NullHost {
    fn log(&self, _: Level, message: &str) {
        tracing::debug!("{message}");
    }

    fn dropped(&self, _: &str, _: u64) {}

    fn count(&self, _: &str, _: u64) {}

    fn gauge(&self, _: &str, _: f64) {}

    fn now_us(&self) -> i64 {
        (self.now_us)()
    }

    fn is_stopping(&self) -> bool {
        false
    }

    fn expect_records(&self, _: Option<Duration>) {}

    fn dead_letter(&self, _: &str, _: &[u8]) {}
}
