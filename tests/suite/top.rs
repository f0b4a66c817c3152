//! `dataserver top` as plain text.

use harness::{Bench, free_port, wait_until};

fn text(port: u16, host: &str) -> String {
    format!(
        "[host]\nhttp = \"127.0.0.1:{port}\"\n{host}\n\
         [sources.day]\nplugin = \"faulty\"\nbatches = 1000000\nrecords = 5\npace = \"1ms\"\n\
         [sinks.slow]\nplugin = \"faulty\"\ninputs = [\"day\"]\ndelay = \"50ms\"\n\
         buffer = {{ max_bytes = \"32KiB\" }}\nbatch = {{ max_records = 5 }}\n\
         [sinks.lake]\nplugin = \"faulty\"\ninputs = [\"day\"]\nbuffer = {{ type = \"disk\" }}\n"
    )
}

/// The words of the line that begins with that one.
fn row<'t>(table: &'t str, first: &str) -> Vec<&'t str> {
    let line = table.lines().find(|line| line.split_whitespace().next() == Some(first));
    line.unwrap_or_else(|| panic!("no {first} in\n{table}")).split_whitespace().collect()
}

#[test]
fn one_table_fits_80_columns_and_says_who_holds_others_up() {
    let (bench, port) = (Bench::new(&["faulty"]), free_port());
    bench.pipeline(&text(port, "token = \"secret-token\""));
    let host = bench.start();
    host.wait_for("the pipeline runs");
    let bearer = "authorization: Bearer secret-token\r\n";
    wait_until("the slow sink holds others up", || {
        host.get(port, "/api/pipeline", bearer).1.contains("\"blocked_by\":\"slow\"")
    });
    // stdout is no terminal here, so both print one table
    for arguments in [&["top", "--once"][..], &["top"]] {
        let run = bench.run(arguments);
        let table = &run.assert(0, &[]).stdout;
        assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
        assert!(table.starts_with("dataserver ") && table.contains("pipeline.toml"), "{table}");
        let header = row(table, "component");
        for title in ["state", "in/s", "out/s", "dropped", "queue"] {
            assert!(header.contains(&title), "{title} is missing in {header:?}");
        }
        let day = row(table, "day");
        assert!(day.contains(&"running") && day.contains(&"slow"), "{table}");
        assert!(row(table, "slow").contains(&"running") && !table.contains('\u{1b}'), "{table}");
    }
    bench.run(&["pause", "lake"]).assert(0, &[]);
    let run = bench.run(&["top", "--once", "--components", "l*"]);
    let table = &run.assert(0, &[]).stdout;
    assert!(row(table, "lake").contains(&"paused") && !table.contains("slow"), "{table}");
    host.signal("TERM");
    host.wait();
}

#[test]
fn it_says_how_to_switch_the_interface_on_and_what_else_is_wrong() {
    let (bench, port) = (Bench::new(&["faulty"]), free_port());
    bench.pipeline(&text(port, ""));
    bench.run(&["top"]).assert(1, &["no host runs", "`[host] http`"]);
    bench.run(&["top", "--interval", "1ms"]).assert(2, &["100ms to 1h"]);
    bench.run(&["top", "--interval", "soon"]).assert(2, &["--interval"]);
    bench.run(&["top", "--components", "[x"]).assert(2, &["--components"]);
    bench.run(&["top", "-c", "nowhere.toml"]).assert(78, &["nowhere.toml"]);
    bench.pipeline(&text(port, "").replace("http = ", "# http = "));
    bench.run(&["top"]).assert(1, &["http = \"127.0.0.1:9280\"", "[host]"]);
}
