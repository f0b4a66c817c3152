//! Who watches the records of components as they pass.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use plugin_api::{Batch, RecordKind, Symbol};

use super::{Key, lines::Lines};

/// Most text that waits for a watcher, bytes; the line that exceeds it is the last one.
const MAX_WAITING: usize = 1 << 20;
/// Lines are joined up to so many bytes.
const JOINED: usize = 64 << 10;

/// What a watcher wants to see.
#[derive(Debug, Clone, Default)]
pub struct TapRequest {
    /// The components whose records it wants.
    pub components: Vec<String>,
    /// The kind of records; all kinds unless given.
    pub kind: Option<RecordKind>,
    /// The securities; all when there are none.
    pub symbols: HashSet<Key>,
    /// The columns; all when there are none.
    pub fields: Vec<String>,
    /// It ends after so many records.
    pub limit: Option<u64>,
}

/// The watcher's end: what it gets, in parts. Dropping it ends the watch.
#[derive(Debug)]
pub struct Tap(Arc<Watcher>);

/// The observer's end. What waits for a watcher is bounded, and nobody waits for it.
#[derive(Debug)]
pub(super) struct Watcher {
    request: TapRequest,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    components: Vec<String>,
    parts: VecDeque<Part>,
    bytes: usize,
    /// Records until the limit.
    left: u64,
    waker: Option<Waker>,
}

#[derive(Debug)]
enum Part {
    Lines(Vec<u8>),
    Missed(u64),
}

impl Tap {
    pub(super) fn new(request: TapRequest) -> (Self, Arc<Watcher>) {
        let state = State {
            components: request.components.clone(),
            parts: VecDeque::new(),
            bytes: 0,
            left: request.limit.unwrap_or(u64::MAX),
            waker: None,
        };
        let watcher = Arc::new(Watcher { request, state: Mutex::new(state) });
        (Self(Arc::clone(&watcher)), watcher)
    }

    /// The next lines of JSON: records, or `{"missed":N}` where so many passed that are not among
    /// them. `None` once the limit is reached.
    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Vec<u8>>> {
        let mut state = self.0.lock();
        match state.parts.pop_front() {
            Some(Part::Lines(lines)) => {
                state.bytes -= lines.len();
                Poll::Ready(Some(lines))
            }
            Some(Part::Missed(records)) => {
                Poll::Ready(Some(format!("{{\"missed\":{records}}}\n").into_bytes()))
            }
            None if state.left == 0 => Poll::Ready(None),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Watches other components from now on.
    pub fn set_components(&self, components: Vec<String>) {
        self.0.lock().components = components;
    }
}

impl Watcher {
    /// Whether it wants records of that component.
    pub fn wants(&self, component: &str) -> bool {
        let state = self.lock();
        state.left > 0 && state.components.iter().any(|it| it == component)
    }

    /// Takes the records of a batch that it wants.
    pub fn take(&self, component: &str, batch: &Batch) {
        let TapRequest { kind, symbols, fields, .. } = &self.request;
        if kind.is_some_and(|kind| kind != batch.kind()) {
            return;
        }
        let wants = |symbol: Symbol<'_>| {
            symbols.is_empty() || Key::of(symbol).is_some_and(|key| symbols.contains(&key))
        };
        let (most, max_bytes) = self.room();
        let mut lines = Vec::new();
        // without the lock: whoever reads does not wait for it
        let written = batch.with_records(Lines {
            kind: batch.kind(),
            component,
            fields,
            wants,
            most,
            max_bytes,
            out: &mut lines,
        });
        let mut state = self.lock();
        state.left = state.left.saturating_sub(written.lines);
        state.add_lines(lines);
        state.add_missed(written.left_out);
        state.wake();
    }

    /// Records passed that were not looked at.
    pub fn miss(&self, records: u64) {
        let mut state = self.lock();
        state.add_missed(records);
        state.wake();
    }

    /// Records until the limit, and bytes until the bound.
    fn room(&self) -> (u64, usize) {
        let state = self.lock();
        (state.left, MAX_WAITING.saturating_sub(state.bytes))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add_lines(&mut self, lines: Vec<u8>) {
        if lines.is_empty() {
            return;
        }
        self.bytes += lines.len();
        match self.parts.back_mut() {
            Some(Part::Lines(last)) if last.len() + lines.len() <= JOINED => last.extend(lines),
            _ => self.parts.push_back(Part::Lines(lines)),
        }
    }

    /// Notes it behind what waits, at the place where it was missed.
    fn add_missed(&mut self, records: u64) {
        if records == 0 {
            return;
        }
        match self.parts.back_mut() {
            Some(Part::Missed(before)) => *before = before.saturating_add(records),
            _ => self.parts.push_back(Part::Missed(records)),
        }
    }

    fn wake(&mut self) {
        if (!self.parts.is_empty() || self.left == 0)
            && let Some(waker) = self.waker.take()
        {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use plugin_api::{
        Round,
        testing::{bar_batch, spot_batch},
    };

    use super::*;

    fn tap(request: TapRequest) -> (Tap, Arc<Watcher>) {
        Tap::new(TapRequest { components: vec!["day".to_owned()], ..request })
    }

    /// All that waits, as text; `None` once it has ended.
    fn read(tap: &Tap) -> Option<String> {
        let mut text = String::new();
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            match tap.poll_next(&mut cx) {
                Poll::Ready(Some(part)) => text += &String::from_utf8(part).unwrap(),
                Poll::Ready(None) if text.is_empty() => return None,
                Poll::Ready(None) | Poll::Pending => return Some(text),
            }
        }
    }

    #[test]
    fn a_watcher_gets_what_it_asked_for() {
        let symbols = HashSet::from([Key::parse("600001.SH").unwrap()]);
        let kind = Some(RecordKind::Spot);
        let (tap, watcher) = tap(TapRequest { symbols, kind, ..TapRequest::default() });
        assert!(watcher.wants("day") && !watcher.wants("other"));
        watcher.take("day", &spot_batch(3, Round::WHOLE));
        watcher.take("day", &bar_batch());
        let text = read(&tap).unwrap();
        assert_eq!((text.lines().count(), text.matches("600001.SH").count()), (1, 1));
        tap.set_components(vec!["other".to_owned()]);
        assert!(!watcher.wants("day") && watcher.wants("other"));
    }

    #[test]
    fn it_ends_at_the_limit() {
        let (tap, watcher) = tap(TapRequest { limit: Some(4), ..TapRequest::default() });
        watcher.take("day", &spot_batch(3, Round::WHOLE));
        assert_eq!(read(&tap).unwrap().lines().count(), 3);
        watcher.take("day", &spot_batch(3, Round::WHOLE));
        assert!(!watcher.wants("day"));
        assert_eq!(read(&tap).unwrap().lines().count(), 1);
        assert_eq!(read(&tap), None);
    }

    #[test]
    fn one_that_does_not_read_costs_a_bounded_room_and_is_told_what_it_missed_where_it_did() {
        let (tap, watcher) = tap(TapRequest::default());
        let batch = spot_batch(500, Round::WHOLE);
        for _ in 0..100 {
            watcher.take("day", &batch);
        }
        assert!(watcher.lock().bytes < MAX_WAITING + 1_000);
        watcher.miss(7);
        let text = read(&tap).unwrap();
        let lines = text.lines().count() as u64 - 1;
        let missed = format!("{{\"missed\":{}}}", 50_000 - lines + 7);
        assert_eq!(text.lines().last(), Some(missed.as_str()));
        // who reads on is given records again, behind what it missed
        watcher.take("day", &batch);
        assert_eq!(read(&tap).unwrap().lines().count(), 500);
        watcher.miss(2);
        watcher.take("day", &spot_batch(1, Round::WHOLE));
        assert!(read(&tap).unwrap().starts_with("{\"missed\":2}\n{\"kind\""));
    }
}
