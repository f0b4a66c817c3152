//! What waits to be sent to one target, bounded.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::book::Notice;

/// Notices that wait; of more, the oldest go and are counted.
const MAX_WAITING: usize = 200;
/// How long a target is still tried once the host ends.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// What waits to be sent to one target.
#[derive(Debug, Default)]
pub struct Outbox {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Notice>,
    left_out: u64,
    /// Nothing more comes, since then.
    closed: Option<Instant>,
}

impl State {
    fn push(&mut self, notice: Notice) {
        if self.waiting.len() == MAX_WAITING {
            self.waiting.pop_front();
            self.left_out += 1;
        }
        self.waiting.push_back(notice);
    }

    /// When waits end, once nothing more comes.
    fn end(&self) -> Option<Instant> {
        self.closed.map(|closed| closed + LAST_WAIT)
    }
}

impl Outbox {
    /// Adds notices; never blocks.
    pub fn put(&self, notices: &[Notice]) {
        let mut state = self.lock();
        notices.iter().cloned().for_each(|notice| state.push(notice));
        self.changed.notify_all();
    }

    /// Nothing more comes: what waits is sent within some seconds, or never.
    pub fn close(&self) {
        self.lock().closed.get_or_insert_with(Instant::now);
        self.changed.notify_all();
    }

    /// Waits until something is to be sent; false when nothing will ever be.
    pub fn wait(&self) -> bool {
        let state = self.lock();
        let is_idle = |state: &mut State| state.waiting.is_empty() && state.closed.is_none();
        let state = self.changed.wait_while(state, is_idle);
        !state.unwrap_or_else(PoisonError::into_inner).waiting.is_empty()
    }

    /// All that waits, and how much was left out before; it waits on until it is [done].
    ///
    /// [done]: Self::done
    pub fn waiting(&self) -> (Vec<Notice>, u64) {
        let state = self.lock();
        (state.waiting.iter().cloned().collect(), state.left_out)
    }

    /// Takes out what was sent, or never will be, and forgets so much of what was left out.
    pub fn done(&self, sent: &[Notice], left_out: u64) {
        let mut state = self.lock();
        // meanwhile the oldest of them may have gone to make room
        for notice in sent {
            if state.waiting.front() == Some(notice) {
                state.waiting.pop_front();
            }
        }
        state.left_out = state.left_out.saturating_sub(left_out);
    }

    /// Pauses; false when the time of the last attempts is over.
    pub fn pause(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            if state.end().is_some_and(|end| now >= end) {
                return false;
            }
            let is_over = state.closed.is_some() && state.waiting.is_empty();
            if now >= until || is_over {
                return true;
            }
            let next = state.end().map_or(until, |end| end.min(until));
            let waited = self.changed.wait_timeout(state, next - now);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use dataserver_config::AlarmRule;

    use super::*;

    fn notice(since_us: i64) -> Notice {
        let component = "lake".to_owned();
        let rule = AlarmRule::StoreAway;
        Notice { rule, component, since_us, until_us: None, detail: String::new() }
    }

    #[test]
    fn what_waits_is_bounded_and_what_goes_for_it_is_counted() {
        let outbox = Outbox::default();
        let many: Vec<_> = (0..250).map(notice).collect();
        outbox.put(&many);
        let (waiting, left_out) = outbox.waiting();
        assert_eq!((waiting.len(), left_out, waiting[0].since_us), (200, 50, 50));
        // while the first ten are sent, five more come and take the room of five of them
        outbox.put(&(250..255).map(notice).collect::<Vec<_>>());
        outbox.done(&waiting[..10], left_out);
        let (waiting, left_out) = outbox.waiting();
        assert_eq!((waiting.len(), left_out, waiting[0].since_us), (195, 5, 60));
    }

    #[test]
    fn once_nothing_more_comes_what_waits_is_still_there_and_pauses_end() {
        let outbox = Outbox::default();
        outbox.put(&[notice(1)]);
        outbox.close();
        assert!(outbox.wait());
        assert!(outbox.pause(Duration::from_millis(1)), "there is still time");
        outbox.done(&outbox.waiting().0, 0);
        assert!(outbox.pause(Duration::from_secs(3_600)), "nothing is left to wait for");
        assert!(!outbox.wait());
        outbox.put(&[notice(1)]);
        let past = Instant::now().checked_sub(LAST_WAIT).unwrap();
        outbox.lock().closed = Some(past);
        assert!(!outbox.pause(Duration::from_secs(3_600)));
    }
}
