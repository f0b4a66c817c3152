//! Payloads against a second reader, which was written in Python from the description alone.

use std::io::Write;

use plugin_api::serde_json::{self, Value, json};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRng, TestRunner},
};

use super::{EXAMPLE, python, recorded};
use crate::{json, quote::Quote, tick::Coded};

/// What the source makes of ticks, in the words of the second reader.
pub fn verdicts(ticks: &[Coded<'_>]) -> Value {
    let verdict = |coded: &Coded<'_>| match Quote::read(coded) {
        Ok(quote) => json!({
            "symbol": quote.symbol.to_string(), "time_us": quote.time_us,
            "pre_close": quote.pre_close, "open": quote.open, "high": quote.high,
            "low": quote.low, "close": quote.close, "amount_cny": quote.amount_cny,
            "volume_shares": quote.volume_shares, "bid": quote.bid.as_slice(),
            "bid_volume": quote.bid_volume.as_slice(), "ask": quote.ask.as_slice(),
            "ask_volume": quote.ask_volume.as_slice(),
        }),
        Err(refusal) => json!({ "refused": refusal.reason() }),
    };
    ticks.iter().map(verdict).collect()
}

fn of(payload: &str) -> Value {
    json::ticks(payload.as_bytes())
        .map_or_else(|error| json!({ "error": error }), |it| verdicts(&it))
}

/// What the second reader makes of payloads, one for each.
fn second_opinions(payloads: &[Vec<u8>]) -> Vec<Value> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for payload in payloads {
        file.write_all(payload).unwrap();
        file.write_all(b"\n").unwrap();
    }
    let printed = python("qmt_reader.py", &[file.path()]);
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The payloads that every test here starts from.
pub fn payloads() -> Vec<String> {
    let mut payloads = recorded();
    payloads.push(EXAMPLE.to_owned());
    payloads
}

#[test]
fn every_recorded_payload_gives_what_a_second_reader_gives() {
    let payloads = payloads();
    let bytes: Vec<_> = payloads.iter().map(|it| it.clone().into_bytes()).collect();
    let opinions = second_opinions(&bytes);
    assert_eq!(opinions.len(), payloads.len());
    for (payload, opinion) in payloads.iter().zip(&opinions) {
        assert_eq!(&of(payload), opinion, "{payload}");
    }
}

#[test]
fn ten_thousand_damaged_payloads_are_refused_or_read_as_a_second_reader_reads_them() {
    let payloads = payloads();
    let seed = [fixtures::seed(1).to_le_bytes(); 4].concat();
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        TestRng::from_seed(prop::test_runner::RngAlgorithm::ChaCha, &seed),
    );
    let strategy = (prop::sample::select(payloads), prop::collection::vec(mutation(), 1..4));
    let damaged: Vec<_> = (0..10_000)
        .map(|_| {
            let (payload, mutations) = strategy.new_tree(&mut runner).unwrap().current();
            let mut bytes = payload.into_bytes();
            for mutation in mutations {
                mutation.apply(&mut bytes);
            }
            bytes.retain(|byte| *byte != b'\n');
            bytes.push(b' ');
            bytes
        })
        .collect();
    let opinions = second_opinions(&damaged);
    assert_eq!(opinions.len(), damaged.len());
    let (mut read, mut refused) = (0, 0);
    for (bytes, opinion) in damaged.iter().zip(&opinions) {
        let text = String::from_utf8_lossy(bytes);
        let Ok(ticks) = json::ticks(bytes) else {
            refused += 1;
            continue;
        };
        // Python takes NaN and some more for JSON, so it may read what is refused here, never the
        // other way round
        assert!(opinion.is_array(), "only the source reads {text}: {opinion}");
        assert_eq!(&verdicts(&ticks), opinion, "{text}");
        read += 1;
    }
    assert!(read > 1_000 && refused > 1_000, "{read} read and {refused} refused say little");
}

/// What happens to bytes.
#[derive(Debug, Clone)]
enum Mutation {
    Set(usize, u8),
    Remove(usize, usize),
    Repeat(usize, usize),
    Insert(usize, &'static str),
    Swap(usize, usize, usize),
}

/// Texts that mean something where they land.
const WORDS: [&str; 14] = [
    "NaN", "null", "-", "0", "9", "e9", "true", "\"\"", "[]", "{}", "Infinity", ".", "\"1\"", "22",
];

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = 0_usize..4_096;
    prop_oneof![
        (at.clone(), any::<u8>()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (at.clone(), b'0'..=b'9').prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (at.clone(), 1_usize..40).prop_map(|(at, len)| Mutation::Remove(at, len)),
        (at.clone(), 1_usize..40).prop_map(|(at, len)| Mutation::Repeat(at, len)),
        (at.clone(), prop::sample::select(&WORDS[..]))
            .prop_map(|(at, word)| Mutation::Insert(at, word)),
        (at.clone(), at, 1_usize..16).prop_map(|(a, b, len)| Mutation::Swap(a, b, len)),
    ]
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let size = bytes.len();
        let place = |at: usize| at % size;
        let end = |at: usize, len: usize| (place(at) + len).min(size);
        match *self {
            Self::Set(at, byte) => {
                let at = place(at);
                bytes[at] = byte;
            }
            Self::Remove(at, len) => {
                let range = place(at)..end(at, len);
                bytes.drain(range);
            }
            Self::Repeat(at, len) => {
                let range = place(at)..end(at, len);
                let part = bytes[range.clone()].to_vec();
                bytes.splice(range.start..range.start, part);
            }
            Self::Insert(at, word) => {
                let at = place(at);
                bytes.splice(at..at, word.bytes());
            }
            Self::Swap(a, b, len) => {
                for step in 0..len {
                    let (a, b) = (place(a + step), place(b + step));
                    bytes.swap(a, b);
                }
            }
        }
    }
}

/// A tick of a security with some fields changed; what its quote says.
fn quote_of(code: &str, changes: Value) -> Value {
    let mut payload: Value = serde_json::from_str(EXAMPLE).unwrap();
    let mut tick = payload["000001.SZ"].take();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(tick.as_object_mut().unwrap().remove(name)),
            value => tick[name] = value.clone(),
        }
    }
    of(&json!({ code: tick }).to_string())[0].take()
}

#[test]
fn units_are_settled_by_what_fits_the_turnover() {
    #[rustfmt::skip]
    let cases = [
        // volume, pvolume, amount, shares, shares in a unit of the book
        (json!(758_613), json!(75_861_284), 862_127_800.0, 75_861_284, 100), // miniQMT
        (json!(758_613), json!(758_613), 862_127_800.0, 75_861_300, 100), // full terminal
        (json!(758_613), json!(0), 862_127_800.0, 75_861_300, 100),
        (json!(75_861_284), json!(75_861_284), 862_127_800.0, 75_861_284, 1), // both in shares
        (json!(758_613), Value::Null, 862_127_800.0, 75_861_300, 100),
        (Value::Null, json!(75_861_284), 862_127_800.0, 75_861_284, 100),
        (Value::Null, json!(758_613), 862_127_800.0, 75_861_300, 100),
        (json!(7_586_128), json!(75_861_284), 862_127_800.0, 75_861_284, 10), // bonds
        (json!("758613"), json!("75861284"), 862_127_800.0, 75_861_284, 100), // numbers as text
        (json!(0), json!(57), 650.0, 57, 100), // less than a lot
        (json!(5), json!(5), 0.0, 500, 100), // no turnover to tell by
    ];
    for (volume, pvolume, amount, shares, unit) in cases {
        let quote = quote_of(
            "000001.SZ",
            json!({ "volume": volume, "pvolume": pvolume, "amount": amount }),
        );
        assert_eq!(quote["volume_shares"], json!(shares), "{volume} and {pvolume}");
        assert_eq!(quote["amount_cny"], json!(amount), "{volume} and {pvolume}");
        assert_eq!(quote["bid_volume"][0], json!(2_429 * unit), "{volume} and {pvolume}");
    }
    let refused = quote_of("000001.SZ", json!({ "volume": 77, "pvolume": 75_861_284_000_u64 }));
    assert_eq!(refused, json!({ "refused": "malformed" }));
}

#[test]
fn a_turnover_that_fits_no_unit_sets_a_tick_aside_unless_another_field_proves_it() {
    let of = |volume: Value, pvolume: Value, amount: f64| {
        quote_of("600000.SH", json!({ "volume": volume, "pvolume": pvolume, "amount": amount }))
    };
    let refused = json!({ "refused": "malformed" });
    assert_eq!(of(json!(758_613), json!(758_613), 1_000.0), refused);
    assert_eq!(of(json!(758_613), json!(0), 1_000.0), refused);
    assert_eq!(of(json!(758_613), Value::Null, 1_000.0), refused);
    assert_eq!(of(Value::Null, json!(758_613), 1_000.0), refused);
    assert_eq!(of(json!(758_613), json!(75_861_284), 1_000.0)["volume_shares"], 75_861_284);
    // there is nothing to tell by
    assert_eq!(of(json!(758_613), json!(758_613), 0.0)["volume_shares"], 75_861_300);
    let index = json!({ "volume": 5, "pvolume": 5, "amount": 1.0 });
    assert_eq!(quote_of("000001.SH", index)["volume_shares"], 500);
}

#[test]
fn the_turnover_alone_tells_the_unit_of_a_bond() {
    for code in ["123219.SZ", "127080.SZ", "113050.SH", "110059.SH", "118003.SH"] {
        for unit in [1, 10, 100] {
            let bonds = 1_000 * unit;
            let amount = f64::from(bonds) * 11.35;
            for (volume, pvolume) in [
                (json!(1_000), json!(1_000)),
                (json!(1_000), json!(0)),
                (json!(1_000), Value::Null),
                (Value::Null, json!(1_000)),
                (json!(0), json!(1_000)),
                (json!(1_000), json!(bonds)),
            ] {
                let changes = json!({ "volume": volume, "pvolume": pvolume, "amount": amount });
                let quote = quote_of(code, changes);
                assert_eq!(
                    quote["volume_shares"],
                    json!(bonds),
                    "{code} {volume} {pvolume} {unit}"
                );
                assert_eq!(
                    quote["bid_volume"][0],
                    json!(2_429 * unit),
                    "{code} {volume} {pvolume}"
                );
            }
        }
        // what is less than a lot is in `pvolume`
        let rest = json!({ "volume": 1_000, "pvolume": 10_007, "amount": 113_579.0 });
        assert_eq!(quote_of(code, rest)["volume_shares"], 10_007);
        for amount in [0.0, 113.5, 11_350_000.0] {
            let changes = json!({ "volume": 1_000, "pvolume": 1_000, "amount": amount });
            assert_eq!(quote_of(code, changes), json!({ "refused": "malformed" }), "{amount}");
        }
        // before the first trade nothing tells what the sizes count
        let early = json!({ "volume": 0, "pvolume": 0, "amount": 0.0, "high": 0, "low": 0 });
        let quote = quote_of(code, early);
        assert_eq!((&quote["volume_shares"], &quote["bid"][0]), (&json!(0), &json!(11.39)));
        assert_eq!(quote["bid_volume"], json!([0, 0, 0, 0, 0]));
    }
}

#[test]
fn prices_of_an_auction_without_sizes_are_kept() {
    // 003018.SZ at 09:23:36
    let book = json!([35.8, 0, 0, 0, 0]);
    for sizes in [Value::Null, json!([])] {
        let auction = json!({
            "lastPrice": 35.8, "open": 0, "high": 0, "low": 0, "volume": 0, "pvolume": 0, "amount": 0,
            "askPrice": book, "bidPrice": book, "askVol": sizes, "bidVol": sizes,
        });
        let quote = quote_of("003018.SZ", auction);
        for side in ["bid", "ask"] {
            assert_eq!(quote[side], json!([35.8, 0.0, 0.0, 0.0, 0.0]), "{quote}");
            assert_eq!(quote[format!("{side}_volume")], json!([0, 0, 0, 0, 0]), "{quote}");
        }
    }
    let no_prices = json!({ "askPrice": null, "bidPrice": null });
    assert_eq!(quote_of("600000.SH", no_prices)["bid_volume"], json!([]));
}

#[test]
fn a_turnover_a_hundred_times_too_large_is_mended_after_half_past_three_alone() {
    let late = json!({ "time": 1_733_124_607_000_u64, "amount": 86_212_780_000.0 }); // 15:30:07
    assert_eq!(quote_of("000001.SZ", late)["amount_cny"], json!(862_127_800.0));
    let early = json!({ "amount": 86_212_780_000.0 });
    assert_eq!(quote_of("000001.SZ", early)["amount_cny"], json!(86_212_780_000.0));
}

#[test]
fn faults_of_the_vendor_are_told_apart() {
    #[rustfmt::skip]
    let cases = [
        ("000001.SZ", json!({ "openInt": 22, "volume": 0, "pvolume": 0, "amount": 0.0 }), "volume_reset"),
        ("000001.SZ", json!({ "lastPrice": null, "close": 11.4, "suspendFlag": 370_262_668 }), "bar"),
        ("000001.SZ", json!({ "time": null }), "no_time"),
        ("000001.SZ", json!({ "time": null, "timetag": "20241399 15:00:00" }), "no_time"),
        ("000001.SZ", json!({ "lastPrice": null }), "missing"),
        ("000001.SZ", json!({ "amount": null }), "missing"),
        ("000001.SZ", json!({ "high": -1 }), "malformed"),
        ("000001.SZ", json!({ "askVol": [1, 2] }), "malformed"),
        ("000001.SZ", json!({ "bidPrice": "11.39" }), "malformed"),
        ("000001.SZ", json!({ "volume": true }), "malformed"),
        ("IF2412.IF", json!({}), "other_market"),
        ("BKZS.SECTOR", json!({}), "other_market"),
    ];
    for (code, changes, reason) in cases {
        assert_eq!(quote_of(code, changes.clone()), json!({ "refused": reason }), "{changes}");
    }
    // and these are no faults
    let auction =
        json!({ "open": 0, "high": 0.0, "low": 0, "volume": 0, "pvolume": 0, "amount": 0 });
    assert_eq!(quote_of("000001.SZ", auction)["close"], json!(11.39));
    let three = json!({ "time": null, "timetag": "20241202 13:55:54.250" });
    assert_eq!(quote_of("000001.SZ", three)["time_us"], json!(1_733_118_954_250_000_i64));
    let no_book = json!({ "askPrice": null, "askVol": null });
    assert_eq!(quote_of("600000.SH", no_book)["ask"], json!([]));
}

#[test]
fn every_shape_of_a_payload_is_read() {
    let tick: Value = serde_json::from_str::<Value>(EXAMPLE).unwrap()["000001.SZ"].take();
    let expected = of(EXAMPLE);
    for payload in [
        json!({ "000001.SZ": [tick] }),
        json!({ "000001.SZ": { "20241202135554.000": tick } }),
        json!({ "data": { "000001.SZ": tick } }),
        json!({ "event": "ticks", "seq": 1, "data": { "seq": 2, "data": { "000001.SZ": tick } } }),
        json!([{ "000001.SZ": tick }]),
    ] {
        assert_eq!(of(&payload.to_string()), expected, "{payload}");
    }
    let twice = of(&json!({ "000001.SZ": [tick, tick], "x": 3 }).to_string());
    assert_eq!(twice.as_array().unwrap().len(), 2);
    let text = EXAMPLE
        .replace("\"lastClose\": 11.38", "\"lastClose\": NaN")
        .replace("\"pe\": 0.0", "\"pe\": -Infinity");
    assert_eq!(of(&text)[0]["pre_close"], json!(0.0), "what Python writes");
}
