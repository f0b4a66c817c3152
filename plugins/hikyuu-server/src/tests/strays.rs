//! Quotes with a wrong time.

use super::*;

/// Minute quotes of two securities from 14:00:10 on, with a stray one before the third minute.
fn bench_with(stray: Option<&str>, place: usize) -> Bench {
    let mut bench = Bench::new(json!({}));
    // the day is over, so nothing here is live
    bench.host.set_now_us(us("2027-11-20 20:00:00"));
    for minute in 0..8 {
        if let Some(stray) = stray.filter(|_| minute == place) {
            bench.spots(&[SpotRecord { time_us: us(stray), ..spot("600000", "14:00:10", 9.0) }]);
        }
        let time = format!("14:{minute:02}:10");
        bench.spots(&[spot("600000", &time, 8.5), spot("600001", &time, 8.5)]);
    }
    bench
}

fn newest(bench: &Bench) -> String {
    let stats = bench.client().ask(&map(&[("cmd", "stats".into())]));
    stats["data"]["newest"].as_str().unwrap().to_owned()
}

#[test]
fn a_stray_time_neither_ends_the_day_nor_is_the_newest() {
    for stray in [
        "2026-11-20 19:00:00",
        "2026-11-20 14:59:00",
        "2026-11-20 10:00:00",
        "2026-11-21 10:00:00",
        "2026-11-23 14:00:10",
        "2026-11-19 14:00:10",
        "2027-01-04 09:30:00",
    ] {
        for place in [0, 1, 2, 5] {
            let bench = bench_with(Some(stray), place);
            assert_eq!(newest(&bench), "2026-11-20 14:07:10", "{stray} before {place}");
            let client = bench.client();
            let since = "2026-11-20 14:00:00";
            let of = |code: &str| {
                let rows = client.data(&tick("SH", code, since));
                let is_real = |row: &&Value| row[5].as_f64() != Some(9.0);
                rows.iter().filter(is_real).count()
            };
            assert_eq!([of("600000"), of("600001")], [8, 8], "{stray} before {place}");
            assert_eq!(bench.host.counted("records_outdated_total"), 0, "{stray} before {place}");
        }
    }
}

#[test]
fn a_live_feed_keeps_no_quote_from_ahead_of_its_receipt() {
    let mut bench = Bench::new(json!({}));
    for second in 0..20 {
        let now = format!("2026-11-20 14:00:{second:02}");
        bench.host.set_now_us(us(&now) + 500_000);
        let real = SpotRecord { time_us: us(&now), ..spot("600000", "14:00:00", 8.5) };
        let stray = spot("600000", "14:58:00", 9.0);
        bench.spots(&[real, stray]);
    }
    assert_eq!(newest(&bench), "2026-11-20 14:00:19");
    assert_eq!(bench.client().data(&tick("SH", "600000", "2026-11-20")).len(), 20);
    assert!(bench.host.counted("stray_times_total") >= 19);
}

#[test]
fn a_new_day_begins_with_a_few_quotes_in_a_recorded_feed() {
    let mut bench = bench_with(None, 0);
    for second in 0..5 {
        let time_us = us(&format!("2026-11-23 09:30:0{second}"));
        bench.spots(&[SpotRecord { time_us, ..spot("600000", "14:00:10", 8.6) }]);
    }
    assert_eq!(newest(&bench), "2026-11-23 09:30:04");
    let client = bench.client();
    assert_eq!(client.data(&tick("SH", "600000", "1400-01-01 00:00:00")).len(), 5);
    assert_eq!(
        client.data(&tick("SH", "600001", "1400-01-01 00:00:00")).len(),
        0,
        "of the day before"
    );
}
