//! The commands that stand in for Hikyuu's: `serve` and `collect`.

use std::{
    fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use harness::{Bench, Host, QuoteServer, free_port, program};
use nng::{
    Protocol, Socket,
    options::{Options, RecvTimeout},
};
use plugin_api::{SpotListEncoder, SpotRecord};

use crate::qq::{self, feed};

const PATIENCE: Duration = Duration::from_secs(60);
/// 2025-11-24 10:06:40 on the exchange's clock, a Monday.
const TIME_US: i64 = 1_763_950_000_000_000;
/// What `serve` is made of, without stores.
const SERVE: [&str; 3] = ["nng-sub", "bars", "hikyuu-server"];
const COLLECT: [&str; 2] = ["qq", "nng-pub"];

/// Publishes as Hikyuu's collector does, by NNG's own library.
fn collector(address: &str) -> Socket {
    let socket = Socket::new(Protocol::Pub0).unwrap();
    socket.listen(address).unwrap();
    socket
}

/// A round with one quote of 600000.SH.
fn publish(collector: &Socket, close: f64) {
    let mut encoder = SpotListEncoder::new(1);
    let spot = SpotRecord {
        market: "SH",
        code: "600000",
        name: "浦发银行",
        time_us: TIME_US,
        pre_close: 9.26,
        open: 9.28,
        high: 20.0,
        low: 9.0,
        close,
        amount_cny: 1_000_000.0,
        volume_shares: 100_000,
        ..SpotRecord::default()
    };
    encoder.push(&spot).unwrap();
    let list = encoder.finish();
    for content in [b"[start spot]".as_slice(), list.as_slice(), b"[end spot]"] {
        collector.send([b":spot:", content].concat().as_slice()).unwrap();
    }
}

/// A MessagePack map of texts and lists of texts.
fn request(fields: &[(&str, &[&str])]) -> Vec<u8> {
    let text = |text: &str| {
        let len = u8::try_from(text.len()).unwrap();
        assert!(len < 32);
        [&[0xa0 | len], text.as_bytes()].concat()
    };
    let mut bytes = vec![0x80 | u8::try_from(fields.len()).unwrap()];
    for (key, values) in fields {
        bytes.extend(text(key));
        if key.ends_with('s') {
            bytes.push(0x90 | u8::try_from(values.len()).unwrap());
        }
        bytes.extend(values.iter().flat_map(|value| text(value)));
    }
    bytes
}

/// The answer, as Hikyuu's client gets it: a connection for each question.
fn ask(address: &str, request: &[u8]) -> Vec<u8> {
    let socket = Socket::new(Protocol::Req0).unwrap();
    socket.set_opt::<RecvTimeout>(Some(PATIENCE)).unwrap();
    socket.dial(address).unwrap();
    socket.send(request).unwrap();
    socket.recv().unwrap().to_vec()
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Publishes and asks until an answer has that price.
fn wait_for_price(collector: &Socket, address: &str, request: &[u8], close: f64) -> Vec<u8> {
    let deadline = Instant::now() + PATIENCE;
    let price = [&[0xcb][..], &close.to_be_bytes()].concat();
    loop {
        publish(collector, close);
        let answer = ask(address, request);
        if holds(&answer, &price) {
            return answer;
        }
        assert!(Instant::now() < deadline, "the price does not come: {}", answer.escape_ascii());
        thread::park_timeout(Duration::from_millis(10));
    }
}

fn market(ktype: &str) -> Vec<u8> {
    request(&[
        ("cmd", &["market"]),
        ("codes", &["SH600000"]),
        ("dates", &["1400-01-01 00:00:00"]),
        ("ktype", &[ktype]),
    ])
}

fn tick() -> Vec<u8> {
    let datetime = ["2025-11-24 00:00:00"];
    request(&[
        ("cmd", &["tick"]),
        ("market", &["SH"]),
        ("code", &["600000"]),
        ("datetime", &datetime),
    ])
}

fn serve(bench: &Bench, address: &str, more: &[&str]) -> Host {
    let flags = ["serve", "--plugins", "plugins", "-addr", address];
    let host = bench.spawn(&[&flags, more].concat());
    host.wait_for("the pipeline runs");
    host
}

#[test]
fn serve_answers_what_a_collector_publishes() {
    let (bus, address) = (tcp(), tcp());
    let collector = collector(&bus);
    let bench = Bench::with_links(&SERVE);
    let host = serve(&bench, &address, &["--server", &bus, "-buf", "true", "-n", "3"]);
    for ktype in ["DAY", "MIN", "MIN3", "MIN5", "MIN60", "HOUR2", "WEEK", "YEAR"] {
        let answer = wait_for_price(&collector, &address, &market(ktype), 9.5);
        assert!(holds(&answer, b"SH600000"), "{ktype}: {}", answer.escape_ascii());
    }
    let answer = wait_for_price(&collector, &address, &tick(), 9.5);
    assert!(holds(&answer, b"2025-11-24 10:06:40"), "{}", answer.escape_ascii());
    host.signal("TERM");
    host.wait().assert(0, &["stopping the sources"]);
    let port = address.rsplit_once(':').unwrap().1;
    assert!(bench.path(".hikyuu/dataserver").join(port).is_dir());
}

#[test]
fn serve_keeps_no_ticks_unless_told_and_saves_where_told() {
    let (bus, address) = (tcp(), tcp());
    let collector = collector(&bus);
    let bench = Bench::with_links(&[&SERVE[..], &["parquet"]].concat());
    let more = ["--server", &bus, "-save", "1", "-parquet_path", "lake"];
    let host = serve(&bench, &address, &more);
    wait_for_price(&collector, &address, &market("DAY"), 9.5);
    assert!(!holds(&ask(&address, &tick()), b"2025-11-24"));
    host.signal("TERM");
    let run = host.wait();
    run.assert(0, &[]);
    assert!(run.summary("store", "in") > 0, "{}", run.stderr);
    let mut folders = vec![bench.path("lake")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()) {
            files += usize::from(path.extension().is_some_and(|it| it == "parquet"));
            folders.extend(path.is_dir().then_some(path));
        }
    }
    assert!(files > 0, "nothing is stored");
}

#[test]
fn serve_reads_hikyuus_settings_and_reads_them_again_when_told_to_reload() {
    let (first, second, address) = (tcp(), tcp(), tcp());
    let ini = |bus: &str| format!("[hikyuu]\ntmpdir = /tmp\nquotation_server = {bus}\n");
    let bench = Bench::with_links(&SERVE);
    bench.write(".hikyuu/hikyuu.ini", ini(&first));
    let host = serve(&bench, &address, &[]);
    wait_for_price(&collector(&first), &address, &market("DAY"), 9.5);
    // the plugin folder is watched although there is no pipeline file
    bench.write("plugins/libother.so", "no library");
    host.wait_for("nothing to reload");
    bench.write(".hikyuu/hikyuu.ini", ini(&second));
    host.signal("HUP");
    host.wait_for("reloaded");
    wait_for_price(&collector(&second), &address, &market("DAY"), 9.75);
    bench.write(".hikyuu/hikyuu.ini", "[hikyuu\n");
    host.signal("HUP");
    let log = host.wait_for("the pipeline goes on as it was");
    assert!(log.contains("hikyuu.ini, line 1"), "{log}");
    host.signal("TERM");
    host.wait().assert(0, &[]);
}

#[test]
fn collect_publishes_what_a_quote_service_answers() {
    let market = qq::market(130);
    let server = QuoteServer::start(market.clone(), qq::good_day());
    let bench = Bench::with_links(&COLLECT);
    bench.write("symbols.txt", qq::symbols_file(&market));
    let address = tcp();
    let ipc = format!("ipc://{}", bench.path("bus.ipc").display());
    let url = server.url();
    let host = bench.spawn(&[
        "--log-level",
        "info",
        "collect",
        "--plugins",
        "plugins",
        "-server",
        &address,
        "--ipc",
        &ipc,
        "-source",
        "qq",
        "-seconds",
        "1",
        "-phase1",
        "0:00-0:00",
        "-phase2",
        "0:00-0:00",
        "--url",
        &url,
        "-symbols_file",
        "symbols.txt",
    ]);
    let mut symbols: Vec<_> = market.keys().cloned().collect();
    symbols.sort_unstable();
    let subscribers = [&address, &ipc].map(|address| feed::subscribe(address, 2));
    for subscriber in subscribers {
        let rounds = subscriber.join().unwrap();
        // the first round may have begun before the subscriber came
        let mut seen = rounds[1].symbols.clone();
        seen.sort_unstable();
        assert_eq!(seen, symbols);
    }
    host.signal("TERM");
    host.wait().assert(0, &[]);
}

#[test]
fn what_the_commands_print_is_a_pipeline_file_that_passes_its_check() {
    let plugins = [&SERVE[..], &COLLECT[..], &["parquet", "clickhouse", "qmt"]].concat();
    let bench = Bench::with_links(&plugins);
    bench.write(
        "ch.ini",
        "[kdata]\ntype = clickhouse\nhost = ch.lan\nport = 9000\nusr = u\npwd = geheim\n",
    );
    let cases: [(&[&str], &str); 7] = [
        // flags, what the file must say
        (&["serve"], "listen = [\"tcp://0.0.0.0:9201\"]"),
        (&["serve", "-addr", "ipc://a b", "-n", "7"], "threads = 7"),
        (&["serve", "-save", "true", "-parquet_path", "lake"], "plugin = \"parquet\""),
        (&["serve", "-save", "true", "--ini", "ch.ini"], "url = \"http://ch.lan:8123\""),
        (&["serve", "--http", "127.0.0.1:9280"], "http = \"127.0.0.1:9280\""),
        (&["collect"], "listen = [\"tcp://*:9200\", \"ipc:///tmp/hikyuu_real.ipc\"]"),
        (&["collect", "-source", "qmt", "--qmt_connect", "ws://h:1/ws"], "plugin = \"qmt\""),
    ];
    for (flags, said) in cases {
        let printed = bench.run(&[flags, &["--plugins", "plugins", "--print-config"]].concat());
        printed.assert(0, &[said]);
        assert!(!printed.stdout.contains("geheim"), "{}", printed.stdout);
        bench.pipeline(&printed.stdout);
        let password = "${HIKYUU_CLICKHOUSE_PASSWORD}";
        if printed.stdout.contains(password) {
            // a file alone has no password, and must not go on with none
            bench.run(&["check", "--offline"]).assert(78, &["HIKYUU_CLICKHOUSE_PASSWORD"]);
            bench.pipeline(&printed.stdout.replace(password, "from elsewhere"));
        }
        bench.run(&["check", "--offline"]).assert(0, &["pipeline.toml is fine"]);
    }
}

#[test]
fn plugins_are_those_that_were_installed_with_the_program() {
    let bench = Bench::new(&[]);
    fs::create_dir(bench.path("bin")).unwrap();
    let installed = bench.path("bin/dataserver");
    fs::copy(program(), &installed).unwrap();
    let printed = Command::new(&installed).args(["serve", "--print-config"]).output().unwrap();
    let text = String::from_utf8(printed.stdout).unwrap();
    let folder = fs::canonicalize(bench.path("plugins")).unwrap();
    assert!(text.contains(&format!("plugins = [\"{}\"]", folder.display())), "{text}");
}

#[test]
fn bad_flags_are_named_with_their_remedy() {
    let bench = Bench::new(&[]);
    let cases: [(&[&str], i32, &[&str]); 9] = [
        // flags, exit code, what is said
        (&["serve", "-save", "true"], 78, &["parquet_path", "hikyuu.ini"]),
        (&["serve", "-save", "perhaps"], 2, &["true or false"]),
        (&["serve", "-n", "0"], 2, &["1..=1024"]),
        (&["serve", "-adr", "x"], 2, &["unexpected argument"]),
        (&["serve", "--ini", "absent.ini"], 78, &["absent.ini"]),
        (
            &["collect", "-phase1", "9-12", "-seconds", "0"],
            78,
            &["phase1", "9:00-12:00", "1 to 3600"],
        ),
        (&["collect", "-source", "sina"], 2, &["qq", "qmt"]),
        (&["collect", "-use_proxy"], 78, &["--proxy URL"]),
        (&["collect", "-source", "qmt"], 78, &["QMT_TOKEN"]),
    ];
    for (flags, code, said) in cases {
        bench.run(flags).assert(code, said);
    }
}

#[test]
fn an_address_in_use_ends_serve_with_its_name() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", taken.local_addr().unwrap());
    let bench = Bench::with_links(&SERVE);
    let bus = tcp();
    let flags = ["serve", "--plugins", "plugins", "--addr", &address, "--server", &bus];
    bench.run(&flags).assert(1, &[&address, "in use"]);
}

fn tcp() -> String {
    format!("tcp://127.0.0.1:{}", free_port())
}
