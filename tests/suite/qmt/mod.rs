//! The real bridge script with a stand-in for xtquant, into the real host, into a lake.

mod bridge;
mod faults;
mod history;
mod modes;
mod payloads;
mod tls;

use std::{collections::BTreeMap, fs, path::PathBuf};

use harness::{Bench, Host, free_port, python, wait_until};
use serde_json::{Value, json};

use bridge::Bridge;

const TOKEN: &str = "a token of tests";

/// A folder with a host, a lake, a stand-in and what the bridge keeps.
struct Site {
    bench: Bench,
    /// Where the host listens for the bridge.
    port: u16,
    /// Its control port.
    http: u16,
}

impl Site {
    /// A site whose stand-in plays by that plan.
    fn new(plan: &Value) -> Self {
        let site = Self {
            bench: Bench::with_links(&["qmt", "parquet"]),
            port: free_port(),
            http: free_port(),
        };
        site.bench.write("xtquant/plan.json", plan.to_string());
        let Self { port, http, .. } = &site;
        site.bench.pipeline(&format!(
            "[host]\nhttp = \"127.0.0.1:{http}\"\n\
             [sources.quotes]\nplugin = \"qmt\"\nlisten = \"tcp://127.0.0.1:{port}\"\n\
             token = \"{TOKEN}\"\nheartbeat = \"1s\"\nphases = []\n\
             [sinks.lake]\nplugin = \"parquet\"\ninputs = [\"quotes\"]\npath = \"lake\"\n\
             row_group_records = 5000\nflush_interval = \"100ms\"\n"
        ));
        site
    }

    /// Starts the host and waits until it listens.
    fn host(&self) -> Host {
        let host = self.bench.start();
        host.wait_for("waiting for a qmt bridge");
        host
    }

    /// Starts the bridge towards the host.
    fn bridge(&self) -> Bridge {
        self.bridge_to(self.port, &[])
    }

    /// Starts the bridge towards a port, with more arguments.
    fn bridge_to(&self, port: u16, arguments: &[&str]) -> Bridge {
        Bridge::start(&self.bench, port, TOKEN, arguments)
    }

    fn stand_in(&self, name: &str) -> PathBuf {
        self.bench.path("xtquant").join(name)
    }

    /// Lets the stand-in play up to that round.
    fn limit(&self, round: u64) {
        self.set("limit", round);
    }

    fn set(&self, name: &str, value: u64) {
        // in one step, as the stand-in reads it all the time
        let fresh = self.stand_in("fresh");
        fs::write(&fresh, value.to_string()).unwrap();
        fs::rename(fresh, self.stand_in(name)).unwrap();
    }

    /// Rounds that were played.
    fn played(&self) -> u64 {
        let text = fs::read_to_string(self.stand_in("played")).unwrap_or_default();
        text.parse::<u64>().map_or(0, |next| next - 1)
    }

    /// Waits until so many rounds were played.
    #[track_caller]
    fn wait_for_round(&self, round: u64) {
        wait_until("a round", || self.played() >= round);
    }

    /// Waits until all that was played is confirmed by the host; the bridge may be another one than
    /// that which sent it.
    #[track_caller]
    fn wait_for_all(&self, rounds: u64, bridge: &Bridge) {
        self.wait_for_round(rounds);
        bridge.wait_until_nothing_waits();
    }

    /// Ends bridge and host in order.
    fn end(&self, bridge: Bridge, host: Host) {
        bridge.end();
        host.signal("TERM");
        host.wait().assert(0, &[]);
    }

    /// Rounds that each security has in the lake, in its order.
    fn rounds_by_symbol(&self) -> BTreeMap<String, Vec<u64>> {
        let lake = self.bench.path("lake").display().to_string();
        let printed = python("qmt_lake.py", &[&lake]).finish();
        let mut rounds: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for line in printed.lines() {
            let (symbol, shares) = line.split_once(' ').unwrap();
            rounds.entry(symbol.to_owned()).or_default().push(shares.parse::<u64>().unwrap() / 100);
        }
        rounds
    }

    /// Asserts that every security has every round once, in order.
    #[track_caller]
    fn assert_all_once(&self, symbols: usize, rounds: u64) {
        let found = self.rounds_by_symbol();
        assert_eq!(found.len(), symbols);
        let expected: Vec<_> = (1..=rounds).collect();
        for (symbol, found) in &found {
            assert_eq!(found, &expected, "{symbol}");
        }
    }
}

/// A plan without snapshots: then everything must come exactly once.
fn plan(symbols: usize, rounds: u64, pace_ms: u64) -> Value {
    json!({ "symbols": symbols, "rounds": rounds, "pace_ms": pace_ms, "full_tick": "empty" })
}

/// The same with other entries.
fn with(mut plan: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        plan[name] = value.clone();
    }
    plan
}
