//! Timing.

use std::{
    fmt,
    time::{Duration, Instant},
};

/// One line of the report.
pub struct Row {
    /// What was measured.
    pub what: String,
    /// The figure with its unit.
    pub figure: String,
    /// What it is compared with, and the ratio.
    pub against: String,
}

impl Row {
    /// A figure that stands alone.
    pub fn new(what: &str, figure: String) -> Self {
        Self { what: what.to_owned(), figure, against: String::new() }
    }

    /// Adds what the figure is compared with.
    pub fn against(mut self, text: String) -> Self {
        self.against = text;
        self
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.what, self.figure, self.against)
    }
}

/// Best times of both, measured in turn, so that a slow minute of the machine hits both.
pub fn in_turn(
    runs: usize,
    mut ours: impl FnMut() -> Duration,
    mut theirs: impl FnMut() -> Duration,
) -> (Duration, Duration) {
    let pairs: Vec<_> = (0..runs).map(|_| (ours(), theirs())).collect();
    let best = |of: fn(&(Duration, Duration)) -> Duration| pairs.iter().map(of).min().unwrap();
    (best(|pair| pair.0), best(|pair| pair.1))
}

/// Shortest of several runs.
pub fn best(runs: usize, mut run: impl FnMut() -> Duration) -> Duration {
    (0..runs).map(|_| run()).min().unwrap()
}

/// Nanoseconds of one call, from the best of several series.
pub fn nanos<T>(calls: u32, mut call: impl FnMut() -> T) -> f64 {
    let series = best(9, || {
        let started = Instant::now();
        for _ in 0..calls {
            std::hint::black_box(call());
        }
        started.elapsed()
    });
    series.as_secs_f64() * 1e9 / f64::from(calls)
}

/// `1.2 M/s` for so many things in that time.
pub fn rate(things: f64, time: Duration) -> String {
    let per_second = things / time.as_secs_f64();
    if per_second >= 1e6 {
        format!("{:.2} M/s", per_second / 1e6)
    } else {
        format!("{:.0} k/s", per_second / 1e3)
    }
}
