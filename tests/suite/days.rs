//! Which days are whole: the ledger of a recorded day, in the terminal and over HTTP, and a store that
//! has less than came.

use std::time::{SystemTime, UNIX_EPOCH};

use harness::{Bench, DAYS, Day, HostClock, Run, free_port, python, sample, wait_until};
use serde_json::Value;

/// A whole day of four securities, 2022-06-01.
const WHOLE: Day = DAYS[2];
const DATE: &str = "2022-06-01";
/// 16:00 of that day in Shanghai, seconds since 1970.
const EVENING: i64 = 1_654_070_400;
const LEDGER: &str =
    "[sinks.ledger]\nplugin = \"ledger\"\ninputs = [\"day\"]\npath = \"days.db\"\n";

fn bench() -> Bench {
    Bench::with_links(&["replay", "ledger", "parquet", "bars", "null"])
}

/// The recorded day in a ledger, and in what else there is.
fn recorded(bench: &Bench, source: &str, more: &str) {
    bench.pipeline(&format!("{source}\n{LEDGER}{more}"));
    bench.run(&["run"]).assert(0, &[]);
}

/// The recorded day without what lies from 10:00:31 to 13:30:07.
fn cut() -> String {
    let whole = sample(WHOLE.file).display().to_string();
    let folder = python("split_day.py", &[&whole, "10:00:31", "13:30:07"]).finish();
    let folder = folder.trim().to_owned();
    std::fs::remove_file(format!("{folder}/1.csv.gz")).unwrap();
    folder
}

fn json(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{}\n{}", run.stdout, run.stderr))
}

/// A quote now, and one that comes in four minutes and keeps the host up.
fn waiting(bench: &Bench) -> String {
    bench.write(
        "waiting.csv",
        "symbol,time,close\n000400.SZ,2022-06-01 15:30:00,1\n000400.SZ,2022-06-01 15:34:00,1\n",
    );
    "[sources.waiting]\nplugin = \"replay\"\npath = \"waiting.csv\"\n\
     [sinks.end]\nplugin = \"null\"\ninputs = [\"waiting\"]\n"
        .to_owned()
}

#[test]
fn a_whole_day_is_complete_and_one_with_a_hole_names_it() {
    let bench = bench();
    recorded(&bench, &WHOLE.source(), "");
    let asked = ["days", "--from", DATE, "--to", DATE, "--format", "json"];
    let run = bench.run(&asked);
    let calendar = json(run.assert(0, &[]));
    let day = &calendar["days"][0];
    assert_eq!((&day["date"], &day["verdict"]), (&DATE.into(), &"complete".into()), "{day}");
    assert_eq!((&day["expected"], &day["complete"]), (&4.into(), &4.into()), "{day}");
    bench.run(&["days", DATE]).assert(0, &["2022-06-01 complete: 4 of 4", "no gaps"]);

    let bench = self::bench();
    let folder = cut();
    recorded(&bench, &WHOLE.source_of(&format!("{folder}/*.csv.gz")), "");
    std::fs::remove_dir_all(folder).unwrap();
    // a look is no verdict: it ends with 0
    let run = bench.run(&["days", DATE, "--format", "json"]);
    let day = json(run.assert(0, &[]));
    let keys = ["date", "verdict", "expected", "seen", "complete", "gaps"];
    let places = keys.map(|key| run.stdout.find(&format!("\"{key}\":")).unwrap());
    assert!(places[0] == 1 && places.is_sorted(), "{}", run.stdout);
    assert_eq!(day["verdict"], "incomplete");
    let gaps = day["gaps"].as_array().unwrap();
    let of_all: Vec<_> = gaps.iter().filter(|gap| gap["symbol"] == "*").collect();
    let text = |gap: &Value, key: &str| gap[key].as_str().unwrap().to_owned();
    let (first, last) = (of_all.first().unwrap(), of_all.last().unwrap());
    assert!(text(first, "from").starts_with("2022-06-01T10:0"), "{first}");
    assert!(text(last, "to").starts_with("2022-06-01T13:"), "{last}");
    assert!(text(first, "from").ends_with("+08:00"), "{first}");
    bench.run(&["days", DATE]).assert(0, &["incomplete", "* (all)", "10:0"]);
    let run = bench.run(&["days", DATE, "--format", "csv"]);
    let csv = run.assert(0, &["symbol,kind,period,from,to,records"]);
    assert_eq!(csv.stdout.lines().count(), gaps.len() + 1);
    let run = bench.run(&["days", DATE, "--symbol", "sz000400", "--format", "json"]);
    let of_one = json(run.assert(0, &[]));
    let others = of_one["gaps"].as_array().unwrap().iter();
    let others = others.filter(|gap| gap["symbol"] != "*" && gap["symbol"] != "000400.SZ");
    assert_eq!(others.count(), 0, "{of_one}");
    let calendar = ["days", "--from", DATE, "--to", DATE, "--format", "csv"];
    bench.run(&calendar).assert(0, &["2022-06-01,incomplete,"]);
}

#[test]
fn what_cannot_be_shown_says_why() {
    let bench = bench();
    bench.pipeline(&format!(
        "{}[sinks.out]\nplugin = \"null\"\ninputs = [\"day\"]\n",
        WHOLE.source()
    ));
    let remedy = ["no completeness", "plugin = \"ledger\"", "inputs = [\"day\"]"];
    bench.run(&["days"]).assert(1, &remedy);
    bench.run(&["verify", DATE, "--store", "out"]).assert(1, &remedy);
    bench.pipeline(&format!("{}{LEDGER}", WHOLE.source()));
    bench.run(&["days"]).assert(1, &["days.db"]);
    bench.run(&["days", "someday"]).assert(2, &["2021-12-01"]);
    bench.run(&["days", "--symbol", "600000"]).assert(2, &["600000.SH"]);
    bench.run(&["days", "-c", "nowhere.toml"]).assert(78, &["nowhere.toml"]);
    bench.run(&["run"]).assert(0, &[]);
    bench.run(&["verify", DATE, "--store", "ledger"]).assert(1, &["cannot be asked"]);
    bench.run(&["verify", DATE, "--store", "lake"]).assert(1, &["no source and no sink \"lake\""]);
    bench.run(&["days", "--from", DATE, "--to", "2022-05-01"]).assert(1, &["swap"]);
}

#[test]
fn a_store_that_lost_rows_is_told_by_security_and_minute_and_by_nothing_else() {
    let bench = bench();
    let more = "[transforms.bars]\nplugin = \"bars\"\ninputs = [\"day\"]\nperiods = [\"1m\", \"day\"]\n\
                [sinks.lake]\nplugin = \"parquet\"\ninputs = [\"day\", \"bars\"]\npath = \"lake\"\n";
    let ledger = LEDGER.replace("[\"day\"]", "[\"day\", \"bars\"]");
    bench.pipeline(&format!("{}\n{ledger}{more}", WHOLE.source()));
    bench.run(&["run"]).assert(0, &[]);
    bench.run(&["verify", DATE, "--store", "lake"]).assert(0, &["2022-06-01 in lake", "the same"]);
    // the last day that is over
    bench.run(&["verify", "--store", "lake"]).assert(0, &["2022-06-01 in lake"]);

    let run = bench.run(&["days", DATE, "--symbol", "000400.SZ", "--format", "json"]);
    let symbol = json(run.assert(0, &[]))["security"]["symbol"].as_str().unwrap().to_owned();
    let spots = bench.path("lake/kind=spot").display().to_string();
    let deleted = python("lake_delete.py", &[&spots, &symbol, "10:02", "10:03"]).finish();
    let deleted: u64 = deleted.trim().parse().unwrap();
    assert!(deleted > 2, "{deleted}");
    let bars = bench.path("lake/kind=bar").display().to_string();
    python("lake_delete.py", &[&bars, &symbol, "10:40", "10:40"]).finish();
    let run = bench.run(&["verify", DATE, "--store", "lake", "--format", "json"]);
    let verified = json(run.assert(1, &[]));
    let differences: Vec<_> = verified["differences"].as_array().unwrap().iter().collect();
    let [bar, spot] = differences[..] else { panic!("{differences:?}") };
    for (found, kind, from, to) in
        [(spot, "spot", "10:02", "10:03"), (bar, "bar", "10:40", "10:40")]
    {
        assert_eq!((&found["symbol"], &found["kind"]), (&symbol.as_str().into(), &kind.into()));
        assert_eq!(found["from"], format!("{DATE}T{from}+08:00"), "{found}");
        assert_eq!(found["to"], format!("{DATE}T{to}+08:00"), "{found}");
    }
    let lost = spot["counted"].as_u64().unwrap() - spot["stored"].as_u64().unwrap();
    assert_eq!((lost, &spot["stored"], &bar["stored"]), (deleted, &0.into(), &0.into()));
    let sums: Vec<_> =
        verified["sums"].as_array().unwrap().iter().map(|it| &it["symbol"]).collect();
    assert_eq!(
        sums,
        [&Value::from(symbol.as_str())],
        "a minute that is gone is missing in the sum"
    );
    let only = ["verify", DATE, "--store", "lake", "--kind", "spot", "--format", "csv"];
    let run = bench.run(&only);
    let csv = run.assert(1, &["symbol,kind,period,from,to,counted,stored"]);
    assert_eq!(csv.stdout.lines().count(), 2, "{}", csv.stdout);
    bench.run(&["verify", DATE, "--store", "lake"]).assert(1, &["differs", &symbol, "10:02"]);
    std::fs::remove_dir_all(bench.path("lake")).unwrap();
    bench.run(&["verify", DATE, "--store", "lake"]).assert(1, &["lake is no folder"]);
}

#[test]
fn bars_that_were_altered_in_a_store_are_named() {
    let (bench, day, date) = (bench(), DAYS[1], "2023-02-01");
    let more = "[transforms.bars]\nplugin = \"bars\"\ninputs = [\"day\"]\nperiods = [\"1m\", \"day\"]\n\
                [sinks.lake]\nplugin = \"parquet\"\ninputs = [\"day\", \"bars\"]\npath = \"lake\"\n";
    let ledger = LEDGER.replace("[\"day\"]", "[\"day\", \"bars\"]");
    bench.pipeline(&format!("{}\n{ledger}{more}", day.source()));
    bench.run(&["run"]).assert(0, &[]);
    bench.run(&["verify", date, "--store", "lake"]).assert(0, &["the same"]);
    let bars = bench.path("lake/kind=bar").display().to_string();
    let alter = |arguments: &[&str]| {
        let all = [&[bars.as_str(), "600519.SH"], arguments].concat();
        python("lake_alter.py", &all).finish();
        bench.run(&["verify", date, "--store", "lake"])
    };
    let told = "600519.SH: its bar of the day has";
    alter(&["day", "volume", "2"]).assert(1, &[told]);
    alter(&["day", "volume", "0.5"]).assert(0, &["the same"]);
    alter(&["day", "close", "2"]).assert(1, &["600519.SH: prices of its day bar"]);
}

#[test]
fn a_running_host_tells_the_same_over_http() {
    let bench = bench();
    let folder = cut();
    recorded(&bench, &WHOLE.source_of(&format!("{folder}/*.csv.gz")), "");
    std::fs::remove_dir_all(folder).unwrap();
    let http = free_port();
    let ledger = LEDGER.replace("[\"day\"]", "[\"waiting\"]");
    let host = format!("[host]\nhttp = \"127.0.0.1:{http}\"\nwatch = false\n");
    bench.pipeline(&format!("{host}{}{ledger}", waiting(&bench)));
    let host = bench.start();
    host.wait_for("the pipeline runs");
    let get = |path: &str| {
        let (code, body) = host.get(http, path, "");
        (code, serde_json::from_str::<Value>(&body).unwrap_or_else(|_| panic!("{path}: {body}")))
    };
    let (code, calendar) = get(&format!("/api/days?from={DATE}&to={DATE}"));
    assert_eq!((code, &calendar["days"][0]["verdict"]), (200, &"incomplete".into()), "{calendar}");
    let (code, day) = get(&format!("/api/days/{DATE}?symbol=000400.SZ"));
    assert_eq!((code, &day["gaps"][0]["symbol"]), (200, &"*".into()), "{day}");
    for (path, part) in [
        ("/api/days?from=soon", "is no day"),
        ("/api/days?from=2022-06-02&to=2022-06-01", "swap"),
        ("/api/days/soon", "is no day"),
        ("/api/days/2022-06-01?symbol=600000", "is no security"),
    ] {
        let (code, answer) = get(path);
        assert_eq!(code, 400, "{path}: {answer}");
        assert!(answer["error"].as_str().unwrap().contains(part), "{path}: {answer}");
    }
    // the verb reads beside the host that writes
    bench.run(&["days", DATE]).assert(0, &["incomplete"]);
    bench.pipeline(&bench.read("pipeline.toml").replace(&ledger, ""));
    assert_eq!(host.reload(http).0, 200);
    let (code, answer) = get("/api/days");
    assert_eq!(code, 404);
    assert!(answer["error"].as_str().unwrap().contains("plugin = \"ledger\""), "{answer}");
    host.signal("TERM");
    host.wait().assert(0, &[]);
}

#[test]
fn a_pause_of_a_source_is_told_beside_the_gaps_of_its_day() {
    let bench = bench();
    let ledger = LEDGER.replace("[\"day\"]", "[\"waiting\"]");
    let host = format!("[host]\nhttp = \"127.0.0.1:{}\"\nwatch = false\n", free_port());
    bench.pipeline(&format!("{host}{}{ledger}", waiting(&bench)));
    let clock = HostClock::new(&bench.path("clock"));
    #[allow(clippy::disallowed_methods)] // what the host's clock is off by
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let noon = EVENING - 5 * 3_600 - i64::try_from(now.as_secs()).unwrap();
    clock.put(noon);
    let host = bench.start_with("", &clock.environment());
    host.wait_for("the pipeline runs");
    bench.run(&["pause", "waiting"]).assert(0, &[]);
    clock.put(noon + 60);
    let told = "source waiting was paused";
    wait_until(told, || bench.run(&["days", DATE]).stdout.contains(told));
    bench.run(&["days", DATE]).assert(0, &["2022-06-01T11:00:"]);
    host.signal("KILL");
    host.wait();
}

#[test]
fn a_day_with_a_hole_is_an_alarm_after_its_close_and_a_number_for_monitors() {
    let bench = bench();
    let folder = cut();
    recorded(&bench, &WHOLE.source_of(&format!("{folder}/*.csv.gz")), "");
    std::fs::remove_dir_all(folder).unwrap();
    let log = bench.path("robots.log").display().to_string();
    let mut robots = python("chat_robots.py", &["SECx", &log]);
    let (http, port) = (free_port(), robots.line());
    let ledger = LEDGER.replace("[\"day\"]", "[\"waiting\"]");
    bench.pipeline(&format!(
        "[host]\nhttp = \"127.0.0.1:{http}\"\nwatch = false\n\
         [alarms]\nrules = [\"day_incomplete\"]\n\
         to = [{{ kind = \"json\", url = \"http://127.0.0.1:{port}/json\" }}]\n{}{ledger}",
        waiting(&bench)
    ));
    let clock = HostClock::new(&bench.path("clock"));
    #[allow(clippy::disallowed_methods)] // what the host's clock is off by
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    clock.put(EVENING - i64::try_from(now.as_secs()).unwrap());
    let host = bench.start_with("", &clock.environment());
    host.wait_for("the pipeline runs");
    let told = "[告警] ledger 2022-06-01：当日数据不完整，自 06-01 15:15:00 起";
    wait_until(told, || bench.read("robots.log").contains(told));
    let sent: Value =
        serde_json::from_str(bench.read("robots.log").lines().next().unwrap()).unwrap();
    let alarm = &sent["body"]["alarms"][0];
    assert_eq!((&alarm["component"], &alarm["day"]), (&"ledger".into(), &DATE.into()));
    let metrics = host.wait_for_answer(http, "/metrics", "dataserver_day_completeness_ratio{");
    let line = metrics.lines().find(|line| line.starts_with("dataserver_day_completeness_ratio{"));
    let ratio: f64 = line.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    assert!((0.0..1.0).contains(&ratio), "{ratio}");
    host.signal("TERM");
    host.wait().assert(0, &[]);
}
