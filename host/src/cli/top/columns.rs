//! The columns of the table: what stands in them, and which goes first when room is short.

use std::cmp::Ordering;

use super::snapshot::Component;
use crate::cli::output;

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    Component,
    Kind,
    State,
    In,
    Out,
    Dropped,
    Errors,
    Queue,
    OnDisk,
    BlockedBy,
    Cpu,
    P50,
    P99,
}

/// What stands where there is nothing to say.
const NONE: &str = "-";

impl Column {
    /// All, from left to right.
    pub const ALL: [Self; 13] = [
        Self::Component,
        Self::Kind,
        Self::State,
        Self::In,
        Self::Out,
        Self::Dropped,
        Self::Errors,
        Self::Queue,
        Self::OnDisk,
        Self::BlockedBy,
        Self::Cpu,
        Self::P50,
        Self::P99,
    ];

    /// Those that may be left out, the first of them first; the component stays.
    pub const EXPENDABLE: [Self; 12] = [
        Self::P50,
        Self::Kind,
        Self::OnDisk,
        Self::Cpu,
        Self::P99,
        Self::Errors,
        Self::Dropped,
        Self::BlockedBy,
        Self::Queue,
        Self::Out,
        Self::In,
        Self::State,
    ];

    /// What stands above it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Component => "component",
            Self::Kind => "kind",
            Self::State => "state",
            Self::In => "in/s",
            Self::Out => "out/s",
            Self::Dropped => "dropped",
            Self::Errors => "errors",
            Self::Queue => "queue %",
            Self::OnDisk => "on disk",
            Self::BlockedBy => "blocked by",
            Self::Cpu => "CPU %",
            Self::P50 => "p50",
            Self::P99 => "p99",
        }
    }

    /// Whether it holds texts, which begin at its left edge.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Component | Self::Kind | Self::State | Self::BlockedBy)
    }

    /// What stands in it for a component with those totals.
    pub fn cell(self, component: &Component, totals: Totals) -> String {
        let queue = component.queue.as_ref();
        let on_disk = queue.filter(|queue| queue.kind == "disk");
        let text = match self {
            Self::Component => Some(component.id.clone()),
            Self::Kind => Some(component.kind.clone()),
            Self::State => Some(component.state.clone()),
            Self::In => Some(rate(component.rate.taken)),
            Self::Out => Some(rate(component.rate.out)),
            Self::Dropped => Some(count(totals.dropped)),
            Self::Errors => Some(count(totals.errors)),
            Self::Queue => queue.map(|queue| format!("{:.0}", queue.fill * 100.0)),
            Self::OnDisk => on_disk.map(|queue| output::size(queue.bytes)),
            Self::BlockedBy => component.blocked_by.clone(),
            Self::Cpu => Some(format!("{:.0}", component.cpu * 100.0)),
            Self::P50 => component.latency.map(|latency| duration(latency.p50_ms)),
            Self::P99 => component.latency.map(|latency| duration(latency.p99_ms)),
        };
        text.unwrap_or_else(|| NONE.to_owned())
    }

    /// Which of two components comes first when this column is sorted: texts in their order, the
    /// largest number first.
    pub fn order(self, left: (&Component, Totals), right: (&Component, Totals)) -> Ordering {
        if self.is_text() {
            let text = |it: &Component| match self {
                Self::Component => it.id.clone(),
                Self::Kind => it.kind.clone(),
                Self::State => it.state.clone(),
                _ => it.blocked_by.clone().unwrap_or_else(|| char::MAX.to_string()),
            };
            return text(left.0).cmp(&text(right.0));
        }
        self.number(right.0, right.1).total_cmp(&self.number(left.0, left.1))
    }

    #[allow(clippy::cast_precision_loss)]
    fn number(self, component: &Component, totals: Totals) -> f64 {
        let queue = component.queue.as_ref();
        let on_disk = queue.filter(|queue| queue.kind == "disk");
        let latency = component.latency.as_ref();
        match self {
            Self::In => component.rate.taken,
            Self::Out => component.rate.out,
            Self::Dropped => totals.dropped as f64,
            Self::Errors => totals.errors as f64,
            Self::Queue => queue.map_or(-1.0, |queue| queue.fill),
            Self::OnDisk => on_disk.map_or(-1.0, |queue| queue.bytes as f64),
            Self::Cpu => component.cpu,
            Self::P50 => latency.map_or(-1.0, |latency| latency.p50_ms),
            Self::P99 => latency.map_or(-1.0, |latency| latency.p99_ms),
            Self::Component | Self::Kind | Self::State | Self::BlockedBy => 0.0,
        }
    }
}

/// What a component dropped and how often it failed, since the start or since another moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    pub dropped: u64,
    pub errors: u64,
}

impl Totals {
    /// Those since the host started.
    pub fn of(component: &Component) -> Self {
        Self { dropped: component.dropped, errors: component.errors }
    }

    /// Those since that moment; a component that began anew counts from its beginning.
    pub fn since(self, before: Self) -> Self {
        let since = |now: u64, before: u64| now.checked_sub(before).unwrap_or(now);
        let dropped = since(self.dropped, before.dropped);
        Self { dropped, errors: since(self.errors, before.errors) }
    }
}

/// `0`, `0.5`, `12`, `1200`, `12.3k`, `1.2M`
fn rate(value: f64) -> String {
    match value {
        ..0.05 => "0".to_owned(),
        ..9.95 => format!("{value:.1}"),
        ..9_999.5 => format!("{value:.0}"),
        ..999_950.0 => format!("{:.1}k", value / 1e3),
        _ => format!("{:.1}M", value / 1e6),
    }
}

/// `99999`, `123k`, `12M`
fn count(value: u64) -> String {
    match value {
        0..100_000 => value.to_string(),
        100_000..100_000_000 => format!("{}k", value / 1_000),
        _ => format!("{}M", value / 1_000_000),
    }
}

/// `85µs`, `1.2ms`, `350ms`, `1.2s`, `95s`
fn duration(ms: f64) -> String {
    match ms {
        ..0.9995 => format!("{:.0}µs", ms * 1e3),
        ..9.95 => format!("{ms:.1}ms"),
        ..999.5 => format!("{ms:.0}ms"),
        ..9_950.0 => format!("{:.1}s", ms / 1e3),
        _ => format!("{:.0}s", ms / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_whatever_their_size() {
        let rates = [0.0, 0.01, 0.5, 9.94, 12.4, 1_200.0, 12_345.0, 999_949.0, 1_234_567.0];
        let shown = rates.map(rate);
        assert_eq!(shown, ["0", "0", "0.5", "9.9", "12", "1200", "12.3k", "999.9k", "1.2M"]);
        assert_eq!(
            [0, 99_999, 123_456, 12_345_678_901].map(count),
            ["0", "99999", "123k", "12345M"]
        );
        let times = [0.085, 0.9999, 1.24, 349.6, 1_234.0, 95_000.0].map(duration);
        assert_eq!(times, ["85µs", "1.0ms", "1.2ms", "350ms", "1.2s", "95s"]);
    }

    #[test]
    fn every_column_but_the_component_can_be_left_out() {
        let expendable = |column: &Column| Column::EXPENDABLE.contains(column);
        let stays: Vec<_> = Column::ALL.into_iter().filter(|it| !expendable(it)).collect();
        assert_eq!(stays, [Column::Component]);
    }

    #[test]
    fn totals_since_a_moment_start_again_with_a_component_that_began_anew() {
        let before = Totals { dropped: 10, errors: 5 };
        let after = Totals { dropped: 15, errors: 2 };
        assert_eq!(after.since(before), Totals { dropped: 5, errors: 2 });
    }
}
