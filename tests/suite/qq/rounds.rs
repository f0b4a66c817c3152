//! Rounds over real HTTP on bad days: what was answered arrives, once, and the numbers are true.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use harness::{Bench, QuoteDay, QuoteFault, QuoteServer, seed};
use plugin_api::schemas::qq::{Encoding, Quote};

use super::{
    feed::{Delivered, subscribe},
    good_day, market, symbols_file,
};

const SYMBOLS: usize = 5_500;

/// The real host: `qq` from that server into the feed, which waits for its subscriber.
fn pipeline(bench: &Bench, server: &QuoteServer, options: &str) -> String {
    let address = format!("ipc://{}", bench.path("feed.ipc").display());
    bench.pipeline(&format!(
        "[sources.quotes]\nplugin = \"qq\"\nurl = \"{}\"\nsymbols_file = \"symbols.txt\"\nphases = []\n\
         {options}\n[sinks.feed]\nplugin = \"nng-pub\"\ninputs = [\"quotes\"]\nlisten = [\"{address}\"]\n\
         wait_subscribers = 1\nslow_subscriber = \"wait\"\nmax_rate = 0\nbuffer = {{ when_full = \"block\" }}\n",
        server.url()
    ));
    address
}

/// Closes and names that the lines have.
fn expected(market: &HashMap<String, Vec<u8>>) -> HashMap<&str, (f64, String)> {
    let mut name = String::new();
    let values = market.iter().map(|(symbol, line)| {
        let quote = Quote::parse_bytes(line, Encoding::Gbk, &mut name).unwrap();
        (symbol.as_str(), (quote.close, quote.name.to_owned()))
    });
    values.collect()
}

/// Panics unless no symbol came twice in a round, and every record says what its line says.
fn check_records(delivered: &[Delivered], market: &HashMap<String, Vec<u8>>) -> usize {
    let expected = expected(market);
    let mut last = 0;
    for (number, round) in delivered.iter().enumerate() {
        let distinct: BTreeSet<_> = round.symbols.iter().collect();
        assert_eq!(distinct.len(), round.symbols.len(), "round {number} has a symbol twice");
        for (index, symbol) in round.symbols.iter().enumerate() {
            let (close, name) = &expected[symbol.as_str()];
            assert_eq!(
                (round.closes[index].to_bits(), &round.names[index]),
                (close.to_bits(), name)
            );
            assert_eq!(round.sequences[index], last + 1, "round {number}");
            last += 1;
        }
    }
    delivered.iter().map(|round| round.symbols.len()).sum()
}

/// A number of the summary that the source logs at its end.
fn logged(stderr: &str, what: &str) -> usize {
    let line = stderr.lines().find(|line| line.contains(" unanswered")).unwrap();
    let before = line.split(&format!(" {what}")).next().unwrap();
    before.rsplit(|it: char| !it.is_ascii_digit()).next().unwrap().parse().unwrap()
}

#[test]
fn fifty_rounds_of_a_bad_day_lose_nothing_that_was_answered() {
    let market = market(SYMBOLS);
    let day = QuoteDay {
        seed: seed(20_221_118),
        faults_per_mille: 30,
        faults: quick_faults(),
        ..good_day()
    };
    let server = QuoteServer::start(market.clone(), day);
    let bench = Bench::new(&["qq", "nng-pub"]);
    // three codes that nobody knows
    bench.write("symbols.txt", symbols_file(&market) + "sh699997\nsh699998\nsz399999\n");
    let options = "interval = \"100ms\"\nretries = 5\nrounds = 50";
    let feed = subscribe(&pipeline(&bench, &server, options), 50);
    let run = bench.run(&["run"]);
    run.assert(0, &["does not know 3 of 5503 symbols: sh699997, sh699998, sz399999"]);
    let delivered = feed.join().unwrap();

    let served = server.served();
    let failures = served.iter().filter(|it| it.fault.is_some_and(QuoteFault::is_failure)).count();
    let lines: usize = served.iter().map(|it| it.lines).sum();
    let records = check_records(&delivered, &market);
    for fault in quick_faults() {
        assert!(served.iter().any(|it| it.fault == Some(fault)), "{fault:?} did not happen");
    }
    assert_eq!(records, lines, "what was answered and what arrived");
    let (requests, unanswered) =
        (logged(&run.stderr, "requests"), logged(&run.stderr, "unanswered"));
    assert_eq!(requests, served.len(), "{}", run.stderr);
    assert_eq!(logged(&run.stderr, "failures"), failures, "{}", run.stderr);
    assert_eq!(
        logged(&run.stderr, "retries"),
        requests - 50 * SYMBOLS.div_ceil(60),
        "{}",
        run.stderr
    );
    assert_eq!(records + unanswered, 50 * SYMBOLS, "every symbol arrived or is counted");
    assert_eq!(run.summary("quotes", "out"), records as u64);
    assert_eq!(run.summary("feed", "out"), records as u64);
    let dropped = unanswered + logged(&run.stderr, "set aside");
    assert_eq!(run.summary("quotes", "dropped"), dropped as u64);
    // retries wait 100, 200, 400 ms, and a loaded machine adds its own
    let longest = delivered.iter().map(|round| round.took).max().unwrap();
    assert!(longest < Duration::from_secs(10), "a round took {longest:?}");
    assert_eq!(unanswered, 0, "five retries are enough");
}

/// Those that do not wait for a timeout, which a loaded machine may reach with good answers, too.
fn quick_faults() -> Vec<QuoteFault> {
    QuoteFault::ALL.into_iter().filter(|fault| *fault != QuoteFault::SlowLoris).collect()
}

#[test]
fn answers_that_dribble_are_cut_off_and_asked_for_again() {
    let market = market(600);
    let day = QuoteDay {
        seed: seed(3),
        faults_per_mille: 200,
        faults: vec![QuoteFault::SlowLoris],
        ..good_day()
    };
    let server = QuoteServer::start(market.clone(), day);
    let bench = Bench::new(&["qq", "nng-pub"]);
    bench.write("symbols.txt", symbols_file(&market));
    let options = "interval = \"8s\"\ntimeout = \"1s\"\nretries = 5\nrounds = 2";
    let feed = subscribe(&pipeline(&bench, &server, options), 2);
    let run = bench.run(&["run"]);
    run.assert(0, &[]);
    let records = check_records(&feed.join().unwrap(), &market);
    let dribbled = server.served().iter().filter(|it| it.fault.is_some()).count();
    assert!(dribbled > 0, "the seed gives no such answer");
    assert!(logged(&run.stderr, "failures") >= dribbled, "{}", run.stderr);
    assert_eq!((records, logged(&run.stderr, "unanswered")), (1_200, 0), "{}", run.stderr);
}
