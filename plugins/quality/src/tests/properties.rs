//! What holds for every record there can be.

use plugin_api::{Levels, WireSpot};
use proptest::prelude::*;

use super::*;

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        3 => 0.0..100.0,
        1 => any::<f64>(),
        1 => prop::sample::select(vec![0.0, -0.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE, 1e300, -1.0]),
    ]
}

fn text() -> impl Strategy<Value = String> {
    let known =
        ["SH", "SZ", "bj", "600000", "688001", "000001", "SH600000", "", "2021-12-01 10:00:00"];
    prop_oneof![
        4 => prop::sample::select(known.map(str::to_owned).to_vec()),
        1 => any::<String>(),
    ]
}

/// Whatever a list can hold.
#[derive(Debug, Clone)]
struct Anything {
    texts: [String; 4],
    prices: [f64; 5],
    turnover: [f64; 2],
    exact: (Option<f64>, Option<u64>),
    levels: [Vec<f64>; 4],
    times: [i64; 2],
    score: Option<f32>,
}

fn anything() -> impl Strategy<Value = Anything> {
    let time = prop_oneof![3 => at(9, 0, 0)..at(15, 30, 0), 1 => any::<i64>(), 1 => Just(0)];
    let levels = || prop::collection::vec(number(), 0..12);
    (
        (text(), text(), any::<String>(), text()),
        prop::array::uniform5(number()),
        prop::array::uniform2(number()),
        (prop::option::of(number()), prop::option::of(any::<u64>())),
        (levels(), levels(), levels(), levels()),
        (time.clone(), time),
        prop::option::of(any::<f32>()),
    )
        .prop_map(|(texts, prices, turnover, exact, levels, times, score)| Anything {
            texts: [texts.0, texts.1, texts.2, texts.3],
            prices,
            turnover,
            exact,
            levels: [levels.0, levels.1, levels.2, levels.3],
            times: [times.0, times.1],
            score,
        })
}

impl Anything {
    fn wire(&self) -> WireSpot<'_> {
        let [market, code, name, datetime] = &self.texts;
        let [yesterday_close, open, high, low, close] = self.prices;
        let [bid, bid_amount, ask, ask_amount] =
            [0, 1, 2, 3].map(|side| Levels::from(&self.levels[side][..]));
        WireSpot {
            market,
            code,
            name,
            datetime: datetime.as_bytes(),
            yesterday_close,
            open,
            high,
            low,
            close,
            amount: self.turnover[0],
            volume: self.turnover[1],
            bid,
            bid_amount,
            ask,
            ask_amount,
            time_us: self.times[0],
            recv_time_us: self.times[1],
            amount_cny: self.exact.0,
            volume_shares: self.exact.1,
            source: "any",
            sequence: 1,
            quality_score: self.score,
        }
    }
}

fn actions() -> impl Strategy<Value = Value> {
    let action = prop::sample::select(vec!["drop", "mark", "pass"]);
    prop::collection::vec(action, Rule::ALL.len()).prop_map(|actions| {
        let names = Rule::ALL.iter().map(|rule| rule.about().name.to_owned());
        names.zip(actions.into_iter().map(|action| json!(action))).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn every_record_goes_on_or_is_counted_with_its_reason(
        records in prop::collection::vec(anything(), 1..6),
        options in actions(),
        score_clean: bool,
    ) {
        let mut encoder = SpotListEncoder::new(records.len());
        for record in &records {
            encoder.push_wire(&record.wire()).unwrap();
        }
        let input = Batch::from_spots(&mut encoder, Round::WHOLE);
        let mut options = options;
        options["score_clean"] = json!(score_clean);
        let mut bench = Bench::open(options.clone());
        let output = bench.apply(&input).unwrap();
        prop_assert_eq!(u64::from(output.records()) + bench.dropped_records(), records.len() as u64);
        for (reason, _) in bench.dropped() {
            prop_assert_eq!(&options[&reason], "drop");
            let counter = format!("quality_{reason}_total");
            prop_assert!(bench.host.counted(&counter) > 0, "{}", counter);
        }
        for (rule, _) in bench.findings() {
            prop_assert_ne!(&options[rule], "pass");
        }
        let mut untouched = 0;
        for spot in output.spots().iter() {
            match spot.quality_score() {
                Some(score) if records.iter().all(|it| it.score.is_none()) => {
                    prop_assert!((0.0..=1.0).contains(&score), "{}", score);
                }
                Some(_) => {}
                None => untouched += 1,
            }
        }
        prop_assert!(!score_clean || untouched == 0);
        // all that came out is a list that every reader takes
        prop_assert!(Batch::from_untrusted_spots(output.payload().to_vec(), Round::WHOLE).is_ok());
        if bench.findings().is_empty() && !score_clean {
            prop_assert_eq!(output.payload().as_ptr(), input.payload().as_ptr());
        }
    }

    #[test]
    fn a_score_that_is_given_lies_within_zero_and_one(record in anything(), options in actions()) {
        let mut encoder = SpotListEncoder::new(1);
        encoder.push_wire(&record.wire()).unwrap();
        let mut bench = Bench::open(options);
        let output = bench.apply(&Batch::from_spots(&mut encoder, Round::WHOLE)).unwrap();
        if bench.host.counted("quality_marked_total") == 1 {
            let score = output.spots().iter().next().unwrap().quality_score().unwrap();
            prop_assert!((0.0..=1.0).contains(&score), "{}", score);
        }
    }

    #[test]
    fn any_bytes_for_a_state_are_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut bench = Bench::open(json!({}));
        let mut with_head = b"DSQ\x01".to_vec();
        with_head.extend(u32::try_from(bytes.len() / 41).unwrap().to_le_bytes());
        with_head.extend(&bytes[..bytes.len() / 41 * 41]);
        for state in [bytes, with_head] {
            if bench.transform.import_state(&state).is_ok() {
                let again = bench.transform.export_state().unwrap().unwrap();
                bench.transform.import_state(&again).unwrap();
                prop_assert_eq!(bench.transform.export_state().unwrap().unwrap(), again);
                for second in 0..20 {
                    let time_us = at(10, 0, 0) - second * SECOND_US;
                    bench.apply(&batch(&[SpotRecord { time_us, ..good() }]));
                }
            }
        }
    }
}
