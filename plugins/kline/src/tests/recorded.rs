//! Answers that were recorded by others: every file, and what it says.

use std::fs;

use fixtures::{fixture, whole_fixture};
use plugin_api::serde_json::{self, Value, json};

use super::{
    Bench,
    answers::{DAYS, FIVE_MINUTES, QFQ, page},
    asks, of_period, us,
    vendor::{Reply, Vendor, answer},
    with,
};
use crate::{bar::bar_of, question::Question};

fn text(name: &str) -> Option<String> {
    Some(fs::read_to_string(whole_fixture(&format!("kline/{name}"))?).unwrap())
}

/// Times as a list, and volumes in shares.
fn volumes(text: &str, symbol: &str, question: &Question) -> Vec<(i64, u64)> {
    let page = page(text, symbol, question).unwrap();
    assert!(page.damaged.is_empty(), "{:?}", page.damaged);
    let (code, market) = symbol.split_once('.').unwrap();
    let bar = |row| bar_of(row, market, code, question, i64::MAX).unwrap();
    page.rows.iter().map(bar).map(|bar| (bar.time_us, bar.volume_shares)).collect()
}

#[test]
fn excerpts_of_days_are_read() {
    let Some(path) = fixture("kline/fqkline_day_none_sh600601_202301.cut.json") else { return };
    let days = volumes(&fs::read_to_string(path).unwrap(), "600601.SH", &DAYS);
    assert_eq!(days, [(us("2023-01-19"), 8_616_200), (us("2023-01-20"), 10_073_500)]);
    let Some(path) = fixture("kline/fqkline_day_qfq_sh510300_etf_20260904.json") else { return };
    let days = volumes(&fs::read_to_string(path).unwrap(), "510300.SH", &QFQ);
    assert_eq!(days.len(), 11);
    assert_eq!(days[10], (us("2026-09-03"), 498_183_000));
}

#[test]
fn every_whole_answer_of_days_has_its_rows() {
    for (name, symbol, question, rows, last) in [
        ("fqkline_day_none_sh600519_20260918.json", "600519.SH", DAYS, 3, 2_489_100),
        ("fqkline_day_none_sh600519_dividend_20230630.json", "600519.SH", DAYS, 3, 2_045_900),
        ("fqkline_day_qfq_sh601166_20260114_lunch.json", "601166.SH", QFQ, 4, 42_439_300),
        ("fqkline_day_qfq_sz300750_20260911.cut.json", "300750.SZ", QFQ, 3, 27_660_000),
        ("newfqkline_day_none_sh000001_index_202609.json", "000001.SH", DAYS, 20, 41_456_024_700),
    ] {
        let Some(text) = text(name) else { return };
        let days = volumes(&text, symbol, &question);
        assert_eq!((days.len(), days.last().unwrap().1), (rows, last), "{name}");
    }
    // minutes of the same service
    for (name, symbol, last) in [
        ("mkline_m5_sh600519_20260828.cut.json", "600519.SH", ("2026-08-28 15:00:00", 73_400)),
        ("mkline_m5_sz000001_20260601.cut.jsonp", "000001.SZ", ("2026-06-01 13:15:00", 1_743_500)),
    ] {
        let Some(text) = text(name) else { return };
        let minutes = volumes(&text, symbol, &FIVE_MINUTES);
        assert_eq!((minutes.len(), minutes[2]), (3, (us(last.0), last.1)), "{name}");
    }
}

#[test]
fn an_index_carries_its_turnover_in_the_newer_form() {
    let Some(text) = text("newfqkline_day_none_sh000001_index_202609.json") else { return };
    let question = Question { turnover: true, ..DAYS };
    let page = page(&text, "000001.SH", &question).unwrap();
    let bar = bar_of(&page.rows[0], "SH", "000001", &question, i64::MAX).unwrap();
    assert!((bar.amount_cny - 835_367_755_900.0).abs() < 1.0, "{bar:?}");
    assert_eq!(bar.volume_shares, 51_647_277_500);
}

#[test]
fn rows_of_the_first_years_and_single_ones_are_read() {
    for (name, first) in [
        ("fqkline_day_none_sh600690_1993.rows.json", (us("1993-11-19"), 26_407_258)),
        ("fqkline_day_none_sh600690_bonus_19940404.rows.json", (us("1994-03-30"), 321_000)),
    ] {
        let Some(text) = text(name) else { return };
        let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
        let days = volumes(&answer("sh600690", "day", &rows), "600690.SH", &DAYS);
        assert_eq!((days.len(), days[0]), (rows.len(), first), "{name}");
    }
    let Some(lines) = text("mkline_single_rows.jsonl") else { return };
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let (code, key) = (line["symbol"].as_str().unwrap(), line["period"].as_str().unwrap());
        let question = Question {
            period: crate::question::Period::Minutes(key[1..].parse().unwrap()),
            ..DAYS
        };
        let symbol = format!("{}.{}", &code[2..], code[..2].to_ascii_uppercase());
        let text = answer(code, key, &[line["row"].clone()]);
        let read = page(&text, &symbol, &question).unwrap();
        assert_eq!((read.rows.len(), read.damaged.len()), (1, 0), "{line}");
        let is_padding = line["row"][5] == "0.00";
        assert_eq!(read.rows[0].is_padding(), is_padding, "{line}");
    }
}

#[test]
fn recorded_refusals_and_unknown_codes_give_no_rows() {
    for (name, question) in [
        ("fqkline_day_none_unknown_sh999999.json", DAYS),
        ("mkline_m5_unknown_sh999999.cut.json", FIVE_MINUTES),
    ] {
        let Some(text) = text(name) else { return };
        assert!(page(&text, "999999.SH", &question).unwrap().rows.is_empty(), "{name}");
    }
    let Some(lines) = text("errors.jsonl") else { return };
    let mut answers = 0;
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let said = line["answer"].as_str().or(line["answer_part"].as_str());
        let Some(said) = said else { continue };
        assert!(page(said, "600000.SH", &DAYS).is_err(), "{said}");
        answers += 1;
    }
    assert_eq!(answers, 4);
    // asked for adjusted prices, answered with others
    let Some(text) = text("fqkline_day_asked_qfq_bj920000_20260911.cut.json") else { return };
    assert!(page(&text, "920000.BJ", &QFQ).unwrap_err().text.contains("not adjusted"));
}

#[test]
fn recorded_answers_come_through_the_source() {
    let name = "fqkline_day_qfq_sh601166_20260114_lunch.json";
    let (Some(lunch), Some(minutes)) = (text(name), text("mkline_m5_sh600519_20260828.cut.json"))
    else {
        return;
    };
    let index = |key: &'static str, label: &str| {
        answer("sh000001", key, &[json!([label, "3900", "3900", "3900", "3900", "5"])])
    };
    let proof = index("day", "2026-01-13");
    let vendor = Vendor::saying(move |_, question| {
        let is_proof = question.code == "sh000001";
        Reply::Body(if is_proof { proof.clone() } else { lunch.clone() })
    });
    // as it was recorded, in the lunch break
    let bench = Bench::at("2026-01-14 11:47:05");
    let options =
        asks(std::slice::from_ref(&vendor.url), &["601166.SH"], "2026-01-09", "2026-01-14");
    let given = bench.run(with(options, json!({ "adjust": "qfq" })));
    let closed: Vec<_> = given.bars.iter().map(|bar| bar.closed).collect();
    assert_eq!((closed, given.fault), (vec![true, true, true, false], None));

    let proof = index("m5", "202608281500");
    let vendor = Vendor::saying(move |_, question| {
        let is_proof = question.code == "sh000001";
        Reply::Body(if is_proof { proof.clone() } else { minutes.clone() })
    });
    let (from, to) = ("2026-08-28 14:55:00", "2026-08-28 15:00:00");
    let options =
        of_period(asks(std::slice::from_ref(&vendor.url), &["600519.SH"], from, to), "5m");
    let given = Bench::at("2026-08-28 17:00:00").run(options);
    assert_eq!(given.times(), ["2026-08-28 14:55", "2026-08-28 15:00"]);
    assert_eq!(given.fault, None);
    let last = &given.bars[1];
    let prices = [last.open, last.high, last.low, last.close].map(f64::to_bits);
    assert_eq!(prices, [1297.11, 1297.89, 1297.1, 1297.4].map(f64::to_bits));
    assert_eq!((last.volume_shares, last.market.as_str()), (73_400, "SH"));
}
