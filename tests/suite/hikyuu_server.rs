//! A host that answers Hikyuu's queries, asked by a client of other people's making.

use harness::{Bench, DAYS, Day, free_port, python, sample};

use super::nng_sub;

const BARS: &str = "[transforms.bars]\nplugin = \"bars\"\ninputs = [\"bus\"]\nperiods = [\"1m\", \"3m\", \
                    \"5m\", \"15m\", \"30m\", \"60m\", \"2h\", \"4h\", \"6h\", \"12h\", \"day\", \"week\", \
                    \"month\", \"quarter\", \"halfyear\", \"year\"]\n";

/// A host that reads the quotation bus and answers at that port; `more` goes into the sink's table.
fn server(bus: &str, http: u16, port: u16, more: &str) -> Bench {
    let sinks = format!(
        "{BARS}[sinks.server]\nplugin = \"hikyuu-server\"\ninputs = [\"bus\", \"bars\"]\n\
         listen = \"tcp://127.0.0.1:{port}\"\n{more}\n"
    );
    nng_sub::reader(&["bars", "hikyuu-server", "parquet"], bus, http, &sinks)
}

/// Compares everything that the server answers with the recorded day.
fn check(port: u16, day: &Day) -> String {
    let recorded = sample(day.file).display().to_string();
    let address = format!("tcp://127.0.0.1:{port}");
    python("hikyuu_check.py", &[&address, &recorded]).finish().trim().to_owned()
}

#[test]
fn a_recorded_day_is_answered_as_it_was_recorded() {
    for day in DAYS {
        let (http, port) = (free_port(), free_port());
        let bus = format!("tcp://127.0.0.1:{}", free_port());
        let server = server(&bus, http, port, "");
        let host = server.start();
        nng_sub::publisher(&day, &bus, 0).run(&["run"]).assert(0, &[]);
        nng_sub::wait_for_records(&host, http, day.records);
        let answered = check(port, &day);
        host.signal("TERM");
        host.wait().assert(0, &[]);
        // what was kept outlives the restart; nobody publishes any more
        let host = server.start();
        host.wait_for("the pipeline runs");
        assert_eq!(check(port, &day), answered);
        host.signal("TERM");
        host.wait().assert(0, &[]);
    }
}

#[test]
fn a_host_that_was_killed_starts_from_its_lake() {
    let day = DAYS[2];
    let (http, port) = (free_port(), free_port());
    let bus = format!("tcp://127.0.0.1:{}", free_port());
    let lake = "warm_start = \"lake\"\n[sinks.lake]\nplugin = \"parquet\"\ninputs = [\"bus\", \"bars\"]\n\
                path = \"lake\"\nflush_interval = \"100ms\"\n";
    let server = server(&bus, http, port, lake);
    let host = server.start();
    nng_sub::publisher(&day, &bus, 0).run(&["run"]).assert(0, &[]);
    nng_sub::wait_for_records(&host, http, day.records);
    let answered = check(port, &day);
    let stored = host.metric(http, "dataserver_records_out_total", "component=\"server\"");
    let labels = "component=\"lake\",kind=\"sink\",plugin=\"parquet\"";
    let line = format!("dataserver_records_out_total{{{labels}}} {stored}\n");
    host.wait_for_answer(http, "/metrics", &line);
    host.signal("KILL");
    host.wait();
    let host = server.start();
    host.wait_for("the pipeline runs");
    assert_eq!(check(port, &day), answered);
    host.signal("TERM");
    host.wait().assert(0, &[]);
}

/// What the documentation says about memory: a quote takes about 50 bytes, less than a quarter of its answer.
#[test]
fn ticks_are_kept_in_less_than_a_quarter_of_their_answer() {
    for day in DAYS {
        let (http, port) = (free_port(), free_port());
        let address = format!("tcp://127.0.0.1:{port}");
        let bus = format!("tcp://127.0.0.1:{}", free_port());
        let sink = format!(
            "[sinks.server]\nplugin = \"hikyuu-server\"\ninputs = [\"bus\"]\nlisten = \"{address}\"\n"
        );
        let server = nng_sub::reader(&["hikyuu-server"], &bus, http, &sink);
        let host = server.start();
        nng_sub::publisher(&day, &bus, 0).run(&["run"]).assert(0, &[]);
        nng_sub::wait_for_records(&host, http, day.records);
        let records = day.records.to_string();
        let labels = "component=\"server\",kind=\"sink\",plugin=\"hikyuu-server\"";
        host.wait_for_answer(
            http,
            "/metrics",
            &format!("dataserver_records_out_total{{{labels}}} {records}\n"),
        );
        let printed = python("hikyuu_packing.py", &[&address]).finish();
        let [ticks, kept, answered] =
            printed.split_whitespace().map(|it| it.parse::<u64>().unwrap()).collect::<Vec<_>>()[..]
        else {
            panic!("{printed}")
        };
        assert!(ticks > 1_000, "{printed}");
        assert!(kept * 4 < answered, "{} of {}: {printed}", kept / ticks, day.file);
        assert!(kept <= ticks * 60, "{} bytes a tick of {}", kept / ticks, day.file);
        host.signal("TERM");
        host.wait().assert(0, &[]);
    }
}
