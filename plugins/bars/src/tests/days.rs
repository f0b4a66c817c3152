//! Many securities at once.

use super::*;

/// A round of all securities every three seconds for some minutes: every bar once, complete, with
/// what was traded in it.
#[test]
fn five_thousand_securities_have_their_bars_in_order() {
    const SECURITIES: usize = 5_000;
    let codes: Vec<_> = (0..SECURITIES).map(|number| format!("{number:06}")).collect();
    let mut bench = Bench::new(json!({ "periods": ["1m", "day"], "updates": false }));
    for round in 0..60_u64 {
        let (minute, second) = (round * 3 / 60, round * 3 % 60);
        let time = format!("2021-12-01 10:{minute:02}:{second:02}");
        let spots: Vec<_> = codes
            .iter()
            .map(|code| Spot { code, time: &time, price: 10.0, volume: 100 * (round + 1) })
            .collect();
        bench.give(&spots);
    }
    assert_eq!(bench.heard.len(), 2 * SECURITIES, "two full minutes");
    for (key, bar) in &bench.heard {
        assert!(bar.closed, "{key}");
        assert_eq!(bar.volume, 2_000, "{key}");
    }
    let first = &bench.heard[0].0;
    assert_eq!(first, "000000 1m 2021-12-01 10:01:00");
}
