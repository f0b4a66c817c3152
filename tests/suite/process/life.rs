//! How children begin, hand over and end.

use std::time::{Duration, Instant};

use dataserver::config::{Carrier, Limits};
use harness::Bench;
use plugin_api::{
    Ack, Polled, ReaderKind, RoleKind, Round,
    testing::{bar_batch, spot_batch},
};
use serde_json::json;

use super::{Case, PATIENT, load, load_apart};

#[test]
fn a_transform_in_python_passes_batches_on_without_a_copy() {
    let loaded = load("pass", "py-pass", RoleKind::Transform);
    let case = Case::new(&json!({ "say": "here" }), loaded.folder.path());
    let mut transform = loaded.plugin.open_transform(case.opening.clone()).unwrap();
    for batch in [spot_batch(2, Round::WHOLE), spot_batch(2_000, Round::MIDDLE), bar_batch()] {
        let batch = batch.numbered(7, 3, 1);
        let given = transform.apply(&batch).unwrap();
        assert_eq!(given.len(), 1);
        assert_eq!(given[0].payload().as_ptr(), batch.payload().as_ptr());
        assert_eq!((given[0].round(), given[0].provenance().part), (batch.round(), 1));
    }
    assert!(transform.tick().unwrap().is_empty());
    assert!(transform.close().unwrap().is_empty());
    assert!(case.logs().contains("Info here"), "{}", case.logs());
}

#[test]
fn marks_of_a_round_come_through_where_the_records_do_not() {
    let loaded = load("pass", "py-pass", RoleKind::Transform);
    let case = Case::new(&json!({ "most": 0 }), loaded.folder.path());
    let mut transform = loaded.plugin.open_transform(case.opening.clone()).unwrap();
    assert!(transform.apply(&spot_batch(2, Round::MIDDLE)).unwrap().is_empty());
    let last = Round { first: false, last: true };
    let given = transform.apply(&spot_batch(2, last).numbered(7, 3, 1)).unwrap();
    assert_eq!((given[0].records(), given[0].round()), (0, last));
    assert_eq!(given[0].provenance().sequence, 3);
    assert_eq!(case.host.told().dropped, [("too_many".to_owned(), 2), ("too_many".to_owned(), 2)]);
}

#[test]
fn a_successor_goes_on_with_the_state_of_the_one_before() {
    let loaded = load("pass", "py-pass", RoleKind::Transform);
    let case = Case::new(&json!({}), loaded.folder.path());
    let mut before = loaded.plugin.open_transform(case.opening.clone()).unwrap();
    before.apply(&spot_batch(1, Round::WHOLE)).unwrap();
    let state = before.export_state().unwrap().unwrap();
    drop(before);
    let mut after = loaded.plugin.open_transform(case.opening.clone()).unwrap();
    after.import_state(&state).unwrap();
    assert!(case.logs().contains("goes on after 1 calls"), "{}", case.logs());
}

#[test]
fn a_library_apart_does_all_that_it_does_in_the_process() {
    let sink = load_apart("faulty", RoleKind::Sink);
    let case = Case::new(&json!({ "readers": 2, "hold": true }), sink.folder.path());
    sink.plugin.check(RoleKind::Sink, case.opening.clone()).unwrap();
    let mut open = sink.plugin.open_sink(case.opening.clone()).unwrap();
    let batch = spot_batch(3_000, Round::WHOLE).with_delivery(5);
    assert_eq!(open.write(&[batch, bar_batch()]).unwrap(), Ack::Held);
    let readers = open.readers().unwrap().unwrap();
    assert_eq!((readers.len(), readers[0].kind), (2, ReaderKind::Client));
    open.flush().unwrap();
    open.close().unwrap();
    assert!(sink.plugin.command(RoleKind::Sink, case.opening.clone(), &json!({})).is_err());

    let source = load_apart("faulty", RoleKind::Source);
    let options = json!({ "batches": 2, "records": 3, "symbols": 3 });
    let case = Case::new(&options, source.folder.path());
    let mut open = source.plugin.open_source(case.opening.clone()).unwrap();
    let mut records = 0;
    loop {
        match open.next(Duration::from_secs(1)).unwrap() {
            Polled::Batch(batch) => records += batch.records(),
            Polled::Idle => {}
            Polled::End => break,
        }
    }
    assert_eq!(records, 6);
    open.confirm(2).unwrap();
    open.close().unwrap();

    // a panic stays a panic, and what crashes costs the child alone
    let options = json!({ "call": "apply", "how": "panic" });
    let transform = load_apart("faulty", RoleKind::Transform);
    let case = Case::new(&options, transform.folder.path());
    let error = case.apply(transform.plugin.as_ref()).unwrap_err();
    assert_eq!(error.kind, plugin_api::ErrorKind::Panic, "{error}");
}

#[test]
fn a_file_that_was_replaced_is_not_run_under_the_name_of_the_one_before() {
    let loaded = load("pass", "py-pass", RoleKind::Transform);
    let case = Case::new(&json!({}), loaded.folder.path());
    let mut transform = loaded.plugin.open_transform(case.opening.clone()).unwrap();
    std::fs::write(loaded.folder.path().join("pass.py"), "print('another')\n").unwrap();
    transform.apply(&spot_batch(1, Round::WHOLE)).unwrap();
    let error = loaded.plugin.open_transform(case.opening.clone()).err().unwrap();
    assert_eq!(error.kind, plugin_api::ErrorKind::Retry, "{error}");
    assert!(error.message.contains("was replaced"), "{error}");
}

#[test]
fn children_end_with_a_host_that_is_killed() {
    let bench = Bench::new(&["faulty"]);
    bench.install_python("hostile");
    bench.pipeline(
        "[sources.day]\nplugin = \"faulty\"\nbatches = 1\nrecords = 1\nsymbols = 1\n\
         [transforms.t]\nplugin = \"hostile\"\ninputs = [\"day\"]\nhow = \"ignore_sigterm\"\n\
         limits.deadline = \"60s\"\n\
         [sinks.out]\nplugin = \"faulty\"\ninputs = [\"t\"]\n",
    );
    let host = bench.start();
    host.wait_for("the pipeline runs");
    let children = || {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", host.pid())).unwrap().flatten();
        let lists = tasks.filter_map(|it| std::fs::read_to_string(it.path().join("children")).ok());
        lists.collect::<String>()
    };
    let pid = children().trim().to_owned();
    assert!(!pid.is_empty());
    host.signal("KILL");
    host.wait();
    let since = Instant::now();
    let lives = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
    };
    while lives() {
        assert!(since.elapsed() < PATIENT, "{pid} is left");
        std::thread::yield_now();
    }
}

#[test]
fn a_child_is_held_to_its_memory() {
    let loaded = load("hostile", "hostile", RoleKind::Transform);
    let limits = Limits { memory: 64 << 20, deadline: PATIENT, ..Limits::of(Carrier::Process) };
    let case = Case::new(&json!({ "how": "allocate" }), loaded.folder.path()).limits(limits);
    let error = case.apply(loaded.plugin.as_ref()).unwrap_err();
    assert!(error.message.contains("limits.memory"), "{error}");
}
