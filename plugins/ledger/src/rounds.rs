//! Rounds, put together of the batches of each source.

use std::collections::HashMap;

use plugin_api::Round;

/// Sources whose rounds are followed; a pipeline has a few.
const MOST_SOURCES: usize = 256;

/// Rounds that are under way, by the component they come from.
#[derive(Debug, Default)]
pub struct Rounds {
    by_source: HashMap<String, i64>,
}

impl Rounds {
    /// Follows a batch of that source, before its records are counted; whether the source goes round.
    pub fn follow(&mut self, source: &str, round: Round) -> bool {
        if let Some(latest_us) = self.by_source.get_mut(source) {
            if round.first {
                *latest_us = 0;
            }
            return true;
        }
        let goes_round = (round.first || round.last) && self.by_source.len() < MOST_SOURCES;
        if goes_round {
            self.by_source.insert(source.to_owned(), 0);
        }
        goes_round
    }

    /// After the records of a batch: the newest of them, 0 without any. The moment of the whole round
    /// when it ends with this batch.
    pub fn end(&mut self, source: &str, round: Round, latest_us: i64) -> Option<i64> {
        let known_us = self.by_source.get_mut(source)?;
        *known_us = latest_us.max(*known_us);
        let at_us = *known_us;
        (round.last && at_us > 0).then(|| std::mem::take(known_us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_has_the_time_of_its_newest_record_and_ends_once() {
        let mut rounds = Rounds::default();
        let (first, last) =
            (Round { first: true, last: false }, Round { first: false, last: true });
        assert!(!rounds.follow("file", Round::MIDDLE));
        assert_eq!(rounds.end("file", Round::MIDDLE, 5), None);
        for (round, latest_us, ended) in [
            (first, 10, None),
            (Round::MIDDLE, 30, None),
            (Round::MIDDLE, 20, None),
            (last, 0, Some(30)),
            // one that was broken off does not count for the next
            (first, 90, None),
            (first, 40, None),
            (last, 0, Some(40)),
            (Round::WHOLE, 50, Some(50)),
            (Round::WHOLE, 0, None),
        ] {
            assert!(rounds.follow("qq", round));
            assert_eq!(rounds.end("qq", round, latest_us), ended, "{round:?} {latest_us}");
        }
    }
}
