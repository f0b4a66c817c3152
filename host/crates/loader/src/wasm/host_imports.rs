//! Host functions that a guest imports: log, metrics, clock, and `push` for batches.

use std::{
    sync::PoisonError,
    time::{Duration, Instant},
};

use plugin_api::Level;
use wasmtime::Result;

use super::{
    bindings::dataserver::{
        plugin::{clock, host, log, metrics, types},
        reports::reports,
    },
    from_guest,
    sandbox::Sandbox,
};

use crate::reports as told;

/// Metric of lines that came too fast.
const LEFT_OUT: &str = "sandbox_log_lines_left_out";
/// Largest single increment, so that sums do not overflow.
const MAX_AT_ONCE: u64 = 1 << 40;
/// Longest `within` of `expect-records`.
const MAX_SILENCE: Duration = Duration::from_secs(366 * 86_400);

impl types::Host for Sandbox {}

impl log::Host for Sandbox {
    fn write(&mut self, level: log::Level, message: String) -> Result<()> {
        let Some(left_out) = self.lines.admit(Instant::now()) else {
            self.host.count(LEFT_OUT, 1);
            return Ok(());
        };
        let level = match level {
            log::Level::Error => Level::Error,
            log::Level::Warn => Level::Warn,
            log::Level::Info => Level::Info,
            log::Level::Debug => Level::Debug,
        };
        if left_out > 0 {
            let text = format!("the plugin logs too fast: {left_out} lines were left out");
            self.host.log(Level::Warn, &text);
        }
        self.host.log(level, &self.shown(&message));
        Ok(())
    }
}

impl metrics::Host for Sandbox {
    fn count(&mut self, metric: String, by: u64) -> Result<()> {
        if self.admits_metric(&metric) {
            self.host.count(&metric, by.min(MAX_AT_ONCE));
        }
        Ok(())
    }

    fn gauge(&mut self, metric: String, value: f64) -> Result<()> {
        if self.admits_metric(&metric) {
            self.host.gauge(&metric, value);
        }
        Ok(())
    }

    fn dropped(&mut self, reason: String, records: u64) -> Result<()> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        self.host.dropped(names.reason(&reason), records.min(MAX_AT_ONCE));
        Ok(())
    }
}

impl Sandbox {
    fn admits_metric(&self, metric: &str) -> bool {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.admit_metric(metric)
    }
}

impl clock::Host for Sandbox {
    fn now_us(&mut self) -> Result<i64> {
        Ok(self.host.now_us())
    }
}

impl reports::Host for Sandbox {
    fn report(&mut self, told: String) -> Result<()> {
        if let Some(report) = told::read(&told) {
            told::give(&report, self.host.as_ref(), |text| self.shown(text));
        }
        Ok(())
    }
}

impl host::Host for Sandbox {
    fn is_stopping(&mut self) -> Result<bool> {
        Ok(self.host.is_stopping())
    }

    fn expect_records(&mut self, within_us: Option<u64>) -> Result<()> {
        let within = within_us.map(|within| Duration::from_micros(within).min(MAX_SILENCE));
        self.host.expect_records(within);
        Ok(())
    }

    fn dead_letter(&mut self, reason: String, payload: Vec<u8>) -> Result<()> {
        self.output.admit(payload.len() as u64)?;
        self.host.dead_letter(&self.shown(&reason), &payload);
        Ok(())
    }

    fn push(&mut self, batch: types::MadeBatch) -> Result<()> {
        self.output.push(from_guest::made(batch))?;
        Ok(())
    }
}
