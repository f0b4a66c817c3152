//! Hikyuu's buffer-server client asks our `hikyuu-server`.

use harness::{free_port, sample};
use serde_json::{Value, json};

use super::{
    bars,
    feed::SHENZHEN,
    real::{Hikyuu, Session, TYPES},
    server::Server,
};

/// The earliest moment that Hikyuu knows: everything.
const EVER: &str = "1400-01-01 00:00:00";

/// Asks for bars of every type.
fn pull(client: &mut Session, address: &str) {
    for ktype in TYPES {
        client.ask(json!(["pull", address, SHENZHEN.symbols, ktype]));
    }
}

/// Asks for bars of every type and asserts that the client then holds those of the recorded day.
#[track_caller]
pub fn assert_whole_day(client: &mut Session, address: &str, expected: &Value) {
    bars::assert_same(&pulled(client, address), &bars::of_hikyuu(&expected["bars"]));
}

/// Asks for bars of every type; those that the client then holds of the recorded day.
pub fn pulled(client: &mut Session, address: &str) -> bars::Bars {
    pull(client, address);
    bars::of_hikyuu(&held(client))
}

/// How many quotes of a security the recorded day has.
pub fn count_ticks(expected: &Value, symbol: &str) -> usize {
    expected["ticks"][symbol].as_array().unwrap().len()
}

/// The bars that a client holds of the recorded day.
fn held(client: &mut Session) -> Value {
    client.ask(json!(["bars", SHENZHEN.symbols, TYPES, SHENZHEN.date]))
}

/// Asserts that the client is answered with the quotes of the recorded day from that moment on.
#[track_caller]
pub fn assert_ticks(client: &mut Session, address: &str, expected: &Value, since: &str) {
    for (symbol, rows) in expected["ticks"].as_object().unwrap() {
        let (market, code) = symbol.split_at(2);
        let found = client.ask(json!(["ticks", address, market, code, since]));
        let wanted = |row: &&Value| row[2].as_str().unwrap() >= since;
        let rows: Vec<_> = rows.as_array().unwrap().iter().filter(wanted).collect();
        let found = found.as_array().unwrap();
        assert_eq!(found.len(), rows.len(), "{symbol} since {since}");
        for (found, row) in found.iter().zip(rows) {
            assert!(is_same(found, row), "found {found}\nshould be {row}");
        }
    }
}

/// The same values, numbers up to the last digits that a change of units costs.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            let (one, other) = (one.as_f64().unwrap(), other.as_f64().unwrap());
            (one - other).abs() <= 1e-12 * other.abs()
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        _ => one == other,
    }
}

#[test]
fn bars_and_ticks_of_a_recorded_day_reach_the_client_as_they_are_in_the_file() {
    let Some(hikyuu) = Hikyuu::find() else { return };
    let server = Server::start();
    server.end(server.begin(&SHENZHEN, 0), &SHENZHEN);
    let expected = hikyuu.expected(&sample(SHENZHEN.day.file));
    let mut client = hikyuu.start(&SHENZHEN.at("15:30:00"), &TYPES, SHENZHEN.symbols);
    assert_whole_day(&mut client, &server.address, &expected);
    for since in [EVER, "2022-06-01 13:00:00", "2022-06-01 14:56:57", "2022-06-02 00:00:00"] {
        assert_ticks(&mut client, &server.address, &expected, since);
    }
    let log = client.finish();
    for (records, updated) in
        [(4, 4), (960, 960), (192, 192), (64, 64), (32, 32), (20, 20), (16, 16)]
    {
        let told = format!("Pulled {records} records from the buffer server ({updated} updated)");
        assert!(log.contains(&told), "{told} is missing in\n{log}");
    }
}

#[test]
fn a_client_that_asks_while_quotes_come_ends_with_the_bars_of_the_day() {
    let Some(hikyuu) = Hikyuu::find() else { return };
    let server = Server::start();
    let mut client = hikyuu.start(&SHENZHEN.at("15:30:00"), &TYPES, SHENZHEN.symbols);
    let mut publishing = server.begin(&SHENZHEN, 2_000);
    let mut pulls = 0;
    while !publishing.has_ended() {
        pull(&mut client, &server.address);
        let ticks = client.ask(json!(["ticks", server.address, "SZ", "000400", EVER]));
        let times: Vec<_> =
            ticks.as_array().unwrap().iter().map(|row| row[2].to_string()).collect();
        assert!(times.is_sorted());
        pulls += 1;
    }
    assert!(pulls > 3, "{pulls}");
    server.end(publishing, &SHENZHEN);
    let expected = hikyuu.expected(&sample(SHENZHEN.day.file));
    assert_whole_day(&mut client, &server.address, &expected);
    client.finish();
}

#[test]
fn a_server_that_stops_and_starts_again_answers_as_before() {
    let Some(hikyuu) = Hikyuu::find() else { return };
    let mut server = Server::start();
    server.end(server.begin(&SHENZHEN, 0), &SHENZHEN);
    let expected = hikyuu.expected(&sample(SHENZHEN.day.file));
    let mut client = hikyuu.start(&SHENZHEN.at("15:30:00"), &TYPES, SHENZHEN.symbols);
    server.stop();
    pull(&mut client, &server.address);
    let none = client.ask(json!(["ticks", server.address, "SZ", "000400", EVER]));
    assert_eq!(none, json!([]));
    assert!(bars::of_hikyuu(&held(&mut client)).is_empty());
    server.start_again();
    assert_whole_day(&mut client, &server.address, &expected);
    assert_ticks(&mut client, &server.address, &expected, EVER);
    assert!(client.finish().contains("Connection refused"));
}

#[test]
fn whatever_a_client_asks_for_it_goes_on() {
    let Some(hikyuu) = Hikyuu::find() else { return };
    let server = Server::start();
    server.end(server.begin(&SHENZHEN, 0), &SHENZHEN);
    let mut client = hikyuu.start(&SHENZHEN.at("15:30:00"), &TYPES, SHENZHEN.symbols);
    let nobody = format!("tcp://127.0.0.1:{}", free_port());
    // it speaks another protocol
    let collector = format!("tcp://127.0.0.1:{}", free_port());
    let _publisher = hikyuu.publisher(&collector);
    let address = &server.address;
    for wrong in [
        nobody.as_str(),
        "",
        "127.0.0.1:9201",
        "tcp://",
        "tcp://256.1.1.1:1",
        "ipc:///none",
        &collector,
    ] {
        client.ask(json!(["pull", wrong, SHENZHEN.symbols, "DAY"]));
        let ticks = client.ask(json!(["ticks", wrong, "SZ", "000400", EVER]));
        assert_eq!(ticks, json!([]), "{wrong}");
    }
    for (market, code) in
        [("SZ", "999999"), ("XX", "000400"), ("", ""), ("sh", "中国"), ("SZ", "x\u{0}y")]
    {
        let ticks = client.ask(json!(["ticks", address, market, code, EVER]));
        assert_eq!(ticks, json!([]), "{market}{code}");
    }
    for (market, code, since, count) in [
        ("sz", "000400", EVER, 4_921),
        ("", "SZ000400", EVER, 4_921),
        ("", "000400.sz", EVER, 4_921),
        ("SZ", "000400", "null", 0),
        ("SZ", "000400", "9999-12-31 23:59:59", 0),
        ("SZ", "000400", "2022-06-01 09:31:02.123456", 4829),
    ] {
        let ticks = client.ask(json!(["ticks", address, market, code, since]));
        assert_eq!(ticks.as_array().unwrap().len(), count, "{market} {code} {since}");
    }
    client.ask(json!(["pull", address, [], "DAY"]));
    client.ask(json!(["pull", address, ["SH600000"], "DAY"]));
    for ktype in ["MIN3", "TIMELINE", "NONSENSE", "", "day", "Min5", "WEEK"] {
        client.ask(json!(["pull", address, SHENZHEN.symbols, ktype]));
    }
    for ktype in TYPES {
        assert!(client.ask(json!(["pull_all", address, ktype])).as_u64().unwrap() > 4_700);
    }
    let expected = hikyuu.expected(&sample(SHENZHEN.day.file));
    bars::assert_same(&bars::of_hikyuu(&held(&mut client)), &bars::of_hikyuu(&expected["bars"]));
    client.finish();
}
