//! What an answer says, in every form that was seen.

use plugin_api::serde_json::{Value, json};

use super::{us, vendor::answer};
use crate::{
    answer::{Page, Security, read},
    fault::Fault,
    question::{Adjust, Period, Question},
};

pub const DAYS: Question = Question { period: Period::Day, adjust: Adjust::None, turnover: false };
pub const FIVE_MINUTES: Question = Question { period: Period::Minutes(5), ..DAYS };
pub const QFQ: Question = Question { adjust: Adjust::Qfq, ..DAYS };

pub fn page(text: &str, symbol: &str, question: &Question) -> Result<Page, Fault> {
    read(text.as_bytes(), &Security::of(symbol), question)
}

fn day_row() -> Value {
    json!(["2026-09-18", "10.000", "10.100", "10.200", "9.900", "1000.000"])
}

#[test]
fn rows_of_six_seven_and_eight_values_are_read_with_numbers_as_texts_or_not() {
    let event = json!({ "nd": "2022", "fh_sh": "", "djr": "2023-06-29", "cqr": "2023-06-30" });
    let mut with_event = day_row();
    with_event.as_array_mut().unwrap().push(event);
    let plain = json!(["2026-09-18", 10, 10.1, 10.2, 9.9, 1000]);
    // as of today while it trades
    let short = json!(["2026-09-18", "10", "10.10", "10.20", "9.9", "1000"]);
    for row in [day_row(), with_event, plain, short] {
        let page = page(&answer("sh600000", "day", &[row]), "600000.SH", &DAYS).unwrap();
        let row = page.rows[0];
        assert_eq!(row.time_us, us("2026-09-18 00:00:00"));
        let prices = [row.open, row.close, row.high, row.low].map(f64::to_bits);
        assert_eq!(prices, [10.0, 10.1, 10.2, 9.9].map(f64::to_bits));
        assert_eq!((row.volume.to_bits(), row.amount_cny), (1_000_f64.to_bits(), None));
    }
    let prices = ["10.00", "10.10", "10.20", "9.90", "5.00"].map(Value::from);
    for tail in [vec![], vec![json!({}), json!("0.10")], vec![json!("{}"), json!("0.10")]] {
        let row = [vec![json!("202609180935")], prices.to_vec(), tail].concat();
        let text = answer("sh600000", "m5", &[json!(row)]);
        let page = page(&text, "600000.SH", &FIVE_MINUTES).unwrap();
        assert_eq!(page.rows[0].time_us, us("2026-09-18 09:35:00"));
    }
}

#[test]
fn a_name_before_the_answer_and_marks_around_it_are_taken_off() {
    let text = answer("sh600000", "day", &[day_row()]);
    for text in [
        format!("kline_day={text}"),
        format!("m5_today = {text};\n"),
        format!("\u{feff}{text}\r\n"),
        text.clone(),
    ] {
        assert_eq!(page(&text, "600000.SH", &DAYS).unwrap().rows.len(), 1, "{text}");
    }
}

#[test]
fn what_stands_beside_the_rows_is_of_no_account() {
    // the close before, of which some answers have nothing, others a number, and others another's
    for before in [json!(""), json!("31.390"), json!(31.39), json!(null), json!([])] {
        let of_security = json!({ "day": [day_row()], "prec": before, "qt": [], "mx_price": 1 });
        let text = json!({ "code": 0, "data": { "sh600000": of_security } }).to_string();
        assert_eq!(page(&text, "600000.SH", &DAYS).unwrap().rows.len(), 1);
    }
}

#[test]
fn an_unknown_code_has_no_rows() {
    let bodies = [
        json!({ "code": 0, "msg": "", "data": { "sh999999": { "day": [], "qt": [] } } }),
        json!({ "code": 0, "msg": "", "data": { "sh999999": { "qt": { "sh999999": [] } } } }),
        json!({ "code": 0, "msg": "", "data": { "sh999999": { "version": "16" } } }),
        json!({ "code": 0, "msg": "", "data": {} }),
    ];
    for body in bodies {
        let read = page(&body.to_string(), "999999.SH", &DAYS);
        assert_eq!(read, Ok(Page::default()), "{body}");
    }
}

#[test]
fn a_refusal_is_told_in_the_services_words() {
    for (body, said) in [
        (r#"{"code":0,"msg":"param error","data":[]}"#, "param error"),
        (r#"{"msg":"param error"}"#, "param error"),
        (r#"{"code":1,"msg":"bad params"}"#, "bad params"),
        (r#"{"code":0,"msg":"","data":[]}"#, "no rows and no reason"),
        ("[]", "no rows and no reason"),
        ("null", "no rows and no reason"),
    ] {
        let fault = page(body, "600000.SH", &DAYS).unwrap_err();
        assert!(fault.text.contains(said) && !fault.is_answer, "{body}: {fault:?}");
    }
}

#[test]
fn what_is_no_answer_is_told_from_one_that_was_cut() {
    let whole = answer("sh600000", "day", &[day_row()]);
    for (text, said) in [
        ("", "empty"),
        (" \r\n", "empty"),
        ("<html><body>busy</body></html>", "login page"),
        ("\u{1f}\u{8b}\u{8}", "login page"),
        (&whole[..whole.len() / 2], "ends within"),
        (whole.replace("\"day\":[", "\"day\":7,\"x\":[").as_str(), "no list"),
    ] {
        let fault = page(text, "600000.SH", &DAYS).unwrap_err();
        assert!(fault.text.contains(said), "{text}: {fault:?}");
    }
}

#[test]
fn prices_that_are_not_adjusted_are_never_given_as_adjusted_ones() {
    let plain = answer("sh600000", "day", &[day_row()]);
    let fault = page(&plain, "600000.SH", &QFQ).unwrap_err();
    assert!(fault.is_answer && fault.text.contains("not adjusted"), "{fault:?}");
    let adjusted = answer("sh600000", "qfqday", &[day_row()]);
    assert_eq!(page(&adjusted, "600000.SH", &QFQ).unwrap().rows.len(), 1);
    // nor the other way round
    assert_eq!(page(&adjusted, "600000.SH", &DAYS), Ok(Page::default()));
    // an index has no dividends, and answers under the plain key
    let index = answer("sh000001", "day", &[day_row()]);
    assert_eq!(page(&index, "000001.SH", &QFQ).unwrap().rows.len(), 1);
}

#[test]
fn adjusted_prices_may_be_below_zero_and_traded_ones_may_not() {
    let row = json!(["2018-06-11", "-5.420", "-5.420", "-5.400", "-5.430", "1000.000"]);
    let text = answer("sz300750", "qfqday", std::slice::from_ref(&row));
    assert_eq!(page(&text, "300750.SZ", &QFQ).unwrap().rows.len(), 1);
    let text = answer("sz300750", "day", &[row]);
    let page = page(&text, "300750.SZ", &DAYS).unwrap();
    assert_eq!((page.rows.len(), page.damaged.len()), (0, 1));
}

#[test]
fn a_row_that_cannot_be_read_is_set_apart_with_its_reason() {
    let cases = [
        // a row, and what is said of it
        (json!(["2026-09-18", "10", "10", "10", "10"]), "5 values"),
        (json!(["2026-09-31", "10", "10", "10", "10", "1"]), "no time"),
        (json!([20_260_918, "10", "10", "10", "10", "1"]), "no time"),
        (json!(["2026-09-18", "ten", "10", "10", "10", "1"]), "is no number"),
        (json!(["2026-09-18", "NaN", "10", "10", "10", "1"]), "is not finite"),
        (json!(["2026-09-18", "10", "11", "10", "10", "1"]), "not within"),
        (json!(["2026-09-18", "10", "9", "10", "10", "1"]), "not within"),
        (json!(["2026-09-18", "10", "10", "10", "10", "-1"]), "negative"),
        (json!(["2026-09-18", "0", "10", "10", "0", "1"]), "not above 0"),
        (json!({}), "no list"),
    ];
    for (row, said) in cases {
        let text = answer("sh600000", "day", &[day_row(), row]);
        let page = page(&text, "600000.SH", &DAYS).unwrap();
        assert_eq!((page.rows.len(), page.damaged.len()), (1, 1), "{said}");
        assert!(page.damaged[0].0.contains(said), "{said}: {:?}", page.damaged);
    }
    // one that lies outside of trading, and two that do not agree
    let minute = |label: &str, close: &str| json!([label, "10", close, "12", "10", "1"]);
    for (rows, said) in [
        (vec![minute("202609181230", "10")], "no time of trading"),
        (vec![minute("202609180925", "10")], "no time of trading"),
        (vec![minute("202609181000", "10"), minute("202609181000", "11")], "differ"),
    ] {
        let count = rows.len();
        let rows = [&[minute("202609180935", "10")][..], &rows].concat();
        let text = answer("sh600000", "m5", &rows);
        let page = page(&text, "600000.SH", &FIVE_MINUTES).unwrap();
        assert_eq!((page.rows.len(), page.damaged.len()), (1, count), "{said}");
        assert!(page.damaged[0].0.contains(said), "{said}: {:?}", page.damaged);
    }
    // a day's label is none of minutes
    let text = answer("sh600000", "m5", &[day_row()]);
    assert_eq!(page(&text, "600000.SH", &FIVE_MINUTES).unwrap().damaged.len(), 1);
}

#[test]
fn questions_are_written_as_the_service_wants_them() {
    let end = Some(us("2026-09-18 15:00:00"));
    let cases = [
        (DAYS, "/appstock/app/fqkline/get?param=sh600000,day,,2026-09-18,640,", "day"),
        (QFQ, "/appstock/app/fqkline/get?param=sh600000,day,,2026-09-18,640,qfq", "qfqday"),
        (
            Question { adjust: Adjust::Hfq, turnover: true, ..DAYS },
            "/appstock/app/newfqkline/get?param=sh600000,day,,2026-09-18,640,hfq",
            "hfqday",
        ),
        (FIVE_MINUTES, "/appstock/app/kline/mkline?param=sh600000,m5,202609181500,640", "m5"),
    ];
    for (question, path, key) in cases {
        assert_eq!(question.path("sh600000", end, 640), path);
        assert_eq!(question.key(), key);
    }
    assert!(FIVE_MINUTES.path("sh600000", None, 320).ends_with("sh600000,m5,,320"));
    for name in ["1m", "5m", "15m", "30m", "60m", "day"] {
        assert_eq!(Period::named(name).unwrap().name(), name);
    }
    assert_eq!((Period::named("3m"), Period::named("week")), (None, None));
}
