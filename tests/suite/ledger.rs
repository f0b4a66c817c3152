//! The `ledger` sink in the program, read by Python's sqlite3 as a second opinion.

use harness::{Bench, DAYS, Day, free_port, python, sample, wait_until};

/// A replayed day into a ledger.
fn pipeline(day: &Day, port: u16, speed: &str) -> String {
    format!(
        "[host]\nhttp = \"127.0.0.1:{port}\"\n{}\n[sinks.days]\nplugin = \"ledger\"\n\
         inputs = [\"day\"]\npath = \"ledger.sqlite\"\nflush_interval = \"1s\"\nbuffer.type = \"disk\"\n",
        day.source().replace("speed = 0.0", &format!("resume = true\n{speed}"))
    )
}

#[track_caller]
fn assert_counted(bench: &Bench, day: &Day) {
    let recorded = sample(day.file).display().to_string();
    let ledger = bench.path("ledger.sqlite").display().to_string();
    let found = python("check_ledger.py", &[&ledger, &recorded]).finish();
    assert_eq!(found.trim(), format!("{} records", day.records), "{}", day.file);
}

#[test]
fn every_record_of_a_recorded_day_is_counted() {
    for day in DAYS {
        let bench = Bench::new(&["replay", "ledger"]);
        bench.pipeline(&pipeline(&day, free_port(), "speed = 0.0"));
        let run = bench.run(&["run"]);
        run.assert(0, &[]);
        assert_eq!(run.summary("days", "out"), day.records);
        assert_counted(&bench, &day);
    }
}

#[test]
fn kills_and_starts_count_every_record_once() {
    let day = DAYS[1];
    let bench = Bench::new(&["replay", "ledger"]);
    for _ in 0..3 {
        let port = free_port();
        // slow enough for the day not to end before the last kill, however busy the machine is
        bench.pipeline(&pipeline(&day, port, "speed = 100.0"));
        let host = bench.start();
        host.wait_for("the pipeline runs");
        let received = || host.metric(port, "dataserver_records_in_total", "component=\"days\"");
        wait_until("200 records reach the ledger", || received() >= 200.0);
        host.signal("KILL");
        host.wait();
    }
    bench.pipeline(&pipeline(&day, free_port(), "speed = 0.0"));
    bench.run(&["run"]).assert(0, &[]);
    assert_counted(&bench, &day);
}

#[test]
fn a_second_ledger_on_the_same_path_is_told_who_has_it() {
    let day = DAYS[1];
    let bench = Bench::new(&["replay", "ledger"]);
    let second =
        "[sinks.again]\nplugin = \"ledger\"\ninputs = [\"day\"]\npath = \"ledger.sqlite\"\n";
    bench.pipeline(&(pipeline(&day, free_port(), "speed = 100.0") + second));
    let host = bench.start();
    host.wait_for("is written by sink `");
    host.signal("KILL");
    host.wait();
}

#[test]
fn a_damaged_ledger_is_set_aside_and_the_day_is_counted() {
    let day = DAYS[1];
    let bench = Bench::new(&["replay", "ledger"]);
    bench.write("ledger.sqlite", vec![0; 100_000]);
    bench.pipeline(&pipeline(&day, free_port(), "speed = 0.0"));
    bench.run(&["run"]).assert(0, &["was damaged", "ledger.sqlite.damaged"]);
    assert_counted(&bench, &day);
    assert_eq!(std::fs::read(bench.path("ledger.sqlite.damaged")).unwrap(), vec![0; 100_000]);
}
