//! Pacing, by a clock that the test sets.

use super::*;

const SECOND_US: i64 = 1_000_000;

fn open(dir: &Path, more: Value) -> (Replay, Arc<TestHost>) {
    write_own(dir, "a.csv", &["09:30:00,600000,1", "09:30:03,600000,2", "13:00:00,600000,3"]);
    let host = Arc::<TestHost>::default();
    host.set_now_us(1_000 * SECOND_US);
    let options = json!({ "path": "a.csv", "market": "SH", "date": "2021-12-01" });
    let options = testing::options(with(options, more)).unwrap();
    (Replay::open(options, testing::context(&host, dir)).unwrap(), host)
}

/// Last price and time of the one quote that is due, if any.
fn due(source: &mut Replay) -> Option<(f64, i64)> {
    match source.next(Duration::ZERO).unwrap() {
        Polled::Batch(batch) => {
            batch.spots().iter().next().map(|spot| (spot.close(), spot.time_us()))
        }
        Polled::Idle | Polled::End => None,
    }
}

#[test]
fn rounds_wait_for_their_time() {
    let dir = tempfile::tempdir().unwrap();
    let (mut source, host) = open(dir.path(), json!({ "speed": 2.0, "max_gap": "1m" }));
    while due(&mut source).is_none() {} // the file is looked through in slices
    assert_eq!(due(&mut source), None);
    host.set_now_us(1_000 * SECOND_US + 1_499_999);
    assert_eq!(due(&mut source), None);
    host.set_now_us(1_000 * SECOND_US + 1_500_000);
    assert_eq!(due(&mut source).map(|(close, _)| close), Some(2.0));
    // three and a half hours are cut to a minute, at double speed half a minute
    host.set_now_us(1_031 * SECOND_US);
    assert_eq!(due(&mut source), None);
    host.set_now_us(1_031 * SECOND_US + 500_000);
    assert_eq!(due(&mut source).map(|(close, _)| close), Some(3.0));
}

#[test]
fn live_records_carry_the_time_at_which_they_leave() {
    let dir = tempfile::tempdir().unwrap();
    let (mut source, host) = open(dir.path(), json!({ "clock": "now", "max_gap": "1m" }));
    let mut first = None;
    while first.is_none() {
        first = due(&mut source);
    }
    assert_eq!(first, Some((1.0, 1_000 * SECOND_US)));
    for now_us in [1_003 * SECOND_US, 1_063 * SECOND_US] {
        host.set_now_us(now_us);
        assert_eq!(due(&mut source).map(|(_, time_us)| time_us), Some(now_us));
    }
    assert!(matches!(source.next(Duration::ZERO), Ok(Polled::End)));
}

#[test]
fn long_replays_say_how_far_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let (mut source, host) = open(dir.path(), json!({ "speed": 0 }));
    while due(&mut source).is_none() {}
    host.set_now_us(1_006 * SECOND_US);
    assert!(due(&mut source).is_some());
    let logs = host.told().logs;
    let (_, line) = logs.last().unwrap();
    assert_eq!(line, "3 rows, 100 %, at 2021-12-01 09:30:03, 0 rows/s");
}
