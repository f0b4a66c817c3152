//! Gaps that are filled from another store, without a host, with one, and while both are killed.

use std::time::{Duration, Instant};

use harness::{
    Bench, ClickHouse, DAYS, Day, Host, Random, Redis, free_port, python, sample, seed, wait_until,
};
use serde_json::Value;

/// The twenty securities of the first recorded morning.
fn symbols(bench: &Bench) -> String {
    let lake = bench.path("old").display().to_string();
    python("backfill_lake.py", &["symbols", &lake]).finish().trim().to_owned()
}

/// A folder with a lake `old` of a recorded day.
fn with_old_lake(plugins: &[&str], day: &Day) -> Bench {
    let all: Vec<_> = ["replay", "parquet", "faulty"].iter().chain(plugins).copied().collect();
    let bench = Bench::with_links(&all);
    bench.pipeline(&format!(
        "{}\n[sinks.old]\nplugin = \"parquet\"\ninputs = [\"day\"]\npath = \"old\"\n",
        day.source()
    ));
    bench.run(&["run"]).assert(0, &[]);
    bench
}

/// A host of a source that goes on, with stores; the lake is filled from the one named `old`.
fn pipeline(port: u16, more: &str) -> String {
    format!(
        "[host]\nhttp = \"127.0.0.1:{port}\"\nwatch = false\n\
         [backfill]\nfrom = [\"past\"]\n\
         [sources.past]\nplugin = \"parquet\"\npath = \"old\"\n\
         [sources.live]\nplugin = \"faulty\"\nbatches = 1000000000\nrecords = 1\npace = \"20ms\"\n\
         symbols = 1\n\
         [sinks.screen]\nplugin = \"faulty\"\ninputs = [\"live\"]\n\
         [sinks.lake]\nplugin = \"parquet\"\ninputs = [\"live\"]\npath = \"new\"\n\
         flush_interval = \"100ms\"\nrow_group_records = 2000\n{more}"
    )
}

const FILL: [&str; 9] =
    ["backfill", "--kind", "spot", "--from", "2021-12-01", "--to", "2021-12-01", "--symbols", ""];

fn fill(symbols: &str) -> Vec<&str> {
    let mut arguments = FILL.to_vec();
    *arguments.last_mut().unwrap() = symbols;
    arguments
}

/// Both lakes have the same records of the named securities, each once.
#[track_caller]
fn assert_same(bench: &Bench, symbols: &str, records: u64) {
    let [old, new] = ["old", "new"].map(|name| bench.path(name).display().to_string());
    let printed = python("backfill_lake.py", &["same", &old, &new, symbols]).finish();
    assert_eq!(printed.trim(), format!("{records} records"));
}

#[test]
fn a_store_gets_what_another_one_has_without_a_host() {
    let bench = with_old_lake(&[], &DAYS[0]);
    let symbols = symbols(&bench);
    bench.pipeline(&pipeline(free_port(), ""));
    let dry = [fill(&symbols), vec!["--dry-run"]].concat();
    bench.run(&dry).assert(0, &["20 records of 20 securities are missing", "past"]);
    bench.run(&fill(&symbols)).assert(0, &["done: quotes", "21995 written, 0 still missing"]);
    assert_same(&bench, &symbols, 21_995);
    // what is there already is not written again
    bench.run(&fill(&symbols)).assert(0, &["0 written, 0 still missing"]);
    assert_same(&bench, &symbols, 21_995);
    // of a security that the other store does not have nothing comes, and that is told
    let run = bench.run(&fill("600000.SH"));
    run.assert(1, &["0 written, 1 still missing"]);
    let run = bench.run(&[fill("600000.SH"), vec!["--format", "json"]].concat());
    let outcome: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&outcome["still_missing"], &outcome["asked"]), (&1.into(), &1.into()));
    assert_eq!(outcome["stores"], serde_json::json!(["lake"]));
}

#[test]
fn whoever_is_killed_at_whatever_moment_goes_on_and_nothing_is_there_twice() {
    let bench = with_old_lake(&["clickhouse", "redis-stream"], &DAYS[0]);
    let symbols = symbols(&bench);
    let (clickhouse, redis) = (ClickHouse::start(), Redis::start(&[]));
    let stores = format!(
        "[sinks.table]\nplugin = \"clickhouse\"\ninputs = [\"live\"]\nurl = \"{}\"\n\
         database = \"market\"\n\
         [sinks.stream]\nplugin = \"redis-stream\"\ninputs = [\"live\"]\nurl = \"{}\"\n\
         stream = \"spots\"\nformat = \"fields\"\n",
        clickhouse.http_url(),
        redis.url(),
    );
    bench.pipeline(&pipeline(free_port(), &stores));
    let seed = seed(3);
    let mut random = Random::new(seed);
    let mut kills = 0;
    loop {
        let mut verb = bench.spawn(&fill(&symbols));
        let until = Instant::now() + Duration::from_millis(random.between(50, 400 + 200 * kills));
        while Instant::now() < until && !verb.has_ended() {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        if verb.has_ended() {
            verb.wait().assert(0, &["0 still missing"]);
            break;
        }
        verb.signal("KILL");
        verb.wait();
        kills += 1;
        assert!(kills < 60, "it never ends");
    }
    assert!(kills > 0, "nobody was killed");
    assert_same(&bench, &symbols, 21_995);
    assert_eq!(clickhouse.query("SELECT count() FROM market.spots FINAL"), "21995\n");
    assert_eq!(redis.cli(&["XLEN", "spots"]).trim(), "21995");
}

/// Waits until the host has no backfill, and returns what the last one came to.
#[track_caller]
fn wait_done(host: &Host, port: u16) -> Value {
    let body = host.wait_for_answer(port, "/api/backfill", "\"current\":null,\"last\":{");
    serde_json::from_str::<Value>(&body).unwrap()["last"].clone()
}

#[test]
fn a_host_fills_gaps_beside_what_comes_live_over_reloads_and_a_kill() {
    let (bench, port) = (with_old_lake(&[], &DAYS[0]), free_port());
    let symbols = symbols(&bench);
    // so slow that there is time for all that follows
    let slow = pipeline(port, "").replace("[backfill]", "[backfill]\nrate = 4000");
    bench.pipeline(&slow);
    let host = bench.start();
    host.wait_for("the pipeline runs");
    let verb = bench.spawn(&fill(&symbols));
    host.wait_for_answer(port, "/api/backfill", "\"state\":\"running\"");
    // a second one is refused with the name of the first, and a reload goes on below it
    bench.run(&fill(&symbols)).assert(1, &["backfill 2", "runs; wait for its end"]);
    bench.pipeline(&slow.replace("flush_interval = \"100ms\"", "flush_interval = \"200ms\""));
    bench.run(&["reload"]).assert(0, &["lake (flush_interval)"]);
    host.signal("KILL");
    host.wait();
    assert_ne!(verb.wait().code, 0);
    let host = bench.start();
    host.wait_for("goes on");
    let outcome = wait_done(&host, port);
    assert_eq!((&outcome["written"], &outcome["still_missing"]), (&21_995.into(), &0.into()));
    host.signal("TERM");
    host.wait().assert(0, &[]);
    assert_same(&bench, &symbols, 21_995);
}

#[test]
fn a_backfill_can_be_cancelled_and_what_is_stored_stays() {
    let (bench, port) = (with_old_lake(&[], &DAYS[0]), free_port());
    let symbols = symbols(&bench);
    bench.pipeline(&pipeline(port, "").replace("[backfill]", "[backfill]\nrate = 1000"));
    let host = bench.start();
    host.wait_for("the pipeline runs");
    bench.run(&["backfill", "--cancel"]).assert(1, &["no backfill runs"]);
    let verb = bench.spawn(&fill(&symbols));
    host.wait_for_answer(port, "/api/backfill", "\"state\":\"running\"");
    bench.run(&["backfill", "--cancel"]).assert(0, &["cancelled: quotes"]);
    verb.wait().assert(1, &["cancelled: quotes"]);
    assert_eq!(wait_done(&host, port)["cancelled"], true);
    let audit = bench.read("data/audit.jsonl");
    assert!(audit.contains("\"action\":\"backfill\",\"target\":\"cancel\""), "{audit}");
}

#[test]
fn a_second_backfill_without_a_host_hears_of_the_first() {
    let bench = with_old_lake(&[], &DAYS[0]);
    let symbols = symbols(&bench);
    bench.pipeline(&pipeline(free_port(), "").replace("[backfill]", "[backfill]\nrate = 1000"));
    let first = bench.spawn(&fill(&symbols));
    wait_until("the first one locks", || bench.path("data/backfill/backfill.lock").exists());
    bench.run(&fill(&symbols)).assert(1, &["backfill", "runs", "without a host"]);
    first.signal("KILL");
    first.wait();
}

#[test]
fn a_round_that_was_lost_within_a_minute_is_missing_still() {
    let day = &DAYS[1];
    let bench = with_old_lake(&["ledger"], day);
    let whole = sample(day.file).display().to_string();
    let folder = python("split_day.py", &[&whole, "10:00:20", "10:00:40"]).finish();
    let folder = folder.trim().to_owned();
    std::fs::remove_file(format!("{folder}/1.csv.gz")).unwrap();
    bench.pipeline(&format!(
        "[backfill]\nfrom = [\"past\"]\n[sources.past]\nplugin = \"parquet\"\npath = \"old\"\n{}\n\
         [sinks.ledger]\nplugin = \"ledger\"\ninputs = [\"day\"]\npath = \"days.db\"\n",
        day.source_of(&format!("{folder}/*.csv.gz"))
    ));
    bench.run(&["run"]).assert(0, &[]);
    std::fs::remove_dir_all(folder).unwrap();
    bench.run(&["days", "2023-02-01"]).assert(0, &["* (all)", "10:00"]);
    let fill = ["backfill", "--kind", "spot", "--from", "2023-02-01", "--to", "2023-02-01"];
    let told = "rounds that were lost within minutes of which other quotes came";
    bench.run(&[&fill[..], &["--dry-run"]].concat()).assert(0, &["0 records of 0", told]);
    let run = bench.run(&[&fill[..], &["--format", "json"]].concat());
    let outcome: Value = serde_json::from_str(&run.assert(1, &[]).stdout).unwrap();
    let missing = outcome["still_missing"].as_u64().unwrap();
    assert!((5..=8).contains(&missing), "seven quotes of three seconds: {outcome}");
    let run = bench.run(&[&fill[..], &["--symbols", "600519.SH"]].concat());
    run.assert(1, &[told, "0 asked", "still missing"]);
}

#[test]
fn bars_of_history_take_the_place_of_those_that_are_there_when_that_is_wanted() {
    let (day, date) = (&DAYS[1], "2023-02-01");
    let bench = Bench::with_links(&["replay", "bars", "parquet", "ledger"]);
    let lake = |name: &str| {
        format!("[sinks.{name}]\nplugin = \"parquet\"\ninputs = [\"bars\"]\npath = \"{name}\"\n")
    };
    bench.pipeline(&format!(
        "[backfill]\nfrom = [\"past\"]\nto = [\"new\"]\n\
         [sources.past]\nplugin = \"parquet\"\npath = \"old\"\n{}\n\
         [transforms.bars]\nplugin = \"bars\"\ninputs = [\"day\"]\nperiods = [\"1m\", \"day\"]\n\
         updates = false\n{}{}\
         [sinks.ledger]\nplugin = \"ledger\"\ninputs = [\"bars\"]\npath = \"days.db\"\n",
        day.source(),
        lake("old"),
        lake("new")
    ));
    bench.run(&["run"]).assert(0, &[]);
    let new = bench.path("new").display().to_string();
    python("lake_alter.py", &[&new, "600519.SH", "1m", "close", "2"]).finish();
    let verify = ["verify", date, "--store", "new"];
    bench.run(&verify).assert(1, &["600519.SH: prices of its 1m bar"]);
    let fill = ["backfill", "--from", date, "--to", date, "--symbols", "600519.SH"];
    bench.run(&fill).assert(0, &["0 asked", "0 written, 0 still missing"]);
    bench.run(&[&fill[..], &["--replace"]].concat()).assert(0, &["0 still missing"]);
    bench.run(&verify).assert(0, &["the same"]);
    let quotes = [&fill[..], &["--replace", "--kind", "spot"]].concat();
    bench.run(&quotes).assert(1, &["quotes that came live stay"]);
    // of a security of which history has nothing what is there stays, and that is told
    let absent = ["backfill", "--replace", "--from", date, "--to", date, "--period", "day"];
    std::fs::remove_dir_all(bench.path("old/kind=bar")).unwrap();
    bench.run(&absent).assert(1, &["0 written, 1 still missing"]);
}
