//! Bars of recorded days, computed once more by pandas, and a host that is broken off between.

use harness::{Bench, DAYS, Day, free_port, python, sample};

use super::nng_sub;

const EVERY_PERIOD: &str = "[\"1m\", \"3m\", \"5m\", \"15m\", \"30m\", \"60m\", \"2h\", \"4h\", \"6h\", \
                            \"12h\", \"day\", \"week\", \"month\", \"quarter\", \"halfyear\", \"year\"]";

/// A host that makes bars of a source `day` and keeps them in a lake.
fn bench(source: &str, updates: bool) -> Bench {
    let bench = Bench::with_links(&["replay", "bars", "parquet"]);
    bench.pipeline(&format!(
        "{source}\n[transforms.bars]\nplugin = \"bars\"\ninputs = [\"day\"]\n\
         periods = {EVERY_PERIOD}\nupdates = {updates}\n\
         [sinks.lake]\nplugin = \"parquet\"\ninputs = [\"bars\"]\npath = \"lake\"\n"
    ));
    bench
}

/// Compares the lake with what pandas computes of the recorded day; returns the number of bars.
fn check(bench: &Bench, day: &Day, changes: &str) -> u64 {
    let (lake, recorded) = (bench.path("lake"), sample(day.file));
    let (lake, recorded) = (lake.display().to_string(), recorded.display().to_string());
    let checked = python("bars_check.py", &[&lake, &recorded, changes]).finish();
    checked.trim().strip_suffix(" bars").unwrap().parse().unwrap()
}

#[test]
fn the_bars_of_every_recorded_day_are_those_that_pandas_computes() {
    for day in DAYS {
        let bench = bench(&day.source(), false);
        let run = bench.run(&["run"]);
        run.assert(0, &[]);
        assert_eq!(run.summary("bars", "in"), day.records);
        assert_eq!(run.summary("lake", "out"), check(&bench, &day, "complete"), "{}", day.file);
    }
}

#[test]
fn bars_that_change_end_as_the_same_bars() {
    let day = DAYS[2];
    let bench = bench(&day.source(), true);
    let run = bench.run(&["run"]);
    run.assert(0, &[]);
    assert!(run.summary("lake", "out") > 10 * check(&bench, &day, "changes"));
}

/// The day in two files, each replayed by a host of its own with the same state.
#[test]
fn a_day_that_is_broken_off_gives_the_bars_of_an_unbroken_one() {
    let day = DAYS[2];
    let whole = sample(day.file).display().to_string();
    let halves = python("split_day.py", &[&whole, "10:00:31", "13:30:07"]);
    let folder = halves.finish().trim().to_owned();
    let bench = bench(&day.source(), true);
    let pipeline = bench.read("pipeline.toml");
    for part in 0..3 {
        bench.pipeline(&pipeline.replace(&whole, &format!("{folder}/{part}.csv.gz")));
        bench.run(&["run"]).assert(0, &[]);
    }
    check(&bench, &day, "changes");
    std::fs::remove_dir_all(folder).unwrap();
}

/// The options change while quotes come; what was seen of each bar goes from instance to instance.
#[test]
fn reloads_while_a_day_is_read_give_the_bars_of_a_quiet_run() {
    let day = DAYS[2];
    let port = free_port();
    let address = format!("tcp://127.0.0.1:{}", free_port());
    let publisher = nng_sub::publisher(&day, &address, 1000);
    let sinks = format!(
        "[transforms.bars]\nplugin = \"bars\"\ninputs = [\"bus\"]\nperiods = {EVERY_PERIOD}\n\
         [sinks.lake]\nplugin = \"parquet\"\ninputs = [\"bars\"]\npath = \"lake\"\n"
    );
    let bench = nng_sub::reader(&["bars", "parquet"], &address, port, &sinks);
    let host = bench.start();
    host.wait_for("the pipeline runs");
    let publishing = publisher.start();
    let unchanged = bench.read("pipeline.toml");
    let changes = nng_sub::reload_until_half(&host, port, &day, |change| {
        let options = format!("plugin = \"bars\"\ncheckpoint = \"{change}h\"");
        bench.pipeline(&unchanged.replace("plugin = \"bars\"", &options));
    });
    assert!(changes >= 3, "{changes} reloads");
    publishing.wait().assert(0, &[]);
    nng_sub::wait_for_records(&host, port, day.records);
    host.signal("TERM");
    let run = host.wait();
    run.assert(0, &[]);
    assert_eq!(run.summary("bars", "in"), day.records);
    check(&bench, &day, "changes");
}

/// Values of `label`, `empty_minutes`, `auction` and `after_hours`.
type Drawn = [&'static str; 4];

/// Every combination of them.
fn every_way_to_draw() -> Vec<Drawn> {
    let mut all = Vec::new();
    for label in ["end", "start"] {
        for empty in ["none", "previous"] {
            for auction in ["first_bar", "own_bar", "drop"] {
                for late in ["drop", "last_bar", "own"] {
                    all.push([label, empty, auction, late]);
                }
            }
        }
    }
    all
}

/// Makes bars of a day in each of those ways, in one host, and has pandas compute them.
fn check_drawn(day: &Day, file: &str, ways: &[Drawn]) {
    let bench = Bench::with_links(&["replay", "bars", "parquet"]);
    let components = ways.iter().enumerate().map(|(place, [label, empty, auction, late])| {
        format!(
            "[transforms.bars{place}]\nplugin = \"bars\"\ninputs = [\"day\"]\n\
             periods = [\"1m\", \"5m\", \"60m\", \"day\"]\nupdates = false\n\
             label = \"{label}\"\nempty_minutes = \"{empty}\"\nauction = \"{auction}\"\n\
             after_hours = \"{late}\"\n\
             [sinks.lake{place}]\nplugin = \"parquet\"\ninputs = [\"bars{place}\"]\n\
             path = \"lake{place}\"\n"
        )
    });
    bench.pipeline(&format!("{}\n{}", day.source_of(file), components.collect::<String>()));
    bench.run(&["run"]).assert(0, &[]);
    let lakes = ways.iter().enumerate().map(|(place, way)| {
        format!("{}:{}", bench.path(&format!("lake{place}")).display(), way.join(":"))
    });
    let lakes: Vec<_> = lakes.collect();
    let mut arguments = vec![file];
    arguments.extend(lakes.iter().map(String::as_str));
    let told = python("bars_drawn.py", &arguments).finish();
    assert_eq!(told.lines().count(), ways.len(), "{told}");
}

/// A day of Shenzhen, with trades after the close.
#[test]
fn bars_drawn_in_every_way_are_those_that_pandas_computes() {
    let day = DAYS[2];
    let recorded = sample(day.file).display().to_string();
    let file = python("after_hours_day.py", &[&recorded]).finish().trim().to_owned();
    check_drawn(&day, &file, &every_way_to_draw());
    std::fs::remove_dir_all(std::path::Path::new(&file).parent().unwrap()).unwrap();
}

#[test]
fn bars_of_shanghai_drawn_in_other_ways_are_those_that_pandas_computes() {
    let ways = [
        ["end", "none", "own_bar", "drop"],
        ["end", "previous", "first_bar", "last_bar"],
        ["start", "previous", "own_bar", "own"],
        ["start", "none", "drop", "own"],
    ];
    for day in &DAYS[..2] {
        check_drawn(day, &sample(day.file).display().to_string(), &ways);
    }
}
