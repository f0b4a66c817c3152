//! Rates over the last ten seconds, from counters that are looked at once a second.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Samples that are kept: the ends of ten seconds.
const SAMPLES: usize = 11;
/// Shortest time between two of them.
const INTERVAL: Duration = Duration::from_millis(900);
/// In a second of processor time; so `/proc` counts on every Linux of these days.
const CPU_TICKS: f64 = 100.0;

/// Counters of a component at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counters {
    pub records_in: u64,
    pub records_out: u64,
    pub dropped: u64,
    pub errors: u64,
    /// Time that it waited for others, microseconds.
    pub blocked_us: u64,
    /// Processor time of its threads.
    pub cpu_ticks: u64,
}

/// What happened each second, over the last ten.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rates {
    /// Records taken in.
    pub records_in: f64,
    /// Records passed on or delivered.
    pub records_out: f64,
    /// Records dropped.
    pub dropped: f64,
    /// Failed calls.
    pub errors: f64,
    /// Share of the time in which it waited for others, 0 to 1.
    pub blocked: f64,
    /// Processors that its threads kept busy, 1 for a whole one.
    pub cpu: f64,
}

/// The counters of the last ten seconds.
#[derive(Debug, Default)]
pub(super) struct Samples(VecDeque<(Instant, Counters)>);

impl Samples {
    /// Whether the last one is about a second old.
    pub fn is_due(&self, now: Instant) -> bool {
        let is_over = |last: &(Instant, _)| now.saturating_duration_since(last.0) >= INTERVAL;
        self.0.back().is_none_or(is_over)
    }

    /// Adds one in the place of the oldest.
    pub fn add(&mut self, now: Instant, counters: Counters) {
        if self.0.len() == SAMPLES {
            self.0.pop_front();
        }
        self.0.push_back((now, counters));
    }

    /// What happened each second between the oldest and the newest.
    pub fn rates(&self) -> Rates {
        let (Some((from, before)), Some((to, after))) = (self.0.front(), self.0.back()) else {
            return Rates::default();
        };
        let seconds = to.saturating_duration_since(*from).as_secs_f64();
        if seconds <= 0.0 {
            return Rates::default();
        }
        #[allow(clippy::cast_precision_loss)]
        let rate = |counter: fn(&Counters) -> u64| {
            counter(after).saturating_sub(counter(before)) as f64 / seconds
        };
        Rates {
            records_in: rate(|it| it.records_in),
            records_out: rate(|it| it.records_out),
            dropped: rate(|it| it.dropped),
            errors: rate(|it| it.errors),
            blocked: (rate(|it| it.blocked_us) / 1e6).min(1.0),
            cpu: rate(|it| it.cpu_ticks) / CPU_TICKS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_the_last_ten_seconds_alone() {
        let (mut samples, start) = (Samples::default(), Instant::now());
        assert_eq!(samples.rates(), Rates::default());
        for second in 0..60 {
            let now = start + Duration::from_secs(second);
            assert!(samples.is_due(now));
            // a thousand a second, and nothing before the last ten
            let records_in = 1_000 * second.saturating_sub(49);
            let blocked_us = second * 250_000;
            let counters =
                Counters { records_in, blocked_us, cpu_ticks: second * 150, ..Counters::default() };
            samples.add(now, counters);
            assert!(!samples.is_due(now), "one a second");
        }
        assert_eq!(samples.0.len(), 11);
        let rates = samples.rates();
        assert!((rates.records_in - 1_000.0).abs() < 1e-6, "{rates:?}");
        assert!((rates.blocked - 0.25).abs() < 1e-9 && (rates.cpu - 1.5).abs() < 1e-9, "{rates:?}");
        assert!(rates.dropped.abs() < 1e-9, "{rates:?}");
    }

    #[test]
    fn one_sample_tells_no_rate() {
        let mut samples = Samples::default();
        let counters = Counters { records_in: 5, ..Counters::default() };
        samples.add(Instant::now(), counters);
        assert_eq!(samples.rates(), Rates::default());
    }
}
