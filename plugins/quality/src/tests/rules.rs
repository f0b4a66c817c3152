//! A table of quotes, each with the rules that it breaks by itself.

use plugin_api::WireSpot;

use super::*;

type Case = (&'static str, fn(&mut SpotRecord<'static>), &'static [&'static str]);

fn check(cases: &[Case]) {
    for (what, change, expected) in cases {
        let mut record = good();
        change(&mut record);
        let mut bench = Bench::open(all("mark"));
        assert_eq!(bench.found(&record), *expected, "{what}");
    }
}

#[test]
fn a_quote_needs_exchange_code_time_and_a_price() {
    check(&[
        // what it is, how it differs from a good quote, broken rules
        ("good", |_| (), &[]),
        ("no exchange", |it| it.market = "", &["fields"]),
        ("exchange in the code", |it| (it.market, it.code) = ("", "SH600000"), &[]),
        ("exchange in lower case", |it| it.market = "sh", &[]),
        ("no code", |it| it.code = "", &["fields"]),
        ("code of 13 characters", |it| it.code = "6000006000001", &["fields"]),
        ("code in Chinese", |it| it.code = "浦发", &["fields"]),
        ("no price at all", |it| *it = SpotRecord { time_us: it.time_us, ..empty() }, &["fields"]),
        (
            "before the auction",
            |it| *it = SpotRecord { time_us: at(9, 0, 0), pre_close: 10.0, ..empty() },
            &[],
        ),
    ]);
}

/// A quote with nothing but its name.
fn empty() -> SpotRecord<'static> {
    SpotRecord { market: "SH", code: "600000", ..SpotRecord::default() }
}

#[test]
fn a_time_that_cannot_be_read_is_a_missing_field() {
    for text in ["", "noon", "+infinity", "2021-13-01 10:00:00"] {
        let original = batch(&[good()]);
        let damaged = original
            .map_spots(|spot| Some(WireSpot { datetime: text.as_bytes(), time_us: 0, ..spot }))
            .unwrap();
        let mut bench = Bench::open(json!({}));
        assert!(bench.apply(&damaged).is_none(), "{text}");
        assert_eq!(bench.dropped(), [("fields".to_owned(), 1)], "{text}");
    }
}

#[test]
fn prices_are_numbers_that_a_price_can_be() {
    check(&[
        ("not a number", |it| it.close = f64::NAN, &["price"]),
        ("infinite", |it| it.high = f64::INFINITY, &["price"]),
        ("negative", |it| it.low = -9.9, &["price"]),
        ("uninitialised memory", |it| it.pre_close = 6.953_302_143_372_96e-310, &["price"]),
        ("11 million", |it| it.open = 1.1e7, &["price"]),
        ("no number in the book", |it| it.bid = &[10.19, f64::NAN], &["price"]),
        ("negative in the book", |it| it.ask = &[-10.2], &["price"]),
        ("binary noise", |it| it.close = 10.200_000_000_000_001, &[]),
    ]);
}

#[test]
fn volumes_and_amounts_are_numbers_that_a_day_can_have() {
    check(&[
        ("amount is not a number", |it| it.amount_cny = f64::NAN, &["volume"]),
        ("amount is negative", |it| it.amount_cny = -1.0, &["volume"]),
        ("amount beyond all", |it| it.amount_cny = 1e17, &["volume"]),
        ("volume beyond all", |it| it.volume_shares = u64::MAX, &["volume"]),
        ("size beyond all", |it| it.bid_volume = &[u64::MAX], &["volume"]),
    ]);
    // what only another publisher's list can say
    let changes: [fn(&mut WireSpot<'_>); 3] = [
        |spot| (spot.volume, spot.volume_shares) = (-1.0, None),
        |spot| (spot.volume, spot.volume_shares) = (f64::NAN, None),
        |spot| (spot.amount, spot.amount_cny) = (f64::NEG_INFINITY, None),
    ];
    for change in changes {
        let damaged = batch(&[good()])
            .map_spots(|mut spot| {
                change(&mut spot);
                Some(spot)
            })
            .unwrap();
        let mut bench = Bench::open(json!({}));
        assert!(bench.apply(&damaged).is_none());
        assert_eq!(bench.dropped(), [("volume".to_owned(), 1)]);
    }
}

#[test]
fn high_and_low_hold_open_and_close() {
    check(&[
        ("high below low", |it| (it.high, it.low) = (9.9, 10.3), &["high_low"]),
        ("close above high", |it| it.close = 10.4, &["range"]),
        ("close below low", |it| it.close = 9.8, &["range"]),
        ("open above high", |it| it.open = 10.4, &["range"]),
        // Shanghai publishes the auction's price a moment before the open
        ("no open yet", |it| it.open = 0.0, &[]),
        ("high without low", |it| it.low = 0.0, &["range"]),
        ("low without high", |it| it.high = 0.0, &["range"]),
        ("noise", |it| (it.close, it.high) = (10.300_000_000_000_002, 10.3), &[]),
        (
            "indicative price of an auction",
            |it| {
                (it.open, it.high, it.low, it.volume_shares) = (0.0, 0.0, 0.0, 0);
                it.amount_cny = 0.0;
            },
            &[],
        ),
    ]);
}

#[test]
fn prices_lie_within_the_limits_of_the_day() {
    check(&[
        ("at the upper limit", |it| (it.high, it.close) = (11.0, 11.0), &[]),
        ("at the lower limit", |it| it.low = 9.0, &[]),
        ("a step above", |it| it.high = 11.01, &["price_limit"]),
        ("a step below", |it| it.low = 8.99, &["price_limit"]),
        ("a spike", |it| it.close = 102.0, &["range", "price_limit"]),
        ("STAR within 20 percent", |it| (it.code, it.high) = ("688001", 12.0), &[]),
        ("STAR beyond", |it| (it.code, it.high) = ("688001", 12.01), &["price_limit"]),
        ("ST beyond 5 percent", |it| (it.name, it.high) = ("*ST浦发", 10.51), &["price_limit"]),
        ("Beijing", |it| (it.market, it.code, it.high) = ("BJ", "920002", 13.0), &[]),
        ("first day", |it| (it.name, it.high) = ("N浦发", 30.0), &[]),
        ("third day", |it| (it.name, it.high) = ("C浦发", 30.0), &[]),
        ("before a delisting", |it| (it.name, it.low) = ("浦发退", 2.0), &[]),
        ("index", |it| (it.code, it.high) = ("000001", 30.0), &[]),
        ("bond", |it| (it.code, it.high) = ("110059", 30.0), &[]),
        ("no previous close", |it| it.pre_close = 0.0, &[]),
        ("all prices agree beyond the limits", |it| it.pre_close = 20.0, &["pre_close"]),
        ("ex-dividend by name", |it| (it.name, it.pre_close) = ("XD浦发银", 20.0), &[]),
        (
            "beyond the limits and wider than they are",
            |it| (it.pre_close, it.low) = (20.0, 5.0),
            &["price_limit"],
        ),
    ]);
}

#[test]
fn the_time_fits_the_receipt() {
    check(&[
        ("a minute ahead", |it| it.recv_time_us = it.time_us - 60 * SECOND_US, &[]),
        ("more than that", |it| it.recv_time_us = it.time_us - 61 * SECOND_US, &["future"]),
        ("5 minutes old", |it| it.recv_time_us = it.time_us + 300 * SECOND_US, &[]),
        ("older", |it| it.recv_time_us = it.time_us + 301 * SECOND_US, &["stale"]),
        ("receipt unknown", |it| it.recv_time_us = 0, &[]),
        ("in the lunch break", |it| it.recv_time_us = at(12, 30, 0), &[]),
        (
            "lunch does not count",
            |it| (it.time_us, it.recv_time_us) = (at(11, 28, 0), at(13, 2, 59)),
            &[],
        ),
        (
            "trading around lunch does",
            |it| (it.time_us, it.recv_time_us) = (at(11, 28, 0), at(13, 3, 1)),
            &["stale"],
        ),
        ("after the close", |it| it.recv_time_us = at(15, 0, 0), &[]),
        ("of the day before, just after the open", |it| it.recv_time_us = at(24 + 9, 34, 0), &[]),
        ("of the day before, later", |it| it.recv_time_us = at(24 + 9, 36, 0), &["stale"]),
    ]);
}

#[test]
fn zeroes_do_not_stand_beside_trades() {
    check(&[
        ("no last price beside a volume", |it| it.close = 0.0, &["zero"]),
        (
            "no price and no book while trading",
            |it| *it = SpotRecord { time_us: it.time_us, pre_close: 10.0, ..empty() },
            &["zero"],
        ),
        (
            "no trade yet, but a book",
            |it| {
                (it.open, it.high, it.low, it.close) = (0.0, 0.0, 0.0, 0.0);
                (it.volume_shares, it.amount_cny) = (0, 0.0);
            },
            &[],
        ),
        (
            "suspended",
            |it| {
                (it.open, it.high, it.low, it.close) = (0.0, 0.0, 0.0, 10.0);
                (it.volume_shares, it.amount_cny, it.bid, it.ask) = (0, 0.0, &[], &[]);
            },
            &[],
        ),
        (
            "a price that moved without a volume",
            |it| (it.volume_shares, it.amount_cny) = (0, 0.0),
            &["zero"],
        ),
    ]);
}

#[test]
fn the_amount_is_that_of_the_volume() {
    check(&[
        ("a hundred times too much", |it| it.amount_cny *= 100.0, &["amount"]),
        ("a hundred times too little", |it| it.amount_cny /= 100.0, &["amount"]),
        ("volume in lots", |it| it.volume_shares /= 100, &["amount"]),
        ("volume a hundred times too much", |it| it.volume_shares *= 100, &["amount"]),
        ("no amount given", |it| it.amount_cny = 0.0, &[]),
        (
            "a few shares, cut off to no lot",
            |it| (it.volume_shares, it.amount_cny) = (0, 990.0),
            &[],
        ),
        ("an index", |it| (it.code, it.amount_cny) = ("000001", 4e11), &[]),
    ]);
}

#[test]
fn the_book_is_in_order_while_orders_match_as_they_come() {
    const VIRTUAL: &[f64] = &[10.19, 0.0, 10.0];
    check(&[
        ("bid above ask", |it| it.bid = &[10.21, 10.18], &["crossed"]),
        ("bid at ask", |it| it.bid = &[10.2, 10.18], &[]),
        ("bids that rise", |it| it.bid = &[10.17, 10.18], &["levels"]),
        ("asks that fall", |it| it.ask = &[10.2, 10.19], &["levels"]),
        ("one price twice", |it| it.ask = &[10.2, 10.2], &["levels"]),
        ("a level behind none", |it| it.bid = VIRTUAL, &["levels"]),
        ("a level behind none at the top", |it| it.bid = &[0.0, 10.0], &["levels"]),
        ("no asks at the limit", |it| it.ask = &[0.0, 0.0], &[]),
        ("no book after trades", |it| (it.bid, it.ask) = (&[0.0; 5], &[]), &["empty_book"]),
        ("an index has none", |it| (it.code, it.bid, it.ask) = ("000001", &[], &[]), &[]),
        ("opening auction", auction, &[]),
        (
            "closing auction",
            |it| (it.bid, it.time_us, it.recv_time_us) = (VIRTUAL, at(14, 57, 0), 0),
            &[],
        ),
        (
            "just before it",
            |it| (it.bid, it.time_us, it.recv_time_us) = (VIRTUAL, at(14, 56, 59), 0),
            &["levels"],
        ),
    ]);

    fn auction(it: &mut SpotRecord<'static>) {
        (it.bid, it.ask) = (VIRTUAL, VIRTUAL);
        (it.time_us, it.recv_time_us) = (at(9, 20, 0), at(9, 20, 0));
    }
}
