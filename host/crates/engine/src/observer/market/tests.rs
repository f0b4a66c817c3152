//! Which quote is the newest.

use plugin_api::{
    Provenance, Round, SpotListEncoder, SpotRecord, schemas::time::parse_exchange_time,
};

use super::{board::MAX_SECURITIES, *};

/// A market that is told quotes by source, code and time of 2021-12-01.
struct Bench {
    market: Market,
    now: Instant,
}

fn at(time: &str) -> i64 {
    parse_exchange_time(&format!("2021-12-01 {time}")).unwrap()
}

fn key(code: &str) -> Key {
    Key::parse(&format!("{code}.SH")).unwrap()
}

fn batch(quotes: &[(&str, &str, f64)], received_us: i64) -> Batch {
    let mut encoder = SpotListEncoder::new(quotes.len());
    for (code, time, close) in quotes {
        let time_us = if time.is_empty() { 0 } else { at(time) };
        let close = *close;
        let record = SpotRecord { market: "SH", code, time_us, close, ..SpotRecord::default() };
        encoder.push(&record).unwrap();
    }
    let mut provenance = Provenance::of_source("x");
    provenance.received_at_us = received_us;
    Batch::from_spots(&mut encoder, Round::MIDDLE).with_provenance(provenance)
}

impl Bench {
    fn new() -> Self {
        Self { market: Market::default(), now: Instant::now() }
    }

    /// Each quote in a batch of its own, received a second after it was made.
    fn live(&mut self, source: &str, quotes: &[(&str, &str, f64)]) {
        for quote in quotes {
            let received_us = at(quote.1) + 1_000_000;
            self.market.take(&source.into(), &batch(&[*quote], received_us), self.now);
        }
    }

    /// As a recording, years later.
    fn recorded(&mut self, source: &str, quotes: &[(&str, &str, f64)]) {
        for quote in quotes {
            self.market.take(&source.into(), &batch(&[*quote], 1 << 60), self.now);
        }
    }

    fn price(&self, code: &str) -> Option<f64> {
        self.market.quote(&key(code)).map(|it| it.quote.price)
    }

    fn source(&self, code: &str) -> String {
        self.market.quote(&key(code)).map(|it| it.source.to_string()).unwrap_or_default()
    }
}

#[test]
fn the_newest_quote_by_its_own_time_stands_whatever_comes_late() {
    let mut bench = Bench::new();
    bench.live("a", &[("600000", "10:00:03", 1.0), ("600000", "10:00:06", 2.0)]);
    bench.live("a", &[("600000", "10:00:00", 3.0)]);
    assert_eq!(bench.price("600000"), Some(2.0));
    // the same time once more: what was received later
    bench.live("a", &[("600000", "10:00:06", 4.0)]);
    assert_eq!(bench.price("600000"), Some(4.0));
    assert_eq!(bench.price("600001"), None);
}

#[test]
fn of_two_sources_the_one_that_is_ahead_is_shown_and_named() {
    let mut bench = Bench::new();
    bench.live("a", &[("600000", "10:00:03", 1.0)]);
    bench.live("b", &[("600000", "10:00:01", 2.0)]);
    assert_eq!((bench.price("600000"), bench.source("600000")), (Some(1.0), "a".to_owned()));
    bench.live("b", &[("600000", "10:00:04", 3.0)]);
    assert_eq!((bench.price("600000"), bench.source("600000")), (Some(3.0), "b".to_owned()));
    // one that falls silent leaves its place to the other
    bench.live("a", &[("600000", "10:00:05", 4.0)]);
    assert_eq!(bench.source("600000"), "a");
}

#[test]
fn a_stray_time_is_not_the_newest_and_stands_only_where_there_is_no_other() {
    let mut bench = Bench::new();
    bench.recorded("a", &[("600000", "19:00:00", 9.0)]);
    assert_eq!(bench.price("600000"), Some(9.0), "better than nothing");
    for second in 0..6 {
        let time = format!("14:00:{second:02}");
        bench.recorded("a", &[("600000", &time, f64::from(second)), ("600001", &time, 1.0)]);
    }
    assert_eq!(bench.price("600000"), Some(5.0));
    bench.recorded("a", &[("600001", "14:59:00", 9.0)]);
    assert_eq!(bench.price("600001"), Some(1.0));
}

#[test]
fn a_feed_that_begins_anew_is_shown_again_after_some_quotes() {
    let mut bench = Bench::new();
    let first: Vec<_> = (0..9).map(|second| format!("14:00:0{second}")).collect();
    let again: Vec<_> = (0..9).map(|second| format!("09:30:0{second}")).collect();
    for time in first.iter().chain(&again) {
        bench.recorded("a", &[("600000", time, if time.starts_with("14") { 1.0 } else { 2.0 })]);
    }
    assert_eq!(bench.price("600000"), Some(2.0));
    let day = bench.market.day(&key("600000")).unwrap();
    assert_eq!(day.minutes.iter().map(|it| it.minute).collect::<Vec<_>>(), [570]);
}

#[test]
fn when_nothing_more_comes_what_nothing_refutes_is_believed() {
    let mut bench = Bench::new();
    bench.recorded("a", &[("600000", "10:00:00", 1.0), ("600000", "10:00:03", 2.0)]);
    assert!(bench.market.day(&key("600000")).unwrap().minutes.is_empty(), "still in doubt");
    bench.market.settle(bench.now + QUIET / 2);
    assert!(bench.market.day(&key("600000")).unwrap().minutes.is_empty());
    bench.market.settle(bench.now + QUIET);
    assert_eq!(bench.market.day(&key("600000")).unwrap().minutes.len(), 1);
    assert_eq!(bench.price("600000"), Some(2.0));
}

#[test]
fn without_a_time_the_order_tells() {
    let mut bench = Bench::new();
    for price in [1.0, 2.0] {
        bench.market.take(&"a".into(), &batch(&[("600000", "", price)], 5), bench.now);
    }
    assert_eq!(bench.price("600000"), Some(2.0));
    // one with a time goes before it
    bench.live("b", &[("600000", "10:00:00", 3.0)]);
    bench.market.take(&"a".into(), &batch(&[("600000", "", 4.0)], 5), bench.now);
    assert_eq!(bench.price("600000"), Some(3.0));
}

#[test]
fn a_watch_is_given_each_quote_once_and_the_newest_of_those_it_missed() {
    let mut bench = Bench::new();
    bench.live("a", &[("600000", "10:00:00", 1.0), ("600001", "10:00:00", 1.0)]);
    let mut watch = Watch::new(vec![key("600000"), key("600009")]);
    let prices = |bench: &Bench, watch: &mut Watch| {
        bench.market.changed(watch).iter().map(|it| it.quote.price).collect::<Vec<_>>()
    };
    assert_eq!(prices(&bench, &mut watch), [1.0]);
    assert!(prices(&bench, &mut watch).is_empty());
    bench.live("a", &[("600001", "10:00:01", 2.0)]);
    assert!(prices(&bench, &mut watch).is_empty(), "another one changed");
    bench.live("a", &[("600000", "10:00:01", 2.0), ("600000", "10:00:02", 3.0)]);
    bench.live("a", &[("600009", "10:00:02", 4.0)]);
    assert_eq!(prices(&bench, &mut watch), [3.0, 4.0]);
}

#[test]
fn names_are_kept_up_to_a_bound_and_tell_when_they_change() {
    let mut market = Market::default();
    let named = |name: &str| {
        let mut encoder = SpotListEncoder::new(1);
        let record = SpotRecord { market: "SH", code: "600000", name, ..SpotRecord::default() };
        encoder.push(&record).unwrap();
        Batch::from_spots(&mut encoder, Round::MIDDLE)
    };
    let (source, now) = (Arc::from("a"), Instant::now());
    market.take(&source, &named("浦发银行"), now);
    let revision = market.names_revision();
    // a source that gives none takes no name away
    for same in ["浦发银行", ""] {
        market.take(&source, &named(same), now);
        assert_eq!(market.names_revision(), revision);
    }
    market.take(&source, &named(&"银".repeat(1_000)), now);
    let names = market.names();
    assert_eq!((names.len(), names[0].1.len()), (1, 48));
    assert!(market.names_revision() > revision);
}

#[test]
fn securities_are_bounded_and_sources_that_are_gone_are_forgotten() {
    let mut market = Market::default();
    let codes: Vec<_> = (0..MAX_SECURITIES + 50).map(|code| format!("{code:06}")).collect();
    let quotes: Vec<_> = codes.iter().map(|code| (code.as_str(), "10:00:00", 1.0)).collect();
    let (source, now) = (Arc::from("a"), Instant::now());
    market.take(&source, &batch(&quotes, at("10:00:01")), now);
    assert_eq!(market.names().len(), MAX_SECURITIES);
    market.retain_sources(|id| id != "a");
    assert!(market.by_source.is_empty());
    assert!(market.quote(&key("000000")).is_some(), "its quotes stay");
}
