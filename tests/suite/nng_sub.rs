//! Hosts that read what another host publishes.

use harness::{Bench, DAYS, Day, Host, free_port, python, sample, wait_until};

/// A host that publishes a recorded day, with at most so many messages a second (0: as fast as its
/// subscriber reads), and keeps it in a lake.
pub fn publisher(day: &Day, address: &str, max_rate: u32) -> Bench {
    let bench = Bench::with_links(&["replay", "nng-pub", "parquet"]);
    bench.pipeline(&format!(
        "{}\n[sinks.feed]\nplugin = \"nng-pub\"\ninputs = [\"day\"]\nlisten = [\"{address}\"]\n\
         wait_subscribers = 1\nslow_subscriber = \"wait\"\nmax_rate = {max_rate}\n\
         [sinks.feed.buffer]\nwhen_full = \"block\"\n\
         [sinks.lake]\nplugin = \"parquet\"\ninputs = [\"day\"]\npath = \"lake\"\n",
        day.source()
    ));
    bench
}

/// A host that reads that address into those sinks.
pub fn reader(plugins: &[&str], address: &str, port: u16, sinks: &str) -> Bench {
    let bench = Bench::with_links(&[plugins, &["nng-sub"]].concat());
    bench.pipeline(&format!(
        "[host]\nhttp = \"127.0.0.1:{port}\"\nwatch = false\n[sources.bus]\nplugin = \"nng-sub\"\n\
         dial = \"{address}\"\nslow_pipeline = \"wait\"\n{sinks}"
    ));
    bench
}

const LAKE: &str = "[sinks.lake]\nplugin = \"parquet\"\ninputs = [\"bus\"]\npath = \"lake\"\n";

/// Waits until the source has given so many records.
pub fn wait_for_records(host: &Host, port: u16, records: u64) {
    let labels = "component=\"bus\",kind=\"source\",plugin=\"nng-sub\"";
    let line = format!("dataserver_records_in_total{{{labels}}} {records}\n");
    host.wait_for_answer(port, "/metrics", &line);
}

#[test]
fn a_second_host_keeps_the_same_records_as_the_first() {
    for day in DAYS {
        let port = free_port();
        let address = format!("tcp://127.0.0.1:{}", free_port());
        let first = publisher(&day, &address, 0);
        let second = reader(&["parquet"], &address, port, LAKE);
        let host = second.start();
        // it dials until there is somebody
        host.wait_for("no publisher answers");
        first.run(&["run"]).assert(0, &[]);
        wait_for_records(&host, port, day.records);
        host.wait_for("lost tcp://");
        let gaps = host.metric(port, "dataserver_source_gaps_total", "component=\"bus\"");
        assert_eq!(gaps.to_string(), "0");
        host.signal("TERM");
        let run = host.wait();
        run.assert(0, &[]);
        assert_eq!(run.summary("bus", "dropped"), 0);
        let lakes = [first.path("lake"), second.path("lake")].map(|it| it.display().to_string());
        let compared = python("same_lakes.py", &[&lakes[0], &lakes[1]]);
        assert_eq!(compared.finish().trim(), format!("{} rows", day.records));
    }
}

#[test]
fn a_host_between_changes_nothing_that_hikyuu_reads() {
    let day = DAYS[0];
    let port = free_port();
    let feed = format!("abstract://dataserver-feed-{}", std::process::id());
    let first = publisher(&day, &feed, 0);
    let again = format!("tcp://127.0.0.1:{}", free_port());
    let sinks = format!(
        "[sinks.again]\nplugin = \"nng-pub\"\ninputs = [\"bus\"]\nlisten = [\"{again}\"]\n\
         wait_subscribers = 1\nslow_subscriber = \"wait\"\n[sinks.again.buffer]\n\
         when_full = \"block\"\n"
    );
    let between = reader(&["nng-pub"], &feed, port, &sinks);
    let host = between.start();
    host.wait_for("the pipeline runs");
    let recorded = sample(day.file).display().to_string();
    let checked = python("check_feed.py", &[&again, &recorded]);
    first.run(&["run"]).assert(0, &[]);
    wait_for_records(&host, port, day.records);
    host.signal("TERM");
    host.wait().assert(0, &[]);
    assert!(checked.finish().contains(&format!("{} quotes", day.records)));
}

#[test]
fn a_publisher_that_is_killed_and_comes_back_is_read_again() {
    let day = DAYS[1];
    let port = free_port();
    let address = format!("tcp://127.0.0.1:{}", free_port());
    let first = publisher(&day, &address, 0);
    let second =
        reader(&["null"], &address, port, "[sinks.none]\nplugin = \"null\"\ninputs = [\"bus\"]\n");
    let host = second.start();
    host.wait_for("no publisher answers");
    let killed = first.start();
    host.wait_for("reading tcp://");
    let received = || host.metric(port, "dataserver_records_in_total", "component=\"bus\"");
    wait_until("a first record comes", || received() >= 1.0);
    killed.signal("KILL");
    killed.wait();
    host.wait_for("lost tcp://");
    std::fs::remove_dir_all(first.path("data")).unwrap();
    first.run(&["run"]).assert(0, &[]);
    // the publisher's end is not yet the reader's
    wait_until("all records come", || received() >= (day.records + 1) as f64);
    host.signal("TERM");
    let run = host.wait();
    run.assert(0, &[]);
    assert!(run.summary("bus", "in") > day.records, "{}", run.stderr);
}

#[test]
fn check_tells_whether_the_publisher_answers() {
    let address = format!("tcp://127.0.0.1:{}", free_port());
    let bench = reader(
        &["null"],
        &address,
        free_port(),
        "[sinks.none]\nplugin = \"null\"\ninputs = [\"bus\"]\n",
    );
    bench.run(&["check", "--offline"]).assert(0, &[]);
    bench.run(&["check"]).assert(78, &["no publisher answers", &address, "start the collector"]);
    let publisher = nng::Socket::new(nng::Protocol::Pub0).unwrap();
    publisher.listen(&address).unwrap();
    bench.run(&["check"]).assert(0, &[]);
}

/// Changes the pipeline file and reloads until half of the day was read; returns how often.
pub fn reload_until_half(host: &Host, port: u16, day: &Day, change: impl Fn(u32)) -> u32 {
    let mut changes = 0;
    let taken = || host.metric(port, "dataserver_records_in_total", "component=\"bus\"");
    #[allow(clippy::cast_precision_loss)]
    while taken() < day.records as f64 / 2.0 {
        changes += 1;
        change(changes);
        let (code, report) = host.reload(port);
        assert_eq!(code, 200, "{report:#}");
    }
    changes
}

/// The options change again and again while a day is read; the connection goes from instance to
/// instance.
#[test]
fn reloads_while_a_feed_is_read_lose_no_record_and_double_none() {
    let day = DAYS[2];
    let port = free_port();
    let address = format!("tcp://127.0.0.1:{}", free_port());
    let first = publisher(&day, &address, 1000);
    let second = reader(&["parquet"], &address, port, LAKE);
    let host = second.start();
    host.wait_for("no publisher answers");
    let publishing = first.start();
    host.wait_for("reading tcp://");
    let unchanged = second.read("pipeline.toml");
    let changes = reload_until_half(&host, port, &day, |change| {
        let options = format!("slow_pipeline = \"wait\"\nstale_after = \"{change}m\"");
        second.pipeline(&unchanged.replace("slow_pipeline = \"wait\"", &options));
    });
    assert!(changes >= 3, "{changes} reloads");
    publishing.wait().assert(0, &[]);
    wait_for_records(&host, port, day.records);
    let connects = host.metric(port, "dataserver_connects_total", "component=\"bus\"");
    assert_eq!(connects.to_string(), "1");
    host.signal("TERM");
    host.wait().assert(0, &[]);
    let lakes = [first.path("lake"), second.path("lake")].map(|it| it.display().to_string());
    let compared = python("same_lakes.py", &[&lakes[0], &lakes[1]]);
    assert_eq!(compared.finish().trim(), format!("{} rows", day.records));
}
