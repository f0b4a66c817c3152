//! From opening to closing.

use std::time::{Duration, Instant};

use plugin_api::{
    Batch, ErrorKind, Polled, Source,
    schemas::time::{SECOND_US, parse_exchange_time},
    serde_json::json,
    testing::{check_options, check_source, options},
};

use super::{Bench, all_well, line, serve, with};
use crate::{options::Options, source::Qq};

const WAIT: Duration = Duration::from_millis(50);

/// All batches of the round that is under way or due.
pub fn round(source: &mut Qq) -> Vec<Batch> {
    let patience = Instant::now() + Duration::from_secs(30);
    let mut batches: Vec<Batch> = Vec::new();
    while batches.last().is_none_or(|batch| !batch.round().last) {
        assert!(Instant::now() < patience, "the round does not end");
        if let Polled::Batch(batch) = source.next(WAIT).unwrap() {
            batches.push(batch);
        }
    }
    batches
}

pub fn codes(batches: &[Batch]) -> Vec<String> {
    let spots = batches.iter().flat_map(|batch| batch.spots().iter());
    let mut codes: Vec<_> = spots.map(|spot| spot.code().to_owned()).collect();
    codes.sort();
    codes
}

#[test]
fn the_source_keeps_its_contract() {
    check_options::<Options>(&json!({}));
    let (url, asked) = serve(all_well);
    let bench = Bench::new();
    let minimal = with(&url, json!({ "rounds": 1 }));
    let batches = check_source::<Qq>(&minimal, bench.context(), 100);
    assert_eq!(codes(&batches), ["000001", "000002", "430047", "600000", "600001"]);
    assert_eq!(asked.lock().unwrap().len(), 3);
    assert_eq!(bench.host.counted("qq_requests_total"), 3);
    assert_eq!(bench.host.counted("qq_failures_total"), 0);
}

#[test]
fn a_damaged_answer_is_asked_again_for_what_it_lacks() {
    fn says(number: u32, symbols: &str) -> Option<String> {
        let mut answer = all_well(number, symbols)?;
        if number == 1 {
            answer.truncate(answer.len() - 30);
        }
        Some(answer)
    }
    let (url, asked) = serve(says);
    let bench = Bench::new();
    let mut source = bench.open(&url, json!({ "concurrency": 1 }));
    let batches = round(&mut source);
    assert_eq!(codes(&batches), ["000001", "000002", "430047", "600000", "600001"]);
    let asked = asked.lock().unwrap().clone();
    assert_eq!(asked, ["sh600000,sh600001", "sz000001,sz000002", "bj430047", "sh600001"]);
    assert_eq!(bench.host.counted("qq_retries_total"), 1);
    assert!(bench.host.told().dead_letters.is_empty() && bench.host.told().dropped.is_empty());
}

#[test]
fn a_line_that_stays_damaged_is_set_aside_and_counted() {
    fn says(number: u32, symbols: &str) -> Option<String> {
        Some(all_well(number, symbols)?.replace("~430047~10.00~", "~430047~ten~"))
    }
    let (url, _) = serve(says);
    let bench = Bench::new();
    let mut source = bench.open(&url, json!({ "retries": 1 }));
    assert_eq!(codes(&round(&mut source)), ["000001", "000002", "600000", "600001"]);
    let told = bench.host.told();
    assert_eq!(told.dropped, [("malformed".to_owned(), 1), ("unanswered".to_owned(), 1)]);
    let [(reason, line)] = &told.dead_letters[..] else { panic!("{:?}", told.dead_letters) };
    assert!(reason == "field 3 is no price" && line.starts_with(b"v_bj430047"), "{reason}");
}

#[test]
fn a_line_that_nobody_asked_for_or_that_comes_twice_is_no_record() {
    fn says(number: u32, symbols: &str) -> Option<String> {
        let first = symbols.split(',').next()?;
        let more = line(first, 1_100) + &line("sh600999", 1_000) + "v_hk00700=\"100~T~00700\";\n";
        Some(all_well(number, symbols)? + &more)
    }
    let (url, _) = serve(says);
    let bench = Bench::new();
    let batches = round(&mut bench.open(&url, json!({})));
    assert_eq!(codes(&batches).len(), 5);
    let closes = batches.iter().flat_map(|it| it.spots().iter()).all(|it| it.close() < 10.5);
    assert!(closes, "the first line of a symbol counts");
    let unasked: u64 = bench.host.told().dropped.iter().map(|(_, records)| records).sum();
    assert_eq!((unasked, bench.host.counted("qq_foreign_total")), (6, 3));
}

#[test]
fn unknown_codes_are_named_once() {
    fn says(_: u32, symbols: &str) -> Option<String> {
        let known = symbols.split(',').filter(|symbol| symbol.starts_with("sh"));
        let answer: String = known.map(|symbol| line(symbol, 1_000)).collect();
        Some(answer + "v_pv_none_match=\"1\";\n")
    }
    let (url, asked) = serve(says);
    let bench = Bench::new();
    let mut source = bench.open(&url, json!({}));
    for seconds in 1..=3 {
        bench.host.set_now_us(seconds * SECOND_US);
        assert_eq!(codes(&round(&mut source)), ["600000", "600001"]);
    }
    let logs = bench.host.told().logs;
    let named: Vec<_> = logs.iter().filter(|(_, text)| text.contains("does not know")).collect();
    assert_eq!(named.len(), 1, "{logs:?}");
    assert!(
        ["3 of 5", "sz000001", "sz000002", "bj430047"].iter().all(|it| named[0].1.contains(it))
    );
    assert_eq!(asked.lock().unwrap().len(), 9, "nothing is asked again within a round");
    assert_eq!(bench.host.counted("qq_unknown_total"), 3);
}

#[test]
fn rounds_follow_the_clock_and_the_host_knows_when_silence_is_normal() {
    let (url, _) = serve(all_well);
    let bench = Bench::new();
    let at = |time: &str| parse_exchange_time(&format!("2025-03-10 {time}")).unwrap();
    bench.host.set_now_us(at("08:59:59"));
    let phases = json!(["9:00-12:00", "13:00-15:00"]);
    let mut source = bench.open(&url, json!({ "phases": phases, "interval": "10s" }));
    let is_idle = |source: &mut Qq| matches!(source.next(Duration::ZERO).unwrap(), Polled::Idle);
    assert!(is_idle(&mut source));
    for (time, due) in [
        ("09:00:00", true),
        ("09:00:09.999", false),
        ("09:00:10.2", true),
        // timed from when the last one was due, not from when it started
        ("09:00:19.9", false),
        ("09:00:20", true),
        ("11:59:55", true),
        ("12:00:04", false),
        ("12:00:05", true),
        ("12:30:00", false),
        ("13:00:00", true),
        ("15:00:05", true),
        ("15:00:30", false),
    ] {
        bench.host.set_now_us(at(time));
        if due {
            assert_eq!(codes(&round(&mut source)).len(), 5, "{time}");
        }
        assert!(is_idle(&mut source), "{time}");
    }
    let expected = bench.host.told().expectations;
    let within = Some(Duration::from_secs(30));
    assert_eq!(expected, [within, None, within, None]);
}

#[test]
fn closing_does_not_wait_for_requests_that_hang() {
    let (url, asked) = serve(|_, _| None);
    let bench = Bench::new();
    let mut source = bench.open(&url, json!({ "timeout": "30s" }));
    while asked.lock().unwrap().len() < 3 {
        assert!(matches!(source.next(WAIT).unwrap(), Polled::Idle));
    }
    let started = Instant::now();
    source.close().unwrap();
    drop(source);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn a_round_without_answers_is_empty_and_ends_in_time() {
    let (url, _) = serve(|_, _| None);
    let bench = Bench::new();
    let mut source = bench.open(&url, json!({ "timeout": "200ms" }));
    let started = Instant::now();
    let batches = round(&mut source);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    let marks = batches.iter().map(|batch| (batch.records(), batch.round()));
    assert_eq!(marks.collect::<Vec<_>>(), [(0, plugin_api::Round::WHOLE)]);
    assert_eq!(bench.host.told().dropped, [("unanswered".to_owned(), 5)]);
}

#[test]
fn a_successor_goes_on_with_numbers_and_interval() {
    let (url, _) = serve(all_well);
    let bench = Bench::new();
    bench.host.set_now_us(10 * SECOND_US);
    let mut before = bench.open(&url, json!({}));
    round(&mut before);
    let state = before.export_state().unwrap().unwrap();
    let mut after = bench.open(&url, json!({}));
    after.import_state(&state).unwrap();
    assert!(matches!(after.next(Duration::ZERO).unwrap(), Polled::Idle), "a second round at once");
    bench.host.set_now_us(11 * SECOND_US);
    let first = round(&mut after)[0].spots().iter().next().unwrap().sequence();
    assert_eq!(first, 6);
    assert!(after.import_state(b"no json").is_err());
}

#[test]
fn a_service_that_is_away_is_named_by_check_alone() {
    let bench = Bench::new();
    let options: Options = options(with("http://127.0.0.1:1/q=", json!({}))).unwrap();
    let error = Qq::check(&options, &bench.context()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Retry);
    assert!(error.message.contains("nothing listens there"), "{}", error.message);
    assert!(Qq::open(options, bench.context()).is_ok());
}
