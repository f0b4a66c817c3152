//! How the times of rows spread over the parts of a store.

use std::collections::{BTreeMap, BTreeSet};

const SECOND_US: i64 = 1_000_000;
const SECONDS_A_MINUTE: i64 = 60;

/// Times that were seen, by second, and the minutes that each part has.
#[derive(Debug, Default)]
pub struct Spread {
    rows_by_second: BTreeMap<i64, u64>,
    /// The second that was seen last, with rows that are not counted yet.
    last: (i64, u64),
    minutes_by_part: Vec<BTreeSet<i64>>,
}

/// A stretch of time, both ends included, microseconds since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its first moment.
    pub from_us: i64,
    /// Its last moment.
    pub to_us: i64,
    /// Rows that were seen in it.
    pub rows: u64,
}

impl Spread {
    /// Begins the next part and gives its number, from 0.
    pub fn begin_part(&mut self) -> usize {
        self.count_last();
        self.minutes_by_part.push(BTreeSet::new());
        self.minutes_by_part.len() - 1
    }

    /// Counts a row of the part that was begun last.
    pub fn note(&mut self, time_us: i64) {
        let second = time_us.div_euclid(SECOND_US);
        if self.last.1 == 0 || self.last.0 != second {
            self.count_last();
            self.last.0 = second;
            let minute = second.div_euclid(SECONDS_A_MINUTE);
            if let Some(minutes) = self.minutes_by_part.last_mut() {
                minutes.insert(minute);
            }
        }
        self.last.1 += 1;
    }

    fn count_last(&mut self) {
        let (second, rows) = std::mem::take(&mut self.last);
        if rows > 0 {
            *self.rows_by_second.entry(second).or_default() += rows;
        }
    }

    /// All that was seen, cut into spans of at most so many rows. What has one second stays
    /// together, however much it is.
    pub fn spans(&mut self, most_rows: u64) -> Vec<Span> {
        self.count_last();
        let mut spans: Vec<Span> = Vec::new();
        for (&second, &rows) in &self.rows_by_second {
            let to_us = (second + 1) * SECOND_US - 1;
            match spans.last_mut().filter(|span| span.rows + rows <= most_rows) {
                Some(span) => {
                    span.to_us = to_us;
                    span.rows += rows;
                }
                None => spans.push(Span { from_us: second * SECOND_US, to_us, rows }),
            }
        }
        spans
    }

    /// Numbers of the parts that may have rows of a span, growing.
    pub fn parts_of(&self, span: &Span) -> Vec<usize> {
        let minute = |us: i64| us.div_euclid(SECOND_US * SECONDS_A_MINUTE);
        let minutes = minute(span.from_us)..=minute(span.to_us);
        let parts = self.minutes_by_part.iter().enumerate();
        parts
            .filter(|(_, seen)| seen.range(minutes.clone()).next().is_some())
            .map(|(part, _)| part)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(parts: &[&[i64]]) -> Spread {
        let mut spread = Spread::default();
        for seconds in parts {
            spread.begin_part();
            seconds.iter().for_each(|second| spread.note(second * SECOND_US + 7));
        }
        spread
    }

    #[test]
    fn spans_hold_all_rows_in_time_order_and_no_more_than_they_may() {
        let mut spread = spread(&[&[5, 6, 7, 7, 1], &[300, 5, 5, -1], &[]]);
        let spans = spread.spans(3);
        let rows: Vec<_> = spans.iter().map(|span| span.rows).collect();
        // a second is never cut
        assert_eq!(rows, [2, 3, 3, 1]);
        assert!(spans.windows(2).all(|pair| pair[0].to_us < pair[1].from_us), "{spans:?}");
        assert_eq!((spans[0].from_us, spans[0].to_us), (-1_000_000, 1_999_999));
        assert_eq!(spread.spans(100).len(), 1);
        assert_eq!(spread.spans(1).iter().map(|span| span.rows).max(), Some(3));
    }

    #[test]
    fn a_span_needs_the_parts_alone_that_have_its_minutes() {
        // the second part has a quote that is old by hours
        let mut spread = spread(&[&[0, 59], &[3_600, 10], &[3_660]]);
        let spans = spread.spans(3);
        assert_eq!(spans.len(), 2);
        assert_eq!(spread.parts_of(&spans[0]), [0, 1]);
        assert_eq!(spread.parts_of(&spans[1]), [1, 2]);
    }

    #[test]
    fn nothing_has_no_span() {
        assert_eq!(spread(&[&[]]).spans(10), []);
    }
}
