//! What was received and not taken yet, bounded in bytes.
//!
//! One thread reads the publisher as fast as it sends ([`feed`](crate::feed)), the host takes when
//! the pipeline has room. What does not fit is dropped here, oldest lists first, and counted,
//! because a publisher that finds its socket full drops it uncounted; or the reader waits, as the
//! options say.

use std::{
    collections::VecDeque,
    io,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use plugin_api::schemas::verify;

use crate::{connection::Connection, options::SlowPipeline, waker::Waker};

/// What an entry counts for besides its bytes.
const OVERHEAD: usize = 128;

/// A message of the publisher, or the end of its connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A start mark.
    Start,
    /// An end mark.
    End,
    /// What should be a list, without its topic.
    List(Vec<u8>),
    /// The connection ended.
    Cut,
}

impl Item {
    /// Quotes of a list, as far as they can be counted.
    pub fn records(&self) -> usize {
        let Self::List(bytes) = self else { return 0 };
        verify::spot_list(bytes).ok().and_then(|list| list.spot()).map_or(0, |spots| spots.len())
    }

    fn cost(&self) -> usize {
        OVERHEAD + if let Self::List(bytes) = self { bytes.len() } else { 0 }
    }
}

/// What the reading thread should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReaderCommand {
    /// Read.
    Run,
    /// Park the connection and wait.
    Pause,
    /// End.
    Stop,
}

/// Shared by the source and its reading thread.
#[derive(Debug)]
pub struct Inbox {
    state: Mutex<State>,
    /// Signalled when items, room, the command or the parked connection change.
    changed: Condvar,
    /// Wakes the reader while it waits for its socket.
    pub waker: Waker,
    limit: usize,
    when_full: SlowPipeline,
}

#[derive(Debug)]
struct State {
    items: VecDeque<Item>,
    /// Items at the front that are known to be no lists.
    marks: usize,
    bytes: usize,
    command: ReaderCommand,
    /// What a pausing reader parked; the inner one is absent when it had none.
    parked: Option<Option<Connection>>,
}

impl State {
    /// Whether a mark adds nothing to those at the back: a repeated mark is a fault that is
    /// reported once, and a round that is closed right after it was opened held nothing.
    fn is_redundant(&mut self, item: &Item) -> bool {
        let mut back = self.items.iter().rev();
        let (last, before) = (back.next(), back.next());
        match item {
            Item::List(_) => false,
            Item::End if last == Some(&Item::Start) && before == Some(&Item::End) => {
                self.items.pop_back();
                self.marks = self.marks.min(self.items.len());
                self.bytes -= Item::Start.cost();
                true
            }
            mark => last == Some(mark) && before == Some(mark),
        }
    }

    /// Takes out the list that came first.
    fn oldest_list(&mut self) -> Option<Item> {
        let from = self.marks.min(self.items.len());
        let found = self.items.range(from..).position(|it| matches!(it, Item::List(_)));
        self.marks = found.map_or(self.items.len(), |found| from + found);
        found.and_then(|_| self.items.remove(self.marks))
    }
}

impl Inbox {
    /// An empty one that holds at most `limit` bytes.
    ///
    /// # Errors
    /// When the process has no file descriptor left.
    pub fn new(limit: usize, when_full: SlowPipeline) -> io::Result<Self> {
        let state = State {
            items: VecDeque::new(),
            marks: 0,
            bytes: 0,
            command: ReaderCommand::Run,
            parked: None,
        };
        let (state, changed, waker) = (Mutex::new(state), Condvar::new(), Waker::new()?);
        Ok(Self { state, changed, waker, limit, when_full })
    }

    /// Appends an item; returns what was dropped to make room for it. Redundant marks are not kept.
    ///
    /// With `slow_pipeline = "wait"` it blocks while there is no room, unless the reader should
    /// stop or pause.
    pub fn put(&self, item: Item) -> Vec<Item> {
        let mut state = self.lock();
        if state.is_redundant(&item) {
            return Vec::new();
        }
        let cost = item.cost();
        if self.when_full == SlowPipeline::Wait {
            while state.command == ReaderCommand::Run
                && state.bytes > 0
                && state.bytes + cost > self.limit
            {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
        let mut lost = Vec::new();
        if self.when_full == SlowPipeline::Drop {
            while state.bytes + cost > self.limit
                && let Some(oldest) = state.oldest_list()
            {
                state.bytes -= oldest.cost();
                lost.push(oldest);
            }
            if state.bytes > 0 && state.bytes + cost > self.limit {
                lost.push(item); // full of marks
                return lost;
            }
        }
        state.bytes += cost;
        state.items.push_back(item);
        drop(state);
        self.changed.notify_all();
        lost
    }

    /// Appends items of the instance before, whatever the bound.
    pub fn restore(&self, items: Vec<Item>) {
        let mut state = self.lock();
        state.bytes += items.iter().map(Item::cost).sum::<usize>();
        state.items.extend(items);
    }

    /// The oldest item; waits for one until the moment.
    pub fn take(&self, until: Instant) -> Option<Item> {
        let left = until.saturating_duration_since(Instant::now());
        let waited = self.changed.wait_timeout_while(self.lock(), left, |it| it.items.is_empty());
        self.pop(waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Takes the oldest item if it is an end mark.
    pub fn take_end(&self) -> bool {
        let state = self.lock();
        state.items.front() == Some(&Item::End) && self.pop(state).is_some()
    }

    fn pop(&self, mut state: MutexGuard<'_, State>) -> Option<Item> {
        let item = state.items.pop_front()?;
        state.marks = state.marks.saturating_sub(1);
        state.bytes -= item.cost();
        drop(state);
        self.changed.notify_all();
        Some(item)
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// All items, which stay.
    pub fn items(&self) -> Vec<Item> {
        self.lock().items.iter().cloned().collect()
    }

    /// Quotes in all items, as far as they can be counted.
    pub fn records(&self) -> usize {
        self.lock().items.iter().map(Item::records).sum()
    }

    /// What the reader should do.
    pub fn command(&self) -> ReaderCommand {
        self.lock().command
    }

    /// Tells the reader what to do.
    pub fn set_command(&self, command: ReaderCommand) {
        let mut state = self.lock();
        if command == ReaderCommand::Run {
            self.waker.reset();
        }
        state.command = command;
        drop(state);
        if command != ReaderCommand::Run {
            self.waker.wake();
        }
        self.changed.notify_all();
    }

    /// Parks the connection while the reader should pause, and returns it.
    pub fn park(&self, connection: Option<Connection>) -> Option<Connection> {
        let mut state = self.lock();
        state.parked = Some(connection);
        self.changed.notify_all();
        while state.command == ReaderCommand::Pause {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.parked.take().flatten()
    }

    /// Calls `look` with the connection that a pausing reader parked, and waits for that at most so
    /// long; `None` when it did not.
    pub fn with_parked<T>(
        &self,
        at_most: Duration,
        look: impl FnOnce(Option<&Connection>) -> T,
    ) -> Option<T> {
        let waited =
            self.changed.wait_timeout_while(self.lock(), at_most, |it| it.parked.is_none());
        let state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.parked.as_ref().map(|connection| look(connection.as_ref()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const LIST: usize = 1000;
    const COST: usize = LIST + OVERHEAD;

    fn list(number: u8) -> Item {
        Item::List(vec![number; LIST])
    }

    fn inbox(lists: usize, when_full: SlowPipeline) -> Inbox {
        Inbox::new(lists * COST + 3 * OVERHEAD, when_full).unwrap()
    }

    #[test]
    fn the_oldest_lists_make_room_and_marks_stay() {
        let inbox = inbox(2, SlowPipeline::Drop);
        for item in [Item::Start, list(1), list(2), Item::End] {
            assert!(inbox.put(item).is_empty());
        }
        assert_eq!(inbox.put(list(3)), [list(1)]);
        assert_eq!(inbox.items(), [Item::Start, list(2), Item::End, list(3)]);
        assert!(inbox.bytes() <= inbox.limit);
    }

    #[test]
    fn a_flood_of_marks_is_bounded() {
        let inbox = inbox(1, SlowPipeline::Drop);
        let flood = [Item::Start, Item::Start, Item::End, Item::End];
        let lost = (0..1000).filter(|it| !inbox.put(flood[it % 4].clone()).is_empty()).count();
        assert!(inbox.bytes() <= inbox.limit && lost > 900);
        assert!(inbox.put(list(1)).len() == 1, "full of marks");
    }

    #[test]
    fn marks_that_say_nothing_new_take_no_room() {
        let inbox = inbox(1000, SlowPipeline::Drop);
        inbox.put(list(1));
        inbox.put(Item::End);
        for _ in 0..10_000 {
            inbox.put(Item::Start);
            inbox.put(Item::End);
        }
        assert_eq!(inbox.items(), [list(1), Item::End]);
        for mark in [Item::Start, Item::Cut, Item::End, Item::Start] {
            (0..10_000).for_each(|_| assert!(inbox.put(mark.clone()).is_empty()));
        }
        assert!(inbox.items().len() <= 10, "{:?}", inbox.items());
    }

    #[test]
    fn a_buffer_full_of_marks_is_not_searched_again_for_every_list() {
        const MARKS: usize = 300_000;
        let inbox = Inbox::new((MARKS + 2) * OVERHEAD + 2 * LIST, SlowPipeline::Drop).unwrap();
        let flood = [Item::Start, Item::Start, Item::End, Item::End];
        (0..MARKS).for_each(|it| drop(inbox.put(flood[it % 4].clone())));
        let begun = Instant::now();
        let lost: usize = (0..20_000).map(|_| inbox.put(list(1)).len()).sum();
        assert_eq!(lost, 20_000 - 2);
        // 6,000,000,000 looks at marks take far longer
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    }

    #[test]
    fn a_list_that_is_larger_than_the_bound_passes_alone() {
        for when_full in [SlowPipeline::Drop, SlowPipeline::Wait] {
            let inbox = Inbox::new(LIST / 2, when_full).unwrap();
            assert!(inbox.put(list(1)).is_empty());
            assert_eq!(inbox.take(Instant::now()), Some(list(1)));
            assert_eq!(inbox.bytes(), 0);
        }
    }

    #[test]
    fn the_reader_waits_for_room_when_told_so_and_no_longer_when_it_should_stop() {
        let inbox = inbox(1, SlowPipeline::Wait);
        inbox.put(list(1));
        thread::scope(|scope| {
            let reader = scope.spawn(|| (inbox.put(list(2)), inbox.put(list(3))));
            let patience = Instant::now() + Duration::from_secs(20);
            assert_eq!(inbox.take(patience), Some(list(1)));
            // the second fits now; the third does not
            while inbox.items() != [list(2)] {
                assert!(Instant::now() < patience);
                thread::yield_now();
            }
            inbox.set_command(ReaderCommand::Stop);
            assert_eq!(reader.join().unwrap(), (Vec::new(), Vec::new()));
        });
        assert_eq!(inbox.items(), [list(2), list(3)]);
    }
}
