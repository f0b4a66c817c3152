//! The table that a run ends with.

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle, presets};

use super::Topology;
use crate::clock::Clock;

const HEADER: [&str; 9] =
    ["component", "plugin", "in", "out", "dropped", "errors", "records/s", "p50", "p99"];

/// Rules above, below the names, and at the end.
const STYLE: TableStyle = presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none());

impl Topology {
    /// Records, losses, errors, rate and latency of every component.
    pub fn summary(&self, clock: &dyn Clock) -> String {
        #[allow(clippy::cast_precision_loss)]
        let seconds = ((clock.now_us() - self.started_us) as f64 / 1e6).max(1e-6);
        let mut table = Table::new();
        table.load_style(STYLE).set_header(HEADER);
        for status in self.components() {
            let (taken, passed) =
                (status.metrics.records_in.get(), status.metrics.records_out.get());
            #[allow(clippy::cast_precision_loss)]
            let rate = passed as f64 / seconds;
            table.add_row([
                format!("{} ({})", status.id, status.kind),
                status.plugin.clone(),
                taken.to_string(),
                passed.to_string(),
                status.dropped().to_string(),
                status.errors().to_string(),
                format!("{rate:.0}"),
                status.latency_us(0.5).map_or_else(|| "-".to_owned(), text_of_us),
                status.latency_us(0.99).map_or_else(|| "-".to_owned(), text_of_us),
            ]);
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        format!("{table}\n{} in {seconds:.2} s", self.pipeline().file.display())
    }
}

fn text_of_us(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        _ => format!("{}.{} s", us / 1_000_000, us % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_shown_in_the_unit_that_fits() {
        let texts = [7, 1_250, 1_999_999, 61_000_000].map(text_of_us);
        assert_eq!(texts, ["7 µs", "1.2 ms", "1.9 s", "61.0 s"]);
    }
}
