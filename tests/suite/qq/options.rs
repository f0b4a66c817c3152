//! What the source can be told: lists of symbols of every form, and what cannot work.

use harness::{Bench, QuoteServer, fixture};

use super::{good_day, market};

/// Options of a source beside those of every test, with a sink that counts.
fn pipeline(bench: &Bench, server: &QuoteServer, options: &str) {
    bench.pipeline(&format!(
        "[sources.quotes]\nplugin = \"qq\"\nurl = \"{}\"\nrounds = 1\nphases = []\n{options}\n\
         [sinks.out]\nplugin = \"console\"\ninputs = [\"quotes\"]\nfields = [\"symbol\"]\n",
        server.url()
    ));
}

/// Symbols that were asked for, in order.
fn asked(server: &QuoteServer) -> Vec<String> {
    server.served().into_iter().flat_map(|it| it.symbols).collect()
}

#[test]
fn symbols_of_every_form_are_asked_for_once() {
    let server = QuoteServer::start(market(100), good_day());
    let bench = Bench::new(&["qq", "console"]);
    bench.write("more.csv", "market,code,name\nSH,600004,a\nSZ,000001,b\nSH,600000,again\n");
    let symbols =
        r#"["sh600000", "600001.SH", "SH600002", "600003", "sh.600005", "hk00700", "us.INX"]"#;
    pipeline(&bench, &server, &format!("symbols = {symbols}\nsymbols_file = \"more.csv\""));
    let run = bench.run(&["run"]);
    run.assert(0, &["not of Shanghai, Shenzhen or Beijing: hk00700, us.INX"]);
    let codes =
        ["sh600000", "sh600001", "sh600002", "sh600003", "sh600005", "sh600004", "sz000001"];
    assert_eq!(asked(&server), codes);
    assert!(run.stderr.contains("does not know 1 of 7 symbols: sz000001"), "{}", run.stderr);
    assert_eq!(run.stdout.lines().count(), 6, "{}", run.stdout);
}

#[test]
fn without_symbols_the_whole_market_is_asked_for() {
    let server = QuoteServer::start(market(3_000), good_day());
    let bench = Bench::new(&["qq", "console"]);
    pipeline(&bench, &server, "request_symbols = 500");
    bench.run(&["run"]).assert(0, &["5425 symbols in 11 requests a round"]);
    let asked = asked(&server);
    assert_eq!(asked.len(), 5_425);
    assert!(
        ["sh000001", "sh600000", "sz399001", "sz300750", "bj430047"]
            .iter()
            .all(|it| asked.contains(&(*it).to_owned()))
    );
}

#[test]
fn hikyuus_database_gives_what_its_own_collector_asks_for() {
    let Some(database) = fixture("hikyuu/stock.db") else { return };
    let server = QuoteServer::start(market(100), good_day());
    let bench = Bench::new(&["qq", "console"]);
    let options =
        format!("request_symbols = 500\nsymbols = {{ hikyuu = \"{}\" }}", database.display());
    pipeline(&bench, &server, &options);
    bench.run(&["run"]).assert(0, &[]);
    let asked = asked(&server);
    // valid ones of types 1, 2, 5 and 8 in that list of 2011
    assert_eq!(asked.len(), 2_004 + 458 + 37 + 276);
    assert!(
        ["sh600000", "sz399001", "sh510050", "sz300001"]
            .iter()
            .all(|it| asked.contains(&(*it).to_owned()))
    );
    assert!(!asked.contains(&"sh900901".to_owned()), "B shares are not collected");
}

#[test]
fn options_that_cannot_work_are_named_all_at_once() {
    let server = QuoteServer::start(market(1), good_day());
    let bench = Bench::new(&["qq", "console"]);
    bench.write("wrong.txt", "600000.SH\nnonsense\n");
    bench.write("wrong-days.txt", "2027-01-01\n2027-02-30\n");
    for (options, texts) in [
        ("symbols = [\"sh60000\", \"x\"]", &["no symbol: \"sh60000\", \"x\""][..]),
        ("symbols = []", &["no symbol to ask for"]),
        ("symbols_file = \"wrong.txt\"", &["`symbols_file` wrong.txt: no symbol: \"nonsense\""]),
        ("symbols_file = \"absent.txt\"", &["absent.txt", "name a csv or text file"]),
        (
            "symbols = { hikyuu = \"absent.db\" }",
            &["absent.db", "stock.db that Hikyuu imports into"],
        ),
        (
            "interval = \"10ms\"\ntimeout = \"2m\"",
            &["`interval` is 10ms; write 100ms to 1h", "`timeout` is 2m"],
        ),
        (
            "request_symbols = 0\nconcurrency = 65",
            &["`request_symbols` is 0; write 1 to 800", "1 to 64"],
        ),
        ("holidays_file = \"wrong-days.txt\"", &["line 2: \"2027-02-30\" is no date"]),
        ("proxy = \"me:secret@host\"", &["`proxy` is no address"]),
    ] {
        pipeline(&bench, &server, options);
        let run = bench.run(&["run"]);
        run.assert(78, texts);
        assert!(!run.stderr.contains("secret"), "{}", run.stderr);
    }
    let text =
        bench.read("pipeline.toml").replace("phases = []", "phases = [\"9-12\", \"15:00-9:00\"]");
    bench.pipeline(&text.replace("proxy", "#proxy"));
    bench
        .run(&["run"])
        .assert(78, &["\"9-12\" is no phase", "write one that goes over midnight as two"]);
    assert!(asked(&server).is_empty());
}
