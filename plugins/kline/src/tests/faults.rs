//! Hosts that are away, lie, or answer nothing; the next one is asked, and what stays is told.

use std::time::{Duration, Instant};

use plugin_api::{ErrorKind, Source, serde_json::json};

use super::{
    Bench, asks,
    vendor::{Reply, Vendor, answer, market},
    with,
};
use crate::{client::MAX_ANSWER_BYTES, source::Kline};

const TODAY: &str = "2026-09-20";

/// Asks two securities for the same week.
fn week(urls: &[&Vendor]) -> plugin_api::serde_json::Value {
    let urls: Vec<_> = urls.iter().map(|vendor| vendor.url.clone()).collect();
    asks(&urls, &["600000.SH", "000333.SZ"], "2026-09-14", "2026-09-18")
}

fn whole(status: &str, head: &str, body: &str) -> Reply {
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\n{head}Content-Length: {length}\r\n\r\n{body}"
    );
    Reply::Whole(text.into_bytes())
}

/// Vendors that fail, each with what is said of it.
fn broken() -> Vec<(&'static str, Vendor)> {
    let body = |text: &'static str| Vendor::saying(move |_, _| Reply::Body(text.to_owned()));
    vec![
        ("http status 500", Vendor::saying(|_, _| whole("500 Broken", "", "sorry"))),
        ("http status 404", Vendor::saying(|_, _| whole("404 Not Found", "", ""))),
        ("asked too often", body("")),
        ("login page", body("<html>risk control</html>")),
        ("param error", body(r#"{"code":0,"msg":"param error","data":[]}"#)),
        ("bad params", body(r#"{"code":1,"msg":"bad params"}"#)),
        (
            "ends within its text",
            Vendor::saying(|_, question| {
                let text = market(question, TODAY);
                Reply::Body(text[..text.len() / 2].to_owned())
            }),
        ),
        (
            "the answer was cut off",
            Vendor::saying(|_, question| {
                let text = market(question, TODAY);
                let head = format!(
                    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                    text.len()
                );
                Reply::Whole((head + &text[..text.len() / 2]).into_bytes())
            }),
        ),
        (
            "login page",
            // compressed, which was not asked for
            Vendor::saying(|_, _| {
                let mut bytes =
                    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: gzip\r\nContent-Length: 10\r\n\r\n"
                        .to_vec();
                bytes.extend([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
                Reply::Whole(bytes)
            }),
        ),
        (
            "more than 4 MiB",
            Vendor::saying(|_, _| {
                let most = usize::try_from(MAX_ANSWER_BYTES).unwrap();
                whole("200 OK", "", &" ".repeat(most + 1))
            }),
        ),
        (
            "redirects more than 3 times",
            Vendor::saying(|_, _| whole("302 Found", "Location: /again\r\n", "")),
        ),
        (
            "nothing listens there",
            Vendor::saying(|_, _| {
                whole("301 Moved", "Location: http://127.0.0.1:1/appstock\r\n", "")
            }),
        ),
        ("not believed", Vendor::keeping("2026-09-17")),
        ("after today", Vendor::keeping("2026-09-22")),
        (
            "no bar of 000001.SH",
            Vendor::saying(|_, question| Reply::Body(answer(&question.code, "day", &[]))),
        ),
    ]
}

#[test]
fn every_failure_is_told_and_made_up_for_by_the_next_host() {
    for (said, vendor) in broken() {
        let well = Vendor::keeping(TODAY);
        let given = Bench::new().run(week(&[&vendor, &well]));
        assert_eq!((given.bars.len(), &given.fault), (10, &None), "{said}");
        let given = Bench::new().run(with(week(&[&vendor]), json!({ "retries": 0 })));
        let fault = given.fault.unwrap();
        assert!(given.bars.is_empty() && fault.contains(said), "{said}: {fault}");
        assert!(fault.contains("600000.SH (") && fault.contains("000333.SZ ("), "{fault}");
        let options = plugin_api::testing::options(week(&[&vendor])).unwrap();
        let error = Kline::check(&options, &Bench::new().context()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Retry);
        assert!(error.message.contains(said), "{said}: {}", error.message);
    }
}

#[test]
fn a_redirect_is_followed() {
    let well = Vendor::keeping(TODAY);
    let to = well.url.clone();
    let elsewhere = Vendor::saying(move |_, question| {
        let super::vendor::Question { path, code, period, end, count, .. } = question;
        let place = format!("{to}/appstock/app/{path}?param={code},{period},,{end},{count},");
        whole("301 Moved", &format!("Location: {place}\r\n"), "")
    });
    let given = Bench::new().run(week(&[&elsewhere]));
    assert_eq!((given.bars.len(), given.fault), (10, None));
}

#[test]
fn an_answer_that_trickles_or_never_comes_costs_its_timeout_and_no_more() {
    let slow: [fn(&str) -> Reply; 2] = [|text| Reply::Trickle(text.to_owned()), |_| Reply::Silence];
    for reply in slow {
        let vendor = Vendor::saying(move |_, question| reply(&market(question, TODAY)));
        let well = Vendor::keeping(TODAY);
        let started = Instant::now();
        let options = with(week(&[&vendor, &well]), json!({ "timeout": "300ms" }));
        let given = Bench::new().run(options);
        assert_eq!((given.bars.len(), given.fault), (10, None));
        assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    }
}

#[test]
fn what_fails_once_is_asked_again_at_the_same_host() {
    let vendor = Vendor::saying(|number, question| match number {
        // the first proof, and the first question
        1 | 3 => Reply::Body(String::new()),
        _ => Reply::Body(market(question, TODAY)),
    });
    let bench = Bench::new();
    let given = bench.run(with(week(&[&vendor]), json!({ "parallel": 1, "retries": 2 })));
    assert_eq!((given.bars.len(), given.fault), (10, None));
    assert_eq!(bench.host.counted("kline_retries_total"), 2);
    assert_eq!(bench.host.counted("kline_failures_total"), 2);
    assert_eq!(vendor.proofs(), 2);
}

#[test]
fn a_host_proves_itself_once_however_many_ask() {
    let vendor = Vendor::keeping(TODAY);
    let symbols: Vec<_> = (0..40).map(|number| format!("{}.SH", 600_000 + number)).collect();
    let symbols: Vec<_> = symbols.iter().map(String::as_str).collect();
    let options = asks(std::slice::from_ref(&vendor.url), &symbols, "2026-09-18", "2026-09-18");
    let given = Bench::new().run(with(options, json!({ "parallel": 8 })));
    assert_eq!((given.bars.len(), given.fault), (40, None));
    assert_eq!((vendor.proofs(), vendor.asked().len()), (1, 40));
}

#[test]
fn an_empty_answer_is_a_failure_and_the_others_are_given() {
    let vendor = Vendor::besides_index(|_, question| {
        let rows = question.code != "sh600001";
        let text = if rows { market(question, TODAY) } else { answer(&question.code, "day", &[]) };
        Reply::Body(text)
    });
    let other = Vendor::keeping(TODAY);
    let symbols = ["600000.SH", "600001.SH", "999999.SH", "920000.BJ"];
    let urls = [vendor.url.clone(), other.url.clone()];
    let bench = Bench::new();
    let given = bench.run(asks(&urls, &symbols, "2026-09-18", "2026-09-18"));
    let codes: Vec<_> = given.bars.iter().map(|bar| bar.code.as_str()).collect();
    assert_eq!(codes.len(), 2, "{codes:?}");
    assert!(codes.contains(&"600000") && codes.contains(&"600001"), "the next host knew it");
    let fault = given.fault.unwrap();
    assert!(fault.starts_with("2 securities could not be given"), "{fault}");
    assert!(fault.contains("920000.BJ (Beijing is not on this service"), "{fault}");
    assert!(fault.contains("999999.SH (no rows"), "{fault}");
    let letters = bench.host.told().dead_letters;
    let payloads: Vec<_> = letters.iter().map(|(_, it)| String::from_utf8_lossy(it)).collect();
    assert!(payloads[0].contains("920000.BJ") && payloads[1].contains("999999.SH"), "{payloads:?}");
    assert_eq!(bench.host.counted("kline_missing_securities_total"), 2);
    assert!(!other.asked().iter().any(|question| question.code.starts_with("bj")));
}

#[test]
fn a_service_that_answers_nothing_is_given_up_soon() {
    let vendor = Vendor::besides_index(|_, _| Reply::Body(String::new()));
    let symbols: Vec<_> = (0..300).map(|number| format!("{}.SH", 600_000 + number)).collect();
    let symbols: Vec<_> = symbols.iter().map(String::as_str).collect();
    let options = asks(std::slice::from_ref(&vendor.url), &symbols, "2026-09-18", "2026-09-18");
    let given = Bench::new().run(with(options, json!({ "retries": 0 })));
    let fault = given.fault.unwrap();
    assert!(fault.starts_with("300 securities") && fault.contains("and 280 more"), "{fault}");
    assert!(fault.contains("asked too often") && fault.contains("answered nothing for others"));
    assert!(vendor.asked().len() < 20, "{} questions", vendor.asked().len());
}

#[test]
fn a_damaged_row_is_asked_for_elsewhere_and_set_aside_in_the_end() {
    let damaged = || {
        Vendor::besides_index(|_, question| {
            Reply::Body(
                market(question, TODAY)
                    .replace("\"2026-09-16\",\"16.000\"", "\"2026-09-16\",\"x\""),
            )
        })
    };
    let (first, second, well) = (damaged(), damaged(), Vendor::keeping(TODAY));
    let given = Bench::new().run(week(&[&first, &well]));
    assert_eq!((given.bars.len(), given.fault), (10, None));
    let bench = Bench::new();
    let given = bench.run(week(&[&first, &second]));
    assert_eq!(given.bars.len(), 8);
    assert!(given.fault.unwrap().contains("1 rows cannot be used: \"x\" is no number"));
    let told = bench.host.told();
    assert_eq!(told.dropped.iter().map(|(_, rows)| rows).sum::<u64>(), 2);
    assert!(told.dead_letters.iter().any(|(_, row)| row.starts_with(b"[\"2026-09-16\",\"x\"")));
}

#[test]
fn addresses_are_shown_without_what_lets_somebody_in() {
    let url = "http://fred:swordfish@127.0.0.1:1".to_owned();
    let bench = Bench::new();
    let options = asks(&[url], &["600000.SH"], "2026-09-18", "2026-09-18");
    let given = bench.run(with(options, json!({ "retries": 0 })));
    let fault = given.fault.unwrap();
    assert!(fault.contains("http://127.0.0.1:1: nothing listens there"), "{fault}");
    assert!(!format!("{fault}{:?}", bench.host.told()).contains("swordfish"));
}
