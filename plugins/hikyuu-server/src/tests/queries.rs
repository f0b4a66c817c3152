//! What is answered when all is well.

use super::*;

fn floats(row: &Value, from: usize, to: usize) -> Vec<f64> {
    (from..to).map(|at| row[at].as_f64().unwrap()).collect()
}

#[test]
fn ticks_are_those_at_or_after_the_moment_in_the_order_of_time() {
    let mut bench = Bench::new(json!({}));
    let times = ["09:31:02", "09:30:00", "09:31:02", "10:00:00"];
    for (time, price) in times.iter().zip([8.6, 8.5, 8.6, 8.7]) {
        bench.spots(&[spot("600000", time, price), spot("600001", time, price)]);
    }
    let client = bench.client();
    let rows = client.data(&tick("sh", "600000", "1400-01-01 00:00:00"));
    let expected = ["2026-11-20 09:30:00", "2026-11-20 09:31:02", "2026-11-20 10:00:00"];
    assert_eq!(texts(&rows), expected, "the very same quote is kept once");
    let row = &rows[1];
    assert_eq!(row.as_array().unwrap().len(), 12);
    assert_eq!(floats(row, 1, 8), [8.5, 8.5, 8.6, 8.4, 8.6, 123.45, 1_452.0]);
    let side = |at: usize| floats(&row[at], 0, row[at].as_array().unwrap().len());
    assert_eq!([side(8), side(9)], [vec![8.49, 8.48], vec![10.0, 20.0]]);
    assert_eq!([side(10), side(11)], [vec![8.51], vec![5.0]]);
    assert!(matches!(row[1], Value::F64(_)), "32 bits would lose digits");

    let since = |datetime| texts(&client.data(&tick("SH", "600000", datetime)));
    assert_eq!(since("2026-11-20 09:31:02"), expected[1..], "the moment itself is there");
    assert_eq!(since("2026-11-20 09:31:2.0000010"), expected[2..]);
    assert_eq!(since("+infinity"), [""; 0]);
    assert_eq!(client.data(&tick("SH", "999999", "2026-11-20")).len(), 0, "an unknown code");
    assert_eq!(client.data(&tick("", "600000.SH", "2026-11-20")).len(), 3);
}

#[test]
fn a_fraction_of_a_second_is_written_as_hikyuu_reads_it() {
    let mut bench = Bench::new(json!({}));
    let mut late = spot("600000", "09:31:02", 8.5);
    late.time_us += 123_456;
    bench.spots(&[late]);
    let rows = bench.client().data(&tick("SH", "600000", "2026-11-20"));
    assert_eq!(texts(&rows), ["2026-11-20 09:31:02.123456"]);
}

#[test]
fn bars_are_those_at_or_after_the_date_with_the_current_one() {
    let mut bench = Bench::new(json!({}));
    bench.bars(&[
        bar("600000", "1m", "2026-11-20 09:31:00", 8.5),
        bar("600000", "1m", "2026-11-20 09:32:00", 8.6),
        bar("600000", "day", "2026-11-19 00:00:00", 8.4),
        bar("600000", "day", "2026-11-20 00:00:00", 8.6),
        bar("600001", "1m", "2026-11-20 09:31:00", 9.5),
    ]);
    // the current bar changes
    bench.bars(&[bar("600000", "1m", "2026-11-20 09:32:00", 8.7)]);
    let client = bench.client();
    let asked = [
        ("SH600001", "1400-01-01 00:00:00"),
        ("SH999999", "1400-01-01 00:00:00"),
        ("SH600000", "2026-11-20 09:32:00"),
    ];
    let data = client.data(&market("MIN", &asked));
    assert_eq!(data.len(), 2, "an unknown code is left out");
    assert_eq!(
        (data[0]["code"].as_str(), data[1]["code"].as_str()),
        (Some("SH600001"), Some("SH600000"))
    );
    let rows = data[1]["data"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "the bar that was asked for is there, because it may have changed");
    assert_eq!(rows[0].as_array().unwrap().len(), 7);
    assert_eq!(rows[0][0].as_str(), Some("2026-11-20 09:32:00"));
    assert_eq!(floats(&rows[0], 1, 7), [8.5, 9.0, 8.0, 8.7, 123.45, 145_200.0], "shares");

    let data = client.data(&market("day", &[("SH600000", "2026-11-19 00:00:00")]));
    let rows = data[0]["data"].as_array().unwrap();
    assert_eq!(texts(rows), ["2026-11-19 00:00:00", "2026-11-20 00:00:00"]);
    assert_eq!(floats(&rows[1], 5, 7), [123.45, 1_452.0], "lots");

    assert_eq!(client.data(&market("MIN", &[("SH600000", "+infinity")])).len(), 0);
    assert_eq!(client.data(&market("HOUR2", &[("SH600000", "2026-11-19")])).len(), 0);
    let nil = map(&[
        ("cmd", "market".into()),
        ("ktype", "MIN".into()),
        ("codes", Value::Nil),
        ("dates", Value::Nil),
    ]);
    assert_eq!(client.data(&nil).len(), 0);
}

#[test]
#[allow(clippy::float_cmp)] // they pass unchanged
fn volumes_of_indices_are_in_the_units_of_their_quotes() {
    let mut bench = Bench::new(json!({}));
    let index =
        |period, time| BarRecord { volume_shares: 5_000_000, ..bar("000001", period, time, 8.5) };
    bench.bars(&[index("day", "2026-11-20 00:00:00"), index("1m", "2026-11-20 09:31:00")]);
    let client = bench.client();
    let volume = |ktype| {
        let data = client.data(&market(ktype, &[("SH000001", "2026-11-20")]));
        data[0]["data"][0][6].as_f64().unwrap()
    };
    assert_eq!(volume("DAY"), 500.0, "10,000 shares are one on the wire");
    assert_eq!(volume("MIN"), 50_000.0, "and a hundred within a day");
}

#[test]
fn requests_that_the_real_client_sent_are_answered() {
    let Some(vectors) = fixtures::fixture("hikyuu/vectors") else { return };
    let mut bench = Bench::new(json!({}));
    let times = ["2011-12-05 00:00:00", "2011-12-06 00:00:00", "2011-12-07 00:00:00"];
    bench.bars(&times.map(|time| bar("600000", "day", time, 8.5)));
    bench.spots(&[spot("600000", "09:31:02", 8.5), spot("600000", "09:31:03", 8.6)]);
    let client = bench.client();
    let data = |file: &str| {
        let answer = read(&client.ask_raw(&std::fs::read(vectors.join(file)).unwrap()));
        assert_eq!(answer["ret"], Value::from(0), "{file}: {answer}");
        answer["data"].as_array().unwrap().clone()
    };
    let rows = data("market_request.bin");
    assert_eq!(texts(rows[0]["data"].as_array().unwrap()), times[1..]);
    assert_eq!(data("tick_request.bin").len(), 2);
    assert_eq!(texts(&data("tick_request_fraction.bin")), ["2026-11-20 09:31:03"]);
}

#[test]
fn the_further_commands_tell_what_there_is() {
    let mut bench = Bench::new(json!({}));
    bench.spots(&[spot("600001", "09:31:02", 8.5), spot("600000", "09:31:02", 8.5)]);
    bench.bars(&[bar("600000", "1m", "2026-11-20 09:31:00", 8.5)]);
    let client = bench.client();
    assert!(client.is_alive());
    let symbols = client.data(&map(&[("cmd", "symbols".into())]));
    assert_eq!(symbols, ["SH600000".into(), "SH600001".into()]);
    let stats = client.ask(&map(&[("cmd", "stats".into())]));
    let figure = |name: &str| stats["data"][name].as_u64().unwrap();
    assert_eq!((figure("securities"), figure("ticks"), figure("bars")), (2, 2, 1));
    assert_eq!((figure("clients"), figure("requests"), figure("refusals")), (1, 3, 0));
    assert_eq!(stats["data"]["newest"].as_str(), Some("2026-11-20 09:31:02"));
    assert!(figure("bytes") > 0 && figure("answered_bytes") > 0);
}

#[test]
fn a_server_that_keeps_no_ticks_says_so() {
    let mut bench = Bench::new(json!({ "ticks": false }));
    bench.spots(&[spot("600000", "09:31:02", 8.5)]);
    bench.bars(&[bar("600000", "1m", "2026-11-20 09:31:00", 8.5)]);
    let client = bench.client();
    let answer = client.ask(&tick("SH", "600000", "2026-11-20"));
    assert_eq!(answer["ret"], Value::from(1));
    assert!(answer["msg"].as_str().unwrap().contains("buf_tick=True"), "{answer}");
    assert_eq!(client.data(&market("MIN", &[("SH600000", "2026-11-20")])).len(), 1);
}

#[test]
fn records_that_no_client_could_use_are_counted_and_left_out() {
    let mut bench = Bench::new(json!({}));
    let mut odd = spot("600000", "09:31:02", f64::NAN);
    odd.bid = &[];
    let future =
        SpotRecord { time_us: us("2026-11-20 23:00:00"), ..spot("600000", "09:00:00", 1.0) };
    bench.spots(&[odd, future, SpotRecord { time_us: 0, ..odd }]);
    bench.bars(&[
        bar("600000", "1m", "2026-11-20 09:31:00", f64::INFINITY),
        bar("600000", "7m", "2026-11-20 09:31:00", 1.0),
        bar("600000", "1m", "2026-11-22 09:31:00", 1.0),
    ]);
    let mut dropped = bench.host.told().dropped;
    dropped.sort();
    assert_eq!(
        dropped,
        [("bad_bar".to_owned(), 2), ("bad_time".into(), 1), ("bad_time".into(), 2)]
    );
    let client = bench.client();
    let rows = client.data(&tick("SH", "600000", "1400-01-01 00:00:00"));
    assert_eq!(rows.len(), 1, "what is no number passes, as from the original");
    assert_eq!(rows[0].as_array().unwrap().len(), 12);
    assert_eq!(client.data(&market("MIN", &[("SH600000", "2026-11-20")])).len(), 0);
}
