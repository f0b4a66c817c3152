//! What waits for one subscriber, and what happens when that is too much.
//!
//! The subscriber joins at a start mark. When a message does not fit, it loses that message and the
//! rest of the round; an end mark in its place closes the round for it. It goes on with the first
//! round that starts while its queue is at most half full, so that it does not lose the end of
//! every round from then on.

use std::collections::VecDeque;

use crate::message::{Message, Place};

/// Queued bytes at which any message fits, however large: marks that have not left yet.
const NEXT_TO_NOTHING: usize = 1024;
/// Most messages handed to one system call.
const GROUP: usize = 64;
/// A system call gets no further message after so many bytes.
const GROUP_BYTES: usize = 256 << 10;

/// State of the subscriber within the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Between rounds.
    Between,
    /// In a round, and it gets all of it.
    Within,
    /// It loses what comes, until a round starts for which there is room.
    Losing,
}

/// What to do with a message that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// Lose it.
    Drop,
    /// Change nothing and answer `Full`.
    Refuse,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// It is queued.
    Queued,
    /// It belongs to a round that the subscriber came too late for.
    NotDue,
    /// It is lost.
    Dropped {
        /// Quotes of the message.
        records: u32,
        /// Whether the subscriber begins to lose messages with this one.
        first: bool,
    },
    /// It does not fit and was refused.
    Full,
}

/// Messages for one subscriber, bounded in bytes.
#[derive(Debug)]
pub struct Queue {
    messages: VecDeque<Message>,
    /// What is queued or being written, bytes.
    bytes: usize,
    limit: usize,
    phase: Phase,
    end: Message,
}

impl Queue {
    /// An empty queue bounded by `limit` bytes; `end` is the end mark.
    pub fn new(limit: usize, end: Message) -> Self {
        Self { messages: VecDeque::new(), bytes: 0, limit, phase: Phase::Between, end }
    }

    /// Whether nothing is queued or being written.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Quotes that are queued and not being written yet.
    pub fn records(&self) -> u64 {
        self.messages.iter().map(|message| u64::from(message.records)).sum()
    }

    /// Bytes queued or being written.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Queues a message if it is due and fits.
    pub fn offer(&mut self, message: &Message, when_full: WhenFull) -> Offered {
        match (self.phase, message.place) {
            (Phase::Between | Phase::Losing, Place::Start) => self.start(message, when_full),
            (Phase::Between, _) => Offered::NotDue,
            (Phase::Losing, _) => Offered::Dropped { records: message.records, first: false },
            (Phase::Within, Place::Data) if !self.fits(message) => match when_full {
                WhenFull::Refuse => Offered::Full,
                WhenFull::Drop => {
                    self.push(self.end.clone());
                    self.phase = Phase::Losing;
                    Offered::Dropped { records: message.records, first: true }
                }
            },
            // a mark costs next to nothing, and each follows a start that did fit
            (Phase::Within, place) => {
                self.push(message.clone());
                if place == Place::End {
                    self.phase = Phase::Between;
                }
                Offered::Queued
            }
        }
    }

    fn start(&mut self, message: &Message, when_full: WhenFull) -> Offered {
        let has_room = match self.phase {
            Phase::Losing if when_full == WhenFull::Drop => self.bytes <= self.limit / 2,
            _ => self.fits(message),
        };
        match (has_room, when_full) {
            (true, _) => {
                self.push(message.clone());
                self.phase = Phase::Within;
                Offered::Queued
            }
            (false, WhenFull::Refuse) => Offered::Full,
            (false, WhenFull::Drop) => {
                let first = self.phase != Phase::Losing;
                self.phase = Phase::Losing;
                Offered::Dropped { records: 0, first }
            }
        }
    }

    fn fits(&self, message: &Message) -> bool {
        self.bytes <= NEXT_TO_NOTHING || self.bytes + message.cost() <= self.limit
    }

    fn push(&mut self, message: Message) {
        self.bytes += message.cost();
        self.messages.push_back(message);
    }

    /// Moves the next messages, `most` of them, into the empty `group`; they count until they are
    /// [`written`].
    ///
    /// [`written`]: Self::written
    pub fn take(&mut self, group: &mut Vec<Message>, most: usize) {
        let mut bytes = 0;
        while group.len() < GROUP.min(most) && bytes < GROUP_BYTES {
            let Some(message) = self.messages.pop_front() else { break };
            bytes += message.cost();
            group.push(message);
        }
    }

    /// Subtracts a group that was written.
    pub fn written(&mut self, group: &[Message]) {
        self.bytes -= group.iter().map(Message::cost).sum::<usize>();
    }
}

#[cfg(test)]
mod tests {
    use plugin_api::{Round, testing};
    use proptest::prelude::*;

    use super::*;
    use crate::message::Messages;

    fn data(messages: &Messages, records: usize) -> Message {
        let batch = testing::spot_batch(records, Round::MIDDLE);
        messages.data(&batch, &mut |_| None).remove(0)
    }

    fn take_all(queue: &mut Queue) -> Vec<Place> {
        let mut places = Vec::new();
        loop {
            let mut group = Vec::new();
            queue.take(&mut group, usize::MAX);
            queue.written(&group);
            places.extend(group.iter().map(|message| message.place));
            if group.is_empty() {
                return places;
            }
        }
    }

    #[test]
    fn who_joins_within_a_round_gets_nothing_until_the_next() {
        let messages = Messages::new(":spot:");
        let mut queue = Queue::new(1 << 20, messages.end.clone());
        assert_eq!(queue.offer(&data(&messages, 1), WhenFull::Drop), Offered::NotDue);
        assert_eq!(queue.offer(&messages.end, WhenFull::Drop), Offered::NotDue);
        for message in [&messages.start, &data(&messages, 1), &messages.end] {
            assert_eq!(queue.offer(message, WhenFull::Drop), Offered::Queued);
        }
        assert_eq!(queue.records(), 1);
        assert_eq!(take_all(&mut queue), [Place::Start, Place::Data, Place::End]);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_full_queue_loses_the_rest_of_the_round_and_resumes_when_half_empty() {
        let messages = Messages::new(":spot:");
        let one = data(&messages, 10);
        let mut queue = Queue::new(4 * one.cost(), messages.end.clone());
        queue.offer(&messages.start, WhenFull::Drop);
        let offered: Vec<_> = (0..5).map(|_| queue.offer(&one, WhenFull::Drop)).collect();
        let queued = Offered::Queued;
        let lost = Offered::Dropped { records: 10, first: false };
        let first_lost = Offered::Dropped { records: 10, first: true };
        let mark_lost = Offered::Dropped { records: 0, first: false };
        assert_eq!(offered, [queued, queued, queued, first_lost, lost]);
        assert_eq!(queue.offer(&messages.end, WhenFull::Drop), mark_lost);
        assert_eq!(queue.offer(&messages.start, WhenFull::Drop), mark_lost);
        assert_eq!(queue.offer(&one, WhenFull::Drop), lost, "still more than half full");
        let places = take_all(&mut queue);
        assert_eq!(places, [Place::Start, Place::Data, Place::Data, Place::Data, Place::End]);
        assert_eq!(queue.offer(&one, WhenFull::Drop), lost, "the round goes on without it");
        assert_eq!(queue.offer(&messages.start, WhenFull::Drop), queued);
        assert_eq!(queue.offer(&one, WhenFull::Drop), queued);
    }

    #[test]
    fn refusing_changes_nothing() {
        let messages = Messages::new(":spot:");
        let one = data(&messages, 10);
        let mut queue = Queue::new(2 * one.cost(), messages.end.clone());
        queue.offer(&messages.start, WhenFull::Refuse);
        assert_eq!(queue.offer(&one, WhenFull::Refuse), Offered::Queued);
        assert_eq!(queue.offer(&one, WhenFull::Refuse), Offered::Full);
        take_all(&mut queue);
        assert_eq!(queue.offer(&one, WhenFull::Refuse), Offered::Queued);
    }

    #[test]
    fn a_message_above_the_bound_passes_through_an_empty_queue() {
        let messages = Messages::new(":spot:");
        let large = data(&messages, 100);
        let mut queue = Queue::new(large.cost() / 2, messages.end.clone());
        queue.offer(&messages.start, WhenFull::Drop);
        assert_eq!(queue.offer(&large, WhenFull::Drop), Offered::Queued);
        let lost = Offered::Dropped { records: 100, first: true };
        assert_eq!(queue.offer(&large, WhenFull::Drop), lost);
    }

    proptest! {
        #[test]
        fn the_stream_is_whole_rounds_within_the_bound(
            steps in prop::collection::vec((0..4_u8, 1..40_usize), 0..200),
            limit in 5_000..40_000_usize,
        ) {
            let messages = Messages::new(":spot:");
            let mut queue = Queue::new(limit, messages.end.clone());
            let (mut bus_open, mut seen) = (false, Vec::new());
            for (step, records) in steps {
                match step {
                    0 => {
                        let mark = if bus_open { &messages.end } else { &messages.start };
                        queue.offer(mark, WhenFull::Drop);
                        bus_open = !bus_open;
                    }
                    1 | 2 if bus_open => { queue.offer(&data(&messages, records), WhenFull::Drop); }
                    1 | 2 => {}
                    _ => {
                        let mut group = Vec::new();
                        queue.take(&mut group, usize::MAX);
                        queue.written(&group);
                        seen.extend(group.iter().map(|message| message.place));
                    }
                }
                let largest = data(&messages, 40).cost();
                prop_assert!(queue.bytes() <= limit.max(NEXT_TO_NOTHING + largest) + 2 * messages.end.cost());
            }
            if bus_open {
                queue.offer(&messages.end, WhenFull::Drop);
            }
            seen.extend(take_all(&mut queue));
            let mut open = false;
            for place in seen {
                match place {
                    Place::Start => { prop_assert!(!open); open = true; }
                    Place::Data => prop_assert!(open),
                    Place::End => { prop_assert!(open); open = false; }
                }
            }
            prop_assert!(!open && queue.is_empty());
        }
    }
}
