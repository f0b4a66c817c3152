//! Joining, losing, coming back, being slow, being watched.

use plugin_api::ErrorKind;

use super::*;

/// A source that is connected to a publisher.
fn connected(more: Value) -> (Bench, RawPublisher) {
    let mut publisher = RawPublisher::new();
    let mut options = more;
    options["dial"] = json!(publisher.address());
    let mut bench = Bench::with(options);
    assert!(matches!(bench.source.next(Duration::ZERO), Ok(Polled::Idle)));
    publisher.accept();
    (bench, publisher)
}

#[test]
fn the_source_keeps_its_contract() {
    let mut publisher = RawPublisher::new();
    let options = json!({ "dial": publisher.address() });
    std::thread::scope(|scope| {
        scope.spawn(|| {
            publisher.accept();
            publisher.send(&list(0..2));
            for round in 0..5 {
                publisher.send(START);
                publisher.send(&list(round..round + 3));
                publisher.send(&list(round..round + 1));
                publisher.send(END);
            }
            publisher.is_left();
        });
        let folder = tempfile::tempdir().unwrap();
        let context = testing::context(&Arc::default(), folder.path());
        let batches = testing::check_source::<NngSub>(&options, context, 11);
        assert_eq!(batches.len(), 11);
    });
}

#[test]
fn rounds_are_those_of_the_marks() {
    let (mut bench, mut publisher) = connected(json!({}));
    for message in [START, &list(0..3), &list(3..4), END, START, END, START, &list(4..5), END] {
        publisher.send(message);
    }
    publisher.send(&[START, b"extra bytes are fine"].concat());
    publisher.send(&list(5..6));
    let mut batches = bench.records(6);
    assert_eq!(numbers(&batches), [0, 1, 2, 3, 4, 5]);
    // whether a closing mark comes with the last list or after it depends on when it is read
    batches.retain(|batch| batch.records() > 0);
    let firsts: Vec<_> = batches.iter().map(|batch| batch.round().first).collect();
    assert_eq!(firsts, [true, false, true, true]);
    assert_eq!(bench.host.counted("source_gaps_total"), 0);
    assert_eq!(bench.warnings(), Vec::<String>::new());
}

#[test]
fn an_end_mark_that_is_there_closes_the_last_list_itself() {
    let (mut bench, mut publisher) = connected(json!({}));
    for message in [START, &list(0..1), &list(1..2), END] {
        publisher.send(message);
    }
    publisher.hang_up();
    let deadline = Instant::now() + PATIENCE;
    while bench.logged("lost tcp://") == 0 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    assert_eq!(rounds(&bench.records(2)), [(1, FIRST), (1, LAST)]);
}

#[test]
fn what_comes_before_the_first_start_is_a_round_of_its_own() {
    let (mut bench, mut publisher) = connected(json!({}));
    for message in [&list(0..2), END, START, &list(2..3)] {
        publisher.send(message);
    }
    assert_eq!(rounds(&bench.records(3)), [(2, Round::WHOLE), (1, FIRST)]);
    assert_eq!(bench.host.counted("source_gaps_total"), 0, "joining is no loss");
}

#[test]
fn missing_marks_are_counted_and_cost_no_quote() {
    let (mut bench, mut publisher) = connected(json!({}));
    for message in [
        START,
        &list(0..1),
        START,
        &list(1..2), // the end is missing
        END,
        &list(2..3),
        &list(3..4),
        END, // the start is missing
        START,
        &list(4..5),
    ] {
        publisher.send(message);
    }
    let batches = bench.records(5);
    assert_eq!(numbers(&batches), [0, 1, 2, 3, 4]);
    assert_eq!(bench.host.counted("source_gaps_total"), 2);
    assert_eq!(bench.logged("without its end mark"), 1);
    assert_eq!(bench.logged("without its start mark"), 1);
}

#[test]
fn a_publisher_that_went_is_dialled_again_and_the_open_round_is_closed() {
    let (mut bench, mut publisher) = connected(json!({}));
    publisher.send(START);
    publisher.send(&list(0..1));
    assert_eq!(rounds(&[bench.batch()]), [(1, FIRST)]);
    let address = publisher.address();
    drop(publisher);
    assert_eq!(rounds(&[bench.batch()]), [(0, LAST)]);
    bench.idle_until("an attempt", |host| {
        host.told().logs.iter().any(|(_, line)| line.contains("no publisher answers"))
    });
    let mut publisher = RawPublisher::at(&address);
    publisher.accept();
    publisher.send(START);
    publisher.send(&list(1..2));
    assert_eq!(numbers(&[bench.batch()]), [1]);
    assert_eq!(bench.host.counted("source_gaps_total"), 1);
    assert_eq!(bench.host.counted("connects_total"), 2);
    let gauges = bench.host.told().gauges.into_iter();
    let connected: Vec<_> = gauges.filter(|(name, _)| name == "connected").collect();
    assert_eq!(connected.first().unwrap().1.to_string(), "1");
    assert_eq!(connected.last().unwrap().1.to_string(), "1");
}

#[test]
fn the_first_address_that_answers_is_read_and_the_next_one_when_it_goes() {
    let (mut first, mut second) = (RawPublisher::new(), RawPublisher::new());
    let dead = "ipc://nobody.ipc";
    let dial = json!([dead, first.address(), second.address()]);
    let mut bench = Bench::with(json!({ "dial": dial }));
    assert!(matches!(bench.source.next(Duration::ZERO), Ok(Polled::Idle)));
    first.accept();
    first.send(&list(0..1));
    assert_eq!(numbers(&[bench.batch()]), [0]);
    drop(first);
    second.accept();
    second.send(&list(1..2));
    assert_eq!(numbers(&[bench.batch()]), [1]);
}

#[test]
fn a_source_that_dials_in_vain_can_be_closed() {
    let mut bench = Bench::new("ipc://nobody.ipc");
    bench.idle_until("an attempt", |host| !host.told().logs.is_empty());
    let closing = Instant::now();
    bench.source.close().unwrap();
    assert!(closing.elapsed() < PATIENCE / 2);
    assert_eq!(bench.logged("no publisher answers"), 1, "told once, however often it dials");
}

#[test]
fn check_tells_whether_somebody_answers() {
    let folder = tempfile::tempdir().unwrap();
    let context = testing::context(&Arc::default(), folder.path());
    let check =
        |dial: &str| NngSub::check(&testing::options(json!({ "dial": dial })).unwrap(), &context);
    let error = check("ipc://nobody.ipc").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Retry);
    assert!(error.message.contains("nobody.ipc") && error.message.contains("start the collector"));
    assert_eq!(check("ipc://").unwrap_err().kind, ErrorKind::Config);
    let publisher = raw::nng_publisher(&raw::ipc(folder.path()));
    check("ipc://bus.ipc").unwrap();
    drop(publisher);
    let answering = nng::Socket::new(nng::Protocol::Rep0).unwrap();
    answering.listen(&raw::ipc(folder.path())).unwrap();
    assert!(check("ipc://bus.ipc").unwrap_err().message.contains("0x31 (REP)"));
}

#[test]
fn a_pipeline_that_is_too_slow_loses_the_oldest_quotes_and_knows_how_many() {
    let options = json!({ "receive_buffer": "64KiB", "max_message": "64KiB" });
    let (mut bench, mut publisher) = connected(options);
    publisher.send(START);
    const LISTS: usize = 2000;
    for number in 0..LISTS {
        publisher.send(&list(number..number + 1));
    }
    publisher.send(END);
    publisher.hang_up();
    let deadline = Instant::now() + PATIENCE;
    while bench.logged("lost tcp://") == 0 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    let dropped: u64 = bench.dropped().iter().map(|(_, records)| records).sum();
    assert!(dropped > 1000, "{dropped}");
    let batches = bench.records(u32::try_from(LISTS as u64 - dropped).unwrap());
    let arrived = numbers(&batches);
    let expected: Vec<_> = (usize::try_from(dropped).unwrap()..LISTS).collect();
    assert_eq!(arrived, expected, "the newest, in order, and all others are counted");
    assert!(bench.dropped().iter().all(|(reason, _)| reason == "receive_buffer_full"));
    assert_eq!(batches.last().unwrap().round(), LAST, "marks are not dropped");
}

#[test]
fn a_pipeline_that_may_be_waited_for_loses_nothing() {
    let options =
        json!({ "receive_buffer": "64KiB", "max_message": "64KiB", "slow_pipeline": "wait" });
    let (mut bench, publisher) = connected(options);
    const LISTS: usize = 20_000; // more than the kernel keeps, by far
    let mut stream = publisher.stream();
    let sender = std::thread::spawn(move || {
        use std::io::Write;
        for number in 0..LISTS {
            let body = list(number..number + 1);
            stream.write_all(&(body.len() as u64).to_be_bytes()).unwrap();
            stream.write_all(&body).unwrap();
        }
    });
    let batches = bench.records(u32::try_from(LISTS).unwrap());
    sender.join().unwrap();
    assert!(numbers(&batches).into_iter().eq(0..LISTS));
    assert_eq!(bench.dropped(), []);
}

#[test]
fn what_was_not_asked_for_at_the_end_is_counted() {
    let (mut bench, mut publisher) = connected(json!({}));
    for number in 0..10 {
        publisher.send(&list(number..number + 1));
    }
    publisher.hang_up();
    let deadline = Instant::now() + PATIENCE;
    while bench.logged("lost tcp://") == 0 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    bench.batch();
    bench.source.close().unwrap();
    assert_eq!(bench.dropped(), [("unread_at_end".to_owned(), 9)]);
}

#[test]
fn silence_matters_within_sessions_alone() {
    let folder = tempfile::tempdir().unwrap();
    let host = Arc::<TestHost>::default();
    let at = |text: &str| plugin_api::schemas::time::parse_exchange_time(text).unwrap();
    let options = json!({ "dial": "ipc://nobody.ipc", "stale_after": "7s" });
    let mut source = open(&options, &host, &folder).unwrap();
    let mut next = |text: &str| {
        host.set_now_us(at(text));
        source.next(Duration::ZERO).unwrap();
    };
    for moment in [
        "2025-11-24 08:59:59",
        "2025-11-24 09:00:00",
        "2025-11-24 11:00:00",
        "2025-11-24 12:00:00",
        "2025-11-24 13:00:00",
        "2025-11-24 15:00:00",
        "2025-11-29 10:00:00", // a Saturday
    ] {
        next(moment);
    }
    let stale = Some(Duration::from_secs(7));
    assert_eq!(host.told().expectations, [None, stale, None, stale, None]);
    let never = json!({ "dial": "ipc://nobody.ipc", "stale_after": "0s" });
    open(&never, &host, &folder).unwrap().next(Duration::ZERO).unwrap();
    assert_eq!(host.told().expectations.len(), 5);
}
