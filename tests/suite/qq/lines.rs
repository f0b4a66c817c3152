//! Every recorded line against a reader that was written apart from ours.

use std::fs;

use harness::{are_complete, python};
use plugin_api::{
    SpotListEncoder, SpotListReader,
    schemas::{
        qq::{Encoding, Quote, Skip, lines},
        verify::complete_spot_list,
    },
};
use serde_json::{Value, json};

use super::recordings;

/// What is read and written by us, as the other reader says it.
fn ours(line: &[u8]) -> Value {
    let mut name = String::new();
    let quote = match Quote::parse_bytes(line, Encoding::Gbk, &mut name) {
        Ok(quote) => quote,
        Err(Skip::NoneMatch) => return json!({ "skip": "none" }),
        Err(Skip::Short) => return json!({ "skip": "short" }),
        Err(Skip::Foreign) => return json!({ "skip": "foreign" }),
        Err(Skip::NotListed) => return json!({ "skip": "unlisted" }),
        Err(skip) => panic!("{skip}: {}", String::from_utf8_lossy(line)),
    };
    let mut encoder = SpotListEncoder::new(1);
    encoder.push(&quote.record("qq", 1, 0)).unwrap();
    let bytes = encoder.finish();
    let list: SpotListReader<'_> = complete_spot_list(&bytes).unwrap();
    let spot = list.iter().next().unwrap();
    let shares = |sizes: Vec<f64>| {
        sizes.into_iter().map(plugin_api::schemas::spot::shares).collect::<Vec<_>>()
    };
    json!({
        "market": spot.market(),
        "code": spot.code(),
        "name": spot.name(),
        "time": spot.time_us() / 1_000_000,
        "pre_close": spot.pre_close(),
        "open": spot.open(),
        "high": spot.high(),
        "low": spot.low(),
        "close": spot.close(),
        "amount": spot.amount_cny(),
        "volume": spot.volume_shares(),
        "bid": spot.bid().iter().collect::<Vec<_>>(),
        "bid_volume": shares(spot.bid_lots().iter().collect()),
        "ask": spot.ask().iter().collect::<Vec<_>>(),
        "ask_volume": shares(spot.ask_lots().iter().collect()),
    })
}

#[test]
fn every_recorded_line_has_the_values_that_another_reader_finds() {
    let files = recordings();
    let names: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let theirs = python("qq_reader.py", &names).finish();
    let mut theirs = theirs.lines();
    let mut compared = 0;
    for file in &files {
        let bytes = fs::read(file).unwrap();
        for line in lines(&bytes) {
            let expected: Value = serde_json::from_str(theirs.next().unwrap()).unwrap();
            assert_eq!(ours(line), expected, "{}", String::from_utf8_lossy(line));
            compared += 1;
        }
    }
    assert_eq!(theirs.next(), None);
    let least = if are_complete() { 1_265 } else { 120 };
    assert!(compared >= least, "only {compared} lines");
}
