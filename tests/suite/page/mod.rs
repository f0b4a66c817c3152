//! The page, as somebody uses it: in a real browser, on a host with recorded quotes.

mod days;
mod helpers;
mod life;
mod looks;
mod quotes;
mod readers;
mod reload;
mod safety;
mod stores;
mod wellness;

use harness::{Bench, Browser, Host, fixture, free_port};
use serde_json::Value;

/// The host that a browser looks at.
struct Site {
    host: Host,
    http: u16,
    keys: String,
    browser: Browser,
    /// Gone last: the others use its folder.
    bench: Bench,
}

impl Site {
    /// Starts a host with those keys of `[host]`, and a browser whose user reads Chinese.
    fn start(bench: Bench, keys: &str, pipeline: &str) -> Self {
        // it waits for its turn, and what is recorded goes on only when it is there
        let browser = Browser::start("zh-CN");
        let (http, keys) = (free_port(), keys.to_owned());
        bench.pipeline(&text(http, &keys, pipeline));
        let host = bench.start();
        host.wait_for("the pipeline runs");
        Self { host, http, keys, browser, bench }
    }

    /// Writes another pipeline into the file; nobody is told of it.
    fn write(&self, pipeline: &str) {
        self.bench.pipeline(&text(self.http, &self.keys, pipeline));
    }

    fn url(&self, place: &str) -> String {
        format!("http://127.0.0.1:{}/{place}", self.http)
    }

    /// Goes to a place of the page, e.g. `#/quotes`.
    fn open(&self, place: &str) {
        self.browser.open(&self.url(place));
    }

    /// What the host answers to a GET.
    #[track_caller]
    fn ask(&self, path: &str) -> Value {
        let (code, body) = self.host.get(self.http, path, "");
        assert_eq!(code, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// A component, as `/api/pipeline` tells it.
    #[track_caller]
    fn component(&self, id: &str) -> Value {
        let pipeline = self.ask("/api/pipeline");
        let components = pipeline["components"].as_array().unwrap();
        components.iter().find(|it| it["id"] == id).unwrap_or_else(|| panic!("no {id}")).clone()
    }

    /// Asserts that the console has no errors but those with one of these texts.
    #[track_caller]
    fn assert_quiet(&self, known: &[&str]) {
        let errors = self.browser.errors();
        let is_known = |error: &String| known.iter().any(|part| error.contains(part));
        let unknown: Vec<_> = errors.iter().filter(|error| !is_known(error)).collect();
        assert!(unknown.is_empty(), "{unknown:#?}");
    }

    /// Ends the host in order; the console must have stayed quiet.
    #[track_caller]
    fn end(self) {
        self.assert_quiet(&[]);
        self.host.signal("TERM");
        self.host.wait().assert(0, &[]);
    }
}

fn text(http: u16, keys: &str, pipeline: &str) -> String {
    format!("[host]\nhttp = \"127.0.0.1:{http}\"\nwatch = false\n{keys}\n{pipeline}")
}

/// A source of quotes after the close of 2022-11-18, as Tencent gave them, over and over: 平安银行 is
/// among them.
fn market() -> String {
    let lines = fixture("qq").unwrap().join("batch/firebird_20221118_603.gbk.txt");
    format!(
        "[sources.market]\nplugin = \"replay\"\npath = {lines:?}\nspeed = 10.0\nmax_gap = \"2s\"\n\
         loop = true\n"
    )
}

/// A sink that takes everything.
fn taken(input: &str) -> String {
    format!("[sinks.out]\nplugin = \"null\"\ninputs = [\"{input}\"]\n")
}
