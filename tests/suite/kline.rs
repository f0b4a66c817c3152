//! Bars of the past from a stand-in for the K-line service, compared with the recorded answers by a
//! reader of its own.

use std::fs;

use dataserver::engine::clock::{Clock, SystemClock};
use harness::{Bench, KlineRows, KlineServer, fixture, free_port, python};
use plugin_api::schemas::time::ExchangeTime;
use serde_json::{Value, json};

/// A recorded answer: the file, the security as the service names it, and the key of its rows.
type Recording = (&'static str, &'static str, &'static str);

const DAYS: Recording = ("fqkline_day_none_sh600601_202301.cut.json", "sh600601", "day");
const ADJUSTED: Recording = ("fqkline_day_qfq_sh510300_etf_20260904.json", "sh510300", "qfqday");
const MINUTES: Recording = ("mkline_m5_sh600519_20260828.cut.json", "sh600519", "m5");

/// A bar of the index for every day of a month that has ended, by the machine's clock.
fn index() -> Vec<Value> {
    let today = ExchangeTime::from_utc_us(SystemClock.now_us()).day;
    let days = (today - 30..today).map(|day| {
        let (year, month, day) = ExchangeTime { day, of_day_us: 0 }.date();
        (format!("{year:04}-{month:02}-{day:02}"), format!("{year:04}{month:02}{day:02}1500"))
    });
    let row = |label: String| json!([label, "3900.00", "3900.00", "3900.00", "3900.00", "5"]);
    days.flat_map(|(day, minute)| [row(day), row(minute)]).collect()
}

/// Serves those recordings and the index; `None` where one of them is not there.
fn server(recordings: &[Recording]) -> Option<KlineServer> {
    let mut rows = KlineRows::new();
    let is_day = |row: &Value| row[0].as_str().is_some_and(|label| label.contains('-'));
    let (days, minutes): (Vec<_>, Vec<_>) = index().into_iter().partition(is_day);
    for (key, rows_of_key) in [("day", days), ("m5", minutes)] {
        rows.insert(("sh000001".to_owned(), key.to_owned()), rows_of_key);
    }
    for (file, code, key) in recordings {
        let text = fs::read_to_string(fixture(&format!("kline/{file}"))?).unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap();
        let of_key = answer["data"][code][key].as_array().unwrap().clone();
        rows.insert(((*code).to_owned(), (*key).to_owned()), of_key);
    }
    Some(KlineServer::start(rows))
}

/// A pipeline that asks for what is named, beside other options, and keeps it in a lake.
fn bench(server: &KlineServer, ask: &str, options: &str) -> Bench {
    let bench = Bench::with_links(&["kline", "parquet"]);
    bench.pipeline(&format!(
        "[sources.k]\nplugin = \"kline\"\nurls = [\"{}\"]\nrate = 100\nretries = 0\n{options}\n\
         ask = {{ {ask}, kind = \"bar\" }}\n\
         [sinks.lake]\nplugin = \"parquet\"\ninputs = [\"k\"]\npath = \"lake\"\n",
        server.url()
    ));
    bench
}

/// Compares the lake with the rows of a recording from one label to another.
fn check(bench: &Bench, (file, _, key): Recording, symbol: &str, span: [&str; 2]) -> String {
    let recording = fixture(&format!("kline/{file}")).unwrap().display().to_string();
    let lake = bench.path("lake").display().to_string();
    let arguments = [&lake, &recording, key, symbol, span[0], span[1]];
    python("kline_check.py", &arguments).finish().trim().to_owned()
}

#[test]
fn days_reach_the_lake_as_they_were_recorded() {
    let Some(server) = server(&[DAYS]) else { return };
    let ask =
        "symbols = [\"600601.SH\"], from = \"2023-01-19\", to = \"2023-01-20\", period = \"day\"";
    let bench = bench(&server, ask, "");
    let run = bench.run(&["run"]);
    run.assert(0, &["2 bars given"]);
    assert_eq!(run.summary("lake", "out"), 2);
    let checked = check(&bench, DAYS, "600601.SH", ["2023-01-19", "2023-01-20"]);
    assert_eq!(checked, "2 bars");
    assert!(server.asked().iter().any(|it| it.starts_with("sh600601,day,,2023-01-20,")));
}

#[test]
fn adjusted_days_reach_the_lake_and_nothing_outside_of_the_span() {
    let Some(server) = server(&[ADJUSTED]) else { return };
    let ask =
        "symbols = [\"510300.SH\"], from = \"2026-08-24\", to = \"2026-09-02\", period = \"day\"";
    let bench = bench(&server, ask, "adjust = \"qfq\"");
    bench.run(&["run"]).assert(0, &["8 bars given"]);
    let checked = check(&bench, ADJUSTED, "510300.SH", ["2026-08-24", "2026-09-02"]);
    assert_eq!(checked, "8 bars");
}

#[test]
fn minutes_reach_the_lake_with_the_time_of_their_end() {
    let Some(server) = server(&[MINUTES]) else { return };
    let ask = "symbols = [\"600519.SH\"], from = \"2026-08-28 14:55:00\", \
               to = \"2026-08-28 15:00:00\", period = \"5m\"";
    let bench = bench(&server, ask, "");
    bench.run(&["run"]).assert(0, &["2 bars given"]);
    let checked = check(&bench, MINUTES, "600519.SH", ["202608281455", "202608281500"]);
    assert_eq!(checked, "2 bars");
}

#[test]
fn a_run_that_could_not_give_all_fails_and_names_what_is_missing() {
    let Some(server) = server(&[DAYS]) else { return };
    let ask = "symbols = [\"600601.SH\", \"999999.SH\", \"920000.BJ\"], from = \"2023-01-19\", \
               to = \"2023-01-20\", period = \"day\"";
    let bench = bench(&server, ask, "");
    let run = bench.run(&["run"]);
    run.assert(
        1,
        &[
            "2 securities could not be given, or not whole",
            "920000.BJ (Beijing is not on this service",
            "999999.SH (no rows",
        ],
    );
    // what there is was delivered
    let checked = check(&bench, DAYS, "600601.SH", ["2023-01-19", "2023-01-20"]);
    assert_eq!(checked, "2 bars");
}

#[test]
fn check_asks_the_hosts_and_refuses_what_cannot_be_given() {
    let Some(server) = server(&[]) else { return };
    let ask =
        "symbols = [\"600601.SH\"], from = \"2023-01-19\", to = \"2023-01-20\", period = \"day\"";
    let bench = bench(&server, ask, "");
    bench.run(&["check"]).assert(0, &["is fine"]);
    let pipeline = bench.read("pipeline.toml");
    let cases = [
        (server.url().to_owned(), format!("http://127.0.0.1:{}", free_port()), "nothing listens"),
        ("\"day\"".to_owned(), "\"week\"".to_owned(), "no bars of \"week\""),
        ("\"bar\"".to_owned(), "\"spot\"".to_owned(), "ask.period"),
        ("retries = 0".to_owned(), "request_rows = 2001".to_owned(), "1 to 2000"),
    ];
    for (from, to, said) in cases {
        bench.pipeline(&pipeline.replace(&from, &to));
        bench.run(&["check"]).assert(78, &[said]);
    }
}
