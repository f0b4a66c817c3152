//! Answers that are none, or not whole, and symbols that bring down those of others.

use plugin_api::{schemas::time::SECOND_US, serde_json::json};

use super::{
    Bench, CLOSED, all_well,
    life::{codes, round},
    line, serve,
};

const ALL: [&str; 5] = ["000001", "000002", "430047", "600000", "600001"];
const REFUSED: &str = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";

#[test]
fn statements_need_no_line_of_their_own() {
    fn one_line(number: u32, symbols: &str) -> Option<String> {
        Some(all_well(number, symbols)?.replace('\n', ""))
    }
    fn bare(number: u32, symbols: &str) -> Option<String> {
        Some(all_well(number, symbols)?.replace(";\n", ""))
    }
    fn marked(number: u32, symbols: &str) -> Option<String> {
        Some("\u{feff}".to_owned() + &all_well(number, symbols)?.replace('\n', "\r\n \r\n"))
    }
    for says in [one_line, bare, marked] {
        let (url, asked) = serve(says);
        let bench = Bench::new();
        assert_eq!(codes(&round(&mut bench.open(&url, json!({})))), ALL);
        assert_eq!(asked.lock().unwrap().len(), 3, "nothing is asked twice");
        assert!(bench.host.told().dead_letters.is_empty());
    }
}

#[test]
fn an_empty_answer_is_none_and_says_nothing_of_symbols() {
    fn says(number: u32, symbols: &str) -> Option<String> {
        if number < 4 { Some("\n".repeat(number as usize - 1)) } else { all_well(number, symbols) }
    }
    let (url, _) = serve(says);
    let bench = Bench::new();
    let mut source =
        bench.open(&url, json!({ "request_symbols": 5, "retries": 1, "concurrency": 1 }));
    let first = codes(&round(&mut source));
    bench.host.set_now_us(2 * SECOND_US);
    assert_eq!(codes(&round(&mut source)), ALL, "the first round brought {first:?}");
    assert!(bench.host.counted("qq_empty_answers_total") >= 3);
    assert_eq!(bench.host.counted("qq_unknown_total"), 0);
    let logs = bench.host.told().logs;
    assert!(!logs.iter().any(|(_, text)| text.contains("take them off")), "{logs:?}");
}

#[test]
fn answers_that_stay_empty_are_told_as_throttling_and_cost_ever_fewer_requests() {
    for empty in ["", "  \n", REFUSED, CLOSED] {
        let says = match empty {
            "" => |_: u32, _: &str| Some(String::new()),
            CLOSED => |_: u32, _: &str| Some(CLOSED.to_owned()),
            REFUSED => |_: u32, _: &str| Some(REFUSED.to_owned()),
            _ => |_: u32, _: &str| Some("  \n".to_owned()),
        };
        let (url, asked) = serve(says);
        let bench = Bench::new();
        let mut source = bench.open(&url, json!({ "request_symbols": 5, "retries": 1 }));
        let mut requests = Vec::new();
        for seconds in 1..=3 {
            bench.host.set_now_us(seconds * 10 * SECOND_US);
            assert!(codes(&round(&mut source)).is_empty());
            requests.push(asked.lock().unwrap().len());
        }
        // halved once in vain; the connection may have been tried anew
        assert!(requests[2] - requests[1] <= 4, "{empty:?}: {requests:?}");
        let logs = bench.host.told().logs;
        assert!(!logs.iter().any(|(_, text)| text.contains("off the list")), "{logs:?}");
        if empty.trim().is_empty() {
            assert!(logs.iter().any(|(_, text)| text.contains("asked too often")), "{logs:?}");
        }
    }
}

#[test]
fn a_page_of_somebody_else_is_no_answer() {
    fn says(_: u32, _: &str) -> Option<String> {
        Some("<!DOCTYPE html>\n<html>\n<title>Login</title>\n</html>\n".repeat(20))
    }
    let (url, _) = serve(says);
    let bench = Bench::new();
    let mut source = bench.open(&url, json!({ "retries": 0 }));
    assert!(codes(&round(&mut source)).is_empty());
    let told = bench.host.told();
    assert!(told.dead_letters.is_empty(), "{} lines of a page", told.dead_letters.len());
    assert!(told.logs.iter().any(|(_, text)| text.contains("login page")), "{:?}", told.logs);
    assert_eq!(told.dropped, [("unanswered".to_owned(), 5)]);
    let options = plugin_api::testing::options(super::with(&url, json!({}))).unwrap();
    let checked = <crate::source::Qq as plugin_api::Source>::check(&options, &bench.context());
    assert!(checked.unwrap_err().message.contains("login page"));
}

#[test]
fn a_symbol_with_an_empty_line_is_quiet() {
    fn says(_: u32, symbols: &str) -> Option<String> {
        let line = |symbol: &str| match symbol {
            "sz000002" => "v_sz000002=\"\";\n".to_owned(),
            symbol => line(symbol, 1_000),
        };
        Some(symbols.split(',').map(line).collect())
    }
    let (url, asked) = serve(says);
    let bench = Bench::new();
    let mut source = bench.open(&url, json!({}));
    for seconds in 1..=3 {
        bench.host.set_now_us(seconds * SECOND_US);
        assert_eq!(codes(&round(&mut source)).len(), 4);
    }
    let told = bench.host.told();
    assert_eq!((asked.lock().unwrap().len(), told.dead_letters.len()), (9, 0));
    assert!(told.dropped.is_empty(), "{:?}", told.dropped);
    assert_eq!(bench.host.counted("qq_empty_lines_total"), 3);
    assert_eq!(told.logs.iter().filter(|(_, text)| text.contains("nothing to say")).count(), 1);
}

/// Sixty symbols in one request, of which one or two bring it down in that way.
fn bad_codes_are_found(bad: &[&str], says: super::Says) {
    let (url, asked) = serve(says);
    let bench = Bench::new();
    let symbols: Vec<_> = (0..60).map(|number| format!("sh6000{number:02}")).collect();
    let mut source =
        bench.open(&url, json!({ "symbols": symbols, "request_symbols": 60, "interval": "10s" }));
    let well: Vec<_> = symbols
        .iter()
        .filter(|symbol| !bad.contains(&symbol.as_str()))
        .map(|symbol| symbol[2..].to_owned())
        .collect();
    let mut requests = 0;
    for number in 1..=3 {
        bench.host.set_now_us(number * 20 * SECOND_US);
        assert_eq!(codes(&round(&mut source)), well, "round {number}");
        let all = asked.lock().unwrap().len();
        let most = if number == 1 { 30 * bad.len() } else { 2 + 2 * bad.len() };
        assert!(all - requests <= most, "round {number} took {}", all - requests);
        requests = all;
    }
    let logs = bench.host.told().logs;
    let named: Vec<_> = logs.iter().filter(|(_, text)| text.contains("fail as a whole")).collect();
    assert_eq!(named.len(), 1, "{logs:?}");
    assert!(bad.iter().all(|bad| named[0].1.contains(bad)), "{named:?}");
    assert!(!logs.iter().any(|(_, text)| text.contains("every symbol is answered")), "{logs:?}");
    let told = logs.iter().any(|(_, text)| text.contains("every other symbol is answered"));
    assert!(told, "{logs:?}");
    plugin_api::Source::close(&mut source).unwrap();
    let lost = format!("{} unanswered", 3 * bad.len());
    let logs = bench.host.told().logs;
    assert!(logs.iter().any(|(_, text)| text.contains(&lost)), "{logs:?}");
    assert_eq!(bench.host.counted("qq_refused_total"), bad.len() as u64);
}

#[test]
fn a_symbol_that_brings_down_its_request_is_found_named_and_asked_for_alone() {
    fn unless_bad(number: u32, symbols: &str, otherwise: &str) -> Option<String> {
        if symbols.contains("sh600013") {
            return Some(otherwise.to_owned());
        }
        all_well(number, symbols)
    }
    bad_codes_are_found(&["sh600013"], |number, symbols| unless_bad(number, symbols, REFUSED));
    bad_codes_are_found(&["sh600013"], |number, symbols| unless_bad(number, symbols, ""));
    bad_codes_are_found(&["sh600013"], |number, symbols| unless_bad(number, symbols, CLOSED));
    bad_codes_are_found(&["sh600000", "sh600059"], |number, symbols| {
        let is_bad = symbols.contains("sh600000") || symbols.contains("sh600059");
        if is_bad {
            return Some("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_owned());
        }
        all_well(number, symbols)
    });
}

#[test]
fn a_symbol_that_brought_down_requests_is_one_like_others_once_it_is_answered() {
    fn says(number: u32, symbols: &str) -> Option<String> {
        if number < 12 && symbols.contains("sz000001") {
            return Some(REFUSED.to_owned());
        }
        all_well(number, symbols)
    }
    let (url, asked) = serve(says);
    let bench = Bench::new();
    let mut source =
        bench.open(&url, json!({ "request_symbols": 5, "retries": 1, "concurrency": 1 }));
    let mut rounds = 0;
    for seconds in 1..=20 {
        bench.host.set_now_us(seconds * 10 * SECOND_US);
        rounds += usize::from(codes(&round(&mut source)) == ALL);
    }
    assert!(rounds >= 8, "{rounds} whole rounds");
    assert_eq!(asked.lock().unwrap().last().unwrap().split(',').count(), 5, "in one request");
}

#[test]
fn only_the_service_says_that_it_does_not_know_a_symbol() {
    fn says(_: u32, symbols: &str) -> Option<String> {
        let known: String = symbols
            .split(',')
            .filter(|symbol| *symbol != "sz000002")
            .map(|symbol| line(symbol, 1_000))
            .collect();
        // one that nobody asked for, so that the answer is not empty
        Some(known + &line("sh999999", 1_000))
    }
    let (url, asked) = serve(says);
    let bench = Bench::new();
    let mut source = bench.open(&url, json!({ "retries": 2 }));
    for seconds in 1..=3 {
        bench.host.set_now_us(seconds * 10 * SECOND_US);
        assert_eq!(codes(&round(&mut source)).len(), 4);
    }
    assert_eq!(bench.host.counted("qq_unknown_total"), 0);
    assert_eq!(bench.host.counted("qq_left_out_total"), 1);
    assert_eq!(asked.lock().unwrap().len(), 9 + 2, "retried in the first round alone");
    let logs = bench.host.told().logs;
    assert!(!logs.iter().any(|(_, text)| text.contains("take them off")), "{logs:?}");
}
