//! An instance that takes over from another one goes on as that would have.

use plugin_api::ErrorKind;

use super::*;

const TEN: i64 = MIDNIGHT_US + 36_000 * SECOND_US;

/// What comes in at each moment: `a` is away for a while, `b` repeats itself, one quote is a stray.
fn moments() -> Vec<(i64, Quote)> {
    let mut all = Vec::new();
    for second in (0..240).step_by(3) {
        let (time_us, volume) = (TEN + second * SECOND_US, 1_000 * (second as u64 + 1));
        for code in ["600000", "600001"] {
            if !(60..120).contains(&second) {
                all.push((time_us + 200_000, quote("a", time_us, volume).code(code)));
            }
            all.push((time_us + 500_000, quote("b", time_us, volume).code(code)));
            all.push((time_us + 900_000, quote("b", time_us, volume).code(code)));
        }
        if second == 30 {
            all.push((time_us + 950_000, quote("a", at(14, 0, 0), volume)));
        }
    }
    all.sort_by_key(|(now_us, _)| *now_us);
    all
}

fn run(bench: &mut Bench, moments: &[(i64, Quote)]) -> Vec<Out> {
    moments.iter().flat_map(|(now_us, quote)| bench.give(*now_us, &[*quote])).collect()
}

fn successor(bench: &mut Bench, options: Value) -> Bench {
    let state = bench.transform.export_state().unwrap().unwrap();
    let mut next = Bench::open(options);
    next.transform.import_state(&state).unwrap();
    next
}

#[test]
fn a_day_in_two_halves_is_merged_like_the_whole() {
    let moments = moments();
    let mut whole = Bench::open(json!({}));
    let expected = run(&mut whole, &moments);
    // with what stands by, with a stray that waits, and while `a` is on hold
    for cut in (0..moments.len()).step_by(7) {
        let mut first = Bench::open(json!({}));
        let mut passed = run(&mut first, &moments[..cut]);
        let mut second = successor(&mut first, json!({}));
        let again = second.transform.export_state().unwrap().unwrap();
        assert!(again == first.transform.export_state().unwrap().unwrap(), "cut at {cut}");
        passed.extend(run(&mut second, &moments[cut..]));
        assert_eq!(passed, expected, "cut at {cut}");
        for name in ["switched", "stale", "repeated", "older", "standby"] {
            let counted = first.counted(name) + second.counted(name);
            assert_eq!(counted, whole.counted(name), "{name} with a cut at {cut}");
        }
    }
}

#[test]
fn an_instance_that_remembers_nothing_would_pass_quotes_again() {
    let moments = moments();
    let cut = moments.iter().position(|(now_us, _)| *now_us > TEN + 30_400_000).unwrap();
    let mut first = Bench::open(json!({}));
    run(&mut first, &moments[..cut]);
    let next = &moments[cut..=cut];
    assert_eq!(run(&mut successor(&mut first, json!({})), next), []);
    assert_eq!(run(&mut Bench::open(json!({})), next).len(), 1);
}

#[test]
fn sources_go_by_their_names_when_the_order_changes() {
    let mut first = Bench::open(json!({}));
    let both = |bench: &mut Bench, second: i64| {
        let time_us = TEN + second * SECOND_US;
        let volume = 1_000 * (second as u64 + 1);
        bench.give(time_us, &[quote("a", time_us, volume), quote("b", time_us, volume)])
    };
    assert_eq!(both(&mut first, 0)[0].0, "a");
    let mut second = successor(&mut first, json!({ "prefer": ["b", "a"] }));
    assert_eq!(both(&mut second, 0), [], "it has gone out already");
    assert_eq!(both(&mut second, 3)[0].0, "b", "it was never away");
    // one that is named no longer
    let mut third = successor(&mut second, json!({ "prefer": ["x"] }));
    assert_eq!(both(&mut third, 3), []);
    assert_eq!(both(&mut third, 6).len(), 1);
}

#[test]
fn a_state_of_no_use_is_refused_with_the_reason() {
    let mut bench = Bench::open(json!({}));
    bench.give(TEN, &[quote("a", TEN, 1_000)]);
    let state = String::from_utf8(bench.transform.export_state().unwrap().unwrap()).unwrap();
    let other = |from: &str, to: &str| {
        assert!(state.contains(from), "{from} is not in {state}");
        state.replace(from, to).into_bytes()
    };
    let cases = [
        (Vec::new(), "cannot be read"),
        (b"no state".to_vec(), "cannot be read"),
        (other("\"version\":1", "\"version\":2"), "version 2"),
        (other("\"server\":0", "\"server\":4"), "does not have"),
        (other("[\"a\",\"b\",\"c\"]", "[\"a\"]"), "does not have"),
        (
            other(
                "\"standby\":null",
                "\"standby\":[{\"facts\":{\"time_us\":1,\"volume\":1,\"price\":1.0},\"list\":[1]},1]",
            ),
            "a quote that is none",
        ),
    ];
    for (bytes, text) in cases {
        let error = bench.transform.import_state(&bytes).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Config);
        assert!(error.message.contains(text) && error.message.contains("restart"), "{error}");
    }
    // a refused state changes nothing
    assert_eq!(bench.transform.export_state().unwrap().unwrap(), state.into_bytes());
}
