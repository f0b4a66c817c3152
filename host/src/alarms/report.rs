//! How it goes, for the log, every so often: `[host] report`.

use std::{sync::Arc, time::Duration};

use dataserver_engine::{
    telemetry::ComponentStatus,
    topology::{Fill, Topology},
};
use plugin_api::{ErrorKind, RoleKind};

use super::look;

/// Gauges of sources that know which securities they are to give.
const EXPECTED: &str = "securities_expected";
const SEEN: &str = "securities_seen";
const KINDS: [ErrorKind; 3] = [ErrorKind::Retry, ErrorKind::BadData, ErrorKind::Fatal];

/// Tells how it goes since the last time.
#[derive(Debug)]
pub struct Reporter {
    began_us: i64,
    told_us: i64,
    last: Totals,
}

/// Counts of all components that are there, since the host began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Totals {
    /// Records of sources, and their batches.
    received: u64,
    batches: u64,
    /// Records of sinks.
    delivered: u64,
    lost: u64,
    /// Failed calls, as [`KINDS`].
    errors: [u64; 3],
}

/// What one report says.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    uptime: String,
    success: Option<String>,
    errors: Option<String>,
    mean_records: Option<u64>,
}

impl Reporter {
    /// For a host that begins now.
    pub fn new(now_us: i64) -> Self {
        Self { began_us: now_us, told_us: now_us, last: Totals::default() }
    }

    /// Tells it, if that is due.
    pub fn tell(&mut self, every: Duration, now_us: i64, topology: &Topology) {
        if !self.is_due(every, now_us) {
            return;
        }
        let components = topology.fills();
        let totals = totals(&components);
        let since = totals.since(&self.last);
        let Said { uptime, success, errors, mean_records } = said(&since, now_us - self.began_us);
        let queues = joined(components.iter().filter_map(queue_text));
        let securities = joined(components.iter().filter_map(|(status, _)| securities(status)));
        tracing::info!(
            uptime,
            received = since.received,
            delivered = since.delivered,
            success,
            errors,
            batches = since.batches,
            mean_records,
            queues,
            securities,
            received_in_all = totals.received,
            delivered_in_all = totals.delivered,
            "report of the last {}",
            time_text(now_us - self.told_us)
        );
        (self.told_us, self.last) = (now_us, totals);
    }

    fn is_due(&self, every: Duration, now_us: i64) -> bool {
        let passed_us = u128::try_from(now_us.saturating_sub(self.told_us)).unwrap_or(0);
        passed_us >= every.as_micros()
    }
}

impl Totals {
    /// What came since; a component that is gone takes nothing away.
    fn since(&self, before: &Self) -> Self {
        let by = |of: fn(&Self) -> u64| of(self).saturating_sub(of(before));
        Self {
            received: by(|it| it.received),
            batches: by(|it| it.batches),
            delivered: by(|it| it.delivered),
            lost: by(|it| it.lost),
            errors: std::array::from_fn(|at| self.errors[at].saturating_sub(before.errors[at])),
        }
    }
}

fn totals(components: &[(Arc<ComponentStatus>, Option<Fill>)]) -> Totals {
    let mut totals = Totals::default();
    for (status, _) in components {
        let metrics = &status.metrics;
        match status.kind {
            RoleKind::Source => {
                totals.received += metrics.records_in.get();
                totals.batches += metrics.batches();
            }
            RoleKind::Sink => totals.delivered += metrics.records_out.get(),
            RoleKind::Transform => {}
        }
        let lost = look::lost(status.kind, metrics.dropped_by());
        totals.lost += lost.iter().map(|(_, records)| records).sum::<u64>();
        for (count, kind) in totals.errors.iter_mut().zip(KINDS) {
            *count += metrics.errors_of(kind);
        }
    }
    totals
}

fn said(since: &Totals, up_us: i64) -> Said {
    let tried = since.delivered + since.lost;
    // cut, not rounded: 100 % is said when nothing was lost
    let share = (since.delivered * 10_000).checked_div(tried);
    let errors = KINDS.iter().zip(since.errors).filter(|(_, count)| *count > 0);
    Said {
        uptime: time_text(up_us),
        success: share.map(|it| format!("{}.{:02}%", it / 100, it % 100)),
        errors: joined(errors.map(|(kind, count)| format!("{} {count}", kind.class()))),
        mean_records: since.received.checked_div(since.batches),
    }
}

/// `lake 1200 records 12%`, of a queue in which something waits.
fn queue_text((status, fill): &(Arc<ComponentStatus>, Option<Fill>)) -> Option<String> {
    let fill = fill.filter(|fill| fill.records > 0)?;
    Some(format!("{} {} records {:.0}%", status.id, fill.records, fill.ratio() * 100.0))
}

/// `quotes 5230 of 5238`, of a source that tells.
fn securities(status: &ComponentStatus) -> Option<String> {
    let expected = status.metrics.measured(EXPECTED)?;
    let seen = status.metrics.measured(SEEN)?;
    Some(format!("{} {seen:.0} of {expected:.0}", status.id))
}

/// The parts; `None` without any.
fn joined(parts: impl Iterator<Item = String>) -> Option<String> {
    let parts: Vec<_> = parts.collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// `3h02m05s`
fn time_text(us: i64) -> String {
    let seconds = us.max(0) / 1_000_000;
    format!("{}h{:02}m{:02}s", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_due_once_in_its_time_and_never_when_the_clock_was_put_back() {
        let reporter = Reporter::new(1_000_000);
        let minute = Duration::from_secs(60);
        for (now_us, is_due) in
            [(1_000_000, false), (60_999_999, false), (61_000_000, true), (0, false)]
        {
            assert_eq!(reporter.is_due(minute, now_us), is_due, "{now_us}");
        }
    }

    #[test]
    fn what_is_said_is_of_the_time_since_the_last_report() {
        let before = Totals { received: 10, batches: 1, delivered: 10, lost: 0, errors: [1, 0, 0] };
        let now =
            Totals { received: 1_010, batches: 5, delivered: 9_999, lost: 1, errors: [3, 0, 1] };
        let since = now.since(&before);
        let told = said(&since, 3_725_000_000);
        assert_eq!((since.received, since.delivered), (1_000, 9_989));
        assert_eq!(told.success.as_deref(), Some("99.98%"));
        assert_eq!(told.errors.as_deref(), Some("retryable 2, fatal 1"));
        assert_eq!((told.mean_records, told.uptime.as_str()), (Some(250), "1h02m05s"));
        // a component was removed, and what is left did nothing
        let quiet = said(&before.since(&now), 0);
        assert_eq!((quiet.success, quiet.errors, quiet.mean_records), (None, None, None));
    }
}
