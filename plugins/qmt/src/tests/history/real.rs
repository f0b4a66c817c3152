//! The bridge's own process for history, beside a stand-in of xtquant.

use std::{
    fs,
    process::{Child, Command, Stdio},
};

use plugin_api::serde_json::{Value, json};

use super::{asks_of, bench, run, us};
use crate::tests::{Bench, TOKEN, repository};

/// The process; it ends with the pipe that it reads.
struct Worker(Child);

impl Worker {
    /// Starts it towards that port; the stand-in plays by that plan. Rows are waited for 2 s.
    fn start(bench: &Bench, port: u16, plan: &Value) -> Self {
        Self::start_with(bench, port, plan, "2")
    }

    /// The same, waiting for rows for so many seconds.
    fn start_with(bench: &Bench, port: u16, plan: &Value, wait: &str) -> Self {
        let folder = bench.folder.path().join("xtquant");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("plan.json"), json!({ "history": plan }).to_string()).unwrap();
        let child = Command::new(repository().join("target/venv/bin/python"))
            .args(["-B", "-X", "utf8"])
            .arg(repository().join("plugins/qmt/bridge/qmt_bridge.py"))
            .args(["--history-worker", "--history-port", &port.to_string()])
            .args(["--max-backoff", "0.2", "--history-wait", wait])
            .current_dir(bench.folder.path())
            .env("QMT_BRIDGE_TOKEN", TOKEN)
            .env("PYTHONPATH", repository().join("tests/python/xtquant_standin"))
            .env("XTQUANT_STANDIN", &folder)
            .stdin(Stdio::piped())
            .stderr(fs::File::create(bench.folder.path().join("bridge.log")).unwrap())
            .spawn()
            .unwrap();
        Self(child)
    }

    fn downloads(bench: &Bench) -> String {
        fs::read_to_string(bench.folder.path().join("xtquant/downloads")).unwrap()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let status = self.0.wait().unwrap();
        assert!(std::thread::panicking() || status.success(), "{status}");
    }
}

/// A row as xtquant has it.
fn row(label: &str, price: f64, lots: u32) -> Value {
    let amount = price * 100.0 * f64::from(lots);
    json!({
        "time": us(label) / 1_000, "open": price, "high": price, "low": price, "close": price,
        "volume": lots, "amount": amount, "settelementPrice": 0.0, "openInterest": 15,
        "preClose": price, "suspendFlag": 0,
    })
}

/// A day of three minutes, and its bar.
fn plan(symbols: &[&str]) -> Value {
    let labels = ["2026-04-17 09:30:00", "2026-04-17 09:31:00", "2026-04-17 15:00:00"];
    let mut rows = json!({ "1m": {}, "1d": {} });
    for symbol in symbols {
        rows["1m"][symbol] = labels.iter().map(|label| row(label, 10.0, 5)).collect();
        rows["1d"][symbol] = json!([row("2026-04-17", 10.0, 15)]);
    }
    json!({ "rows": rows })
}

fn minutes(symbols: &[&str]) -> Value {
    asks_of(symbols, "2026-04-17 09:30:00", "2026-04-17 15:00:00", "1m")
}

#[test]
fn rows_that_come_late_behind_padding_are_waited_for() {
    for padding in ["flags", "zeros", "close"] {
        let bench = bench();
        let mut plan = plan(&["600000.SH", "600001.SH"]);
        plan["late"] = json!(3);
        plan["padding"] = json!(padding);
        plan["callbacks"] = json!(if padding == "zeros" { "manual" } else { "real" });
        let mut source = bench.source(&minutes(&["600000.SH", "600001.SH"]));
        // long enough on a busy machine too, as who waits in vain asks again
        let worker = Worker::start_with(&bench, source.address().port(), &plan, "60");
        let given = run(&mut source);
        assert_eq!(given.fault, None, "{padding}");
        let expected = [
            "600000 2026-04-17 09:31 1000",
            "600000 2026-04-17 15:00 500",
            "600001 2026-04-17 09:31 1000",
            "600001 2026-04-17 15:00 500",
        ];
        assert_eq!(given.bars(), expected, "{padding}");
        let downloads = Worker::downloads(&bench);
        assert_eq!(
            downloads, "1m 20260417000000 20260417235959 2\n1d 20260417 20260417 2\n",
            "{padding}"
        );
        drop(worker);
    }
}

#[test]
fn a_window_that_is_capped_is_downloaded_again() {
    let bench = bench();
    let mut plan = plan(&["600000.SH"]);
    plan["first_reads"] = json!({ "600000.SH": 2 });
    plan["callbacks"] = json!("none");
    let mut source = bench.source(&minutes(&["600000.SH"]));
    let worker = Worker::start(&bench, source.address().port(), &plan);
    let given = run(&mut source);
    assert_eq!(given.fault, None);
    assert_eq!(given.bars.len(), 2);
    assert_eq!(bench.host.counted("qmt_asked_again_total"), 1);
    assert_eq!(Worker::downloads(&bench).lines().count(), 4);
    drop(worker);
}

#[test]
fn rows_that_never_come_are_told_with_the_text_of_xtquant() {
    let bench = bench();
    let mut source = bench.source(&minutes(&["600000.SH"]));
    let mut plan = plan(&["600000.SH"]);
    plan["raise"] = json!("无法连接xtquant服务，请检查QMT-投研版或QMT-极简版是否开启");
    let worker = Worker::start(&bench, source.address().port(), &plan);
    let fault = run(&mut source).fault.unwrap();
    assert!(fault.contains("600000.SH (无法连接xtquant服务，请检查QMT"), "{fault}");
    drop(worker);

    let bench = super::bench();
    fs::create_dir_all(bench.folder.path().join("xtquant")).unwrap();
    fs::write(bench.folder.path().join("xtquant/connected"), "0").unwrap();
    let mut source = bench.source(&minutes(&["600000.SH"]));
    let worker = Worker::start(&bench, source.address().port(), &plan);
    let fault = run(&mut source).fault.unwrap();
    assert!(fault.contains("QMT is not there: xtquant is not connected"), "{fault}");
    drop(worker);
}

#[test]
fn quotes_come_as_the_terminal_keeps_them() {
    let tick = |label: &str, lots: u32| {
        let mut tick = row(label, 10.0, lots);
        tick["lastPrice"] = json!(10.0);
        tick["lastClose"] = json!(9.9);
        tick["pvolume"] = json!(lots * 100);
        for (name, value) in
            [("askPrice", 10.1), ("bidPrice", 10.0), ("askVol", 3.0), ("bidVol", 4.0)]
        {
            tick[name] = json!(vec![value; 5]);
        }
        for name in ["close", "settelementPrice", "openInterest", "preClose", "suspendFlag"] {
            tick.as_object_mut().unwrap().remove(name);
        }
        tick
    };
    let bench = bench();
    let mut plan = plan(&["600000.SH"]);
    let labels = ["2026-04-17 09:30:00", "2026-04-17 14:59:57", "2026-04-17 15:00:03"];
    let ticks: Vec<_> = labels.iter().zip([5, 10, 15]).map(|(it, lots)| tick(it, lots)).collect();
    plan["rows"]["tick"] = json!({ "600000.SH": ticks });
    let mut asks = minutes(&["600000.SH"]);
    asks["ask"] = json!({
        "symbols": ["600000.SH"], "from": "2026-04-17", "to": "2026-04-17 23:59:59", "kind": "spot",
    });
    let mut source = bench.source(&asks);
    let worker = Worker::start(&bench, source.address().port(), &plan);
    let given = run(&mut source);
    assert_eq!(given.fault, None);
    let expected: Vec<_> = labels.iter().zip([500, 1_000, 1_500]).collect();
    let found: Vec<_> =
        given.quotes.iter().map(|(_, time_us, shares)| (*time_us, *shares)).collect();
    assert_eq!(found, expected.iter().map(|(it, shares)| (us(it), *shares)).collect::<Vec<_>>());
    drop(worker);
}
