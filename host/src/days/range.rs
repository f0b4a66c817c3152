//! Which days are asked for.

use ::days::Day;

/// Days that are shown when no first one is named: a quarter.
const USUAL: i64 = 92;
/// Days of one question.
const MOST: i64 = 4_000;

/// Some days, both inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first one.
    pub from: Day,
    /// The last one, no earlier.
    pub to: Day,
    /// The first one was named.
    is_from_named: bool,
}

impl Range {
    /// From the one day to the other; without them the last quarter up to today.
    ///
    /// # Errors
    /// When the first one lies behind the last one, or there are too many between.
    pub fn new(from: Option<Day>, to: Option<Day>, now_us: i64) -> Result<Self, String> {
        let last = to.unwrap_or_else(|| Day::of(now_us).max(from.unwrap_or(Day(i64::MIN))));
        let first = from.unwrap_or(Day(last.0.saturating_sub(USUAL - 1)));
        if first > last {
            return Err(format!("from {first} is after to {last}; swap them"));
        }
        if last.0 - first.0 >= MOST {
            return Err(format!("{first} to {last} are more than {MOST} days; ask for fewer"));
        }
        Ok(Self { from: first, to: last, is_from_named: from.is_some() })
    }

    /// Those from the first one on of which something is known, unless the first one was named;
    /// `None` when that leaves none.
    pub fn known(self, span: Option<(Day, Day)>) -> Option<Self> {
        if self.is_from_named {
            return Some(self);
        }
        let (first, _) = span?;
        let from = self.from.max(first);
        (from <= self.to).then_some(Self { from, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(of_january: i64) -> Day {
        Day("2026-01-01".parse::<Day>().unwrap().0 + of_january - 1)
    }

    fn range(from: Option<i64>, to: Option<i64>) -> Result<(i64, i64), String> {
        // the 5th, at three in the afternoon
        let now_us = day(5).start_us() + 15 * 3_600_000_000;
        let range = Range::new(from.map(day), to.map(day), now_us)?;
        Ok((range.from.0 - day(0).0, range.to.0 - day(0).0))
    }

    #[test]
    fn without_days_it_is_the_last_quarter_up_to_today() {
        assert_eq!(range(None, None), Ok((-86, 5)));
        assert_eq!(range(Some(2), None), Ok((2, 5)));
        assert_eq!(range(Some(9), None), Ok((9, 9)));
        assert_eq!(range(None, Some(1)), Ok((-90, 1)));
        assert!(range(Some(5), Some(4)).unwrap_err().contains("2026-01-04; swap"));
        assert!(range(Some(-4_000), Some(1)).unwrap_err().contains("fewer"));
    }

    #[test]
    fn days_before_the_first_one_known_are_shown_when_they_are_asked_for() {
        let known = |from: Option<i64>, span| {
            let range = Range::new(from.map(day), Some(day(9)), 0).unwrap().known(span);
            range.map(|range| range.from)
        };
        let span = Some((day(3), day(7)));
        assert_eq!((known(None, span), known(Some(1), span)), (Some(day(3)), Some(day(1))));
        assert_eq!((known(None, None), known(Some(1), None)), (None, Some(day(1))));
        assert_eq!(known(None, Some((day(10), day(12)))), None);
    }
}
