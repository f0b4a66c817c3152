//! Every bad input gets a text that names the place and the remedy, and the right exit code.

use std::{fs, net::TcpListener, process::Command};

use dataserver::loader::PluginCatalog;
use harness::{Bench, DAYS, SmallDisk, plugin};

/// A pipeline that is fine but for what is put into it.
fn pipeline(source: &str, sink: &str) -> String {
    format!(
        "[sources.day]\nplugin = \"faulty\"\nbatches = 1\nrecords = 1\n{source}\n\n\
         [sinks.out]\nplugin = \"null\"\ninputs = [\"day\"]\n{sink}\n"
    )
}

#[test]
fn faults_of_the_file_are_told_with_their_place() {
    let good = pipeline("", "");
    // what is wrong, the pipeline, texts that must be said
    let table: &[(&str, String, &[&str])] = &[
        (
            "syntax",
            good.replace("\"null\"", "console"),
            &["pipeline.toml:8:10: error: invalid TOML", "must stand in quotes"],
        ),
        (
            "unknown key",
            good.clone() + "[sinks.out.batch]\nmax_record = 3",
            &["pipeline.toml:12:1: error: unknown key `max_record`", "did you mean `max_records`?"],
        ),
        (
            "unknown plugin",
            good.replace("\"null\"", "\"nul\""),
            &["pipeline.toml:8:10: error: no plugin \"nul\" for a sink", "did you mean \"null\"?"],
        ),
        (
            "unknown input",
            good.replace("[\"day\"]", "[\"dya\"]"),
            &["pipeline.toml:9:11: error:", "did you mean `day`?"],
        ),
        (
            "cycle",
            good.clone()
                + "[transforms.a]\nplugin = \"faulty\"\ninputs = [\"day\", \"b\"]\n[transforms.b]\nplugin = \"faulty\"\ninputs = [\"a\"]",
            &["a → b → a"],
        ),
        (
            "duplicate id",
            good.clone() + "[transforms.out]\nplugin = \"faulty\"\ninputs = [\"day\"]",
            &["the id `out` is used twice"],
        ),
        (
            "a sink as input",
            good.clone() + "[sinks.more]\nplugin = \"null\"\ninputs = [\"out\"]",
            &["pipeline.toml:13:11: error: \"out\" is a sink"],
        ),
        (
            "a sink's plugin as source",
            good.replace("plugin = \"faulty\"", "plugin = \"null\""),
            &["plugin \"null\" is a sink, not a source"],
        ),
        (
            "wrong type",
            pipeline("symbols = \"ten\"", ""),
            &["pipeline.toml:5:11: error:", "symbols", "integer"],
        ),
        (
            "unknown option",
            pipeline("symbol = 3", ""),
            &["pipeline.toml:5:1: error:", "did you mean `symbols`?"],
        ),
        (
            "bad duration",
            pipeline("pace = \"3 sec\"", ""),
            &["pipeline.toml:5:8: error:", "3 sec", "250ms"],
        ),
        (
            "two faults at once",
            good.replace("\"null\"", "\"nul\"").replace("[\"day\"]", "[\"dya\"]"),
            &["no plugin \"nul\"", "did you mean `day`?"],
        ),
    ];
    for (what, text, expected) in table {
        let bench = Bench::new(&["faulty", "null"]);
        bench.pipeline(text);
        for command in [&["check", "--offline"][..], &["run"]] {
            eprintln!("{what}: {command:?}");
            bench.run(command).assert(78, expected);
        }
    }
    let bench = Bench::new(&["faulty", "null"]);
    bench.pipeline(&good).run(&["check"]).assert(0, &["pipeline.toml is fine"]);
}

#[test]
fn a_missing_required_option_points_at_the_component() {
    let bench = Bench::new(&["replay", "null"]);
    bench.pipeline(
        "[sources.day]\nplugin = \"replay\"\n[sinks.out]\nplugin = \"null\"\ninputs = [\"day\"]\n",
    );
    bench.run(&["check", "--offline"]).assert(78, &["pipeline.toml:1:", "`path`"]);
}

#[test]
fn a_missing_file_and_a_missing_folder_are_named() {
    let bench = Bench::new(&["null"]);
    bench.run(&["run"]).assert(78, &["pipeline.toml", "cannot read the pipeline", "-c FILE"]);
    bench.pipeline(&format!("[host]\nplugins = [\"nowhere\"]\n{}", pipeline("", "")));
    bench.run(&["run"]).assert(78, &["nowhere", "cannot be read", "[host] plugins"]);
}

#[test]
fn files_that_are_no_plugins_are_listed_with_the_reason_and_used_by_nobody() {
    let bench = Bench::new(&["faulty", "null"]);
    bench.pipeline(&pipeline("", ""));
    let library = fs::read(plugin("null")).unwrap();
    bench.write("plugins/text.so", "not a library");
    bench.write("plugins/empty.so", "");
    for (name, len) in
        [("head.so", 40), ("half.so", library.len() / 2), ("tail.so", library.len() - 100)]
    {
        bench.write(&format!("plugins/{name}"), &library[..len]);
    }
    fs::copy(harness::program(), bench.path("plugins/program.so")).unwrap();
    let own = Command::new("cc")
        .args(["-shared", "-x", "c", "-", "-o"])
        .arg(bench.path("plugins/foreign.so"))
        .stdin(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(own.success());
    let list = bench.run(&["plugins", "list"]);
    list.assert(0, &["text.so is not a shared library", "empty.so is not a shared library"]);
    for name in ["head.so", "half.so", "tail.so"] {
        list.assert(0, &[&format!("{name} is damaged or cut short")]);
    }
    list.assert(0, &["foreign.so is a shared library but no plugin", "export_plugin!"]);
    // the rest of the folder works
    bench.run(&["run"]).assert(0, &[]);
}

#[test]
fn a_library_cut_short_anywhere_is_listed_and_kills_nothing() {
    let bench = Bench::new(&[]);
    let library = fs::read(plugin("null")).unwrap();
    for percent in 0..100 {
        let len = library.len() * percent / 100;
        bench.write(&format!("plugins/{percent}.so"), &library[..len]);
    }
    let list = bench.run(&["plugins", "list"]);
    list.assert(0, &[]);
    assert_eq!(list.stdout.matches("cannot be used").count(), 100, "{}", list.stdout);
}

#[test]
fn damaged_headers_of_a_library_never_panic() {
    let bench = Bench::new(&[]);
    let library = fs::read(plugin("null")).unwrap();
    let (mut state, len) = (20_260_101_u64, library.len());
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % below
    };
    for _ in 0..40 {
        let mut damaged = library.clone();
        for _ in 0..=random(8) {
            // the headers of the file and of its segments, or those of its sections
            let at = if random(2) == 0 { random(1_000) } else { len - 1 - random(2_500) };
            damaged[at] = u8::try_from(random(256)).unwrap();
        }
        bench.write("plugins/damaged.so", damaged);
        let catalog = PluginCatalog::scan(&[bench.path("plugins")], &bench.path("data"));
        assert_eq!(catalog.found().len(), 1);
    }
}

#[test]
fn a_pipe_among_the_plugins_is_not_waited_for() {
    let bench = Bench::new(&["null"]);
    let made = Command::new("mkfifo").arg(bench.path("plugins/pipe.so")).status().unwrap();
    assert!(made.success());
    bench
        .run(&["plugins", "list"])
        .assert(0, &["libnull.so", "pipe.so cannot be read", "no regular file"]);
}

#[test]
fn two_plugins_with_the_same_name_are_both_named() {
    let bench = Bench::new(&["faulty", "null"]);
    bench.install("null", "libcopy.so");
    bench.pipeline(&pipeline("", ""));
    bench.run(&["run"]).assert(78, &["two files hold plugin \"null\"", "libcopy.so", "libnull.so"]);
}

#[test]
fn a_port_in_use_is_named_with_the_remedy() {
    let bench = Bench::new(&["faulty", "null", "nng-pub"]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    bench.pipeline(&format!("[host]\nhttp = \"{address}\"\n{}", pipeline("", "")));
    bench.run(&["run"]).assert(1, &[&address.to_string(), "ss -ltnp"]);
    let feed = format!(
        "[sinks.feed]\nplugin = \"nng-pub\"\ninputs = [\"day\"]\nlisten = [\"tcp://{address}\"]\n"
    );
    bench.pipeline(&(pipeline("", "") + &feed));
    bench.run(&["run"]).assert(1, &["feed", &address.to_string(), "ss -ltnp"]);
}

#[test]
fn a_recorded_file_without_a_mapped_column_is_refused() {
    let bench = Bench::new(&["replay", "null"]);
    bench.write("day.csv", "SecurityID,DateTime,LastPrice\n600000,2021.12.01T09:30:00.000,8.5\n");
    let sink = "[sinks.out]\nplugin = \"null\"\ninputs = [\"day\"]\n";
    bench.pipeline(&format!("{}{sink}", DAYS[0].source_of("day.csv")));
    bench.run(&["run"]).assert(78, &["day.csv", "LastPx", "LastPrice"]);
    bench.pipeline(&format!("{}{sink}", DAYS[0].source_of("nothing.csv")));
    bench.run(&["run"]).assert(78, &["nothing.csv"]);
}

#[test]
fn rows_that_cannot_be_read_are_named_set_aside_and_stop_nothing() {
    let bench = Bench::new(&["replay", "null"]);
    let recorded = Command::new("zcat").arg(harness::sample(DAYS[0].file)).output().unwrap();
    let text = String::from_utf8(recorded.stdout).unwrap();
    let mut lines: Vec<String> = text.lines().take(6).map(str::to_owned).collect();
    lines[2] = lines[2].replacen("8.52", "8.5x", 1);
    lines[4] = lines[4].replacen("2021.12.01", "2021.13.01", 1);
    bench.write("day.csv", lines.join("\n"));
    let sink = "[sinks.out]\nplugin = \"null\"\ninputs = [\"day\"]\n";
    bench.pipeline(&format!("{}{sink}", DAYS[0].source_of("day.csv")));
    let run = bench.run(&["run"]);
    run.assert(0, &["day.csv", "PreClosePx", "8.5x", "DateTime", "2021.13.01"]);
    assert_eq!(run.summary("out", "out"), 3);
    let folder = fs::read_dir(bench.path("data/dead-letter/day")).unwrap();
    let letters: String =
        folder.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    assert_eq!(letters.lines().count(), 2, "{letters}");
    assert!(letters.contains("8.5x") && letters.contains("2021.13.01"), "{letters}");
}

#[test]
fn a_full_disk_is_waited_for_and_loses_nothing() {
    let bench = Bench::new(&["faulty", "null", "parquet"]);
    let Some(disk) = SmallDisk::mount(bench.path("disk"), "300k") else { return };
    disk.fill(30_000);
    bench.pipeline(
        "[sources.day]\nplugin = \"faulty\"\nbatches = 20\nrecords = 500\nsymbols = 500\n\
         [sinks.lake]\nplugin = \"parquet\"\ninputs = [\"day\"]\npath = \"disk/lake\"\nrow_group_records = 2000\n\
         retry = { backoff = \"10ms..50ms\" }\n\
         [sinks.out]\nplugin = \"null\"\ninputs = [\"day\"]\n",
    );
    let host = bench.start();
    host.wait_for("No space left");
    disk.free();
    let run = host.wait();
    run.assert(0, &["lake", "disk"]);
    assert_eq!((run.summary("lake", "out"), run.summary("out", "out")), (10_000, 10_000));
    assert_eq!(run.summary("lake", "dropped"), 0);
    drop(disk);
}
