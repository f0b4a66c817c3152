//! Hosts that come to know securities in the middle of a recorded day and join it to history: in the end
//! their stores and `hikyuu-server` have the bars of the whole day, as pandas computes them.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use harness::{Bench, DAYS, Day, Host, HostClock, Random, free_port, python, sample, seed};

/// Four securities, 2022-06-01.
const DAY: Day = DAYS[2];
/// 16:00 of that day in Shanghai, seconds since 1970.
const EVENING: i64 = 1_654_070_400;
const PERIODS: &str = "1m,3m,5m,30m,60m,2h,day";
/// Each learns of the four at moments of their own.
const HOSTS: usize = 5;
const DEADLINE: Duration = Duration::from_secs(60);

fn periods() -> String {
    PERIODS.split(',').map(|period| format!("\"{period}\",")).collect()
}

/// A lake of the whole day's minutes, which is the history.
fn history() -> Bench {
    let bench = Bench::with_links(&["replay", "bars", "parquet"]);
    bench.pipeline(&format!(
        "{}\n[transforms.bars]\nplugin = \"bars\"\ninputs = [\"day\"]\nperiods = [\"1m\"]\n\
         updates = false\n[sinks.lake]\nplugin = \"parquet\"\ninputs = [\"bars\"]\npath = \"lake\"\n",
        DAY.source()
    ));
    bench.run(&["run"]).assert(0, &[]);
    bench
}

/// A time of trading before the last minutes.
fn moment(random: &mut Random) -> String {
    let minute = random.between(0, 225);
    let minute = if minute < 118 { 9 * 60 + 32 + minute } else { 13 * 60 + minute - 118 };
    format!("{:02}:{:02}:{:02}", minute / 60, minute % 60, random.between(0, 59))
}

/// What a host sees that learns of the securities at seeded moments.
fn late_day(random: &mut Random) -> String {
    let moments: Vec<_> = (0..4).map(|_| moment(random)).collect();
    println!("securities come at {}", moments.join(", "));
    let recorded = sample(DAY.file).display().to_string();
    let arguments: Vec<_> = [&recorded].into_iter().chain(&moments).map(String::as_str).collect();
    python("late_day.py", &arguments).finish().trim().to_owned()
}

/// A host of its own, on the evening of that day by its clock.
struct Late {
    bench: Bench,
    host: Host,
    clock: HostClock,
    address: String,
}

impl Late {
    fn start(file: &str, history: &Path, ahead: i64) -> Self {
        let bench = Bench::with_links(&["replay", "bars", "parquet", "hikyuu-server"]);
        let address = format!("tcp://127.0.0.1:{}", free_port());
        // keeps the transform up, and makes no bar
        bench.write(
            "waiting.csv",
            "symbol,time,close\n600000.SH,2022-06-01 08:00:00,1\n600000.SH,2022-06-01 08:04:00,1\n",
        );
        bench.pipeline(&format!(
            "[host]\nhttp = \"127.0.0.1:{}\"\nwatch = false\n{}\n\
             [sources.waiting]\nplugin = \"replay\"\npath = \"waiting.csv\"\n\
             [sources.past]\nplugin = \"parquet\"\npath = \"{}\"\n\
             [transforms.bars]\nplugin = \"bars\"\ninputs = [\"day\", \"waiting\"]\n\
             periods = [{}]\nhistory = \"past\"\n\
             [sinks.lake]\nplugin = \"parquet\"\ninputs = [\"bars\"]\npath = \"lake\"\n\
             [sinks.server]\nplugin = \"hikyuu-server\"\ninputs = [\"bars\"]\nlisten = \"{address}\"\n",
            free_port(),
            DAY.source_of(file),
            history.display(),
            periods()
        ));
        let clock = HostClock::new(&bench.path("clock"));
        clock.put(ahead);
        let host = bench.start_with("", &clock.environment());
        Self { bench, host, clock, address }
    }
}

#[test]
fn a_day_that_is_joined_at_any_moment_ends_with_the_bars_of_the_whole_day() {
    let history = history();
    let mut random = Random::new(seed(16));
    #[allow(clippy::disallowed_methods)] // what the hosts' clocks are off by
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut ahead = EVENING - i64::try_from(now.as_secs()).unwrap();
    let files: Vec<_> = (0..HOSTS).map(|_| late_day(&mut random)).collect();
    let lake = history.path("lake");
    let hosts: Vec<_> = files.iter().map(|file| Late::start(file, &lake, ahead)).collect();
    let deadline = Instant::now() + DEADLINE;
    // securities are asked for when no other has come for some seconds
    while !hosts.iter().all(|late| late.host.log().contains("history is joined")) {
        assert!(Instant::now() < deadline, "{}", hosts[0].host.log());
        ahead += 2;
        hosts.iter().for_each(|late| late.clock.put(ahead));
        thread::park_timeout(Duration::from_millis(100));
    }
    let recorded = sample(DAY.file).display().to_string();
    let check = |what: &str, places: &[String]| {
        let mut arguments = vec![what, &recorded, PERIODS];
        arguments.extend(places.iter().map(String::as_str));
        python("joined_check.py", &arguments).finish();
    };
    check("servers", &hosts.iter().map(|late| late.address.clone()).collect::<Vec<_>>());
    let mut lakes = Vec::new();
    let benches: Vec<_> = hosts
        .into_iter()
        .map(|Late { bench, host, .. }| {
            host.signal("TERM");
            host.wait().assert(0, &[]);
            lakes.push(bench.path("lake").display().to_string());
            bench
        })
        .collect();
    check("lakes", &lakes);
    drop(benches);
    files.iter().for_each(|file| fs::remove_dir_all(Path::new(file).parent().unwrap()).unwrap());
}
