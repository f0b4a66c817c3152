//! Recorded answers of Tencent and payloads of QMT, with the faults that they are known for.

use std::fs;

use plugin_api::schemas::{qq, time::parse_exchange_time};

use super::{boards::tencent_lines, *};

#[test]
fn no_recorded_tencent_line_is_dropped_or_marked() {
    let lines = tencent_lines();
    let mut bench = Bench::open(json!({}));
    let (mut quotes, mut marked) = (0, Vec::new());
    for line in &lines {
        let Ok(quote) = qq::Quote::parse(line) else { continue };
        quotes += 1;
        // one symbol comes from many days, in no order
        bench.transform.history = Default::default();
        let found = bench.found(&quote.record("qq", quotes, quote.time_us));
        if !found.is_empty() {
            marked.push(format!("{}{} {} {found:?}: {line}", quote.market, quote.code, quote.name));
        }
    }
    eprintln!("{quotes} quotes, {} marked: {marked:#?}", marked.len());
    let least = if fixtures::are_complete() { 1_200 } else { 100 };
    assert_eq!((bench.dropped(), quotes >= least), (vec![], true), "{quotes} quotes");
    assert!(marked.is_empty());
}

/// The recorded QMT payloads by their id.
fn qmt_payloads() -> Option<Vec<(String, Value)>> {
    let text = fs::read_to_string(fixtures::whole_fixture("qmt/payloads.jsonl")?).unwrap();
    let rows = text.lines().map(|line| plugin_api::serde_json::from_str::<Value>(line).unwrap());
    Some(rows.map(|row| (row["id"].as_str().unwrap().to_owned(), row["payload"].clone())).collect())
}

/// Every tick in a payload with its code, whatever the shape around it.
fn ticks<'a>(code: &'a str, value: &'a Value, found: &mut Vec<(&'a str, &'a Value)>) {
    match value {
        Value::Object(tick) if tick.contains_key("lastPrice") => found.push((code, value)),
        Value::Object(entries) => {
            for (key, value) in entries {
                ticks(if key.contains('.') && key.len() == 9 { key } else { code }, value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| ticks(code, item, found)),
        _ => {}
    }
}

/// What is found in one tick; volumes are in lots and become shares.
fn judge(bench: &mut Bench, code: &str, tick: &Value) -> Vec<&'static str> {
    let number = |key: &str| tick[key].as_f64().unwrap_or(0.0);
    let levels = |key: &str| {
        let items = tick[key].as_array().into_iter().flatten();
        items.map(|item| item.as_f64().unwrap()).collect::<Vec<_>>()
    };
    let (code, market) = code.split_once('.').unwrap();
    let (bid, ask) = (levels("bidPrice"), levels("askPrice"));
    let time_us = match (tick["time"].as_i64(), tick["timetag"].as_str()) {
        (Some(millis), _) => millis * 1_000,
        (None, text) => parse_exchange_time(text.unwrap()).unwrap(),
    };
    let lots = tick["volume"].as_u64().unwrap_or_else(|| tick["pvolume"].as_u64().unwrap() / 100);
    bench.found(&SpotRecord {
        market,
        code,
        time_us,
        recv_time_us: time_us,
        pre_close: number("lastClose"),
        open: number("open"),
        high: number("high"),
        low: number("low"),
        close: number("lastPrice"),
        amount_cny: number("amount"),
        volume_shares: lots * 100,
        bid: &bid,
        ask: &ask,
        ..SpotRecord::default()
    })
}

#[test]
fn the_known_faults_of_qmt_are_found_and_nothing_else() {
    let Some(payloads) = qmt_payloads() else { return };
    let known: [(&str, &[&str]); 3] = [
        // payload, what it is known for
        ("ft-600000SH-20220726", &["empty_book"]),
        ("json-301203SZ-20240430", &["zero"]),
        ("partial-600000SH-amountx100-20260930", &["amount"]),
    ];
    let mut judged = 0;
    for (id, payload) in &payloads {
        let mut found = Vec::new();
        ticks("", payload, &mut found);
        for (code, tick) in found.into_iter().filter(|(code, _)| !code.is_empty()) {
            judged += 1;
            let expected = known.iter().find(|(other, _)| other == id).map_or(&[][..], |it| it.1);
            assert_eq!(judge(&mut Bench::open(json!({})), code, tick), expected, "{id}");
        }
    }
    assert!(judged >= 15, "only {judged} ticks");
}

#[test]
fn the_tick_of_five_past_three_is_dropped_after_a_day_with_volume() {
    let Some(payloads) = qmt_payloads() else { return };
    let (_, payload) = payloads.iter().find(|(id, _)| id == "json-301203SZ-20240430").unwrap();
    let mut found = Vec::new();
    ticks("", payload, &mut found);
    let (code, reset) = found[0];
    let mut before = reset.clone();
    before["time"] = json!(reset["time"].as_i64().unwrap() - 300_000);
    (before["volume"], before["amount"]) = (json!(30_000), json!(97_500_000.0));
    let mut bench = Bench::open(json!({}));
    assert_eq!(judge(&mut bench, code, &before), [""; 0]);
    assert_eq!(judge(&mut bench, code, reset), ["reset", "zero"]);
    assert_eq!(bench.dropped(), [("reset".to_owned(), 1)]);
}
