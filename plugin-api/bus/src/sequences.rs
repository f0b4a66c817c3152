//! Records that did not arrive, told by the numbers that our own publisher sends along.
//!
//! Each source numbers its records in a row, so a hole between two lists is a loss, unless the
//! publisher's pipeline left records out. A hole within a list shows that it does: a list arrives
//! whole or not at all. From then on holes of that source mean nothing.

use std::collections::BTreeMap;

use plugin_api::serde::{Deserialize, Serialize};

/// Sources that are followed; more are not.
const MOST_SOURCES: usize = 64;

/// Last numbers by source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "plugin_api::serde", transparent)]
pub struct Sequences {
    by_source: BTreeMap<String, Last>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "plugin_api::serde")]
struct Last {
    number: u64,
    is_thinned: bool,
}

/// What is missing before a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Missing {
    /// Holes.
    pub gaps: u64,
    /// Records in them.
    pub records: u64,
}

impl Sequences {
    /// Takes note of the sources and numbers of a list, in its order; 0 is no number.
    pub fn list<'a>(&mut self, numbers: impl Iterator<Item = (&'a str, u64)>) -> Missing {
        let mut missing = Missing::default();
        let mut seen: Vec<&str> = Vec::new();
        for (source, number) in numbers.filter(|(_, number)| *number > 0) {
            let is_new_in_list = !seen.contains(&source);
            if is_new_in_list {
                seen.push(source);
            }
            self.record(source, number, is_new_in_list, &mut missing);
        }
        missing
    }

    fn record(&mut self, source: &str, number: u64, is_first: bool, missing: &mut Missing) {
        let Some(last) = self.by_source.get_mut(source) else {
            if self.by_source.len() < MOST_SOURCES {
                self.by_source.insert(source.to_owned(), Last { number, is_thinned: false });
            }
            return;
        };
        // a smaller number is a source that began anew
        let hole = number.saturating_sub(last.number).saturating_sub(1);
        if hole > 0 && !is_first {
            last.is_thinned = true;
        } else if hole > 0 && !last.is_thinned {
            missing.gaps += 1;
            missing.records = missing.records.saturating_add(hole);
        }
        last.number = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(lists: &[&[u64]]) -> Vec<(u64, u64)> {
        let mut sequences = Sequences::default();
        let lists = lists.iter().map(|list| {
            let missing = sequences.list(list.iter().map(|&number| ("quotes", number)));
            (missing.gaps, missing.records)
        });
        lists.collect()
    }

    #[test]
    fn holes_between_lists_are_losses() {
        assert_eq!(missing(&[&[5, 6], &[7], &[10, 11]]), [(0, 0), (0, 0), (1, 2)]);
        // a source that began anew, then lost
        assert_eq!(missing(&[&[5, 6], &[1, 2], &[4]]), [(0, 0), (0, 0), (1, 1)]);
        // other publishers send no numbers
        assert_eq!(missing(&[&[0, 0], &[0]]), [(0, 0), (0, 0)]);
    }

    #[test]
    fn holes_of_a_source_that_is_thinned_out_mean_nothing() {
        assert_eq!(missing(&[&[1, 3], &[9]]), [(0, 0), (0, 0)]);
    }

    #[test]
    fn sources_are_counted_apart_and_only_so_many_of_them() {
        let mut sequences = Sequences::default();
        let list = [("a", 1), ("b", 7), ("a", 2), ("b", 8)];
        assert_eq!(sequences.list(list.into_iter()), Missing::default());
        assert_eq!(sequences.list([("b", 10)].into_iter()), Missing { gaps: 1, records: 1 });
        for number in 0..1000 {
            sequences.list([(format!("source {number}").as_str(), 1)].into_iter());
        }
        assert_eq!(sequences.by_source.len(), MOST_SOURCES);
    }
}
