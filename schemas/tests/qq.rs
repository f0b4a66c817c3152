//! The parser of Tencent lines against recorded answers and the arithmetic within them.
#![cfg(feature = "qq")]
#![allow(clippy::float_cmp, clippy::unwrap_used, clippy::cast_precision_loss)] // a test: exactness is the point

use std::fs;

use proptest::prelude::*;
use schemas::{
    encode::SpotListEncoder,
    lots::Kind,
    qq::{Encoding, LEVELS, Quote, Skip, Status, decode, parse_time, quotes},
    spot::{SpotListReader, shares},
    time::parse_exchange_time,
    verify::complete_spot_list,
};
use serde_json::Value;

/// A recorded file, decoded; `None` where there is not even an excerpt of it.
fn recorded(path: &str) -> Option<String> {
    let file = fixtures::fixture(path)?;
    Some(decode(&fs::read(file).unwrap()).into_owned())
}

/// Each recorded line with its row of the manifest.
fn recorded_lines() -> Vec<(Value, String)> {
    let manifest = recorded("qq/manifest.jsonl").unwrap();
    let mut lines = Vec::new();
    let (mut file, mut text, mut at) = (String::new(), Vec::new(), 0);
    for row in manifest.lines() {
        let row: Value = serde_json::from_str(row).unwrap();
        if row["file"] != file.as_str() {
            row["file"].as_str().unwrap().clone_into(&mut file);
            let content = recorded(&format!("qq/{file}")).unwrap();
            text = content.lines().map(str::to_owned).collect();
            at = 0;
        }
        lines.push((row, text[at].clone()));
        at += 1;
    }
    let least = if fixtures::are_complete() { 1_265 } else { 120 };
    assert!(lines.len() >= least, "only {} lines", lines.len());
    lines
}

fn field(line: &str, index: usize) -> &str {
    line.split_once('"').unwrap().1.trim_end_matches("\";").split('~').nth(index).unwrap_or("")
}

fn number(line: &str, index: usize) -> f64 {
    field(line, index).parse().unwrap_or_else(|_| panic!("field {index} of {line}"))
}

fn star(quote: &Quote<'_>) -> bool {
    quote.market == "SH" && (quote.code.starts_with("688") || quote.code.starts_with("689"))
}

#[test]
fn every_recorded_line_gives_its_quote_or_the_reason_why_not() {
    for (row, line) in recorded_lines() {
        let category = row["category"].as_str().unwrap();
        let symbol = row["symbol"].as_str().unwrap();
        let expected = match category {
            "hk" | "us" => Some(Skip::Foreign),
            "none" => Some(Skip::NoneMatch),
            "short" => Some(Skip::Short),
            "unlisted" => Some(Skip::NotListed),
            "legacy" if symbol.starts_with("r_hk") => Some(Skip::Foreign),
            _ => None,
        };
        let quote = match (Quote::parse(&line), expected) {
            (Err(reason), Some(expected)) => {
                assert_eq!(reason, expected, "{line}");
                assert!(parse_time(&line).is_err(), "{line}");
                continue;
            }
            (Ok(quote), None) => quote,
            (parsed, expected) => panic!("{parsed:?}, not {expected:?}: {line}"),
        };
        let status = match category {
            "suspended" => Status::Suspended,
            "delisted" => Status::Delisted,
            _ => Status::Trading,
        };
        assert_eq!(quote.status, status, "{line}");
        assert_eq!(format!("{}{}", quote.market.to_lowercase(), quote.code), symbol);
        assert_eq!(Some(quote.time_us), parse_exchange_time(row["time"].as_str().unwrap()));
        assert_eq!(parse_time(&line), Ok(quote.time_us));
        assert_eq!(quote.name, field(&line, 1));
    }
}

#[test]
fn every_recorded_number_is_kept_to_the_last_digit() {
    for (_, line) in recorded_lines() {
        let Ok(quote) = Quote::parse(&line) else { continue };
        let prices = [quote.close, quote.pre_close, quote.open, quote.high, quote.low];
        assert_eq!(prices, [3, 4, 5, 33, 34].map(|index| number(&line, index)), "{line}");
        let book_unit = match (star(&quote), field(&line, 87)) {
            (true, "") => 1.0,
            _ => 100.0,
        };
        for level in 0..LEVELS {
            assert_eq!(quote.bid[level], number(&line, 9 + 2 * level), "{line}");
            assert_eq!(quote.ask[level], number(&line, 19 + 2 * level), "{line}");
            let sizes = [quote.bid_volume[level], quote.ask_volume[level]].map(|size| size as f64);
            let written = [10, 20].map(|first| number(&line, first + 2 * level) * book_unit);
            assert_eq!(sizes, written, "{line}");
        }
        let per_volume = if star(&quote) { 1.0 } else { 100.0 };
        assert_eq!(quote.volume_shares as f64, number(&line, 6) * per_volume, "{line}");
    }
}

#[test]
fn amounts_and_changes_agree_with_each_other() {
    for (row, line) in recorded_lines() {
        let Ok(quote) = Quote::parse(&line) else { continue };
        assert!((quote.close - quote.pre_close - number(&line, 31)).abs() < 0.0051, "{line}");
        // field 37 is rounded to 10,000
        assert!((quote.amount / 1e4 - number(&line, 37)).abs() <= 0.5001, "{line}");
        if row["time"].as_str() > Some("2014") {
            let exact: f64 = field(&line, 35).rsplit('/').next().unwrap().parse().unwrap();
            assert_eq!(quote.amount, exact, "{line}");
        }
        if quote.volume_shares > 0 {
            assert!(quote.low <= quote.close && quote.close <= quote.high, "{line}");
            assert!(quote.low <= quote.open && quote.open <= quote.high, "{line}");
            if !quote.is_index() {
                let average = quote.amount / quote.volume_shares as f64;
                let middle = f64::midpoint(quote.high, quote.low);
                assert!((0.93..1.07).contains(&(average / middle)), "{average} {line}");
            }
        }
        for (side, sign) in [(quote.bid, 1.0), (quote.ask, -1.0)] {
            let orders: Vec<f64> = side.into_iter().filter(|price| *price > 0.0).collect();
            assert!(orders.is_sorted_by(|a, b| (a - b) * sign > 0.0), "{line}");
        }
    }
}

#[test]
fn lines_give_the_records_of_the_original_collector() {
    let Some(records) = recorded("hikyuu/vectors/records.json") else { return };
    let lines = recorded("hikyuu/vectors/tencent_lines.txt").unwrap();
    let records: Vec<Value> = serde_json::from_str(&records).unwrap();
    let mut encoder = SpotListEncoder::new(records.len());
    for (sequence, quote) in (1..).zip(quotes(&lines)) {
        encoder.push(&quote.unwrap().record("qq", sequence, 0)).unwrap();
    }
    let bytes = encoder.finish();
    let list: SpotListReader<'_> = complete_spot_list(&bytes).unwrap();
    assert_eq!(list.len(), records.len());
    for (spot, record) in list.iter().zip(&records) {
        let wire = spot.to_wire();
        assert_eq!(
            [wire.market, wire.code, wire.name],
            ["market", "code", "name"].map(|key| record[key].as_str().unwrap())
        );
        assert_eq!(spot.datetime(), record["datetime"].as_str().unwrap());
        let numbers = [
            wire.yesterday_close,
            wire.open,
            wire.high,
            wire.low,
            wire.close,
            wire.amount,
            wire.volume,
        ];
        let keys = ["yesterday_close", "open", "high", "low", "close", "amount", "volume"];
        assert_eq!(numbers, keys.map(|key| record[key].as_f64().unwrap()), "{record}");
        for (levels, key) in [
            (wire.bid, "bid"),
            (wire.bid_amount, "bid_amount"),
            (wire.ask, "ask"),
            (wire.ask_amount, "ask_amount"),
        ] {
            let expected: Vec<f64> = record[key]
                .as_array()
                .unwrap()
                .iter()
                .map(|level| level.as_f64().unwrap())
                .collect();
            assert_eq!(levels.iter().collect::<Vec<_>>(), expected, "{record}");
        }
    }
}

// as recorded on 2026-09-14, shortened behind the last field that is read
const PUDONG: &str = "v_sh600000=\"1~浦发银行~600000~9.40~9.26~9.28~771871~432658~339213~9.39~1145~9.38~2011\
    ~9.37~2185~9.36~1755~9.35~2451~9.40~2425~9.41~17606~9.42~17796~9.43~13629~9.44~10580~~20260914161438\
    ~0.14~1.51~9.43~9.24~9.40/771871/722307374~771871~72231~0.23~6.11~~9.43~9.24~2.05~3130.75~3130.75\
    ~0.42~10.19~8.33~1.27~-52489~9.36~5.06~6.26~~~0.01~72230.7374~54.6140~581~   A~GP-A\";";

#[test]
fn a_line_needs_no_more_fields_than_are_read() {
    let quote = Quote::parse(PUDONG).unwrap();
    assert_eq!((quote.market, quote.code, quote.name), ("SH", "600000", "浦发银行"));
    assert_eq!((quote.close, quote.amount, quote.volume_shares), (9.4, 722_307_374.0, 77_187_100));
    assert_eq!((quote.bid[0], quote.bid_volume[0]), (9.39, 114_500));
    assert_eq!(shares(1145.0), 114_500);
    let gbk = Encoding::Gbk;
    assert_eq!(gbk.decode(b"\xc6\xd6\xb7\xa2"), "浦发");
    // 50 fields, as in 2012
    let short: Vec<&str> = PUDONG.split('~').take(50).collect();
    assert!(Quote::parse(&(short.join("~") + "\";")).is_ok());
}

#[test]
fn turnover_falls_back_when_field_35_lags_or_is_missing() {
    let amount =
        |from: &str, to: &str| Quote::parse(&PUDONG.replace(from, to)).map(|quote| quote.amount);
    assert_eq!(amount("9.40/771871/722307374", "9.40/771000/722307000"), Ok(722_307_374.0));
    assert_eq!(amount("9.40/771871/722307374", ""), Ok(722_307_374.0));
    let without = PUDONG.replace("9.40/771871/722307374", "").replace("~72230.7374", "~");
    assert_eq!(Quote::parse(&without).map(|quote| quote.amount), Ok(722_310_000.0));
    let without = without.replace("~72231~", "~~");
    assert_eq!(Quote::parse(&without).unwrap_err().to_string(), "field 37 is missing");
}

#[test]
fn damaged_lines_name_the_field() {
    let reason =
        |from: &str, to: &str| Quote::parse(&PUDONG.replace(from, to)).unwrap_err().to_string();
    assert_eq!(reason("~9.40~9.26", "~9,40~9.26"), "field 3 is no price");
    assert_eq!(reason("~1145~", "~-1~"), "field 10 is no volume");
    assert_eq!(reason("~20260914161438~", "~20260914161460~"), "field 30 is no time");
    assert_eq!(reason("~600000~", "~600001~"), "field 2 is not the code of the line");
    assert_eq!(reason("\";", ""), "field 0 begins a line that is cut off");
    assert_eq!(reason("~1.51~", "~1.51~1.00~"), "field 35 is not price/volume/amount");
    assert_eq!(reason("~9.40/771871", "~~9.40/771871"), "field 36 does not repeat field 6");
    assert_eq!(reason("v_", ""), "field 0 is not within v_<symbol>=\"…\";");
}

proptest! {
    #[test]
    fn no_damage_makes_the_parser_panic(
        at in 0_usize..600, cut in 0_usize..40, insert in "[~\"0-9.;=/v_sU浦-]{0,12}",
    ) {
        let mut chars: Vec<char> = PUDONG.chars().collect();
        let at = at.min(chars.len());
        let end = (at + cut).min(chars.len());
        chars.splice(at..end, insert.chars());
        let line: String = chars.into_iter().collect();
        if let Ok(quote) = Quote::parse(&line) {
            prop_assert!(quote.close.is_finite() && quote.amount.is_finite());
            prop_assert_eq!(parse_time(&line), Ok(quote.time_us));
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let text = decode(&bytes);
        for quote in quotes(&text) {
            prop_assert!(quote.is_err());
        }
    }
}

/// A line in the form of 2026: last, high and low price, volume, and turnover; every level of the book
/// has a size of 20.
fn made_line(symbol: &str, prices: [&str; 3], volume: u64, amount: &str) -> String {
    let [last, high, low] = prices;
    let mut fields = vec![String::new(); 88];
    for (index, value) in [
        (0, "1"),
        (1, "N"),
        (2, &symbol[2..]),
        (3, last),
        (4, last),
        (5, last),
        (30, "20260918100000"),
        (33, high),
        (34, low),
        (37, "0"),
    ] {
        value.clone_into(&mut fields[index]);
    }
    for place in (9..29).step_by(2) {
        last.clone_into(&mut fields[place]);
        "20".clone_into(&mut fields[place + 1]);
    }
    fields[6] = volume.to_string();
    fields[36] = volume.to_string();
    fields[35] = format!("{last}/{volume}/{amount}");
    format!("v_{symbol}=\"{}\";", fields.join("~"))
}

#[test]
fn the_turnover_tells_what_the_volume_of_a_bond_counts() {
    let prices = ["119.777", "120.500", "118.900"];
    for symbol in
        ["sh113050", "sh110059", "sh118003", "sz123219", "sz127080", "sz128136", "sz117001"]
    {
        for (unit, amount) in [(1, "2395.54"), (10, "23955.40"), (100, "239554.00")] {
            let line = made_line(symbol, prices, 20, amount);
            let quote = Quote::parse(&line).unwrap();
            assert_eq!(quote.volume_shares, 20 * unit, "{line}");
            assert_eq!((quote.bid_volume, quote.ask_volume), ([20 * unit; 5], [20 * unit; 5]));
        }
        for amount in ["0.00", "239.55", "2395540.00"] {
            let line = made_line(symbol, prices, 20, amount);
            assert_eq!(Quote::parse(&line), Err(Skip::Unit), "{line}");
        }
        // before the first trade nothing tells, and nothing is to be told
        let line = made_line(symbol, ["119.777", "0.000", "0.000"], 0, "0");
        let quote = Quote::parse(&line).unwrap();
        assert_eq!((quote.volume_shares, quote.bid[0], quote.bid_volume[0]), (0, 119.777, 0));
    }
}

#[test]
fn shares_funds_and_indices_are_counted_as_the_table_says() {
    for (symbol, per_volume, per_size) in [
        ("sh600000", 100, 100),
        ("sz300750", 100, 100),
        ("bj920002", 100, 100),
        ("sh510300", 100, 100),
        ("sz159915", 100, 100),
        ("sh900901", 100, 100),
        ("sz200011", 100, 100),
        ("sh000001", 100, 100),
        ("sz399001", 100, 100),
        ("sh688981", 1, 1),
    ] {
        // no turnover that fits is asked of them
        let line = made_line(symbol, ["10.00", "10.00", "10.00"], 20, "1.00");
        let quote = Quote::parse(&line).unwrap();
        let sizes = (quote.volume_shares, quote.bid_volume[0]);
        assert_eq!(sizes, (20 * per_volume, 20 * per_size), "{symbol}");
    }
}

#[test]
fn recorded_turnover_fits_the_units_of_the_table() {
    let (mut fitting, mut checked) = (0, 0);
    for (row, line) in recorded_lines() {
        let Ok(quote) = Quote::parse(&line) else { continue };
        let kind = Kind::of(quote.market, quote.code);
        let is_told = matches!(kind, Kind::Share | Kind::Star | Kind::Fund);
        if quote.volume_shares == 0 || !is_told || row["time"].as_str() < Some("2014") {
            continue;
        }
        checked += 1;
        let span = (quote.low, quote.high);
        fitting += usize::from(kind.fits(quote.amount, quote.volume_shares as f64, span));
    }
    eprintln!("{fitting} of {checked} lines");
    assert_eq!(fitting, checked);
}

#[test]
fn the_recorded_line_of_a_bond_has_no_volume() {
    let Some(text) = recorded("bonds/qq_sh113050_20260918.gbk.txt") else { return };
    let quote = Quote::parse(text.trim()).unwrap();
    assert_eq!((quote.status, quote.volume_shares), (Status::Delisted, 0));
}

#[test]
fn statements_are_found_with_and_without_line_ends() {
    let line = |symbol: &str| made_line(symbol, ["10.00", "10.00", "10.00"], 20, "20000");
    let (one, two) = (line("sh600000"), line("sz000001"));
    let none = "v_pv_none_match=\"1\";";
    for answer in [
        format!("{one}\n{two}\n{none}\n"),
        format!("{one}{two}{none}"),
        format!("{one} {two}\r\n{none}"),
        format!("{}{}{none}", one.trim_end_matches(';'), two.trim_end_matches(';')),
        format!("\u{feff}{one}\n\n \n{two};\r{none}\n"),
    ] {
        let found: Vec<_> = quotes(&answer).map(|it| it.map(|quote| quote.code)).collect();
        assert_eq!(found, [Ok("600000"), Ok("000001"), Err(Skip::NoneMatch)], "{answer}");
    }
    // one that is cut off takes nothing of the next with it
    for cut in 13..one.len() - 2 {
        let answer = format!("{}{two}", &one[..cut]);
        let found: Vec<_> = quotes(&answer).collect();
        assert!(found.len() == 2 && found[0].is_err(), "{answer}");
        assert_eq!(found[1].as_ref().map(|it| it.code), Ok("000001"), "{answer}");
    }
    assert_eq!(quotes("v_sh600000=\"\";").next(), Some(Err(Skip::Empty)));
}
