//! What an option says is what happens.

use super::*;
use crate::options::Options;

#[test]
fn each_rule_drops_marks_or_passes_as_told() {
    let broken = SpotRecord { close: 10.4, ..good() };
    let records = batch(&[good(), broken, good()]);
    let score =
        |batch: &Batch| batch.spots().iter().map(|spot| spot.quality_score()).collect::<Vec<_>>();

    let mut bench = Bench::open(json!({ "range": "drop" }));
    let judged = bench.apply(&records).unwrap();
    assert_eq!(score(&judged), [None, None]);
    assert_eq!(
        (bench.dropped(), bench.findings()),
        (vec![("range".to_owned(), 1)], vec![("range", 1)])
    );
    assert_eq!(bench.host.counted("quality_marked_total"), 0);

    let mut bench = Bench::open(json!({}));
    let judged = bench.apply(&records).unwrap();
    assert_eq!(score(&judged), [None, Some(16.0 / 17.0), None]);
    assert_eq!((bench.dropped(), bench.findings()), (vec![], vec![("range", 1)]));
    assert_eq!(bench.host.counted("quality_marked_total"), 1);

    let mut bench = Bench::open(json!({ "range": "pass" }));
    let judged = bench.apply(&records).unwrap();
    assert_eq!(judged.payload().as_ptr(), records.payload().as_ptr());
    assert_eq!((bench.dropped(), bench.findings()), (vec![], vec![]));
}

#[test]
fn the_score_is_the_share_of_the_rules_looked_at_that_were_passed() {
    let broken = SpotRecord { close: 10.4, bid: &[10.21], ..good() };
    let cases: [(Value, Option<f32>); 4] = [
        // options, score
        (json!({}), Some(15.0 / 17.0)),
        (json!({ "stale": "pass", "future": "pass" }), Some(13.0 / 15.0)),
        (json!({ "crossed": "pass" }), Some(15.0 / 16.0)),
        (all("pass"), None),
    ];
    for (options, expected) in cases {
        let judged = Bench::open(options.clone()).apply(&batch(&[broken])).unwrap();
        let scores: Vec<_> = judged.spots().iter().map(|spot| spot.quality_score()).collect();
        assert_eq!(scores, [expected], "{options}");
    }
}

#[test]
fn a_score_that_somebody_gave_before_is_never_raised() {
    let broken = SpotRecord { close: 10.4, ..good() };
    for (earlier, expected) in [(0.25, 0.25), (1.0, 16.0 / 17.0), (7.0, 16.0 / 17.0), (-3.0, 0.0)] {
        let record = SpotRecord { quality_score: Some(earlier), ..broken };
        let judged = Bench::open(json!({})).apply(&batch(&[record])).unwrap();
        assert_eq!(judged.spots().iter().next().unwrap().quality_score(), Some(expected));
    }
}

#[test]
fn clean_records_get_a_full_score_when_asked_for() {
    let mut bench = Bench::open(json!({ "score_clean": true }));
    let judged = bench.apply(&batch(&[good()])).unwrap();
    let bars = bench.apply(&testing::bar_batch()).unwrap();
    assert_eq!(judged.spots().iter().next().unwrap().quality_score(), Some(1.0));
    assert_eq!(bars.bars().next().unwrap().quality_score, Some(1.0));
    assert_eq!(bench.host.counted("quality_marked_total"), 0);
}

#[test]
fn all_other_fields_come_through_a_mark() {
    let broken = SpotRecord { close: 10.4, ..good() };
    let before = batch(&[broken]).numbered(7, 3, 1).with_round(Round::WHOLE);
    let after = Bench::open(json!({})).apply(&before).unwrap();
    let expected = SpotRecord { quality_score: Some(16.0 / 17.0), ..broken };
    assert_eq!(after.payload()[..], batch(&[expected]).payload()[..]);
    assert_eq!((after.round(), after.provenance().sequence), (Round::WHOLE, 3));
}

#[test]
fn a_round_keeps_its_marks_when_nothing_of_it_is_left() {
    let bad = batch(&[SpotRecord { close: f64::NAN, ..good() }]);
    for (first, last) in [(true, false), (false, true), (true, true)] {
        let judged = Bench::open(json!({})).apply(&bad.clone().with_round(Round { first, last }));
        let judged = judged.unwrap();
        assert_eq!((judged.records(), judged.round()), (0, Round { first, last }));
    }
    assert!(Bench::open(json!({})).apply(&bad).is_none());
}

#[test]
fn the_first_finding_of_a_rule_is_shown_and_the_others_are_counted() {
    let mut bench = Bench::open(json!({}));
    let broken = SpotRecord { close: 10.4, ..good() };
    bench.apply(&batch(&[broken, broken]));
    bench.apply(&batch(&[broken]));
    let logs = bench.host.told().logs;
    assert_eq!(logs.len(), 1, "{logs:?}");
    for text in ["600000.SH", "2021-12-01 10:00:00", "close 10.4", "quality_range_total"] {
        assert!(logs[0].1.contains(text), "{text} is missing in: {}", logs[0].1);
    }
    assert_eq!(bench.findings(), [("range", 3)]);
}

#[test]
fn values_out_of_range_are_all_named() {
    let cases: [(Value, &[&str]); 4] = [
        // options, what the error names
        (json!({ "bands": { "main": -1.0 } }), &["bands.main is -1", "0 to 99"]),
        (
            json!({ "bands": { "st": 99.5, "fund": 100 } }),
            &["bands.st is 99.5", "bands.fund is 100"],
        ),
        (json!({ "stale_after": "10ms" }), &["10ms", "1s or more"]),
        (json!({ "price": "delete" }), &["delete", "drop", "mark", "pass"]),
    ];
    for (options, expected) in cases {
        let error = Bench::try_open(options.clone()).err().unwrap();
        for text in expected {
            assert!(error.message.contains(text), "{text} is missing in: {error}");
        }
        if let Ok(options) = testing::options::<Options>(options) {
            let context = testing::context(&Arc::default(), Path::new("."));
            assert_eq!(Quality::check(&options, &context), Err(error));
        }
    }
    assert!(Bench::try_open(json!({ "stale_after": "0s", "bands": { "beijing": 0 } })).is_ok());
}

#[test]
fn bands_and_the_age_of_a_quote_are_as_told() {
    let high = SpotRecord { high: 10.51, ..good() };
    assert_eq!(Bench::open(json!({ "bands": { "main": 5 } })).found(&high), ["price_limit"]);
    let wild = SpotRecord { high: 30.0, ..good() };
    assert!(Bench::open(json!({ "bands": { "main": 0 } })).found(&wild).is_empty());
    let old = SpotRecord { recv_time_us: at(10, 0, 31), ..good() };
    assert_eq!(Bench::open(json!({ "stale_after": "30s" })).found(&old), ["stale"]);
    let older = SpotRecord { recv_time_us: at(11, 0, 0), ..good() };
    assert!(Bench::open(json!({ "stale_after": "0s" })).found(&older).is_empty());
}
