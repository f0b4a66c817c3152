//! What the bridge packs, the source unpacks: the same quotes by columns and by JSON.

use std::io::Write;

use plugin_api::serde_json::Value;

use super::{
    payloads::{payloads, verdicts},
    python, repository,
};
use crate::{
    columns::{self, Head},
    json,
};

/// Bodies that the bridge's own code makes of payloads; `None` for what is no object.
fn packed(payloads: &[String]) -> Vec<Option<Vec<u8>>> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for payload in payloads {
        writeln!(file, "{payload}").unwrap();
    }
    let bridge = repository().join("plugins/qmt/bridge/qmt_bridge.py");
    let printed = python("qmt_pack.py", &[&bridge, file.path()]);
    printed.lines().map(|line| (!line.is_empty()).then(|| of_hex(line))).collect()
}

fn of_hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().map(|it| it.to_digit(16).unwrap()).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

fn unpacked(body: &[u8]) -> (Head, Value) {
    let (head, rest) = Head::parse(body).unwrap();
    let inner = head.unpack(rest).unwrap();
    let ticks = columns::ticks(&inner).unwrap();
    assert!(ticks.len() <= head.records as usize, "{} for {}", head.records, ticks.len());
    (head, verdicts(&ticks))
}

/// Quotes by symbol, each symbol's in order: what does not fit into columns comes behind them.
fn by_symbol(verdicts: &Value) -> Vec<&Value> {
    let mut sorted: Vec<_> = verdicts.as_array().unwrap().iter().collect();
    sorted.sort_by_key(|it| {
        // what gives no quote has lost its symbol
        let name = it["symbol"].as_str().or(it["refused"].as_str());
        name.unwrap_or_default().to_owned()
    });
    sorted
}

#[test]
fn recorded_payloads_come_through_the_bridge_as_they_are() {
    let payloads = payloads();
    for (payload, body) in payloads.iter().zip(packed(&payloads)) {
        let Some(body) = body else { continue };
        let expected = verdicts(&json::ticks(payload.as_bytes()).unwrap());
        let (_, found) = unpacked(&body);
        assert_eq!(by_symbol(&found), by_symbol(&expected), "{payload}");
    }
}

#[test]
fn odd_ticks_among_usual_ones_keep_their_values_and_their_order() {
    let tick = |price: &str, more: &str| {
        format!(
            "{{\"time\": 1733118954000, \"lastPrice\": {price}, \"amount\": 1139.0, \"volume\": 1, \
             \"pvolume\": 100, \"askPrice\": [11.4, 11.5], \"askVol\": [1, 2]{more}}}"
        )
    };
    let rows: Vec<_> = (0..200)
        .map(|index| {
            let plain = tick(&format!("{}.5", 5 + index), "");
            let value = match index % 9 {
                1 => tick("\"11.39\"", ""),
                2 => tick("NaN", ""),
                3 => tick("11.39", ", \"bidPrice\": [1, 2, 3], \"bidVol\": [4, 5, 6]"),
                4 => format!("[{plain}, {}, {plain}]", tick("true", "")),
                5 => "7".to_owned(),
                6 => "{}".to_owned(),
                7 => format!("{{\"20241202135554.000\": {plain}, \"x\": 1}}"),
                8 => format!("[{plain}, {}]", tick("12.25", "")),
                _ => plain,
            };
            format!("\"{:06}.SZ\": {value}", 1 + index)
        })
        .collect();
    let payload = format!("{{{}}}", rows.join(", "));
    let body = packed(std::slice::from_ref(&payload)).remove(0).unwrap();
    let expected = verdicts(&json::ticks(payload.as_bytes()).unwrap());
    let (head, found) = unpacked(&body);
    assert_eq!(by_symbol(&found), by_symbol(&expected));
    assert_eq!(head.records as usize, expected.as_array().unwrap().len(), "each has a number");
}

#[test]
fn the_bridge_passes_its_own_tests() {
    python("qmt_bridge_test.py", &[&repository().join("plugins/qmt/bridge/qmt_bridge.py")]);
}
