//! Going on after a restart.

use super::*;

const OPTIONS: fn() -> Value = || with(own("a.csv"), json!({ "resume": true }));

fn setup() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let lines = [
        "09:30:00,600000,1",
        "09:30:03,600000,2",
        "09:30:03,600001,3",
        "09:30:06,600000,4",
        "09:30:09,600000,5",
    ];
    write_own(dir.path(), "a.csv", &lines);
    dir
}

fn open(dir: &Path) -> (Replay, Arc<TestHost>) {
    let host = Arc::<TestHost>::default();
    let source =
        Replay::open(testing::options(OPTIONS()).unwrap(), testing::context(&host, dir)).unwrap();
    (source, host)
}

/// The next batches: number and last price of each quote.
fn take(source: &mut Replay, batches: usize) -> Vec<(u64, f64)> {
    let mut taken = Vec::new();
    let mut left = batches;
    while left > 0 {
        match source.next(Duration::from_millis(1)).unwrap() {
            Polled::Batch(batch) => {
                taken.extend(batch.spots().iter().map(|spot| (spot.sequence(), spot.close())));
                left -= 1;
            }
            Polled::Idle => {}
            Polled::End => break,
        }
    }
    taken
}

#[test]
fn an_unfinished_run_goes_on_with_the_first_unconfirmed_round() {
    let dir = setup();
    let (mut source, _) = open(dir.path());
    assert_eq!(take(&mut source, 3).len(), 4);
    source.confirm(2).unwrap();
    drop(source);
    let (mut source, host) = open(dir.path());
    assert_eq!(take(&mut source, 9), [(4, 4.0), (5, 5.0)]);
    assert!(host.told().logs.iter().any(|(_, line)| line == "goes on after record 3"));
    // what was confirmed before counts on
    source.confirm(1).unwrap();
    drop(source);
    assert_eq!(take(&mut open(dir.path()).0, 9), [(5, 5.0)]);
}

#[test]
fn a_finished_run_starts_over() {
    let dir = setup();
    for confirm_first in [true, false] {
        let (mut source, _) = open(dir.path());
        assert_eq!(take(&mut source, 4).len(), 5);
        if confirm_first {
            source.confirm(4).unwrap();
        }
        assert!(matches!(source.next(Duration::ZERO), Ok(Polled::End)));
        source.confirm(4).unwrap();
    }
    assert_eq!(take(&mut open(dir.path()).0, 1), [(1, 1.0)]);
}

#[test]
fn nothing_confirmed_means_from_the_start() {
    let dir = setup();
    let (mut source, _) = open(dir.path());
    take(&mut source, 9);
    source.confirm(0).unwrap();
    drop(source);
    assert_eq!(take(&mut open(dir.path()).0, 1), [(1, 1.0)]);
}

#[test]
fn other_files_start_over_and_it_is_said() {
    let dir = setup();
    let (mut source, _) = open(dir.path());
    take(&mut source, 2);
    source.confirm(2).unwrap();
    write_own(dir.path(), "a.csv", &["09:30:00,600000,7"]);
    let (mut source, host) = open(dir.path());
    assert_eq!(take(&mut source, 9), [(1, 7.0)]);
    assert!(host.told().logs.iter().any(|(_, line)| line.contains("starting over")));
    // a position that cannot be read is no reason to stop
    fs::write(dir.path().join("state/position.json"), "{").unwrap();
    let (mut source, host) = open(dir.path());
    assert_eq!(take(&mut source, 9), [(1, 7.0)]);
    assert!(host.told().logs.iter().any(|(_, line)| line.contains("position.json")));
}
