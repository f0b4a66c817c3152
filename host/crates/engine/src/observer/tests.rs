//! What the observer sees, turn by turn.

use std::task::{Context, Poll, Waker};

use plugin_api::{Round, testing::spot_batch};

use super::*;

/// An observer whose turns are taken by the test.
struct Bench {
    observer: Arc<Observer>,
    now: Instant,
    _ended: Receiver<()>,
}

impl Bench {
    fn new() -> Self {
        let now = Instant::now();
        let (observer, ended) = Observer::new(now);
        Self { observer, now, _ended: ended }
    }

    fn turn(&self) {
        self.observer.turn(self.now);
    }

    fn tap(&self, component: &str) -> Tap {
        let components = vec![component.to_owned()];
        self.observer.tap(TapRequest { components, ..TapRequest::default() })
    }

    fn price(&self, symbol: &str) -> Option<f64> {
        let quotes = self.observer.quotes(&[Key::parse(symbol).unwrap()]);
        quotes[0].as_ref().map(|it| it.quote.price)
    }
}

fn read(tap: &Tap) -> String {
    let (mut text, mut cx) = (String::new(), Context::from_waker(Waker::noop()));
    while let Poll::Ready(Some(part)) = tap.poll_next(&mut cx) {
        text += &String::from_utf8(part).unwrap();
    }
    text
}

#[test]
fn the_thread_ends_with_the_observer() {
    let (observer, ended) = Observer::new(Instant::now());
    assert_eq!(ended.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::Timeout));
    drop(observer);
    assert_eq!(ended.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::Disconnected));
}

#[test]
fn quotes_of_sources_are_kept_with_their_source_and_those_of_others_are_not() {
    let bench = Bench::new();
    let (day, clean) = (bench.observer.port("day", true), bench.observer.port("clean", false));
    day.offer(&spot_batch(2, Round::WHOLE));
    clean.offer(&spot_batch(3, Round::WHOLE));
    bench.turn();
    assert_eq!((bench.price("600001.SH"), bench.price("600002.SH")), (Some(10.01), None));
    let keys = [Key::parse("600000.SH").unwrap()];
    assert_eq!(&*bench.observer.quotes(&keys)[0].as_ref().unwrap().source, "day");
    assert_eq!((day.take_unreported(), clean.take_unreported()), (0, 0));
}

#[test]
fn beyond_its_budget_it_looks_at_nothing_and_counts() {
    let mut bench = Bench::new();
    let day = bench.observer.port("day", true);
    bench.turn();
    lock(&bench.observer.turns).quotes.spend(Duration::from_secs(1_000), 0);
    let round = spot_batch(usize::try_from(NEWEST).unwrap(), Round::WHOLE);
    for _ in 0..100 {
        day.offer(&round);
    }
    day.offer(&spot_batch(3, Round::WHOLE));
    bench.turn();
    assert_eq!((bench.price("600000.SH"), day.take_unreported()), (None, 0));
    // the newest round waits until something is left again
    bench.now += Duration::from_millis(1_100);
    bench.turn();
    let last = format!("{}.SH", 600_000 + NEWEST - 1);
    assert!(bench.price("600000.SH").is_some() && bench.price(&last).is_some());
    assert!(day.take_unreported() >= 90 * NEWEST);
}

#[test]
fn of_more_than_it_may_look_at_it_sees_the_newest() {
    let bench = Bench::new();
    let day = bench.observer.port("day", true);
    // room for some records, at what a record is believed to take
    let left = Duration::from_micros(2);
    lock(&bench.observer.turns).quotes.spend(QUOTES_BURST - left, 0);
    assert_eq!(lock(&bench.observer.turns).quotes.records(), 4);
    let last = usize::try_from(NEWEST).unwrap();
    day.offer(&spot_batch(last + 1, Round::WHOLE));
    day.offer(&spot_batch(last, Round::WHOLE));
    bench.turn();
    let price_at = |at: usize| bench.price(&format!("{}.SH", 600_000 + at));
    assert!(price_at(last - 1).is_some());
    assert_eq!((price_at(last), day.take_unreported()), (None, NEWEST + 1));
}

#[test]
fn a_tap_goes_on_when_its_component_is_gone_for_a_while() {
    let bench = Bench::new();
    let tap = bench.tap("clean");
    for records in [1, 2] {
        let port = bench.observer.port("clean", false);
        port.offer(&spot_batch(7, Round::WHOLE));
        bench.turn();
        assert_eq!(read(&tap), "", "nobody had looked yet");
        port.offer(&spot_batch(records, Round::WHOLE));
        bench.turn();
        assert_eq!(read(&tap).lines().count(), records);
        drop(port);
        bench.turn();
        assert!(lock(&bench.observer.ports).is_empty());
    }
}

#[test]
fn a_tap_beyond_its_budget_is_given_the_newest_later_and_told_of_what_went_unseen() {
    let mut bench = Bench::new();
    let (tap, port) = (bench.tap("clean"), bench.observer.port("clean", false));
    bench.turn();
    lock(&bench.observer.turns).taps.spend(Duration::from_secs(1_000), 0);
    let round = spot_batch(5_000, Round::WHOLE);
    let rounds = 200;
    for _ in 0..rounds {
        port.offer(&round);
    }
    port.offer(&spot_batch(1, Round::WHOLE));
    bench.turn();
    assert_eq!(read(&tap), "");
    bench.now += Duration::from_millis(1_100);
    bench.turn();
    let text = read(&tap);
    let missed = |line: &str| line.strip_prefix("{\"missed\":")?.strip_suffix('}')?.parse().ok();
    let told: u64 = text.lines().map(|line| missed(line).unwrap_or(1)).sum();
    assert_eq!(told, rounds * 5_000 + 1);
    assert!(port.take_unreported() > 0);
}

#[test]
fn who_reads_a_fast_feed_seldom_is_given_the_newest_and_told_of_all_else() {
    let mut bench = Bench::new();
    let (tap, port) = (bench.tap("day"), bench.observer.port("day", true));
    let keys = ["600000.SH", "600001.SH"].map(|symbol| Key::parse(symbol).unwrap());
    let mut watch = Watch::new(keys.to_vec());
    bench.turn();
    let rounds = 200;
    for _ in 0..rounds {
        port.offer(&spot_batch(500, Round::WHOLE));
        bench.now += TURN;
        bench.turn();
    }
    // what passed behind the last look
    bench.turn();
    assert_eq!(bench.observer.changed(&mut watch).len(), 2, "each once, however often it came");
    assert!(bench.observer.changed(&mut watch).is_empty());
    // far more than may wait for one who does not read
    let text = read(&tap);
    assert!(text.len() < 2 << 20, "{}", text.len());
    let missed = |line: &str| line.strip_prefix("{\"missed\":")?.strip_suffix('}')?.parse().ok();
    let told: u64 = text.lines().map(|line| missed(line).unwrap_or(1)).sum();
    assert_eq!(told, rounds * 500, "each is given or told of");
}

#[test]
fn a_tap_that_has_left_costs_nothing_more() {
    let bench = Bench::new();
    let (tap, port) = (bench.tap("clean"), bench.observer.port("clean", false));
    bench.turn();
    drop(tap);
    bench.turn();
    assert!(lock(&bench.observer.watchers).is_empty());
    port.offer(&spot_batch(2, Round::WHOLE));
    let mut batches = VecDeque::new();
    assert_eq!((port.take(&mut batches, None), batches.len()), (0, 0));
}
