//! A long run at the market's rate: latencies, memory and open files stay where they were.
//!
//! `make drift` runs it for 45 minutes on a machine that has nothing else to do, and writes what it
//! saw to docs/RELIABILITY.md. The host believes that it is a morning of trading.

mod market;
mod watch;

use std::{
    fmt::Write,
    fs,
    process::Command,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use harness::{Bench, ClickHouse, Host, HostClock, Redis, free_port};

use crate::delivery::soak::{setting, tree, write};
use market::{Market, SECURITIES};
use watch::Look;

const BEGIN: &str = "<!-- results of make drift -->";
const END: &str = "<!-- end of results of make drift -->";

/// Runs that are shorter are printed only.
const FEWEST_MINUTES: u64 = 30;
/// A morning's session, without its last minutes.
const MOST_MINUTES: u64 = 115;
/// Monday 2026-03-02, 09:30:30 in Shanghai.
const MORNING: Duration = Duration::from_secs(1_772_415_030);
/// From round to round.
const ROUND: Duration = Duration::from_secs(3);
/// How much more often in the first tenth of each cycle.
const BURST: u32 = 10;
const SINKS: [&str; 4] = ["lake", "table", "streams", "bus"];
/// How much memory may grow from the second window to the last.
const MOST_GROWTH: u64 = 32 << 20;
/// How many files more may be open at the end: segments of spools and files of the lake come and go.
const MOST_FILES: usize = 8;

#[test]
#[ignore = "takes 45 minutes; make drift"]
fn latencies_memory_and_files_stay_where_they_were() {
    let minutes = setting("MINUTES", 45).clamp(1, MOST_MINUTES);
    let length = Duration::from_secs(60 * minutes);
    let window = (length / 4).min(Duration::from_secs(300));
    let cycle = (length / 2).min(Duration::from_secs(600));

    let bench = Bench::new(&[
        "nng-sub",
        "quality",
        "bars",
        "parquet",
        "clickhouse",
        "redis-stream",
        "nng-pub",
    ]);
    let (clickhouse, redis) = (ClickHouse::start(), Redis::start(&["appendonly no"]));
    let clock = HostClock::new(&bench.path("clock"));
    #[allow(clippy::disallowed_methods)] // what the host's clock is off by
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    clock.put(i64::try_from(MORNING.as_secs()).unwrap() - i64::try_from(now.as_secs()).unwrap());
    let feed = format!("ipc://{}", bench.path("feed.ipc").display());
    let mut market = Market::open(&feed);
    let http = free_port();
    bench.pipeline(&pipeline(http, &feed, &clickhouse.http_url(), &redis.url()));
    let mut environment = clock.environment();
    environment.push(("DATASERVER_TEST_HEAP", "1".into()));
    let host = bench.start_with("", &environment);
    host.wait_for("reading ipc://");

    let started = Instant::now();
    let look = || Look::at(&host, http, &clock, &SINKS);
    let mut windows = vec![(started.elapsed(), market.sent(), look())];
    while started.elapsed() < length {
        let elapsed = started.elapsed();
        let in_cycle =
            Duration::from_nanos(u64::try_from(elapsed.as_nanos() % cycle.as_nanos()).unwrap());
        let time = MORNING + elapsed;
        market.send_round(i64::try_from(time.as_micros()).unwrap());
        let pause = if in_cycle < cycle / 10 { ROUND / BURST } else { ROUND };
        thread::sleep((elapsed + pause).saturating_sub(started.elapsed()));
        if started.elapsed() >= window * u32::try_from(windows.len()).unwrap() {
            windows.push((started.elapsed(), market.sent(), look()));
            eprintln!("{}", row(&windows));
        }
    }
    let table = table(&bench, minutes, &windows);
    println!("{table}");
    if minutes >= FEWEST_MINUTES {
        write(BEGIN, END, &table);
    }
    assert_all_delivered(host, market.sent(), &clickhouse);
    assert_flat(&windows);
}

/// Everything that a data server is used for at once.
fn pipeline(http: u16, feed: &str, clickhouse: &str, redis: &str) -> String {
    format!(
        "[host]\nhttp = \"127.0.0.1:{http}\"\nwatch = false\ndrain_timeout = \"60s\"\n\
         [sources.feed]\nplugin = \"nng-sub\"\ndial = \"{feed}\"\n\
         [transforms.quality]\nplugin = \"quality\"\ninputs = [\"feed\"]\n\
         [transforms.bars]\nplugin = \"bars\"\ninputs = [\"quality\"]\nupdates = false\n\
         [sinks.lake]\nplugin = \"parquet\"\ninputs = [\"quality\", \"bars\"]\npath = \"lake\"\n\
         [sinks.table]\nplugin = \"clickhouse\"\ninputs = [\"quality\", \"bars\"]\n\
         url = \"{clickhouse}\"\ndatabase = \"market\"\n\
         [sinks.streams]\nplugin = \"redis-stream\"\ninputs = [\"quality\", \"bars\"]\n\
         url = \"{redis}\"\nshards = 6\nmaxlen = 20000\n\
         [sinks.bus]\nplugin = \"nng-pub\"\ninputs = [\"quality\"]\nlisten = [\"ipc://bus.ipc\"]\n"
    )
}

/// Ends the host; every store has every quote.
fn assert_all_delivered(host: Host, sent: u64, clickhouse: &ClickHouse) {
    host.signal("TERM");
    let run = host.wait();
    run.assert(0, &[]);
    assert_eq!(run.summary("feed", "in"), sent, "{}", run.stderr);
    for component in ["feed", "quality", "bars", "lake", "table", "streams", "bus"] {
        assert_eq!(run.summary(component, "dropped"), 0, "{component}:\n{}", run.stderr);
    }
    let rows = clickhouse.query("SELECT count() FROM market.spots FINAL");
    assert_eq!(rows.trim(), sent.to_string());
}

fn assert_flat(windows: &[(Duration, u64, Look)]) {
    let [_, _, second, .., last] = windows else { return };
    let (then, now) = (&second.2, &last.2);
    assert!(
        now.memory <= then.memory + MOST_GROWTH,
        "memory grew from {} to {} bytes, the heap in use from {} to {}",
        then.memory,
        now.memory,
        then.heap,
        now.heap
    );
    assert!(now.files <= then.files + MOST_FILES, "files: {} to {}", then.files, now.files);
    assert!(now.threads <= then.threads, "threads: {} to {}", then.threads, now.threads);
}

/// What the last window showed.
fn row(windows: &[(Duration, u64, Look)]) -> String {
    let [.., (begin, sent_before, before), (end, sent, look)] = windows else {
        return String::new();
    };
    let minute = |time: &Duration| time.as_secs_f64() / 60.0;
    let mut row = format!("| {:.1}–{:.1} | {} |", minute(begin), minute(end), sent - sent_before);
    for sink in SINKS {
        let [half, most] = [0.5, 0.99].map(|share| look.latency_ms(before, sink, share));
        let _ = write!(row, " {half:.1} / {most:.1} |");
    }
    #[allow(clippy::cast_precision_loss)] // some hundred
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let (memory, heap) = (megabytes(look.memory), megabytes(look.heap));
    let _ = write!(row, " {memory:.0} | {heap:.0} | {} | {} |", look.files, look.threads);
    row
}

fn table(bench: &Bench, minutes: u64, windows: &[(Duration, u64, Look)]) -> String {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).current_dir(bench.path("")).output();
        String::from_utf8_lossy(&output.unwrap().stdout).trim().to_owned()
    };
    let kernel = said("uname", &["-sr"]);
    let disk = said("stat", &["-f", "-c", "%T", "."]);
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory.split_whitespace().nth(1).and_then(|it| it.parse::<u64>().ok());
    let mut text = format!(
        "{minutes} minutes, {}, {kernel}, files on {disk}, {cores} cores, {} GB: {SECURITIES} quotes \
         every {} s, {BURST} times as often in the first minute of each ten, through `nng-sub`, \
         `quality`, `bars` to all four sinks. Latencies are from receipt to delivery, p50 / p99 in \
         ms; `clickhouse` collects for 200 ms and `parquet` until its row group is full or its \
         flush is due.\n\n\
         | minutes | quotes | parquet | clickhouse | redis-stream | nng-pub | memory, MB | heap in \
         use, MB | files | threads |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
        tree(),
        memory.unwrap_or_default() / 1_000_000,
        ROUND.as_secs(),
    );
    for last in 1..windows.len() {
        text += &row(&windows[..=last]);
        text.push('\n');
    }
    text
}
