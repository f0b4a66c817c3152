//! Who watches components by `tap`: they are readers, too.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
};

use dataserver_engine::clock::{Clock, SystemClock};
use plugin_api::{ActionKind, Reader, ReaderKind};

/// How a line begins that tells what a watcher missed.
const MISSED: &[u8] = b"{\"missed\":";

/// All who watch.
#[derive(Debug, Default)]
pub struct Watching {
    /// By a number that is never given twice.
    by_number: Mutex<BTreeMap<u64, Arc<Watched>>>,
    last: AtomicU64,
}

/// One who watches, until this is dropped.
#[derive(Debug)]
pub struct Watcher {
    watching: Arc<Watching>,
    number: u64,
    watched: Arc<Watched>,
}

/// What is known of one.
#[derive(Debug)]
struct Watched {
    component: String,
    address: String,
    since_us: i64,
    records: AtomicU64,
    lost: AtomicU64,
    /// Microseconds since 1970 UTC; 0 before the first record.
    last_record_us: AtomicI64,
    is_ended: AtomicBool,
}

impl Watching {
    /// Adds one who watches that component, from that address.
    pub fn add(self: &Arc<Self>, component: &str, address: String) -> Watcher {
        let watched = Arc::new(Watched {
            component: component.to_owned(),
            address,
            since_us: SystemClock.now_us(),
            records: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            last_record_us: AtomicI64::new(0),
            is_ended: AtomicBool::new(false),
        });
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        self.lock().insert(number, Arc::clone(&watched));
        Watcher { watching: Arc::clone(self), number, watched }
    }

    /// All of them, each with the id of the component that it watches.
    pub fn list(&self) -> Vec<(String, Reader)> {
        let reader = |(number, watched): (&u64, &Arc<Watched>)| {
            let last_us = watched.last_record_us.load(Ordering::Relaxed);
            let reader = Reader {
                address: watched.address.clone(),
                since_us: Some(watched.since_us),
                records: Some(watched.records.load(Ordering::Relaxed)),
                lost: watched.lost.load(Ordering::Relaxed),
                last_record_us: (last_us > 0).then_some(last_us),
                ..Reader::new(ReaderKind::Watcher, format!("tap-{number}"))
            };
            (watched.component.clone(), reader.can(ActionKind::Disconnect))
        };
        self.lock().iter().map(reader).collect()
    }

    /// Ends one, by component and id; false when it is not there any more.
    pub fn disconnect(&self, component: &str, reader: &str) -> bool {
        let number = reader.strip_prefix("tap-").and_then(|it| it.parse::<u64>().ok());
        let by_number = self.lock();
        let watched = number.and_then(|number| by_number.get(&number));
        let watched = watched.filter(|it| it.component == component);
        watched.is_some_and(|it| !it.is_ended.swap(true, Ordering::Relaxed))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Watched>>> {
        self.by_number.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher {
    /// Whether somebody has ended it.
    pub fn is_ended(&self) -> bool {
        self.watched.is_ended.load(Ordering::Relaxed)
    }

    /// Counts lines that it is sent.
    pub fn note(&self, lines: &[u8]) {
        if let Some(rest) = lines.strip_prefix(MISSED) {
            let digits = rest.iter().take_while(|it| it.is_ascii_digit());
            let missed = digits.fold(0_u64, |sum, digit| {
                sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
            });
            self.watched.lost.fetch_add(missed, Ordering::Relaxed);
            return;
        }
        let records = lines.iter().filter(|it| **it == b'\n').count() as u64;
        self.watched.records.fetch_add(records, Ordering::Relaxed);
        self.watched.last_record_us.store(SystemClock.now_us(), Ordering::Relaxed);
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.watching.lock().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watcher_is_listed_with_what_it_was_sent_until_it_leaves_or_is_ended() {
        let watching = Arc::new(Watching::default());
        let first = watching.add("qq", "127.0.0.1:1".to_owned());
        let second = watching.add("lake", "127.0.0.1:2".to_owned());
        first.note(b"{\"kind\":\"spot\"}\n{\"kind\":\"spot\"}\n");
        first.note(b"{\"missed\":12}\n");
        let listed = watching.list();
        let shown: Vec<_> = listed
            .iter()
            .map(|(component, it)| (component.as_str(), it.id.as_str(), it.records, it.lost))
            .collect();
        assert_eq!(shown, [("qq", "tap-1", Some(2), 12), ("lake", "tap-2", Some(0), 0)]);
        assert!(!watching.disconnect("lake", "tap-1") && !watching.disconnect("qq", "tap-9"));
        assert!(watching.disconnect("qq", "tap-1") && first.is_ended() && !second.is_ended());
        assert!(!watching.disconnect("qq", "tap-1"), "it is ended once");
        drop(first);
        assert_eq!(watching.list().len(), 1);
    }
}
