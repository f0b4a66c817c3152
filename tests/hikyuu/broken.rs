//! Messages that would end a Hikyuu process never reach one behind our host.

use harness::{Bench, free_port};
use serde_json::{Value, json};

use super::{
    feed,
    odd::{DATE, followed, last, spot},
    real::{Hikyuu, TYPES},
};

/// Why the host has to be careful.
#[test]
fn a_list_without_its_vector_ends_a_hikyuu_that_reads_it_as_it_is() {
    let Some(hikyuu) = Hikyuu::find() else { return };
    let collector = format!("tcp://127.0.0.1:{}", free_port());
    let mut publisher = hikyuu.publisher(&collector);
    let mut session = hikyuu.start(&format!("{DATE} 10:00:00"), &["DAY"], &[]);
    session.ask(json!(["agent", collector]));
    session.ask_until(&json!(["connected"]), |answer| answer == true);
    assert_eq!(publisher.ask(json!(["wait", 1])), true);
    publisher.ask(json!(["broken", "no vector"]));
    assert!(!session.wait_for_end().success());
}

#[test]
fn whatever_a_collector_publishes_hikyuu_behind_our_host_goes_on() {
    let Some(hikyuu) = Hikyuu::find() else { return };
    let [collector, feed, server] = [(); 3].map(|()| format!("tcp://127.0.0.1:{}", free_port()));
    let mut publisher = hikyuu.publisher(&collector);
    let bench = Bench::with_links(&["bars", "hikyuu-server", "nng-pub", "nng-sub"]);
    bench.pipeline(&format!(
        "[sources.bus]\nplugin = \"nng-sub\"\ndial = \"{collector}\"\n{}\
         [sinks.feed]\nplugin = \"nng-pub\"\ninputs = [\"bus\"]\nlisten = [\"{feed}\"]\n\
         [sinks.feed.buffer]\nwhen_full = \"block\"\n[sinks.server]\nplugin = \"hikyuu-server\"\n\
         inputs = [\"bus\", \"bars\"]\nlisten = \"{server}\"\n",
        feed::bars("bus")
    ));
    let host = bench.start();
    host.wait_for("the pipeline runs");
    let mut session = hikyuu.start(&format!("{DATE} 10:00:00"), &TYPES, &[]);
    session.ask(json!(["agent", feed]));
    session.ask_until(&json!(["connected"]), |answer| answer == true);
    assert_eq!(publisher.ask(json!(["wait", 1])), true);
    let sound = |time: &str, price, amount| {
        spot("SH600519", &format!("{DATE} {time}"), [price; 4], amount, amount)
    };
    publisher.ask(json!(["spots", [sound("09:30:00", 10.0, 1.0)]]));
    for odd in odd_spots() {
        publisher.ask(json!(["spots", [odd]]));
    }
    for broken in ["no vector", "null element", "truncated", "noise", "topic alone", "empty spot"] {
        publisher.ask(json!(["broken", broken]));
    }
    publisher.ask(json!(["spots", [sound("09:31:00", 11.0, 3.0)]]));
    publisher.ask(json!(["spots", [last(DATE)]]));
    let theirs = followed(&mut session, DATE, &["SH600519"]);
    let minute = |time: &str| {
        let key = ("SH600519".to_owned(), "MIN".to_owned(), format!("{DATE} {time}"));
        (theirs[&key].prices[3], theirs[&key].amount)
    };
    assert_eq!(minute("09:31:00"), (10.0, 10_000.0));
    assert_eq!(minute("09:32:00"), (11.0, 20_000.0));
    for ktype in TYPES {
        session.ask(json!(["pull_all", server, ktype]));
    }
    for (market, code) in
        [("SH", "600519"), ("SZ", "000400"), ("", ""), ("XX", "1"), ("SH", "中文")]
    {
        session.ask(json!(["ticks", server, market, code, "1400-01-01 00:00:00"]));
    }
    let ticks = session.ask(json!(["ticks", server, "SH", "600519", DATE]));
    assert_eq!(ticks.as_array().unwrap().len(), 2);
    session.finish();
    host.signal("TERM");
    host.wait().assert(0, &[]);
}

/// Spots that lack something, or have what nothing should have.
fn odd_spots() -> Vec<Value> {
    let sound = || spot("SZ000400", "2022-06-01 09:30:00", [10.0; 4], 1.0, 1.0);
    let with = |name: &str, value: Value| {
        let mut spot = sound();
        spot[name] = value;
        spot
    };
    let without = |names: &[&str]| {
        let mut spot = sound();
        names.iter().for_each(|name| drop(spot.as_object_mut().unwrap().remove(*name)));
        spot
    };
    let mut spots = vec![json!({}), without(&["name", "bid", "bid_amount", "ask", "ask_amount"])];
    spots.extend(
        ["market", "code", "datetime", "close", "amount", "volume"].map(|name| without(&[name])),
    );
    for datetime in
        ["", "x", "2022-13-01 09:30:00", "2022-06-01T09:30:00", "+infinity", "20220601093000"]
    {
        spots.push(with("datetime", json!(datetime)));
    }
    for code in ["", "SZ000400", "000400.SZ", "中文", "hex:ff00fe", "../../etc", &"9".repeat(5_000)]
    {
        spots.push(with("code", json!(code)));
    }
    for market in ["", "sz", "XX", "hex:ff"] {
        spots.push(with("market", json!(market)));
    }
    for (name, values) in
        [("bid", vec![1.0; 10]), ("ask", vec![1.0; 500]), ("bid_amount", vec![-1.0])]
    {
        spots.push(with(name, json!(values)));
    }
    for value in ["nan", "inf", "-inf", "-1", "1e308", "0"] {
        for name in ["open", "high", "low", "close", "amount", "volume", "yesterday_close"] {
            spots.push(with(name, json!(value)));
        }
    }
    spots.push(with("name", json!("hex:ff")));
    spots
}
