//! Where rounds open and close on the bus.
//!
//! A Hikyuu process takes quotes only between a start and an end mark, and joins at a start mark.
//! The bus knows one open round at a time, the sources each have their own. So:
//!
//! - the first source that opens a round opens the bus; later ones find it open;
//! - whenever a source closes its round the bus closes, and opens again at once while other rounds
//!   are open, so that a late subscriber waits for no more than the shortest round;
//! - a batch outside any round of its source (one that has none, or whose first batch was dropped
//!   on the way) is a round of its own;
//! - a source that opens anew without having closed lost its last batch: the round closes first.

use plugin_api::Round;

/// The marks around one batch, in the order of the fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Step {
    /// Close the bus before the batch.
    pub end_before: bool,
    /// Open the bus before the batch.
    pub start_before: bool,
    /// Close the bus after the batch.
    pub end_after: bool,
    /// Open the bus again after that.
    pub start_after: bool,
}

/// The sources whose round is open.
#[derive(Debug, Default)]
pub struct Marks {
    /// At most one entry a source.
    open: Vec<String>,
}

impl Marks {
    /// Whether the bus is within a round.
    pub fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Records a batch and returns the marks around it. One without quotes matters only for the
    /// round that it opens or closes.
    pub fn step(&mut self, source: &str, round: Round, has_quotes: bool) -> Step {
        let own = self.open.iter().position(|open| open == source);
        if own.is_none() && !round.first && !has_quotes {
            return Step::default();
        }
        let reopens = own.is_some() && round.first;
        let mut step = Step {
            end_before: reopens,
            start_before: reopens || !self.is_open(),
            ..Step::default()
        };
        if round.last || (own.is_none() && !round.first) {
            if let Some(index) = own {
                self.open.swap_remove(index);
            }
            step.end_after = true;
            step.start_after = self.is_open();
        } else if own.is_none() {
            self.open.push(source.to_owned());
        }
        step
    }

    /// Forgets all rounds; whether the bus was within one.
    pub fn close(&mut self) -> bool {
        let was_open = self.is_open();
        self.open.clear();
        was_open
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIRST: Round = Round { first: true, last: false };
    const LAST: Round = Round { first: false, last: true };

    /// The stream as text: `<` start, `>` end, the source's letter for a batch of quotes.
    fn stream(batches: &[(&str, Round)]) -> String {
        let mut marks = Marks::default();
        let mut text = String::new();
        for (source, round) in batches {
            // an upper-case source sends a batch without quotes
            let has_quotes = source.chars().all(char::is_lowercase);
            let step = marks.step(&source.to_lowercase(), *round, has_quotes);
            text += if step.end_before { ">" } else { "" };
            text += if step.start_before { "<" } else { "" };
            text += if has_quotes { source } else { "" };
            text += if step.end_after { ">" } else { "" };
            text += if step.start_after { "<" } else { "" };
        }
        text
    }

    #[test]
    fn rounds_open_and_close_as_their_sources_do() {
        let m = Round::MIDDLE;
        let w = Round::WHOLE;
        let cases: &[(&[(&str, Round)], &str)] = &[
            // one source
            (&[("a", FIRST), ("a", m), ("a", LAST), ("a", w)], "<aaa><a>"),
            // without rounds
            (&[("a", m), ("a", m)], "<a><a>"),
            // two interleaved: the bus closes with each and opens again for the other
            (&[("a", FIRST), ("b", FIRST), ("a", LAST), ("b", m), ("b", LAST)], "<aba><bb>"),
            // one without rounds within the round of another
            (&[("a", FIRST), ("b", m), ("a", LAST)], "<ab><a>"),
            (&[("a", FIRST), ("b", w), ("a", m)], "<ab><a"),
            // the first batch was lost, or the last
            (&[("a", m), ("a", LAST), ("a", FIRST)], "<a><a><a"),
            (&[("a", FIRST), ("a", FIRST), ("a", LAST)], "<a><aa>"),
            (&[("a", FIRST), ("a", w)], "<a><a>"),
            (&[("a", FIRST), ("b", FIRST), ("a", FIRST), ("a", LAST), ("b", LAST)], "<ab><aa><b>"),
            // without quotes only the marks matter
            (&[("A", FIRST), ("a", m), ("A", LAST)], "<a>"),
            (&[("A", w), ("A", m), ("A", LAST)], "<>"),
            (&[("a", FIRST), ("B", m), ("A", m), ("A", LAST)], "<a>"),
        ];
        for (batches, expected) in cases {
            assert_eq!(stream(batches), *expected, "{batches:?}");
        }
    }

    #[test]
    fn closing_tells_whether_an_end_mark_is_owed() {
        let mut marks = Marks::default();
        assert!(!marks.close());
        marks.step("a", FIRST, true);
        assert!(marks.close() && !marks.close());
    }

    proptest! {
        #[test]
        fn every_quote_lies_between_a_start_and_an_end(
            batches in prop::collection::vec((0..6_usize, any::<bool>(), any::<bool>()), 0..60)
        ) {
            let names = ["a", "b", "c", "A", "B", "C"];
            let batches: Vec<_> = batches
                .into_iter()
                .map(|(source, first, last)| (names[source], Round { first, last }))
                .collect();
            let text = stream(&batches);
            let mut open = false;
            for symbol in text.chars() {
                match symbol {
                    '<' => { prop_assert!(!open, "started twice: {text}"); open = true; }
                    '>' => { prop_assert!(open, "ended twice: {text}"); open = false; }
                    _ => prop_assert!(open, "quotes outside a round: {text}"),
                }
            }
            let quotes: String = text.chars().filter(|c| c.is_lowercase()).collect();
            let sent: String =
                batches.iter().map(|(source, _)| *source).filter(|s| s.chars().all(char::is_lowercase)).collect();
            prop_assert_eq!(quotes, sent, "every batch goes out once, in order");
        }

        #[test]
        fn the_bus_is_open_exactly_while_a_source_is(
            batches in prop::collection::vec((0..3_usize, any::<bool>(), any::<bool>()), 0..40)
        ) {
            let (mut marks, mut bus, mut open) = (Marks::default(), false, [false; 3]);
            for (source, first, last) in batches {
                let step = marks.step(["a", "b", "c"][source], Round { first, last }, true);
                for (close, now) in [
                    (step.end_before, false),
                    (step.start_before, true),
                    (step.end_after, false),
                    (step.start_after, true),
                ] {
                    bus = if close { now } else { bus };
                }
                open[source] = (open[source] || first) && !last;
                prop_assert_eq!(bus, open.contains(&true));
            }
        }
    }
}
