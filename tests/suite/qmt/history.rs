//! Bars of the past through the real bridge script beside a stand-in for xtquant, into a lake that a
//! reader of its own compares with the recordings.

use harness::{Bench, fixture, free_port, python};
use serde_json::{Value, json};

use super::{Bridge, Site, TOKEN, plan, with};

/// Rows of a recorded print, as the stand-in has them: those whose every column was printed.
fn recorded(recording: &str) -> Option<Vec<Value>> {
    let path = fixture(&format!("qmt_history/{recording}"))?.display().to_string();
    let printed = python("qmt_history_check.py", &["rows", &path]).finish();
    Some(serde_json::from_str(&printed).unwrap())
}

/// A pipeline that asks a bridge at that port for bars and keeps them in a lake.
fn asking(port: u16, ask: &str) -> Bench {
    let bench = Bench::with_links(&["qmt", "parquet"]);
    bench.pipeline(&format!(
        "[sources.past]\nplugin = \"qmt\"\nlisten = \"tcp://127.0.0.1:{port}\"\n\
         token = \"{TOKEN}\"\nheartbeat = \"1s\"\nanswer_within = \"20s\"\n\
         ask = {{ {ask}, kind = \"bar\" }}\n\
         [sinks.lake]\nplugin = \"parquet\"\ninputs = [\"past\"]\npath = \"lake\"\n"
    ));
    bench
}

/// Starts a bridge with its process for history, in the folder of that bench.
fn bridge(bench: &Bench, quotes: u16, history: u16) -> Bridge {
    let history = history.to_string();
    let arguments = ["--history-port", &history, "--history-wait", "5"];
    Bridge::start(bench, quotes, TOKEN, &arguments)
}

/// Compares the lake with a recording; what the reader says.
fn check(bench: &Bench, recording: &str, symbol: &str, period: &str) -> String {
    let recording = fixture(&format!("qmt_history/{recording}")).unwrap().display().to_string();
    let lake = bench.path("lake").display().to_string();
    let arguments = ["lake", &recording, &lake, symbol, period];
    python("qmt_history_check.py", &arguments).finish().trim().to_owned()
}

#[test]
fn recorded_days_reach_the_lake_in_shares_though_they_come_late_behind_padding() {
    const DAYS: &str = "ex_1d_002600SZ_20250102.print.txt";
    let Some(rows) = recorded(DAYS) else { return };
    let port = free_port();
    let ask =
        "symbols = [\"002600.SZ\"], from = \"2025-01-02\", to = \"2025-01-03\", period = \"day\"";
    let bench = asking(port, ask);
    let history = json!({ "rows": { "1d": { "002600.SZ": rows } }, "late": 4, "padding": "flags" });
    let plan = with(plan(1, 0, 10), &json!({ "history": history }));
    bench.write("xtquant/plan.json", plan.to_string());
    let bridge = bridge(&bench, free_port(), port);
    let run = bench.run(&["run"]);
    run.assert(0, &["2 bars given, 0 securities not whole"]);
    assert_eq!(run.summary("lake", "out"), 2);
    assert_eq!(check(&bench, DAYS, "002600.SZ", "day"), "2 bars");
    bridge.end();
}

#[test]
fn recorded_minutes_reach_the_lake_with_the_end_of_their_minute() {
    const MINUTES: &str = "ex_1m_mini_20260814.print.txt";
    let Some(rows) = recorded(MINUTES) else { return };
    let port = free_port();
    // the recording names no instrument
    let ask = "symbols = [\"600000.SH\"], from = \"2026-08-14 09:30:00\", \
               to = \"2026-08-14 15:00:00\", period = \"1m\"";
    let bench = asking(port, ask);
    let history = json!({ "rows": { "1m": { "600000.SH": rows } } });
    let plan = with(plan(1, 0, 10), &json!({ "history": history }));
    bench.write("xtquant/plan.json", plan.to_string());
    let bridge = bridge(&bench, free_port(), port);
    // one minute had no trade
    bench.run(&["run"]).assert(0, &["3 bars given, 0 securities not whole"]);
    assert_eq!(check(&bench, MINUTES, "600000.SH", "1m"), "3 bars");
    bridge.end();
}

#[test]
fn what_the_terminal_lacks_ends_the_run_with_a_fault_and_quotes_go_on_meanwhile() {
    let history = json!({ "rows": {}, "padding": "zeros" });
    let site = Site::new(&with(plan(20, 400, 20), &json!({ "history": history })));
    let (host, port) = (site.host(), free_port());
    let ask = "symbols = [\"600000.SH\"], from = \"2026-04-17 09:30:00\", \
               to = \"2026-04-17 15:00:00\", period = \"1m\"";
    let asking = asking(port, ask);
    let bridge = bridge(&site.bench, site.port, port);
    site.wait_for_round(1);
    asking.run(&["run"]).assert(1, &["600000.SH (the terminal has no rows of it)"]);
    site.wait_for_all(400, &bridge);
    site.end(bridge, host);
    site.assert_all_once(20, 400);
}

#[test]
fn a_bridge_of_an_earlier_release_is_told_to_be_updated() {
    let port = free_port();
    let ask = "symbols = [\"600000.SH\"], from = \"2026-04-17 09:30:00\", \
               to = \"2026-04-17 15:00:00\", period = \"1m\"";
    let bench = asking(port, ask);
    bench.write("xtquant/plan.json", plan(1, 0, 10).to_string());
    // one that only sends quotes, at the port of history
    let bridge = Bridge::start(&bench, port, TOKEN, &[]);
    bench.run(&["run"]).assert(1, &["update qmt_bridge.py", "history_port"]);
    bridge.wait_for("the host refused: this address asks for history");
    bridge.end();
}
