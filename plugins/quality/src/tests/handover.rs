//! An instance that takes over from another one goes on as that would have.

use plugin_api::ErrorKind;

use super::{recorded::DAYS, *};

/// Payloads of what came out.
fn judge(bench: &mut Bench, batches: &[Batch]) -> Vec<Vec<u8>> {
    batches.iter().filter_map(|it| bench.apply(it)).map(|it| it.payload().to_vec()).collect()
}

fn sums(benches: &[&Bench]) -> Vec<u64> {
    let counts: Vec<_> = benches.iter().map(|bench| bench.counts()).collect();
    (0..Rule::ALL.len()).map(|rule| counts.iter().map(|counts| counts[rule]).sum()).collect()
}

#[test]
fn a_real_day_in_two_halves_is_judged_like_the_whole() {
    for day in &DAYS {
        // every seventh round comes again later, older then and with less volume
        let mut batches = day.batches();
        for index in (0..batches.len() - 50).rev().step_by(7) {
            batches.insert(index + 50, batches[index].clone());
        }
        let mut whole = Bench::open(json!({ "time_back": "drop" }));
        let expected = judge(&mut whole, &batches);
        assert!(!whole.findings().is_empty());
        // cut where a repeat follows, which only who remembers can tell
        let time = |batch: &Batch| batch.spots().iter().next().unwrap().time_us();
        let is_repeat = |at: &usize| time(&batches[*at]) < time(&batches[*at - 1]);
        let cuts: Vec<_> = (1..batches.len()).filter(is_repeat).collect();
        for at in [cuts[0], cuts[cuts.len() / 2], cuts[cuts.len() - 1]] {
            let mut first = Bench::open(json!({ "time_back": "drop" }));
            let mut out = judge(&mut first, &batches[..at]);
            let state = first.transform.export_state().unwrap().unwrap();
            let mut second = Bench::open(json!({ "time_back": "drop" }));
            second.transform.import_state(&state).unwrap();
            assert_eq!(second.transform.export_state().unwrap().unwrap(), state);
            out.extend(judge(&mut second, &batches[at..]));
            assert!(out == expected, "{} cut at {at}", day.file);
            assert_eq!(sums(&[&first, &second]), whole.counts());
            let mut forgetful = Bench::open(json!({ "time_back": "drop" }));
            let rest = judge(&mut forgetful, &batches[at..]);
            assert!(!expected.ends_with(&rest), "{} cut at {at} tells nothing", day.file);
        }
    }
}

#[test]
fn a_state_of_no_use_is_refused_with_the_reason() {
    let mut bench = Bench::open(json!({}));
    bench.apply(&batch(&[good()]));
    let state = bench.transform.export_state().unwrap().unwrap();
    let mut other_version = state.clone();
    other_version[3] = 2;
    let mut bad_amount = state.clone();
    let at = state.len() - 9;
    bad_amount[at..at + 8].copy_from_slice(&f64::NAN.to_le_bytes());
    let mut too_many = state[..8].to_vec();
    too_many[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    let cases: [(&[u8], &str); 7] = [
        // bytes, what the error says
        (&[], "0 bytes"),
        (&state[..7], "7 bytes"),
        (b"no state", "another version"),
        (&other_version, "another version"),
        (&state[..state.len() - 1], "for 1 securities"),
        (&too_many, "at most 65536"),
        (&bad_amount, "amount"),
    ];
    for (bytes, text) in cases {
        let error = bench.transform.import_state(bytes).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Config);
        assert!(error.message.contains(text) && error.message.contains("restart"), "{error}");
    }
    // a refused state changes nothing
    assert_eq!(bench.transform.export_state().unwrap().unwrap(), state);
}
