//! The readers that components told of, with what they had lately, and those who have gone.

use std::collections::{BTreeMap, BTreeSet};

use plugin_api::{ActionKind, Reader, ReaderKind};
use serde::Serialize;
use serde_json::Value;

use super::rules::{self, History, Sample, State, Trend};

const SECOND_US: i64 = 1_000_000;
/// How long who has gone is shown.
const GONE_SHOWN_US: i64 = 5 * 60 * SECOND_US;
/// Who was there for less leaves no trace: some make a connection for every question.
const SHORTEST_STAY_US: i64 = 5 * SECOND_US;
/// Most readers that are shown after they have gone; the last ones.
const MAX_GONE: usize = 200;
/// Most readers at one time.
const MAX_READERS: usize = 10_000;

/// What a component told, or why it did not.
pub type Told = (String, Result<Vec<Reader>, String>);

/// All readers, by component and by their id there.
#[derive(Debug, Default)]
pub struct Book {
    known: BTreeMap<(String, String), Known>,
    left_out: usize,
}

#[derive(Debug)]
struct Known {
    reader: Reader,
    history: History,
    first_us: i64,
    seen_us: i64,
    /// Its component does not answer now.
    is_old: bool,
    gone_us: Option<i64>,
}

/// A reader as it is shown; what is not known is `null`.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// `COMPONENT/READER`
    pub id: String,
    /// The component that told of it.
    pub component: String,
    /// How it reads.
    pub kind: ReaderKind,
    name: String,
    address: String,
    group: Option<String>,
    state: State,
    since_us: Option<i64>,
    records: Option<u64>,
    rate: Option<f64>,
    lag_records: Option<u64>,
    lag_seconds: Option<f64>,
    trend: Trend,
    pending: Option<u64>,
    lost: u64,
    securities: Option<u64>,
    acknowledged: Option<u64>,
    success_rate: Option<f64>,
    errors: u64,
    last_record_us: Option<i64>,
    last_error: Option<String>,
    /// Its component does not answer now: this is what it told last.
    old: bool,
    /// When it was told.
    seen_us: i64,
    /// What can be done with it (`true`), and what cannot, with the reason.
    pub actions: BTreeMap<ActionKind, Value>,
}

/// All readers, with what is to be known about the list.
#[derive(Debug, Default, Serialize)]
pub struct Listing {
    now_us: i64,
    /// Each of them.
    pub readers: Vec<Row>,
    /// Components that do not answer now, and why.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    not_told: BTreeMap<String, String>,
    /// Readers that are too many to be shown.
    #[serde(skip_serializing_if = "is_zero")]
    left_out: usize,
}

impl Book {
    /// Takes in what all components told at a time, and lists everybody.
    pub fn take(&mut self, told: Vec<Told>, now_us: i64) -> Listing {
        let (mut here, mut not_told) = (BTreeSet::new(), BTreeMap::new());
        self.left_out = 0;
        for (component, readers) in told {
            match readers {
                Ok(readers) => readers.into_iter().for_each(|reader| {
                    here.extend(self.see(&component, reader, now_us));
                }),
                Err(why) => {
                    let of_it = self.known.iter_mut().filter(|((of, _), _)| *of == component);
                    for (key, known) in of_it {
                        known.is_old = true;
                        here.insert(key.clone());
                    }
                    not_told.insert(component, why);
                }
            }
        }
        for (key, known) in &mut self.known {
            if known.gone_us.is_none() && !here.contains(key) {
                (known.gone_us, known.is_old) = (Some(now_us), false);
            }
        }
        self.forget(now_us);
        let readers = self.known.iter().map(|((component, id), it)| it.row(component, id));
        Listing { now_us, readers: readers.collect(), not_told, left_out: self.left_out }
    }

    /// Notes a reader that is there; `None` when there are too many.
    fn see(&mut self, component: &str, reader: Reader, now_us: i64) -> Option<(String, String)> {
        let key = (component.to_owned(), reader.id.clone());
        // the same id as one before it is another reader if it came at another time
        let is_same = |known: &&mut Known| known.reader.since_us == reader.since_us;
        if let Some(known) = self.known.get_mut(&key).filter(is_same) {
            known.see(reader, now_us);
        } else if self.known.len() < MAX_READERS || self.known.contains_key(&key) {
            self.known.insert(key.clone(), Known::new(reader, now_us));
        } else {
            self.left_out += 1;
            return None;
        }
        Some(key)
    }

    fn forget(&mut self, now_us: i64) {
        self.known.retain(|_, known| match known.gone_us {
            Some(gone_us) => {
                known.stayed_us() >= SHORTEST_STAY_US
                    && now_us.saturating_sub(gone_us) < GONE_SHOWN_US
            }
            None => true,
        });
        let mut gone: Vec<_> = self.known.values().filter_map(|known| known.gone_us).collect();
        if gone.len() > MAX_GONE {
            gone.sort_unstable();
            let first_kept = gone[gone.len() - MAX_GONE];
            self.known.retain(|_, known| known.gone_us.is_none_or(|gone| gone >= first_kept));
        }
    }
}

impl Known {
    fn new(reader: Reader, now_us: i64) -> Self {
        let mut known = Self {
            reader: Reader::default(),
            history: History::default(),
            first_us: now_us,
            seen_us: now_us,
            is_old: false,
            gone_us: None,
        };
        known.see(reader, now_us);
        known
    }

    fn see(&mut self, reader: Reader, now_us: i64) {
        self.history.add(Sample::of(&reader, now_us));
        (self.reader, self.seen_us) = (reader, now_us);
        (self.is_old, self.gone_us) = (false, None);
    }

    fn stayed_us(&self) -> i64 {
        let since_us = self.reader.since_us.unwrap_or(self.first_us);
        self.seen_us.saturating_sub(since_us.min(self.first_us))
    }

    fn row(&self, component: &str, id: &str) -> Row {
        let Reader { actions, .. } = &self.reader;
        // as it was when it was told: what is old does not change
        let now = Sample::of(&self.reader, self.seen_us);
        let is_gone = self.gone_us.is_some();
        let rate = self.history.rate(&now, self.reader.since_us);
        let offer = |why: &Option<String>| why.clone().map_or(Value::Bool(true), Value::String);
        let actions = actions.iter().filter(|_| !is_gone);
        Row {
            id: format!("{component}/{id}"),
            component: component.to_owned(),
            kind: self.reader.kind,
            name: self.reader.name.clone(),
            address: self.reader.address.clone(),
            group: self.reader.group.clone(),
            state: match is_gone {
                true => State::Gone,
                false => rules::state(&self.reader, &self.history, &now),
            },
            since_us: self.reader.since_us,
            records: self.reader.records,
            rate: self.reader.records.and(if is_gone { Some(0.0) } else { rate }),
            lag_records: self.reader.lag_records,
            lag_seconds: rules::lag_seconds(&self.reader),
            trend: self.history.trend(&now),
            pending: self.reader.pending,
            lost: self.reader.lost,
            securities: self.reader.securities,
            acknowledged: self.reader.acknowledged,
            success_rate: rules::success_rate(&self.reader),
            errors: self.reader.errors,
            last_record_us: self.reader.last_record_us,
            last_error: self.reader.last_error.clone(),
            old: self.is_old,
            seen_us: self.seen_us,
            actions: actions.map(|(action, why)| (*action, offer(why))).collect(),
        }
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW_US: i64 = 1_763_600_000_000_000;

    fn at(second: i64) -> i64 {
        NOW_US + second * SECOND_US
    }

    fn reader(id: &str, records: u64) -> Reader {
        Reader {
            records: Some(records),
            lag_records: Some(0),
            since_us: Some(NOW_US),
            ..Reader::new(ReaderKind::Subscriber, id)
        }
        .can(ActionKind::Disconnect)
        .cannot(ActionKind::Claim, "it takes no entries")
    }

    fn told(readers: &[(&str, u64)]) -> Vec<Told> {
        let readers = readers.iter().map(|(id, records)| reader(id, *records));
        vec![("bus".to_owned(), Ok(readers.collect()))]
    }

    fn states(listing: &Listing) -> Vec<(&str, State)> {
        listing.readers.iter().map(|row| (row.id.as_str(), row.state)).collect()
    }

    #[test]
    fn a_reader_is_shown_with_every_key_of_the_interface() {
        let mut book = Book::default();
        book.take(told(&[("1", 10)]), at(2));
        let listing = book.take(told(&[("1", 30)]), at(4));
        assert_eq!(
            serde_json::to_value(&listing).unwrap(),
            json!({ "now_us": at(4), "readers": [{
                "id": "bus/1", "component": "bus", "kind": "subscriber", "name": "", "address": "",
                "group": null, "state": "live", "since_us": NOW_US, "records": 30, "rate": 10.0,
                "lag_records": 0, "lag_seconds": 0.0, "trend": "steady", "pending": null, "lost": 0,
                "securities": null, "acknowledged": null, "success_rate": 1.0, "errors": 0,
                "last_record_us": null, "last_error": null, "old": false, "seen_us": at(4),
                "actions": { "disconnect": true, "claim": "it takes no entries" },
            }]})
        );
    }

    #[test]
    fn who_has_gone_is_shown_for_five_minutes_without_actions() {
        let mut book = Book::default();
        book.take(told(&[("1", 1), ("2", 1)]), at(10));
        let listing = book.take(told(&[("2", 2)]), at(11));
        assert_eq!(states(&listing), [("bus/1", State::Gone), ("bus/2", State::Live)]);
        assert!(listing.readers[0].actions.is_empty());
        assert_eq!(listing.readers[0].rate, Some(0.0));
        let listing = book.take(told(&[("2", 2)]), at(310));
        assert_eq!(listing.readers.len(), 2);
        let listing = book.take(told(&[("2", 2)]), at(311));
        assert_eq!(listing.readers.len(), 1);
        // a component that is removed, or asked no more
        let listing = book.take(Vec::new(), at(312));
        assert_eq!(states(&listing), [("bus/2", State::Gone)]);
    }

    #[test]
    fn who_came_for_a_question_leaves_no_trace_and_the_others_are_bounded() {
        let mut book = Book::default();
        book.take(told(&[("1", 1)]), at(1));
        assert!(book.take(told(&[]), at(2)).readers.is_empty());
        let names: Vec<_> = (0..MAX_GONE + 50).map(|it| it.to_string()).collect();
        for (place, name) in names.iter().enumerate() {
            book.take(told(&[(name.as_str(), 1)]), at(10 + i64::try_from(place).unwrap()));
        }
        let listing = book.take(told(&[]), at(300));
        assert_eq!(listing.readers.len(), MAX_GONE);
        assert!(!listing.readers.iter().any(|row| row.id == "bus/0"), "the first went first");
        let many = (0..MAX_READERS + 7).map(|it| reader(&format!("n{it}"), 1)).collect();
        let listing = book.take(vec![("bus".to_owned(), Ok(many))], at(301));
        assert_eq!(listing.left_out, MAX_GONE + 7);
    }

    #[test]
    fn what_a_component_told_last_is_marked_as_old_while_it_does_not_answer() {
        let mut book = Book::default();
        book.take(told(&[("1", 1)]), at(10));
        let silent = vec![("bus".to_owned(), Err("it is in another call".to_owned()))];
        let listing = book.take(silent, at(400));
        assert_eq!((listing.readers[0].old, listing.readers[0].seen_us), (true, at(10)));
        assert_eq!(listing.not_told["bus"], "it is in another call");
        let listing = book.take(told(&[("1", 5)]), at(401));
        assert!(!listing.readers[0].old && listing.not_told.is_empty());
    }

    #[test]
    fn another_reader_with_the_id_of_one_before_it_starts_anew() {
        let mut book = Book::default();
        book.take(told(&[("1", 1_000)]), at(10));
        let other = Reader { since_us: Some(at(11)), lost: 5, ..reader("1", 20) };
        let listing = book.take(vec![("bus".to_owned(), Ok(vec![other]))], at(12));
        assert_eq!((listing.readers[0].state, listing.readers[0].rate), (State::Live, Some(20.0)));
    }
}
