//! What the sink tells of its subscribers, and how one of them is disconnected.

use plugin_api::{Action, ErrorKind, Outcome, Reader, ReaderKind};

use super::*;

const CAME_US: i64 = 1_763_600_000_000_000;

impl Bench {
    fn readers(&mut self) -> Vec<Reader> {
        self.sink.readers().unwrap().unwrap()
    }

    fn disconnect(&mut self, reader: &str, preview: bool) -> Result<Outcome, PluginError> {
        self.sink.act(reader, &Action::Disconnect, preview)
    }
}

/// Quotes that the host received so many seconds after the subscribers came.
fn received(numbers: std::ops::Range<usize>, second: i64) -> Batch {
    let mut stamp = Provenance::of_source("quotes");
    stamp.received_at_us = CAME_US + second * 1_000_000;
    numbered(numbers, Round::WHOLE).with_provenance(stamp)
}

#[test]
fn each_subscriber_is_told_with_what_it_was_sent() {
    let mut bench = Bench::new(json!({}));
    bench.host.set_now_us(CAME_US);
    assert!(bench.readers().is_empty());
    let mut first = bench.dial(&bench.tcp());
    bench.write(received(0..3, 1));
    let _second = bench.dial(&bench.ipc());
    bench.write(received(3..5, 2));
    (0..6).for_each(|_| assert!(first.next().is_some()));
    wait_until("all is sent", || {
        bench.sink.bus().readers().iter().all(|reader| reader.lag_records == Some(0))
    });
    let readers = bench.readers();
    let told = |reader: &Reader| {
        (reader.id.clone(), reader.kind, reader.since_us, reader.records, reader.lost)
    };
    let (kind, since) = (ReaderKind::Subscriber, Some(CAME_US));
    assert_eq!(
        readers.iter().map(told).collect::<Vec<_>>(),
        [("1".to_owned(), kind, since, Some(5), 0), ("2".to_owned(), kind, since, Some(2), 0)]
    );
    let securities = readers.iter().map(|reader| reader.securities).collect::<Vec<_>>();
    assert_eq!(securities, [Some(5), Some(2)]);
    assert!(readers[0].address.starts_with("tcp://127.0.0.1:"), "{}", readers[0].address);
    let newest = Some(CAME_US + 2_000_000);
    for reader in &readers {
        assert_eq!((reader.reached_us, reader.newest_us), (newest, newest));
        assert_eq!(reader.last_record_us, newest);
    }
}

#[test]
fn a_slow_one_is_told_with_what_waits_and_what_it_lost_and_can_be_disconnected() {
    let mut bench = Bench::new(json!({ "send_buffer": "64KiB", "stall_timeout": "1h" }));
    bench.host.set_now_us(CAME_US);
    let mut slow = bench.dial(&bench.ipc());
    let mut fast = bench.dial(&bench.ipc());
    let mut sent = 0;
    let lost = loop {
        bench.write(received(sent..sent + 100, 1 + i64::try_from(sent).unwrap() / 100));
        sent += 100;
        (0..3).for_each(|_| assert!(fast.next().is_some()));
        assert!(sent < 1_000_000, "it should be full by now");
        let slow = bench.readers().remove(0);
        if slow.lost >= 1_000 {
            break slow.lost;
        }
    };
    let readers = bench.readers();
    let (slow_one, fast_one) = (&readers[0], &readers[1]);
    let lag = slow_one.lag_records.unwrap();
    assert!(lag > 0 && slow_one.reached_us < slow_one.newest_us, "{slow_one:?}");
    assert_eq!(fast_one.lost, 0);
    assert_eq!(slow_one.records.unwrap() + lag + lost, sent as u64, "each is somewhere");

    let shown = bench.disconnect("1", true).unwrap();
    assert_eq!((&shown.before["lost"], &shown.after["connected"]), (&json!(lost), &json!(false)));
    assert_eq!(bench.readers().len(), 2, "a look changes nothing");
    let done = bench.disconnect("1", false).unwrap();
    assert_eq!((&done.before["connected"], &done.after["lag_records"]), (&json!(true), &json!(0)));
    bench.await_subscribers(1);
    slow.drain();
    assert_eq!(bench.readers()[0].id, "2");
    assert_eq!(bench.logged("was disconnected by the operator"), 1);

    let refused = bench.disconnect("1", false).unwrap_err();
    assert_eq!((refused.kind, bench.readers().len()), (ErrorKind::Config, 1));
    let refused = bench.sink.act("2", &Action::Remove, false).unwrap_err();
    assert!(refused.message.contains("remove cannot be done"), "{refused}");
}
