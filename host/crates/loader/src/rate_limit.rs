//! Limits on what a plugin outside of the process reports: log lines, metric names, reasons.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

/// So many lines may come at once.
const BURST: u32 = 100;
/// So many lines a second may come for long.
const LINES_PER_SECOND: u32 = 50;
/// Longest line, bytes.
const MAX_LINE: usize = 4 << 10;
/// Longest reason or name, bytes.
const MAX_NAME: usize = 64;
/// So many different names of metrics, and of reasons, are taken of one component.
const MAX_NAMES: usize = 64;
/// What further reasons are counted under.
const OTHER: &str = "other";

/// Admits lines at a bounded rate.
#[derive(Debug)]
pub(crate) struct LineLimiter {
    credit: Duration,
    looked_at: Instant,
    left_out: u64,
}

impl LineLimiter {
    pub fn new(now: Instant) -> Self {
        Self { credit: Self::COST * BURST, looked_at: now, left_out: 0 }
    }

    const COST: Duration = Duration::from_micros(1_000_000 / LINES_PER_SECOND as u64);

    /// Whether a line is written now; if so, how many were left out before it.
    pub fn admit(&mut self, now: Instant) -> Option<u64> {
        let passed = now.saturating_duration_since(self.looked_at);
        self.looked_at = now;
        self.credit = (self.credit + passed).min(Self::COST * BURST);
        match self.credit.checked_sub(Self::COST) {
            Some(rest) => {
                self.credit = rest;
                Some(std::mem::take(&mut self.left_out))
            }
            None => {
                self.left_out += 1;
                None
            }
        }
    }
}

/// Names that one component gave so far, over all its instances.
#[derive(Debug, Default)]
pub(crate) struct NameLimiter {
    metrics: HashSet<String>,
    reasons: HashSet<String>,
}

impl NameLimiter {
    /// Whether a metric of that name is taken.
    pub fn admit_metric(&mut self, name: &str) -> bool {
        name.len() <= MAX_NAME && admit(&mut self.metrics, name)
    }

    /// The reason under which dropped records are counted.
    pub fn reason<'r>(&mut self, reason: &'r str) -> &'r str {
        let reason = cut(reason, MAX_NAME);
        if admit(&mut self.reasons, reason) { reason } else { OTHER }
    }
}

fn admit(names: &mut HashSet<String>, name: &str) -> bool {
    if names.contains(name) {
        return true;
    }
    names.len() < MAX_NAMES && names.insert(name.to_owned())
}

/// A text as it may stand in the log: of bounded length, without control characters.
pub(crate) fn line(text: &str) -> String {
    let short = cut(text, MAX_LINE);
    let mut line: String = short.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if short.len() < text.len() {
        line += &format!("… ({} bytes more)", text.len() - short.len());
    }
    line
}

fn cut(text: &str, longest: usize) -> &str {
    &text[..text.floor_char_boundary(longest)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_lines_is_let_through_at_a_bounded_rate_and_what_is_left_out_is_counted() {
        let start = Instant::now();
        let mut lines = LineLimiter::new(start);
        // 10,000 lines in 10 seconds
        let admitted: Vec<u64> =
            (0..10_000).filter_map(|at| lines.admit(start + Duration::from_millis(at))).collect();
        let most = (BURST + 10 * LINES_PER_SECOND) as usize;
        assert!((most - 2..=most).contains(&admitted.len()), "{}", admitted.len());
        assert_eq!(admitted.iter().sum::<u64>() + admitted.len() as u64 + lines.left_out, 10_000);
    }

    #[test]
    fn names_beyond_the_limit_are_not_taken() {
        let mut names = NameLimiter::default();
        let metrics = (0..1_000).filter(|at| names.admit_metric(&format!("metric_{at}"))).count();
        assert_eq!(metrics, MAX_NAMES);
        assert!(names.admit_metric("metric_5") && !names.admit_metric("one_more"));
        let reasons: HashSet<String> =
            (0..1_000).map(|at| names.reason(&format!("reason {at}")).to_owned()).collect();
        assert_eq!(reasons.len(), MAX_NAMES + 1);
        assert!(reasons.contains(OTHER));
        assert!(!NameLimiter::default().admit_metric(&"x".repeat(65)));
    }

    #[test]
    fn a_line_cannot_pass_for_several_or_change_the_terminal() {
        assert_eq!(line("a\nb\u{1b}[31mc"), "a b [31mc");
        let long = line(&"价".repeat(5_000));
        assert!(long.len() < MAX_LINE + 64 && long.ends_with("bytes more)"), "{}", long.len());
    }
}
