use std::{path::Path, sync::Arc};

use plugin_api::{
    BarRecord, Batch, ErrorKind, Level, Output, PluginError, Provenance, RecordKind, Round,
    SpotListEncoder, SpotRecord, Symbol, Transform, encode_bars,
    schemas::time::parse_exchange_time,
    serde_json::{Value, json},
    testing::{self, TestHost},
};

use super::Filter;

fn open(options: Value) -> Result<Filter, PluginError> {
    let context = testing::context(&Arc::default(), Path::new("."));
    Filter::open(testing::options(options)?, context)
}

fn apply(options: Value, batch: &Batch) -> Vec<Batch> {
    let mut output = Output::default();
    open(options).unwrap().apply(batch, &mut output).unwrap();
    output.into_batches()
}

fn spots(symbols: &[(&str, &str)], round: Round) -> Batch {
    let mut encoder = SpotListEncoder::new(symbols.len());
    for (index, (market, code)) in symbols.iter().enumerate() {
        let sequence = index as u64 + 1;
        encoder.push(&SpotRecord { market, code, sequence, ..SpotRecord::default() }).unwrap();
    }
    let mut provenance = Provenance::of_source("quotes");
    provenance.sequence = 7;
    Batch::from_spots(&mut encoder, round).with_provenance(provenance)
}

fn bars(symbols: &[(&'static str, &'static str)]) -> Batch {
    let bars = symbols.iter().map(|&(market, code)| BarRecord {
        symbol: Symbol { market, code },
        period: "1m",
        time_us: 1,
        open: 1.0,
        high: 1.0,
        low: 1.0,
        close: 1.0,
        amount_cny: 0.0,
        volume_shares: 0,
        closed: true,
        quality_score: None,
        source: "qq",
    });
    Batch::from_bars(encode_bars(bars)).unwrap().with_provenance(Provenance::of_source("bars"))
}

fn symbols(batch: &Batch) -> Vec<String> {
    match batch.kind() {
        RecordKind::Spot => batch.spots().iter().map(|spot| spot.symbol().to_string()).collect(),
        _ => batch.bars().map(|bar| bar.symbol.to_string()).collect(),
    }
}

const THREE: [(&str, &str); 3] = [("SH", "600000"), ("SZ", "000001"), ("BJ", "430047")];

#[test]
fn the_transform_keeps_its_contract() {
    for options in [
        json!({}),
        json!({ "symbols": ["sz000001"] }),
        json!({ "markets": ["sh"], "kinds": ["spot"] }),
        json!({ "kinds": ["bar"] }),
        json!({ "phases": ["continuous", "auction"] }),
    ] {
        let context = testing::context(&Arc::default(), Path::new("."));
        testing::check_transform::<Filter>(&options, context);
    }
}

#[test]
fn records_pass_when_they_meet_every_option() {
    let all = ["600000.SH", "000001.SZ", "430047.BJ"];
    let cases: [(Value, &[&str], &[&str]); 8] = [
        // options, spots that pass, bars that pass
        (json!({}), &all, &all),
        (json!({ "symbols": ["sh600000", "430047.bj"] }), &[all[0], all[2]], &[all[0], all[2]]),
        (json!({ "symbols": ["SZ600000"] }), &[], &[]),
        (json!({ "markets": ["sz", "Bj"] }), &all[1..], &all[1..]),
        (json!({ "markets": ["SZ"], "symbols": ["SZ000001", "SH600000"] }), &all[1..2], &all[1..2]),
        (json!({ "kinds": ["spot"] }), &all, &[]),
        (json!({ "kinds": ["bar"], "markets": ["SH"] }), &[], &all[..1]),
        (json!({ "kinds": ["bar", "spot"], "symbols": ["600000.SH"] }), &all[..1], &all[..1]),
    ];
    for (options, expected_spots, expected_bars) in cases {
        let passed = apply(options.clone(), &spots(&THREE, Round::MIDDLE));
        assert_eq!(
            passed.iter().flat_map(symbols).collect::<Vec<_>>(),
            expected_spots,
            "{options}"
        );
        let passed = apply(options.clone(), &bars(&THREE));
        assert_eq!(passed.iter().flat_map(symbols).collect::<Vec<_>>(), expected_bars, "{options}");
    }
}

#[test]
fn exchanges_in_lower_case_pass_as_well() {
    let batch = spots(&[("sh", "600000"), ("HK", "00700")], Round::MIDDLE);
    for options in [json!({ "symbols": ["SH600000"] }), json!({ "markets": ["SH"] })] {
        assert_eq!(apply(options, &batch).iter().map(Batch::records).collect::<Vec<_>>(), [1]);
    }
}

#[test]
fn a_batch_that_passes_whole_is_not_copied() {
    for batch in [spots(&THREE, Round::WHOLE), bars(&THREE)] {
        for options in [json!({}), json!({ "markets": ["SH", "SZ", "BJ"] })] {
            let passed = apply(options, &batch);
            assert_eq!(passed[0].payload().as_ptr(), batch.payload().as_ptr());
        }
    }
}

#[test]
fn what_is_left_keeps_provenance_and_fields() {
    let passed = apply(json!({ "markets": ["SZ"] }), &spots(&THREE, Round::WHOLE));
    assert_eq!((passed[0].provenance().source(), passed[0].provenance().sequence), ("quotes", 7));
    assert_eq!(passed[0].round(), Round::WHOLE);
    assert_eq!(passed[0].spots().iter().map(|spot| spot.sequence()).collect::<Vec<_>>(), [2]);
    let passed = apply(json!({ "markets": ["SZ"] }), &bars(&THREE));
    assert_eq!(passed[0].provenance().source(), "bars");
}

#[test]
fn a_batch_of_which_nothing_is_left_goes_on_only_for_its_marks() {
    for (first, last) in [(true, false), (false, true), (true, true), (false, false)] {
        let round = Round { first, last };
        for options in [json!({ "symbols": ["SH688001"] }), json!({ "kinds": ["bar"] })] {
            let passed = apply(options, &spots(&THREE, round));
            let marks: Vec<_> =
                passed.iter().map(|batch| (batch.records(), batch.round())).collect();
            assert_eq!(marks, if first || last { vec![(0, round)] } else { vec![] });
        }
    }
    let marked = bars(&THREE).with_round(Round::WHOLE);
    let passed = apply(json!({ "kinds": ["spot"] }), &marked);
    assert_eq!((passed[0].kind(), passed[0].records()), (RecordKind::Bar, 0));
}

#[test]
fn everything_unreadable_is_named_at_once() {
    let error = open(json!({ "symbols": ["600000", "SH600000", "x.YY"], "markets": ["HK", "SH"] }))
        .err()
        .unwrap();
    assert_eq!(error.kind, ErrorKind::Config);
    for text in ["\"600000\"", "\"x.YY\"", "\"HK\"", "SH, SZ, BJ", "600000.SH"] {
        assert!(error.message.contains(text), "{text} is missing in: {error}");
    }
    assert_eq!(open(json!({ "kinds": ["tick"] })).err().unwrap().kind, ErrorKind::Config);
}

#[test]
fn a_symbol_that_never_passes_is_warned_of() {
    let host = Arc::<TestHost>::default();
    let options = testing::options(json!({ "symbols": ["sz000001"], "markets": ["SH"] })).unwrap();
    Filter::open(options, testing::context(&host, Path::new("."))).unwrap();
    let [(level, text)] = host.told().logs.try_into().unwrap();
    assert_eq!(level, Level::Warn);
    assert!(text.contains("000001.SZ"), "{text}");
}

/// Quotes of 2021-12-01 in Shanghai at those times of day, of a security of STAR.
fn spots_at(times: &[&str]) -> Batch {
    let mut encoder = SpotListEncoder::new(times.len());
    for time in times {
        let time_us = parse_exchange_time(&format!("2021-12-01 {time}")).unwrap();
        let record = SpotRecord { market: "SH", code: "688001", time_us, ..SpotRecord::default() };
        encoder.push(&record).unwrap();
    }
    Batch::from_spots(&mut encoder, Round::MIDDLE)
}

#[test]
fn quotes_of_chosen_parts_of_the_day_pass_and_bars_all() {
    let times = [
        "09:14:59", "09:20:00", "09:25:00", "10:00:00", "12:00:00", "14:57:00", "15:00:03",
        "15:06:00",
    ];
    let batch = spots_at(&times);
    let names =
        ["pre_open", "auction", "continuous", "break", "closing_auction", "closed", "after_hours"];
    let kept: [&[&str]; 7] = [
        &["09:14:59", "09:25:00"],
        &["09:20:00"],
        &["10:00:00"],
        &["12:00:00"],
        &["14:57:00"],
        &["15:00:03"],
        &["15:06:00"],
    ];
    for (name, times) in names.into_iter().zip(kept) {
        let passed = apply(json!({ "phases": [name] }), &batch);
        let found: Vec<_> = passed[0].spots().iter().map(|it| &it.datetime()[11..]).collect();
        assert_eq!(found, times, "{name}");
    }
    let passed = apply(json!({ "phases": names }), &batch);
    assert_eq!(passed[0].payload().as_ptr(), batch.payload().as_ptr(), "no copy");
    let other = json!({ "phases": ["break"], "symbols": ["SH600000"] });
    assert!(apply(other, &batch).is_empty());
    assert!(apply(json!({ "phases": ["continuous"] }), &spots(&THREE, Round::MIDDLE)).is_empty());
    assert_eq!(apply(json!({ "phases": ["break"] }), &bars(&THREE))[0].records(), 3);
    assert_eq!(open(json!({ "phases": ["noon"] })).err().unwrap().kind, ErrorKind::Config);
}
