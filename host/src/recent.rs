//! The newest of something, each with a number, for any who follow at their own pace.

use std::collections::VecDeque;

/// The newest items; older ones make room.
#[derive(Debug)]
pub struct Recent<T> {
    items: VecDeque<T>,
    most: usize,
    /// Number of the next item.
    next: u64,
}

impl<T: Clone> Recent<T> {
    /// Room for so many.
    pub const fn new(most: usize) -> Self {
        Self { items: VecDeque::new(), most, next: 0 }
    }

    /// Adds an item.
    pub fn push(&mut self, item: T) {
        if self.items.len() >= self.most {
            self.items.pop_front();
        }
        self.items.push_back(item);
        self.next += 1;
    }

    /// The number that the next item gets.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The newest items, at most so many, in order.
    pub fn newest(&self, most: usize) -> Vec<T> {
        self.items.iter().skip(self.items.len().saturating_sub(most)).cloned().collect()
    }

    /// The items from that number on, which moves behind them, and how many of them are gone
    /// already.
    pub fn since(&self, number: &mut u64) -> (Vec<T>, u64) {
        let new = self.next.saturating_sub(std::mem::replace(number, self.next));
        let there = usize::try_from(new).unwrap_or(usize::MAX).min(self.items.len());
        (self.newest(there), new - there as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_follows_is_given_each_item_once_or_told_how_many_are_gone() {
        let mut recent = Recent::new(3);
        let mut number = recent.next();
        assert_eq!(recent.since(&mut number), (vec![], 0));
        (1..=2).for_each(|item| recent.push(item));
        assert_eq!(recent.since(&mut number), (vec![1, 2], 0));
        assert_eq!(recent.since(&mut number), (vec![], 0));
        (3..=7).for_each(|item| recent.push(item));
        assert_eq!(recent.since(&mut number), (vec![5, 6, 7], 2));
        assert_eq!((recent.newest(2), recent.newest(9)), (vec![6, 7], vec![5, 6, 7]));
    }
}
