//! Bars as terminals draw them: names, auction, empty minutes, trades after the close.

use super::{
    recorded::{FOUR, MANY, ONE, Row, feed, list_of, recorded, thinned},
    *,
};

const DAY: &str = "2021-12-01"; // a Wednesday

fn drawn(more: Value) -> Bench {
    let mut options = json!({ "periods": ["1m", "5m", "60m", "day"] });
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Bench::new(options)
}

/// The bars of a recorded day.
fn of_day(rows: &[Row], more: Value) -> BTreeMap<Key, Kept> {
    let mut bench = drawn(more);
    bench.host.set_now_us(us("2026-12-20 00:00:00"));
    for rows in rows.chunks(50) {
        bench.apply(&list_of(rows));
    }
    bench.end();
    bench.kept
}

/// Volume of the bars of a security and period.
fn volume(kept: &BTreeMap<Key, Kept>, prefix: &str) -> u64 {
    kept.iter().filter(|(key, _)| key.starts_with(prefix)).map(|(_, bar)| bar.volume).sum()
}

fn count(kept: &BTreeMap<Key, Kept>, prefix: &str) -> usize {
    kept.keys().filter(|key| key.starts_with(prefix)).count()
}

#[test]
fn every_label_is_that_of_the_start_and_the_numbers_stay() {
    for day in [MANY, ONE, FOUR] {
        let rows = recorded(day);
        let (end, start) = (of_day(&rows, json!({})), of_day(&rows, json!({ "label": "start" })));
        for period in ["1m", "5m", "60m", "day"] {
            let of = |kept: &BTreeMap<Key, Kept>| -> Vec<_> {
                let of_period = kept.iter().filter(|(key, _)| key.contains(&format!(" {period} ")));
                of_period.map(|(_, bar)| bar.clone()).collect()
            };
            assert_eq!(of(&end), of(&start), "{period}");
        }
    }
    let start = of_day(&recorded(ONE), json!({ "label": "start" }));
    let of = |period: &str| -> Vec<_> {
        let times = start.keys().filter_map(|key| key.strip_prefix(&format!("600519 {period} ")));
        times.map(|time| time["2023-02-01 ".len()..].to_owned()).collect()
    };
    let minutes = of("1m");
    assert_eq!((&*minutes[0], &*minutes[239], minutes.len()), ("09:30:00", "14:59:00", 240));
    assert!(minutes.contains(&"11:29:00".to_owned()) && minutes.contains(&"13:00:00".to_owned()));
    assert!(!minutes.contains(&"11:30:00".to_owned()));
    assert_eq!(of("60m"), ["09:30:00", "10:00:00", "11:00:00", "13:00:00", "14:00:00"]);
    assert_eq!(of("day"), ["00:00:00"]);
}

#[test]
fn the_auction_has_a_bar_of_its_own_or_none() {
    let rows = recorded(ONE);
    let first = of_day(&rows, json!({}));
    let own = of_day(&rows, json!({ "auction": "own_bar" }));
    let none = of_day(&rows, json!({ "auction": "drop" }));
    let auction = &own["600519 1m 2023-02-01 09:30:00"];
    // as the exchange published it at 09:25
    assert_eq!(
        (auction.open, auction.high, auction.low, auction.close),
        (1854.98, 1854.98, 1854.98, 1854.98)
    );
    assert_eq!((auction.volume, auction.amount, auction.closed), (32_800, 60_843_344.0, true));
    assert_eq!([&first, &own, &none].map(|kept| count(kept, "600519 1m ")), [240, 241, 240]);
    let [first_volume, own_volume, none_volume] =
        [&first, &own, &none].map(|kept| volume(kept, "600519 1m "));
    assert_eq!((first_volume, own_volume, none_volume), (3_397_389, 3_397_389, 3_364_589));
    let minute = "600519 1m 2023-02-01 09:31:00";
    assert_eq!(own[minute], none[minute]);
    assert_eq!(own[minute].volume, first[minute].volume - 32_800);
    let five = "600519 5m 2023-02-01 09:35:00";
    assert_eq!((own[five].open, first[five].open), (1854.98, 1855.0), "the auction was traded");
    assert_eq!(own[five].volume, none[five].volume + 32_800);
    for (key, bar) in &first {
        let is_first = [minute, five, "600519 60m 2023-02-01 10:00:00"].contains(&&**key);
        assert!(is_first || (own[key] == *bar && none[key] == *bar), "{key}");
    }
}

/// The day as a terminal tells it that shows the virtual match as the last price.
fn with_virtual_prices(rows: &[Row]) -> Vec<Row> {
    let (mut shown, mut changed) = (rows.to_vec(), 0);
    for row in &mut shown {
        let best = [row.bid[0], row.ask[0]].map(f64::to_bits);
        if row.bid[0] > 0.0 && best[0] == best[1] && row.bid[1] + row.ask[1] <= 0.0 {
            changed += usize::from(row.numbers[3].to_bits() != best[0]);
            row.numbers[3] = row.bid[0];
        }
    }
    assert!(changed > 100, "{changed}");
    shown
}

#[test]
fn a_virtual_price_is_no_trade() {
    for day in [MANY, ONE, FOUR] {
        let rows = recorded(day);
        for auction in ["first_bar", "own_bar", "drop"] {
            let options = json!({ "auction": auction });
            let expected = of_day(&rows, options.clone());
            let found = of_day(&with_virtual_prices(&rows), options);
            assert!(found.keys().eq(expected.keys()));
            for (key, bar) in &expected {
                let it = &found[key];
                // with the last trades before the closing auction its first price may come
                let is_closing = &key[key.len() - 8..] > "14:57:00" && !key.contains(" day ");
                assert!(is_closing || it == bar, "{key} {it:?} {bar:?}");
                assert!(it.high <= bar.high * 1.001 && it.low >= bar.low * 0.999, "{key} {it:?}");
                assert_eq!((it.volume, it.amount.to_bits()), (bar.volume, bar.amount.to_bits()));
            }
        }
    }
}

#[test]
fn in_the_closing_auction_nothing_is_traded_until_its_result() {
    for (day, codes) in [(ONE, &["600519"][..]), (FOUR, &["000400", "300122", "300274", "300918"])]
    {
        let kept = of_day(&recorded(day), json!({}));
        for code in codes {
            let of = |time: &str| {
                let minutes = kept.iter().find(|(key, _)| {
                    key.starts_with(&format!("{code} 1m ")) && key.ends_with(time)
                });
                minutes.map(|(_, bar)| bar).unwrap()
            };
            let (quiet, last) = (of("14:59:00"), of("15:00:00"));
            let prices = (quiet.open, quiet.high, quiet.low);
            assert_eq!((quiet.volume, prices), (0, (quiet.close, quiet.close, quiet.close)));
            assert!(last.volume > 0);
            assert!(last.high <= quiet.close.max(last.close));
            assert!(last.low >= quiet.close.min(last.close));
        }
    }
}

#[test]
fn minutes_without_a_quote_are_flat_at_the_price_before() {
    let mut bench = drawn(json!({ "empty_minutes": "previous", "updates": false }));
    let quote = |time: &str, close: f64, volume: u64| Row {
        code: "600000".to_owned(),
        time_us: us(&format!("{DAY} {time}")),
        pre_close: 9.5,
        numbers: [close, close, close, close, 0.0],
        volume,
        bid: Vec::new(),
        ask: Vec::new(),
    };
    let (early, late) = ([quote("09:20:00", 0.0, 0)], [quote("11:28:40", 10.0, 500)]);
    feed(&mut bench, &early);
    feed(&mut bench, &[quote("09:33:10", 0.0, 0)]);
    assert_eq!(
        bench.volumes("1m").iter().map(|(time, ..)| &time[11..16]).collect::<Vec<_>>(),
        ["09:31", "09:32"],
        "what is over by 30 seconds"
    );
    feed(&mut bench, &late);
    assert_eq!(bench.volumes("1m").len(), 118, "the gap is filled up to 11:28");
    feed(&mut bench, &[quote("13:02:00", 10.2, 700)]);
    for (time, price, volume) in [
        ("09:31", 9.5, 0),
        ("11:28", 9.5, 0),
        ("11:29", 10.0, 500),
        ("11:30", 10.0, 0),
        ("13:01", 10.0, 0),
        ("13:02", 10.0, 0),
    ] {
        let bar = bench.bar(&format!("600000 1m {DAY} {time}:00"));
        assert_eq!(
            (bar.open, bar.low, bar.high, bar.close),
            (price, price, price, price),
            "{time}"
        );
        assert_eq!((bar.volume, bar.closed), (volume, true), "{time}");
    }
    // a quote that comes late takes the flat bar's place
    feed(&mut bench, &[quote("13:03:50", 10.3, 750), quote("13:06:00", 10.4, 900)]);
    bench.give(&[Spot { code: "600000", time: "2021-12-01 13:05:58", price: 10.5, volume: 800 }]);
    assert_eq!(bench.bar("600000 1m 2021-12-01 13:05:00").volume, 0);
    bench.end();
    let heard = bench.heard.iter().filter(|(key, _)| key.contains(" 1m ")).map(|(key, _)| key);
    let mut times: Vec<_> = heard.collect();
    let all = times.len();
    times.sort();
    times.dedup();
    assert_eq!(times.len(), all, "each once");
    assert_eq!(bench.volumes("60m").len(), 3, "the one that goes on is not over");
}

#[test]
fn a_late_start_invents_no_flat_minutes() {
    let options = json!({ "periods": ["1m"], "empty_minutes": "previous" });
    let mut bench = Bench::new(options);
    bench.play(DAY, &[("10:30:10", 10.0, 5_000), ("10:33:10", 10.0, 5_100)]);
    let times: Vec<_> =
        bench.volumes("1m").iter().map(|(time, ..)| time[11..16].to_owned()).collect();
    assert_eq!(times, ["10:31", "10:32", "10:33", "10:34"]);
    // away from 10:34 on, with trades: nobody knows of which minute
    bench.restart();
    bench.play(DAY, &[("10:40:00", 10.0, 6_000)]);
    let last: Vec<_> =
        bench.volumes("1m").iter().map(|(time, ..)| time[11..16].to_owned()).collect();
    assert_eq!(last[4..], ["10:41"]);
    // and again, without
    bench.restart();
    bench.play(DAY, &[("10:44:00", 10.0, 6_000)]);
    assert_eq!(bench.volumes("1m").len(), 9);
}

#[test]
fn silent_minutes_of_a_recorded_day_are_filled_and_the_others_stay() {
    for day in [MANY, FOUR] {
        let rows = thinned(&recorded(day));
        let (plain, filled) =
            (of_day(&rows, json!({})), of_day(&rows, json!({ "empty_minutes": "previous" })));
        for (key, bar) in &plain {
            assert_eq!(filled[key], *bar, "{key}");
        }
        let added: Vec<_> = filled.iter().filter(|(key, _)| !plain.contains_key(*key)).collect();
        assert!(added.iter().all(|(_, bar)| bar.volume == 0 && bar.closed));
        assert!(added.len() > 200, "{} {}", day.file, added.len());
    }
    let whole = of_day(&recorded(ONE), json!({ "empty_minutes": "previous" }));
    assert_eq!(whole, of_day(&recorded(ONE), json!({})), "a liquid day has none");
}

/// A day of a STAR stock, a ChiNext stock and one of the main board that trade on after the close.
fn after_hours(more: Value) -> Bench {
    let mut bench = drawn(more);
    let quotes = [
        ("14:59:30", 10.0, 900),
        ("15:00:02", 10.0, 1_000),
        ("15:01:00", 10.0, 1_000),
        ("15:05:03", 10.0, 0),     // a terminal begins anew
        ("15:05:10", 10.0, 1_000), // nothing traded
        ("15:05:40", 10.0, 1_100),
        ("15:17:00", 10.0, 1_300),
        ("15:30:00", 10.0, 1_400),
    ];
    for (time, price, volume) in quotes {
        for (market, code) in [("SH", "688001"), ("SZ", "300750"), ("SH", "600519")] {
            let time_us = us(&format!("{DAY} {time}"));
            let mut encoder = SpotListEncoder::new(1);
            #[allow(clippy::cast_precision_loss)]
            let amount_cny = volume as f64 * price;
            let record = SpotRecord {
                market,
                code,
                time_us,
                open: price,
                high: price,
                low: price,
                close: price,
                amount_cny,
                volume_shares: volume,
                ..SpotRecord::default()
            };
            encoder.push(&record).unwrap();
            bench.apply(&received(Batch::from_spots(&mut encoder, Round::MIDDLE)));
        }
    }
    bench.host.set_now_us(us(&format!("{DAY} 15:31:31")));
    bench.end();
    bench
}

#[test]
fn trades_after_the_close_are_left_out_or_in_the_last_bar_or_in_their_own() {
    let cases = [
        // after_hours, minutes from 15:00 on, 60m bars, volume of the day
        ("drop", &[("15:00", 1_000)][..], 1_000, 1_000),
        ("last_bar", &[("15:00", 1_400)], 1_400, 1_400),
        ("own", &[("15:00", 1_000), ("15:06", 100), ("15:18", 200), ("15:30", 100)], 1_000, 1_400),
    ];
    for (after_hours_option, minutes, hour, of_day) in cases {
        let bench =
            after_hours(json!({ "after_hours": after_hours_option, "empty_minutes": "previous" }));
        for code in ["688001", "300750"] {
            let prefix = format!("{code} 1m {DAY} ");
            let found: Vec<_> = bench
                .kept
                .iter()
                .filter_map(|(key, bar)| Some((&key.strip_prefix(&prefix)?[..5], bar.volume)))
                .filter(|(time, _)| *time >= "15:00")
                .collect();
            assert_eq!(found, minutes, "{after_hours_option} {code}");
            let of = |rest: &str| bench.bar(&format!("{code} {rest}")).volume;
            assert_eq!(of("60m 2021-12-01 15:00:00"), hour, "{after_hours_option}");
            assert_eq!(of("day 2021-12-01 00:00:00"), of_day, "{after_hours_option}");
            if after_hours_option == "own" {
                assert_eq!(of("60m 2021-12-01 15:30:00"), 400);
                assert_eq!(of("5m 2021-12-01 15:10:00"), 100);
            }
        }
        let main_board = &bench.kept["600519 day 2021-12-01 00:00:00"];
        assert_eq!((main_board.volume, main_board.closed), (1_000, true), "{after_hours_option}");
        assert!(bench.kept.values().all(|bar| bar.closed), "{after_hours_option}");
        // each is complete once
        let closed = bench.heard.iter().filter(|(_, bar)| bar.closed).count();
        assert_eq!(closed, bench.kept.len(), "{after_hours_option}");
    }
}

#[test]
fn the_break_is_where_the_exchange_has_it_however_bars_are_drawn() {
    for more in [
        json!({}),
        json!({ "auction": "own_bar", "after_hours": "own" }),
        json!({ "auction": "drop", "empty_minutes": "previous", "after_hours": "last_bar" }),
    ] {
        let mut bench = drawn(more);
        bench.play(
            DAY,
            &[
                ("11:29:59", 10.0, 100),
                ("11:30:00", 10.0, 150),
                ("11:30:30", 10.0, 160),
                ("12:59:59", 10.0, 165),
                ("13:00:00", 10.0, 170),
            ],
        );
        for (bar, volume) in [
            ("1m 2021-12-01 11:30:00", 160),
            ("5m 2021-12-01 11:30:00", 160),
            ("60m 2021-12-01 11:30:00", 160),
            ("1m 2021-12-01 13:01:00", 10),
            ("60m 2021-12-01 14:00:00", 10),
        ] {
            assert_eq!(bench.bar(&format!("600000 {bar}")).volume, volume, "{bar}");
        }
        assert!(!bench.kept.contains_key("600000 1m 2021-12-01 13:00:00"));
    }
}

#[test]
fn a_state_of_before_is_read_by_every_option_and_an_instance_that_is_swapped_tells_the_same() {
    let rows = recorded(FOUR);
    let more = json!({ "auction": "own_bar", "empty_minutes": "previous", "after_hours": "own" });
    let mut options = json!({ "periods": ["1m", "5m", "60m", "day"] });
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let (mut whole, mut broken) = (Bench::new(options.clone()), Bench::new(options.clone()));
    for (at, rows) in rows.chunks(500).enumerate() {
        feed(&mut whole, rows);
        feed(&mut broken, rows);
        if at % 3 == 0 {
            broken.swap(options.clone());
        }
    }
    assert_eq!(whole.heard, broken.heard);
    // one that draws nothing besides writes the form of before, which the others read
    let mut plain = Bench::of(&["1m", "5m"]);
    plain.play(DAY, &[("09:30:00", 10.0, 1_000), ("10:00:10", 10.0, 5_000)]);
    assert!(plain.bars.export_state().unwrap().unwrap().starts_with(b"DSBARS3\n"));
    plain.swap(json!({ "periods": ["1m"], "empty_minutes": "previous", "history": "past" }));
    assert!(plain.bars.export_state().unwrap().unwrap().starts_with(b"DSBARS4\n"));
    plain.play(DAY, &[("10:00:40", 11.0, 5_200), ("10:02:00", 11.0, 5_500)]);
    let last: Vec<_> =
        plain.volumes("1m").into_iter().skip(1).map(|(_, volume, _)| volume).collect();
    assert_eq!(last, [4_200, 0, 300]);
}
