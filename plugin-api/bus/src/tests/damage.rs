//! Publishers that say what they should not.

use super::*;

fn connected() -> (Bench, RawPublisher) {
    let mut publisher = RawPublisher::new();
    let options = json!({ "dial": publisher.address(), "max_message": "64KiB" });
    let mut bench = Bench::with(options);
    assert!(matches!(bench.source.next(Duration::ZERO), Ok(Polled::Idle)));
    publisher.accept();
    (bench, publisher)
}

#[test]
fn garbage_is_set_aside_and_the_feed_goes_on() {
    let (mut bench, mut publisher) = connected();
    let good = list(0..2);
    let refused: Vec<Vec<u8>> = vec![
        TOPIC.to_vec(),
        [TOPIC, b"[START SPOT]"].concat(),
        [TOPIC, b"x"].concat(),
        [TOPIC, &[0xff; 100]].concat(),
        good[..good.len() / 2].to_vec(),
        [TOPIC, &(u32::try_from(good.len()).unwrap()).to_le_bytes(), &good[6..]].concat(), // size-prefixed
        b":spot:x".iter().copied().chain(good[6..].iter().copied()).collect(),
    ];
    for message in &refused {
        publisher.send(message);
    }
    publisher.send(&good);
    let (mut errors, deadline) = (0, Instant::now() + PATIENCE);
    let batch = loop {
        assert!(Instant::now() < deadline);
        match bench.source.next(Duration::from_millis(20)) {
            Ok(Polled::Batch(batch)) => break batch,
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.kind, plugin_api::ErrorKind::BadData, "{error}");
                errors += 1;
            }
        }
    };
    assert_eq!(numbers(&[batch]), [0, 1]);
    assert_eq!(errors, refused.len());
    assert_eq!(bench.host.counted("messages_refused_total"), refused.len() as u64);
    let letters: Vec<_> = bench.host.told().dead_letters.into_iter().map(|(_, it)| it).collect();
    let without_topic: Vec<_> = refused.iter().map(|message| message[6..].to_vec()).collect();
    assert_eq!(letters, without_topic);
}

#[test]
fn a_flood_of_garbage_does_not_fill_the_disk() {
    let (mut bench, mut publisher) = connected();
    for _ in 0..200 {
        publisher.send(b":spot:garbage");
    }
    publisher.send(&list(0..1));
    while !matches!(bench.source.next(Duration::from_millis(20)), Ok(Polled::Batch(_))) {}
    assert_eq!(bench.host.counted("messages_refused_total"), 200);
    assert_eq!(bench.host.told().dead_letters.len(), 20);
}

#[test]
fn other_topics_are_ignored_without_a_word() {
    let (mut bench, mut publisher) = connected();
    for message in [&b":trade:x"[..], b"", b":spot", b":SPOT:[start spot]", START, &list(0..1)] {
        publisher.send(message);
    }
    assert_eq!(rounds(&[bench.batch()]), [(1, FIRST)]);
    assert_eq!(bench.host.counted("messages_of_other_topics_total"), 4);
    assert_eq!(bench.warnings(), Vec::<String>::new());
}

#[test]
fn a_message_that_is_too_large_is_passed_over() {
    let (mut bench, mut publisher) = connected();
    publisher.send(&list(0..1));
    publisher.send(&[TOPIC, &vec![7; 65 << 10]].concat());
    publisher.send(&list(1..2));
    assert_eq!(numbers(&bench.records(2)), [0, 1]);
    assert_eq!(bench.host.counted("messages_refused_total"), 1);
    assert_eq!(bench.logged("raise `max_message`"), 1);
    assert_eq!(bench.host.counted("connects_total"), 1, "the connection is kept");
}

#[test]
fn half_a_message_is_forgotten_with_its_connection() {
    let (mut bench, mut publisher) = connected();
    let message = list(0..2);
    publisher.say(&(message.len() as u64).to_be_bytes());
    publisher.say(&message[..message.len() / 2]);
    publisher.hang_up();
    publisher.accept();
    publisher.send(&list(2..3));
    assert_eq!(numbers(&[bench.batch()]), [2]);
}

#[test]
fn a_stream_that_is_out_of_step_is_dialled_anew() {
    let (mut bench, mut publisher) = connected();
    publisher.send(START);
    publisher.send(&list(0..1));
    publisher.say(&[0xff; 64]);
    assert!(publisher.is_left());
    publisher.accept();
    publisher.send(&list(1..2));
    assert_eq!(numbers(&bench.records(2)), [0, 1]);
    assert_eq!(bench.logged("out of step"), 1);
}

#[test]
fn a_peer_that_hangs_up_every_time_is_not_dialled_ever_faster() {
    let mut publisher = RawPublisher::new();
    let mut bench = Bench::new(&publisher.address());
    bench.source.next(Duration::ZERO).unwrap();
    let begin = Instant::now();
    for _ in 0..5 {
        publisher.accept();
        publisher.hang_up();
    }
    // pauses of 100, 200, 400 and 800 ms lie between
    assert!(begin.elapsed() >= Duration::from_millis(1500), "{:?}", begin.elapsed());
    bench.source.close().unwrap();
}
