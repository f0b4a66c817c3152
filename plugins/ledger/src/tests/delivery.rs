//! Kills, repeats, and batches in any order: the ledger is the same.

use plugin_api::Sink as _;

use super::*;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(end).unwrap()).unwrap()
    }

    fn shuffle<T>(&mut self, of: &mut [T]) {
        for at in (1..of.len()).rev() {
            of.swap(at, self.below(at + 1));
        }
    }
}

/// Batches of a morning: quotes of three securities, one of which is seldom there, and bars.
fn morning() -> Vec<Batch> {
    let mut batches = Vec::new();
    for minute in 30..40 {
        for second in (0..60).step_by(12) {
            let codes: &[&str] = if minute % 3 == 0 {
                &["600000", "600001", "600002"]
            } else {
                &["600000", "600001"]
            };
            batches.push(quotes(codes, &format!("09:{minute}:{second:02}"), Round::MIDDLE));
        }
        batches.push(bars("600000", &format!("09:{}", minute + 1), 12, true));
    }
    batches
}

fn numbered(batches: Vec<Batch>) -> Vec<Batch> {
    batches.into_iter().zip(1..).map(|(batch, number)| batch.with_delivery(number)).collect()
}

/// What the ledger says after all came once, one by one.
fn undisturbed() -> (DayReport, Vec<SecurityDay>) {
    let place = Place::new();
    let mut sink = place.open(json!({}));
    for batch in numbered(morning()) {
        assert_eq!(sink.write(&[batch]).unwrap(), Ack::Delivered);
    }
    sink.close().unwrap();
    place.all()
}

#[test]
fn a_kill_at_any_time_and_all_offered_again_counts_everything_once() {
    let expected = undisturbed();
    assert_eq!(expected.1[2].records, 4 * 5);
    let batches = numbered(morning());
    for at in 0..batches.len() {
        let place = Place::new();
        let mut sink = place.open(json!({ "flush_interval": "5s" }));
        let mut delivered = 0;
        for (place_of, batch) in batches.iter().enumerate().take(at + 1) {
            // the clock goes on, so some calls commit
            place
                .host
                .set_now_us(us("2021-12-01 20:00") + i64::try_from(place_of).unwrap() * 1_700_000);
            if sink.write(std::slice::from_ref(batch)).unwrap() == Ack::Delivered {
                delivered = place_of + 1;
            }
        }
        // as after a kill: it is told nothing more
        drop(sink);
        let mut sink = place.open(json!({ "flush_interval": "5s" }));
        // what was told to be delivered is not offered again, or, as the host was killed, too
        let from = if at % 2 == 0 { delivered } else { 0 };
        for batch in &batches[from..] {
            sink.write(std::slice::from_ref(batch)).unwrap();
        }
        sink.close().unwrap();
        assert_eq!(place.all(), expected, "killed after {at}");
    }
}

#[test]
fn halves_of_a_batch_count_as_the_whole() {
    let expected = undisturbed();
    let place = Place::new();
    let mut sink = place.open(json!({}));
    for batch in numbered(morning()) {
        match batch.halves().unwrap() {
            Some((first, second)) => {
                sink.write(std::slice::from_ref(&first)).unwrap();
                // the whole, of which a half was taken
                sink.write(&[batch, second]).unwrap();
            }
            None => drop(sink.write(&[batch]).unwrap()),
        }
    }
    sink.close().unwrap();
    assert_eq!(place.all(), expected);
}

#[test]
fn any_order_and_any_repeats_give_the_same_ledger() {
    let expected = undisturbed();
    for seed in 1..=30 {
        let mut random = Random(seed);
        let mut batches = morning();
        random.shuffle(&mut batches);
        let batches = numbered(batches);
        let place = Place::new();
        let mut sink = place.open(json!({ "flush_interval": "5s" }));
        let mut next = 0;
        while next < batches.len() {
            let from = next.saturating_sub(random.below(4));
            let to = (next + 1 + random.below(5)).min(batches.len());
            place.host.set_now_us(us("2021-12-01 20:00") + i64::try_from(next).unwrap() * 900_000);
            sink.write(&batches[from..to]).unwrap();
            next = to;
            if random.below(6) == 0 {
                // a kill, or an end in order
                if random.below(2) == 0 {
                    sink.close().unwrap();
                } else {
                    next = 0;
                }
                drop(sink);
                sink = place.open(json!({ "flush_interval": "5s" }));
                if next == 0 {
                    // everything is offered again in one call
                    sink.write(&batches[..to]).unwrap();
                    next = to;
                }
            }
        }
        sink.close().unwrap();
        assert_eq!(place.all(), expected, "seed {seed}");
    }
}

#[test]
fn batches_of_a_buffer_in_memory_count_once_as_long_as_the_host_lives() {
    let place = Place::new();
    let mut sink = place.open(json!({}));
    let batch = quotes(&["600000"], "10:00:00", Round::MIDDLE).with_passing_delivery(5);
    for _ in 0..3 {
        sink.write(std::slice::from_ref(&batch)).unwrap();
    }
    assert_eq!(place.all().1[0].records, 1);
    drop(sink);
    // the numbers begin anew with the host
    let mut sink = place.open(json!({}));
    let later = quotes(&["600000"], "10:00:03", Round::MIDDLE).with_passing_delivery(3);
    sink.write(&[later]).unwrap();
    assert_eq!(place.all().1[0].records, 2);
}

#[test]
fn what_waits_is_held_and_a_flush_delivers_it() {
    let place = Place::new();
    let mut sink = place.open(json!({ "flush_interval": "5s" }));
    let batch = quotes(&["600000"], "10:00:00", Round::MIDDLE);
    assert_eq!(sink.write(&[batch]).unwrap(), Ack::Held);
    assert!(place.ledger().securities(day()).unwrap().is_empty());
    sink.flush().unwrap();
    assert_eq!(place.ledger().securities(day()).unwrap().len(), 1);
    assert_eq!(sink.tick().unwrap(), Ack::Delivered);
    let batch = quotes(&["600000"], "10:00:03", Round::MIDDLE);
    assert_eq!(sink.write(&[batch]).unwrap(), Ack::Held);
    place.host.set_now_us(us("2021-12-01 20:00:05"));
    assert_eq!(sink.tick().unwrap(), Ack::Delivered);
}

#[test]
fn the_time_without_the_host_is_an_outage_and_a_heartbeat_keeps_it_short() {
    let place = Place::new();
    let now = |time: &str| place.host.set_now_us(us(&format!("{DATE} {time}")));
    now("10:00:00");
    let mut sink = place.open(json!({}));
    sink.write(&[quotes(&["600000"], "10:00:00", Round::MIDDLE)]).unwrap();
    now("10:05:00");
    sink.tick().unwrap();
    drop(sink);
    now("10:20:00");
    drop(place.open(json!({})));
    let outages = place.all().0.outages;
    assert_eq!(outages.len(), 1);
    assert_eq!(&outages[0].from[11..19], "10:05:00");
    assert_eq!(&outages[0].to[11..19], "10:20:00");
}

#[test]
fn a_day_that_is_over_is_sealed_while_the_host_goes_on() {
    let place = Place::new();
    let mut sink = place.open(json!({}));
    for minute in 30..40 {
        let batch = quotes(&["600000"], &format!("09:{minute}:00"), Round::MIDDLE);
        sink.write(&[batch]).unwrap();
    }
    let before = place.all();
    let verdict = || {
        let ledger = place.ledger();
        let days = ledger.calendar(day(), day(), us("2021-12-02 08:00")).unwrap();
        days[0].clone()
    };
    let computed = verdict();
    place.host.set_now_us(us("2021-12-02 09:00"));
    sink.tick().unwrap();
    assert_eq!((verdict(), place.all()), (computed, before));
    let db = rusqlite::Connection::open(place.path().join("ledger.sqlite")).unwrap();
    let sealed: bool = db.query_row("SELECT sealed FROM days", [], |row| row.get(0)).unwrap();
    assert!(sealed);
}
