//! Recorded files as people have them: nothing in them is lost without a word.

use std::fs;

use harness::{Bench, DAYS, Run, python};

const PRINT: &str = "[sinks.out]\nplugin = \"console\"\ninputs = [\"day\"]\n";

fn pipeline(path: &str, more: &str) -> String {
    format!("[sources.day]\nplugin = \"replay\"\npath = \"{path}\"\nspeed = 0.0\n{more}\n{PRINT}")
}

fn bench() -> Bench {
    Bench::with_links(&["replay", "console", "parquet", "bars"])
}

/// The dead letters of the source, one a line.
fn letters(bench: &Bench) -> String {
    let Ok(folder) = fs::read_dir(bench.path("data/dead-letter/day")) else { return String::new() };
    folder.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect()
}

/// Nothing that a terminal would obey.
fn assert_harmless(run: &Run) {
    for text in [&run.stdout, &run.stderr] {
        let strange = text.chars().find(|char| char.is_control() && !"\n\t".contains(*char));
        assert_eq!(strange, None, "{text:?}");
    }
}

#[test]
fn a_file_of_which_nothing_can_be_read_ends_the_run_with_1_and_is_told_by_check() {
    let damaged = "v_sh600000=\"1~浦发银行~600000~9.4\n";
    // file, content, what must be said, dead letters
    let table: [(&str, String, &[&str], usize); 5] = [
        (
            "day.csv",
            "symbol,time,close\n600000.SH,09:30:00,6.61\n".to_owned(),
            &["day.csv", "row 2", "column time", "\"09:30:00\"", "set `date`"],
            1,
        ),
        ("day.txt", damaged.repeat(2), &["day.txt", "row 1", "cut off"], 2),
        (
            "wrong.csv",
            "symbol,time,close,volume\n600000.SH,2024-01-03 09:30:00,x,1\n".to_owned(),
            &["wrong.csv", "row 2", "column close", "\"x\" is no number"],
            1,
        ),
        (
            "codes.csv",
            "symbol,time,close\n600000,2024-01-03 09:30:00,1\n".to_owned(),
            &["codes.csv", "\"600000\" names no exchange; set `market`"],
            1,
        ),
        ("empty.csv", "symbol,time,close\n".to_owned(), &["no row that can be read"], 0),
    ];
    for (name, text, said, bad) in table {
        let bench = bench();
        bench.write(name, &text);
        bench.pipeline(&pipeline(name, ""));
        let run = bench.run(&["run"]);
        run.assert(1, said).assert(1, &["error: day failed"]);
        assert_eq!(letters(&bench).lines().count(), bad, "{name}");
        bench.run(&["check"]).assert(78, said);
        // beside a good one, of which everything arrives
        bench.write("both/good.csv", "symbol,time,close\n600001.SH,2024-01-03 09:30:00,1\n");
        bench.write(&format!("both/{name}"), &text);
        bench.pipeline(&pipeline("both", ""));
        let run = bench.run(&["run"]);
        assert_eq!(run.stdout.lines().count(), 1, "{}", run.stdout);
        if bad > 0 {
            run.assert(1, said);
            bench.run(&["check"]).assert(78, said);
        } else {
            run.assert(0, &["empty.csv holds no rows"]);
            bench.run(&["check"]).assert(0, &[]);
        }
    }
}

#[test]
fn what_is_no_table_is_called_by_its_name_without_harm_to_the_terminal() {
    for (name, bytes, what) in [
        (
            "book.csv",
            &b"PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0[Content_Types].xml\x1b[2J"[..],
            "Excel",
        ),
        ("page.csv", b"<!DOCTYPE html>\n<html>\x1b[31m</html>\n", "HTML"),
        ("lines.csv", b"{\"symbol\": \"600000.SH\"}\n", "JSON"),
        ("base.csv", b"SQLite format 3\0\x10\0\x01\x01\0\x40\x20\x20", "SQLite"),
        ("store.csv", b"\x89HDF\r\n\x1a\n\0\0\0\0", "HDF5"),
        ("noise.csv", b"\x1b]0;x\x07\x00\x01symbol,time\n", "binary data"),
        ("odd.csv", b"sym\xc2\x9bbol,time\xff\xff,close\n1,2,3\n", "no column \"symbol\""),
    ] {
        let bench = bench();
        bench.write(name, bytes);
        bench.pipeline(&pipeline(name, ""));
        let check = bench.run(&["check"]);
        check.assert(78, &[name, what]);
        assert_harmless(&check);
        let run = bench.run(&["run"]);
        run.assert(if name == "odd.csv" { 78 } else { 1 }, &[name, what]);
        assert_harmless(&run);
    }
}

#[test]
fn an_unclosed_quote_costs_one_row_and_little_memory() {
    let bench = bench();
    let row = "600000.SH,2024-01-03 09:30:00,6.61\n";
    let count = 600_000;
    let mut text = String::with_capacity(row.len() * (count + 2));
    text.push_str("symbol,time,close\n");
    text.push_str(&row.replacen("600000.SH", "\"600000.SH", 1));
    (0..count).for_each(|_| text.push_str(row));
    bench.write("day.csv", text);
    bench.pipeline(&pipeline("day.csv", "").replace("console", "null"));
    bench.install("null", "libnull.so");
    let run = bench.run(&["run"]);
    run.assert(0, &["row 2: opens a quote that is not closed: 1 line of", "goes on with row 3"]);
    assert_eq!(run.summary("out", "out"), count as u64);
    assert_eq!(letters(&bench).lines().count(), 1);
}

#[test]
fn no_file_makes_the_host_take_much_memory() {
    // a line that never ends, a quote over everything, lines that all open one
    let long = "x".repeat(1 << 20);
    let table = [
        ("line", "600000.SH,".to_owned() + &long.repeat(150)),
        ("quote", "600000.SH,\"".to_owned() + &"2024 09:30\n".repeat(14 << 20)),
        ("quotes", "\"600000.SH,a\n".repeat(4 << 20)),
    ];
    for (what, text) in table {
        let bench = bench();
        bench.install("null", "libnull.so");
        let good = "\n600000.SH,2024-01-03 09:30:00,6.61\n";
        bench.write("day.csv", "symbol,time,close\n".to_owned() + &text + good);
        drop(text);
        let more = "[sources.live]\nplugin = \"replay\"\npath = \"live.csv\"\nspeed = 1.0\n";
        // a second source keeps the host up, so that its memory can be looked at
        bench.write(
            "live.csv",
            "symbol,time,close\n600000.SH,2024-01-03 09:30:00,1\n600000.SH,2024-01-03 09:34:00,1\n",
        );
        bench.pipeline(&format!(
            "{}{more}[sinks.other]\nplugin = \"null\"\ninputs = [\"live\"]\n",
            pipeline("day.csv", "").replace("console", "null")
        ));
        let host = bench.start();
        host.wait_for("replay ended");
        let peak = host.peak_memory() >> 20;
        host.signal("TERM");
        let run = host.wait();
        assert_eq!(run.summary("out", "out"), 1, "{what}: {}", run.stderr);
        assert!(peak < 128, "{what}: {peak} MiB");
    }
}

#[test]
fn the_lake_comes_back_from_the_csv_of_every_tool() {
    let bench = bench();
    bench.pipeline(&format!(
        "{}[transforms.bars]\nplugin = \"bars\"\ninputs = [\"day\"]\nperiods = [\"1m\"]\n\
         [sinks.lake]\nplugin = \"parquet\"\ninputs = [\"day\", \"bars\"]\npath = \"lake\"\n",
        DAYS[1].source()
    ));
    bench.run(&["run"]).assert(0, &[]);
    for tool in ["pyarrow", "pandas", "pandas-arrow", "polars", "duckdb"] {
        let (lake, csv) = (bench.path("lake"), bench.path(tool));
        python("lake_csv.py", &[tool, lake.to_str().unwrap(), csv.to_str().unwrap()]).finish();
        let again = format!("again-{tool}");
        bench.pipeline(&format!(
            "[sources.day]\nplugin = \"replay\"\npath = \"{tool}\"\nspeed = 0.0\n\
             [sinks.lake]\nplugin = \"parquet\"\ninputs = [\"day\"]\npath = \"{again}\"\n"
        ));
        bench.run(&["check"]).assert(0, &[]);
        bench.run(&["run"]).assert(0, &["0 bad"]);
        for kind in ["kind=spot", "kind=bar"] {
            let lakes = ["lake", &again].map(|lake| bench.path(lake).join(kind));
            let lakes = lakes.each_ref().map(|lake| lake.to_str().unwrap());
            let compared = python("same_lakes.py", &lakes).finish();
            assert!(kind == "kind=bar" || compared.trim() == "5109 rows", "{tool}: {compared}");
        }
    }
}

#[test]
fn zones_encodings_and_codes_of_others_are_understood() {
    let bench = bench();
    let rows = "600519.XSHG,2024-01-03T01:30:00Z,1\n\
                sz.000001,2024-01-03 09:30:00 +0800,2\n\
                600519.0,2024-01-02 20:30:00-05:00,3\n\
                1,20240103T013000Z,4\n";
    let text = format!("\u{feff}symbol,time,close\n{rows}");
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    bench.write("utf8.csv", &text);
    bench.write("utf16.csv", utf16);
    for name in ["utf8.csv", "utf16.csv"] {
        bench.pipeline(&pipeline(name, "market = \"SH\""));
        let run = bench.run(&["run"]);
        run.assert(0, &[]);
        let records: Vec<serde_json::Value> =
            run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let symbols: Vec<_> = records.iter().map(|it| it["symbol"].as_str().unwrap()).collect();
        assert_eq!(symbols, ["600519.SH", "000001.SZ", "600519.SH", "000001.SH"]);
        let times: Vec<_> = records.iter().map(|it| it["time"].to_string()).collect();
        assert!(
            times.iter().all(|time| *time == times[0] && time.contains("09:30:00")),
            "{times:?}"
        );
    }
    bench.write(
        "codes.csv",
        "symbol,time,close\n600519SH,t,1\nABC,t,1\n0,t,1\n".replace(",t,", ",2024-01-03 09:30:00,"),
    );
    bench.pipeline(&pipeline("codes.csv", "market = \"SH\""));
    bench.run(&["run"]).assert(1, &["\"600519SH\" is no code of six digits", "\"0\" is no code"]);
    assert_eq!(letters(&bench).lines().count(), 3);
}
