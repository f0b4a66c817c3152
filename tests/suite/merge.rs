//! Sources of the same securities as one feed: recorded days that are cut off, played from one lake,
//! from two at once, and over reloads.

use std::path::Path;

use harness::{Bench, DAYS, Day, Host, free_port, python, sample};

/// A host that plays a part of a day, as the source of that id, into a lake of that name.
fn record(bench: &Bench, day: &Day, id: &str, part: &str, lake: &str) -> u64 {
    let source = day.source().replace("speed = 0.0", &format!("speed = 0.0\n{part}"));
    bench.pipeline(&format!(
        "{}\n[sinks.lake]\nplugin = \"parquet\"\ninputs = [\"{id}\"]\npath = \"recorded/{lake}\"\n",
        source.replace("sources.day", &format!("sources.{id}"))
    ));
    let run = bench.run(&["run"]);
    run.assert(0, &[]);
    run.summary(id, "out")
}

/// Compares a lake that was merged with the recorded day: what went out, from which source. `cut` is
/// the time of day at which `first` went away and that at which it was back, or `-` for both.
fn check(lake: &Path, day: &Day, cut: [&str; 2]) -> String {
    let (lake, recorded) = (lake.display().to_string(), sample(day.file).display().to_string());
    python("merge_check.py", &[&lake, &recorded, cut[0], cut[1]]).finish().trim().to_owned()
}

#[test]
fn a_recorded_day_of_two_sources_is_merged_quote_by_quote_as_pandas_merges_it() {
    let day = DAYS[0];
    let bench = Bench::with_links(&["replay", "merge", "parquet"]);
    let given = record(&bench, &day, "first", "to = \"09:45:00\"", "before")
        + record(&bench, &day, "first", "from = \"10:00:00\"", "after")
        + record(&bench, &day, "second", "", "second");
    bench.pipeline(
        "[sources.day]\nplugin = \"replay\"\npath = \"recorded\"\nspeed = 0.0\n\
         [transforms.one]\nplugin = \"merge\"\ninputs = [\"day\"]\nprefer = [\"first\", \"second\"]\n\
         [sinks.lake]\nplugin = \"parquet\"\ninputs = [\"one\"]\npath = \"merged\"\n",
    );
    let run = bench.run(&["run"]);
    run.assert(
        0,
        &[
            "first, the first of `prefer`, lacks quotes",
            "first, the first of `prefer`, serves again",
        ],
    );
    assert_eq!(run.summary("one", "in"), given);
    let checked = check(&bench.path("merged"), &day, ["09:45:00", "10:00:00"]);
    assert_eq!(checked, format!("{} quotes", run.summary("one", "out")));
    assert!(run.summary("one", "out") > day.records * 99 / 100, "{}", run.stderr);
}

#[test]
fn health_says_why_a_feed_without_its_first_choice_is_degraded() {
    let (day, port) = (DAYS[0], free_port());
    let bench = Bench::with_links(&["replay", "merge", "parquet", "null"]);
    record(&bench, &day, "first", "from = \"09:30:00\"\nto = \"09:32:00\"", "before");
    record(&bench, &day, "second", "from = \"09:30:00\"\nto = \"09:34:00\"", "second");
    // keeps the feed up
    bench.write(
        "waiting.csv",
        "symbol,time,close\n600000.SH,2021-12-01 09:30:00,1\n600000.SH,2021-12-01 09:34:00,1\n",
    );
    bench.pipeline(&format!(
        "[host]\nhttp = \"127.0.0.1:{port}\"\nwatch = false\n\
         [sources.day]\nplugin = \"replay\"\npath = \"recorded\"\nspeed = 0.0\n\
         [sources.waiting]\nplugin = \"replay\"\npath = \"waiting.csv\"\n\
         [transforms.one]\nplugin = \"merge\"\ninputs = [\"day\", \"waiting\"]\n\
         prefer = [\"first\", \"second\"]\n[sinks.end]\nplugin = \"null\"\ninputs = [\"one\"]\n"
    ));
    let host = bench.start();
    let why = "\"degraded\":\"first, the first of `prefer`, is away: others serve\"";
    let health = host.wait_for_answer(port, "/health", why);
    assert!(health.contains("\"state\":\"degraded\""), "{health}");
    assert!(health.contains("\"status\":\"failing\""), "{health}");
    host.signal("KILL");
    host.wait();
}

/// Two replays, of which none waits for the other: who is ahead changes all the time.
#[test]
fn two_sources_that_are_not_in_step_never_go_back_and_give_nothing_twice() {
    let day = DAYS[2];
    let bench = Bench::with_links(&["replay", "merge", "parquet"]);
    let source = |id: &str| day.source().replace("sources.day", &format!("sources.{id}"));
    bench.pipeline(&format!(
        "{}\n{}\n[transforms.one]\nplugin = \"merge\"\ninputs = [\"first\", \"second\"]\n\
         prefer = [\"first\", \"second\"]\n\
         [sinks.lake]\nplugin = \"parquet\"\ninputs = [\"one\"]\npath = \"merged\"\n",
        source("first"),
        source("second")
    ));
    let run = bench.run(&["run"]);
    run.assert(0, &[]);
    assert_eq!(run.summary("one", "in"), 2 * day.records);
    let checked = check(&bench.path("merged"), &day, ["-", "-"]);
    assert_eq!(checked, format!("{} quotes", run.summary("one", "out")));
}

/// The sources by the ids of their components, as the quotes of both name the publisher's.
const PREFER: &str = "prefer = [\"bus\", \"again\"]";

/// Waits until both copies of the day were taken in.
fn wait_for_both(host: &Host, port: u16, records: u64) {
    for id in ["bus", "again"] {
        let labels = format!("component=\"{id}\",kind=\"source\",plugin=\"nng-sub\"");
        let line = format!("dataserver_records_in_total{{{labels}}} {records}\n");
        host.wait_for_answer(port, "/metrics", &line);
    }
}

/// Everything comes twice, and the options change while it does: what went out last goes from instance
/// to instance.
#[test]
fn reloads_while_two_copies_of_a_day_are_read_let_each_quote_out_once() {
    let day = DAYS[2];
    let port = free_port();
    let address = format!("tcp://127.0.0.1:{}", free_port());
    let publisher = Bench::with_links(&["replay", "nng-pub"]);
    publisher.pipeline(&format!(
        "{}\n[sinks.feed]\nplugin = \"nng-pub\"\ninputs = [\"day\"]\nlisten = [\"{address}\"]\n\
         wait_subscribers = 2\nslow_subscriber = \"wait\"\nmax_rate = 1000\n\
         [sinks.feed.buffer]\nwhen_full = \"block\"\n",
        day.source()
    ));
    let bench = Bench::with_links(&["nng-sub", "merge", "parquet"]);
    let source = |id: &str| {
        format!(
            "[sources.{id}]\nplugin = \"nng-sub\"\ndial = \"{address}\"\nslow_pipeline = \"wait\"\n"
        )
    };
    bench.pipeline(&format!(
        "[host]\nhttp = \"127.0.0.1:{port}\"\nwatch = false\n{}{}\
         [transforms.one]\nplugin = \"merge\"\ninputs = [\"bus\", \"again\"]\n{PREFER}\n\
         [sinks.lake]\nplugin = \"parquet\"\ninputs = [\"one\"]\npath = \"merged\"\n",
        source("bus"),
        source("again")
    ));
    let host = bench.start();
    host.wait_for("the pipeline runs");
    let publishing = publisher.start();
    let unchanged = bench.read("pipeline.toml");
    let mut changes = 0_u32;
    let taken = || host.metric(port, "dataserver_records_in_total", "component=\"bus\"");
    #[allow(clippy::cast_precision_loss)]
    while taken() < day.records as f64 / 2.0 {
        changes += 1;
        let options = format!("{PREFER}\nhold = \"{}s\"", changes % 60);
        bench.pipeline(&unchanged.replace(PREFER, &options));
        let (code, report) = host.reload(port);
        assert_eq!(code, 200, "{report:#}");
    }
    assert!(changes >= 3, "{changes} reloads");
    publishing.wait().assert(0, &[]);
    wait_for_both(&host, port, day.records);
    host.signal("TERM");
    let run = host.wait();
    run.assert(0, &[]);
    assert_eq!(run.summary("one", "in"), 2 * day.records);
    let checked = check(&bench.path("merged"), &day, ["-", "-"]);
    assert_eq!(checked, format!("{} quotes", run.summary("one", "out")));
}
