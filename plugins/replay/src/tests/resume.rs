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
    open_with(dir, OPTIONS())
}

fn open_with(dir: &Path, options: Value) -> (Replay, Arc<TestHost>) {
    let host = Arc::<TestHost>::default();
    let options = testing::options(options).unwrap();
    (Replay::open(options, testing::context(&host, dir)).unwrap(), host)
}

/// The next batches.
fn pull(source: &mut Replay, batches: usize) -> Vec<Batch> {
    let mut pulled = Vec::new();
    while pulled.len() < batches {
        match source.next(Duration::from_millis(1)).unwrap() {
            Polled::Batch(batch) => pulled.push(batch),
            Polled::Idle => {}
            Polled::End => break,
        }
    }
    pulled
}

/// The next batches: number and last price of each quote.
fn take(source: &mut Replay, batches: usize) -> Vec<(u64, f64)> {
    let quotes = |batch: &Batch| {
        batch.spots().iter().map(|spot| (spot.sequence(), spot.close())).collect::<Vec<_>>()
    };
    pull(source, batches).iter().flat_map(quotes).collect()
}

/// The next batches: number of each and what is in it.
fn numbered(source: &mut Replay, batches: usize) -> Vec<Numbered> {
    let number = |batch: &Batch| {
        let provenance = batch.provenance();
        assert_eq!(provenance.part, 0);
        let key = (provenance.epoch, provenance.sequence);
        (key, batch.spots().iter().map(|spot| spot.close()).collect())
    };
    pull(source, batches).iter().map(number).collect()
}

/// Epoch and number of a batch, and the last prices in it.
type Numbered = ((u64, u64), Vec<f64>);

fn keys(batches: &[Numbered]) -> Vec<(u64, u64)> {
    batches.iter().map(|(key, _)| *key).collect()
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

#[test]
fn without_resume_batches_are_left_to_the_host_to_number() {
    let dir = setup();
    let (mut source, _) = open_with(dir.path(), own("a.csv"));
    assert_eq!(keys(&numbered(&mut source, 9)), [(0, 0); 4]);
    assert!(!dir.path().join("state").exists(), "and no position is kept");
}

#[test]
fn the_same_records_have_the_same_numbers_wherever_a_run_was_cut() {
    let dir = setup();
    // a round of many batches, so that one is cut in its middle too
    let large = (0..5_000).map(|row| format!("09:30:12,{:06},{row}", 600_000 + row));
    let large: Vec<String> =
        (0..5).map(|row| format!("09:30:0{row},600000,{row}")).chain(large).collect();
    write_own(dir.path(), "a.csv", &large.iter().map(String::as_str).collect::<Vec<_>>());
    let (mut source, _) = open(dir.path());
    let whole = numbered(&mut source, 99);
    drop(source);
    let epoch = whole[0].0.0;
    assert_ne!(epoch, 0);
    assert_eq!(keys(&whole), (1..=8).map(|number| (epoch, number)).collect::<Vec<_>>());
    // killed over and over; what was confirmed lies some batches before what had left
    let (mut from, mut left) = (0, 0);
    for (taken, confirmed) in [(1, 0), (3, 1), (2, 2), (4, 1), (5, 3), (3, 3)] {
        let (mut source, _) = open(dir.path());
        let again = numbered(&mut source, taken);
        assert_eq!(again, whole[from..from + again.len()], "from batch {from}");
        left = left.max(from + again.len());
        source.confirm(confirmed as u64).unwrap();
        // within the last round nothing is confirmed before all of it is
        from = match from + confirmed {
            8 => 8,
            reached => reached.min(5),
        };
    }
    assert_eq!((from, left), (8, 8));
}

#[test]
fn a_run_that_starts_over_counts_in_an_epoch_of_its_own() {
    let dir = setup();
    let mut epochs = Vec::new();
    for run in 0..3 {
        let (mut source, _) = open(dir.path());
        let first = numbered(&mut source, 2);
        drop(source);
        // killed before anything was confirmed, it is still the same run
        let (mut source, _) = open(dir.path());
        let batches = numbered(&mut source, 9);
        assert_eq!(batches[..2], first, "run {run}");
        assert_eq!(batches.iter().map(|(key, _)| key.1).collect::<Vec<_>>(), [1, 2, 3, 4]);
        epochs.push(batches[0].0.0);
        source.confirm(4).unwrap();
        drop(source);
    }
    epochs.dedup();
    assert_eq!(epochs.len(), 3, "{epochs:?}");
}

#[test]
fn files_that_changed_and_changed_back_count_in_another_epoch() {
    let dir = setup();
    write_own(dir.path(), "b.csv", &["09:30:00,600000,7", "09:30:01,600000,8"]);
    let mut epochs = Vec::new();
    for path in ["a.csv", "b.csv", "a.csv"] {
        let options = || with(own(path), json!({ "resume": true }));
        let (mut source, _) = open_with(dir.path(), options());
        let first = numbered(&mut source, 1);
        source.confirm(1).unwrap();
        epochs.push(first[0].0);
    }
    let of = |place: usize| epochs[place].0;
    assert!(of(0) != of(1) && of(1) != of(2) && of(0) != of(2), "{epochs:?}");
    assert!(epochs.iter().all(|(_, number)| *number == 1));
}

#[test]
fn numbers_go_on_growing_in_a_loop_and_over_its_restarts() {
    let dir = setup();
    let options = || with(OPTIONS(), json!({ "loop": true }));
    let (mut source, _) = open_with(dir.path(), options());
    let whole = numbered(&mut source, 30);
    drop(source);
    let epoch = whole[0].0.0;
    assert_eq!(keys(&whole), (1..=30).map(|number| (epoch, number)).collect::<Vec<_>>());
    assert_eq!(whole[4].1, whole[0].1, "the second pass brings the same records");
    // 4 batches a pass: cut within a pass, at its end and at the start of the next
    let mut from = 0;
    for confirmed in [3, 1, 1, 3, 5, 8] {
        let (mut source, _) = open_with(dir.path(), options());
        assert_eq!(numbered(&mut source, 9), whole[from..from + 9], "from batch {from}");
        source.confirm(confirmed as u64).unwrap();
        from += confirmed;
    }
}

#[test]
fn a_position_of_a_version_that_did_not_number_goes_on_and_is_numbered_from_there() {
    let dir = setup();
    let (mut source, _) = open(dir.path());
    take(&mut source, 2);
    source.confirm(2).unwrap();
    drop(source);
    let file = dir.path().join("state/position.json");
    let mut position: Value =
        plugin_api::serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    for new in ["run", "batches"] {
        assert!(position.as_object_mut().unwrap().remove(new).is_some());
    }
    fs::write(&file, position.to_string()).unwrap();
    let (mut source, _) = open(dir.path());
    let rest = numbered(&mut source, 9);
    assert_eq!(
        rest.iter().map(|(key, prices)| (key.1, prices[0])).collect::<Vec<_>>(),
        [(1, 4.0), (2, 5.0)]
    );
    source.confirm(1).unwrap();
    drop(source);
    assert_eq!(numbered(&mut open(dir.path()).0, 9), rest[1..]);
}

#[test]
fn a_run_whose_position_was_lost_is_not_taken_for_the_one_before() {
    let dir = setup();
    let epoch = |now_us| {
        let host = Arc::<TestHost>::default();
        host.set_now_us(now_us);
        let options = testing::options(OPTIONS()).unwrap();
        let mut source = Replay::open(options, testing::context(&host, dir.path())).unwrap();
        numbered(&mut source, 1)[0].0.0
    };
    let first = epoch(1_000);
    assert_eq!(epoch(2_000), first, "the same run goes on");
    fs::remove_file(dir.path().join("state/position.json")).unwrap();
    let second = epoch(3_000);
    assert_ne!(second, first);
    fs::write(dir.path().join("state/position.json"), "{").unwrap();
    assert_ne!(epoch(4_000), second);
}
