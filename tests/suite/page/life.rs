//! A page that is left open: a host that goes and comes back, a stream that falls silent, memory.

use std::{
    env,
    time::{Duration, Instant},
};

use harness::Bench;
use serde_json::json;

use super::{Site, market, taken};

/// How long the page is used while its memory is watched, unless `MINUTES` says.
const MINUTES: f64 = 0.5;
/// Growth of the heap, bytes, that is no leak: what is compiled and cached late.
const SLACK: f64 = 4_000_000.0;
/// Growth of the documents, nodes: how many lines and letters there are at a time.
const SLACK_NODES: u64 = 3_000;

fn site() -> Site {
    Site::start(Bench::with_links(&["replay", "null"]), "", &(market() + &taken("market")))
}

/// Counts the streams that the page opens.
fn count_streams(site: &Site) {
    let script = "window.streams = 0; const Real = EventSource;\n\
        window.EventSource = class extends Real { constructor(url) { super(url); window.streams += 1; } };";
    site.browser.devtools("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": script }));
}

#[test]
fn a_host_that_goes_is_told_at_once_and_one_that_comes_back_is_found() {
    let mut site = site();
    site.open("#/quotes");
    site.browser.wait_text("#headline", "一切正常");
    let before = site.ask("/api/pipeline")["started_us"].clone();
    site.host.signal("KILL");
    site.browser.wait_text("#headline", "主机没有应答");
    site.browser.wait("document.querySelector('#banner').classList.contains('bad')");
    site.browser.screenshot("lost");
    site.host = site.bench.start();
    site.host.wait_for("the pipeline runs");
    site.browser.wait_text("#headline", "一切正常");
    assert_ne!(site.ask("/api/pipeline")["started_us"], before);
    site.browser.wait_text("#name", "平安银行");
    site.assert_quiet(&["net::ERR_"]);
    site.end();
}

#[test]
fn a_stream_that_fell_silent_is_opened_anew_as_after_an_hour_of_sleep() {
    let site = site();
    count_streams(&site);
    site.open("");
    site.browser.wait_text("#headline", "一切正常");
    assert_eq!(site.browser.run("return window.streams;"), 1);
    // the machine slept for an hour: the connection stands and brings nothing
    site.host.signal("STOP");
    site.browser.run("const now = Date.now; Date.now = () => now() + 3_600_000;");
    site.browser.wait_text("#headline", "主机没有应答");
    site.host.signal("CONT");
    site.browser.wait_text("#headline", "一切正常");
    site.browser.wait("window.streams >= 2");
    site.browser.wait("document.querySelector('.edge').classList.contains('flows')");
    site.assert_quiet(&["net::ERR_"]);
    site.end();
}

#[test]
fn a_page_that_is_open_for_long_does_not_grow() {
    let site = site();
    site.open("");
    site.browser.wait_text("#headline", "一切正常");
    let round = || {
        for (place, css, part) in [
            ("#/pipeline?id=market", "#panel", "replay"),
            ("#/quotes?symbol=000001.SZ", "#name", "平安银行"),
            ("#/quotes?symbol=688012.SH", "#name", "中微公司"),
            ("#/readers", "#view h1", "消费者"),
            ("#/stores?id=out", "#letters", "没有拒收"),
            ("#/days", "#days", "交易日"),
            ("#/system", "#view", "插件"),
            ("#/pipeline", "#view", "market"),
        ] {
            site.open(place);
            site.browser.wait_text(css, part);
        }
    };
    let minutes = env::var("MINUTES").ok().and_then(|text| text.parse().ok()).unwrap_or(MINUTES);
    let until = Instant::now() + Duration::from_secs_f64(minutes * 60.0);
    // what is made once is made in the first rounds
    (0..3).for_each(|_| round());
    let (heap, nodes) = site.browser.memory();
    let mut rounds = 0;
    while rounds < 5 || Instant::now() < until {
        round();
        rounds += 1;
    }
    let (later_heap, later_nodes) = site.browser.memory();
    let told = format!(
        "{heap} bytes and {nodes} nodes, {later_heap} and {later_nodes} after {rounds} rounds"
    );
    println!("{told}");
    assert!(later_heap < heap + SLACK, "{told}");
    assert!(later_nodes < nodes + SLACK_NODES, "{told}");
    // nobody keeps account of days yet, and the browser notes each answer of that kind
    site.assert_quiet(&["api/days"]);
    site.end();
}
