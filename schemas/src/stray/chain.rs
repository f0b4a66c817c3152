//! Which of some quotes follow each other.

use std::{collections::HashSet, hash::Hash, ops::Range};

use super::STEP_US;
use crate::time::SECOND_US;

/// Quotes at most so far apart lie close to each other.
const DENSE_US: i64 = 5 * 60 * SECOND_US;

/// Whether quotes of those times lie close to each other.
fn are_close(one_us: i64, other_us: i64) -> bool {
    one_us.abs_diff(other_us) <= DENSE_US.unsigned_abs()
}

/// How many of the times, which are in order, lie close to one of them.
pub fn close_to(time_us: i64, times_us: &[i64]) -> usize {
    let until = times_us.partition_point(|it| *it <= time_us.saturating_add(DENSE_US));
    until - times_us.partition_point(|it| *it < time_us.saturating_sub(DENSE_US))
}

/// Places of the longest chain of times, in the order of arrival, of which none lies more than a
/// step behind the one before it; of equally long ones that which ends first. Each time comes with
/// whether it adds to the length, which one that comes again does not.
pub fn longest(stamps: &[(i64, bool)]) -> Vec<usize> {
    // length of the longest chain that ends with a time, and the place before it
    let mut ends: Vec<(usize, Option<usize>)> = Vec::with_capacity(stamps.len());
    for (at, (time_us, is_new)) in stamps.iter().enumerate() {
        let before = (0..at).filter(|it| time_us.saturating_sub(stamps[*it].0) >= -STEP_US);
        // of equally long ones the nearest
        let best = before.max_by_key(|it| (ends[*it].0, stamps[*it].0.min(*time_us)));
        ends.push((best.map_or(0, |it| ends[it].0) + usize::from(*is_new), best));
    }
    let last = (0..ends.len()).max_by_key(|at| (ends[*at].0, std::cmp::Reverse(stamps[*at].0)));
    let mut chain: Vec<_> = std::iter::successors(last, |at| ends[*at].1).collect();
    chain.reverse();
    chain
}

/// Which part of a chain, given with the securities, is confirmed: from the first to the last stretch
/// of quotes close to each other of which `enough` differ. Without such a stretch, all of it when
/// `enough_apart` differ.
pub fn confirmed<K: Eq + Hash>(
    stamps: &[(K, i64)],
    enough: usize,
    enough_apart: usize,
) -> Option<Range<usize>> {
    let differ = |stamps: &[(K, i64)]| stamps.iter().collect::<HashSet<_>>().len();
    let (mut confirmed, mut end) = (None::<Range<usize>>, 0);
    for stretch in stamps.chunk_by(|one, next| are_close(one.1, next.1)) {
        let start = end;
        end += stretch.len();
        if differ(stretch) >= enough {
            confirmed = Some(confirmed.map_or(start, |it| it.start)..end);
        }
    }
    confirmed.or_else(|| (differ(stamps) >= enough_apart).then_some(0..stamps.len()))
}

/// Whether a chain has so many quotes, and all are close to each other.
pub fn are_repeated<K>(stamps: &[(K, i64)], enough: usize) -> bool {
    stamps.len() >= enough && stamps.windows(2).all(|pair| are_close(pair[0].1, pair[1].1))
}

/// How many times at the end grow from one to the next.
pub fn in_a_row(times_us: &[i64]) -> usize {
    let grows = times_us.windows(2).rev().take_while(|pair| pair[0] < pair[1]).count();
    if times_us.is_empty() { 0 } else { grows + 1 }
}

/// Whether no time is before the one before it.
pub fn is_in_order(times_us: &[i64]) -> bool {
    times_us.is_sorted()
}
