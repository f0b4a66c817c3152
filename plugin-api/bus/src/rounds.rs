//! Where rounds open and close, told by the publisher's marks and by their absence.
//!
//! A publisher sends a start mark, lists, an end mark. Marks can be lost like every message, and a
//! subscriber can join at any place. So: a start within a round closes that round first; lists
//! outside of any round are each a round of their own; a lost connection closes what is open.

use plugin_api::Round;
use plugin_api::serde::{Deserialize, Serialize};

/// Something that the publisher should have sent and that did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// A round had no start mark.
    StartMissing,
    /// A round had no end mark.
    EndMissing,
    /// The connection ended within a round.
    Cut,
}

impl Gap {
    /// For the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StartMissing => "a round came without its start mark",
            Self::EndMissing => "a round came without its end mark",
            Self::Cut => "the connection ended within a round",
        }
    }
}

/// What follows from a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Step {
    /// Readers have to be told that the round is over.
    pub closes: bool,
    /// What is missing.
    pub gap: Option<Gap>,
}

/// Where the publisher is in its rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(crate = "plugin_api::serde")]
pub struct Rounds {
    place: Place,
    /// A mark was seen since connecting, so that what is missing now was lost.
    is_settled: bool,
    /// Lists without a start mark were noticed already.
    is_noticed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(crate = "plugin_api::serde")]
enum Place {
    /// Outside of any round.
    #[default]
    Outside,
    /// After a start mark and before the first list.
    Opening,
    /// After a list of a round.
    Within,
}

impl Rounds {
    /// A start mark came.
    pub fn start(&mut self) -> Step {
        let closes = self.place == Place::Within;
        let gap = (self.place != Place::Outside).then_some(Gap::EndMissing);
        *self = Self { place: Place::Opening, is_settled: true, is_noticed: false };
        Step { closes, gap }
    }

    /// An end mark came.
    pub fn end(&mut self) -> Step {
        let closes = self.place == Place::Within;
        let is_missed = self.place == Place::Outside && self.is_settled && !self.is_noticed;
        *self = Self { place: Place::Outside, is_settled: true, is_noticed: false };
        Step { closes, gap: is_missed.then_some(Gap::StartMissing) }
    }

    /// A list came: its place in the round, and what is missing before it.
    pub fn list(&mut self) -> (Round, Option<Gap>) {
        match self.place {
            Place::Opening => {
                self.place = Place::Within;
                (Round { first: true, last: false }, None)
            }
            Place::Within => (Round::MIDDLE, None),
            Place::Outside => {
                let is_new = self.is_settled && !self.is_noticed;
                self.is_noticed = true;
                (Round::WHOLE, is_new.then_some(Gap::StartMissing))
            }
        }
    }

    /// The connection ended.
    pub fn cut(&mut self) -> Step {
        let closes = self.place == Place::Within;
        let gap = (self.place != Place::Outside).then_some(Gap::Cut);
        *self = Self::default();
        Step { closes, gap }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Plays `<` start, `>` end, `.` list, `x` cut; writes what readers see: `[` first, `]` last,
    /// `-` list, and the gaps as `s`, `e`, `c`.
    fn play(stream: &str) -> String {
        let mut rounds = Rounds::default();
        let mut seen = String::new();
        for symbol in stream.chars() {
            let (step, list) = match symbol {
                '<' => (rounds.start(), None),
                '>' => (rounds.end(), None),
                'x' => (rounds.cut(), None),
                _ => {
                    let (round, gap) = rounds.list();
                    (Step { closes: false, gap }, Some(round))
                }
            };
            seen += match step.gap {
                Some(Gap::StartMissing) => "s",
                Some(Gap::EndMissing) => "e",
                Some(Gap::Cut) => "c",
                None => "",
            };
            seen += if step.closes { "]" } else { "" };
            if let Some(round) = list {
                seen += if round.first { "[" } else { "" };
                seen += "-";
                seen += if round.last { "]" } else { "" };
            }
        }
        seen
    }

    #[test]
    fn rounds_are_told_by_marks_and_by_their_absence() {
        let cases = [
            // what comes, what readers see
            ("<..>", "[--]"),
            ("<.><.>", "[-][-]"),
            // nothing to tell of a round without lists
            ("<><>", ""),
            // joined within a round: lists are rounds of their own, and nothing is missing
            ("..><.>", "[-][-][-]"),
            ("><.>", "[-]"),
            ("..", "[-][-]"),
            // the start is missing, told once
            ("<.>..>", "[-]s[-][-]"),
            ("<.>..<.>", "[-]s[-][-][-]"),
            ("<.>>", "[-]s"),
            // the end is missing
            ("<.<.>", "[-e][-]"),
            ("<<.>", "e[-]"),
            // the connection ends
            ("<.x.<.>", "[-c][-][-]"),
            ("<x", "c"),
            ("<.>x.>", "[-][-]"),
        ];
        for (stream, seen) in cases {
            assert_eq!(play(stream), seen, "{stream}");
        }
    }

    proptest! {
        #[test]
        fn rounds_open_and_close_in_turn_and_no_list_is_lost(stream in "[<>.x]{0,60}") {
            let seen = play(&stream);
            let mut is_open = false;
            for symbol in seen.chars() {
                match symbol {
                    '[' => { prop_assert!(!is_open, "{stream} gives {seen}"); is_open = true; }
                    ']' => { prop_assert!(is_open, "{stream} gives {seen}"); is_open = false; }
                    '-' => prop_assert!(is_open, "{stream} gives {seen}"),
                    _ => {}
                }
            }
            prop_assert_eq!(seen.matches('-').count(), stream.matches('.').count());
        }

        #[test]
        fn marks_that_all_arrive_leave_no_gap(lists in prop::collection::vec(0..4_usize, 0..10)) {
            let stream: String = lists.iter().map(|&count| format!("<{}>", ".".repeat(count))).collect();
            prop_assert!(!play(&stream).contains(['s', 'e', 'c']));
        }
    }
}
