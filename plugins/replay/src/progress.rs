//! Says how far a replay is, and what it was at its end.

use std::collections::HashSet;

use plugin_api::schemas::time::DatetimeText;

use crate::{desk::Desk, row::symbol_key};

const REPORT_EVERY_US: i64 = 5_000_000;
const SHOW_EVERY_US: i64 = 200_000;

/// Follows one replay.
#[derive(Debug, Default)]
pub struct Progress {
    pub files: usize,
    /// Rows of all files whose time can be read.
    pub total_rows: u64,
    /// Rows that were played.
    pub played: u64,
    symbols: HashSet<String>,
    key: String,
    reported_at_us: Option<i64>,
    reported_rows: u64,
    shown_at_us: Option<i64>,
}

impl Progress {
    /// Notes that a row was played.
    pub fn saw(&mut self, market: &str, code: &str) {
        self.played += 1;
        symbol_key(market, code, &mut self.key);
        if !self.symbols.contains(&self.key) {
            self.symbols.insert(self.key.clone());
        }
    }

    /// Whether a symbol was seen, written as [`symbol_key`] does.
    pub fn has_seen(&self, key: &str) -> bool {
        self.symbols.contains(key)
    }

    /// Logs now and then how far the replay is.
    pub fn report(&mut self, time_us: i64, desk: &Desk) {
        let now_us = desk.context.now_us();
        self.show(now_us, desk);
        let since_us = now_us - *self.reported_at_us.get_or_insert(now_us);
        if since_us < REPORT_EVERY_US {
            return;
        }
        let percent = desk.rows.saturating_mul(100) / self.total_rows.max(1);
        let rate = (desk.rows - self.reported_rows) * 1_000_000 / since_us.unsigned_abs();
        desk.context.info(&format!(
            "{} rows, {} %, at {}, {rate} rows/s",
            desk.rows,
            percent.min(100),
            exchange_time(time_us)
        ));
        (self.reported_at_us, self.reported_rows) = (Some(now_us), desk.rows);
    }

    /// Shows how far the replay is, several times a second.
    #[allow(clippy::cast_precision_loss)]
    fn show(&mut self, now_us: i64, desk: &Desk) {
        let is_shown = |at: i64| (0..SHOW_EVERY_US).contains(&(now_us - at));
        if self.shown_at_us.is_some_and(is_shown) {
            return;
        }
        self.shown_at_us = Some(now_us);
        desk.context.gauge("source_rows", self.total_rows as f64);
        desk.context.gauge("source_rows_read", desk.rows as f64);
    }

    /// Logs what was played.
    pub fn summarize(&self, desk: &Desk) {
        desk.context.info(&format!(
            "replay ended: {} files ({} not readable to their end), {} rows read, {} played, \
             {} bad, {} symbols",
            self.files,
            desk.bad_files,
            desk.rows,
            self.played,
            desk.bad_rows,
            self.symbols.len()
        ));
    }
}

fn exchange_time(time_us: i64) -> String {
    String::from_utf8_lossy(DatetimeText::default().format(time_us)).into_owned()
}
