//! The sources: whose a quote is, and which times are believed.

use plugin_api::schemas::stray::Feed;

use crate::facts::Kept;

/// Stands for a moment that has not come.
pub const NEVER_US: i64 = i64::MAX;

/// What is known of one source over all securities.
#[derive(Debug)]
pub struct Source {
    /// Its times, and quotes whose time is in doubt, by the place of their security.
    pub feed: Feed<usize, Kept>,
    /// Since when it lacks what another one has brought of some security, by the clock; it has brought
    /// nothing new of any security since. [`NEVER_US`] while it lacks nothing.
    pub lacks_us: i64,
    /// Since when it is fresh, by the clock.
    pub fresh_us: i64,
    /// It has brought a quote.
    pub is_known: bool,
}

impl Default for Source {
    fn default() -> Self {
        Self { feed: Feed::default(), lacks_us: NEVER_US, fresh_us: i64::MIN, is_known: false }
    }
}

impl Source {
    /// Whether it has brought nothing for so long, of any security, though there was something.
    pub fn is_silent(&self, clock_us: i64, stale_after_us: i64) -> bool {
        clock_us.saturating_sub(self.lacks_us) > stale_after_us
    }

    /// Notes that it has brought something new.
    pub fn note_news(&mut self, clock_us: i64, stale_after_us: i64) {
        if self.is_silent(clock_us, stale_after_us) {
            self.fresh_us = clock_us;
        }
        (self.lacks_us, self.is_known) = (NEVER_US, true);
    }
}

/// The sources by rank: those that are named, the best first, and behind them all others as one.
#[derive(Debug)]
pub struct Names {
    named: Vec<String>,
    /// What a quote said last, and the rank of that.
    last: (String, usize),
}

impl Names {
    /// Of those that are named.
    pub fn new(named: Vec<String>) -> Self {
        let last = (String::new(), named.len());
        Self { named, last }
    }

    /// Number of ranks.
    pub fn ranks(&self) -> usize {
        self.named.len() + 1
    }

    /// The name of a rank.
    pub fn name(&self, rank: usize) -> &str {
        self.named.get(rank).map_or("another source", String::as_str)
    }

    /// Those that are named.
    pub fn named(&self) -> &[String] {
        &self.named
    }

    /// The rank of a source by its name alone.
    pub fn find(&self, name: &str) -> usize {
        self.named.iter().position(|it| it == name).unwrap_or(self.named.len())
    }

    /// The rank of a quote by the source that it names, or else by that of its batch, whose rank is
    /// given.
    pub fn rank(&mut self, own: &str, of_batch: usize) -> usize {
        if own.is_empty() {
            return of_batch;
        }
        if own != self.last.0 {
            own.clone_into(&mut self.last.0);
            self.last.1 = self.find(own);
        }
        if self.last.1 < self.named.len() { self.last.1 } else { of_batch }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_is_of_the_source_that_it_names_or_else_of_that_of_its_batch() {
        let mut names = Names::new(vec!["qmt".to_owned(), "qq".to_owned()]);
        let cases = [
            // what the quote names, component of the batch, rank
            ("qmt", "x", 0),
            ("qq", "qmt", 1),
            ("qmt", "qq", 0),
            ("", "qq", 1),
            ("day", "qq", 1),
            ("day", "x", 2),
            ("", "x", 2),
            ("qq", "x", 1),
        ];
        for (own, component, rank) in cases {
            let of_batch = names.find(component);
            assert_eq!(names.rank(own, of_batch), rank, "{own} of {component}");
        }
        assert_eq!((names.name(1), names.name(2), names.ranks()), ("qq", "another source", 3));
    }

    #[test]
    fn a_source_is_silent_when_it_does_not_follow() {
        let mut source = Source::default();
        assert!(!source.is_silent(i64::MAX - 1, 6));
        source.lacks_us = 100;
        assert!(!source.is_silent(106, 6) && source.is_silent(107, 6));
        source.note_news(106, 6);
        assert_eq!((source.lacks_us, source.fresh_us), (NEVER_US, i64::MIN), "it was never away");
        source.lacks_us = 100;
        source.note_news(107, 6);
        assert_eq!((source.lacks_us, source.fresh_us), (NEVER_US, 107));
    }
}
