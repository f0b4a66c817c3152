//! Subscribers of the quotation bus, one of which is too slow, and clients that ask for bars.

use harness::{Bench, free_port, python};
use nng::options::{Options as _, RecvTimeout};
use serde_json::{Value, json};

use super::{DEADLINE, Telling, with_id};

#[test]
fn the_subscriber_that_is_too_slow_is_found_and_disconnected() {
    let bench = Bench::new(&["faulty", "nng-pub"]);
    let address = format!("ipc://{}", bench.path("feed.ipc").display());
    let pipeline = format!(
        "[sources.day]\nplugin = \"faulty\"\nbatches = 10000000\nrecords = 100\nsymbols = 500\n\
         pace = \"5ms\"\n\
         [sinks.feed]\nplugin = \"nng-pub\"\ninputs = [\"day\"]\nlisten = [\"{address}\"]\n\
         send_buffer = \"1MiB\"\nstall_timeout = \"1h\"\n"
    );
    let telling = Telling::start(&bench, &pipeline);
    let readers = ["1", "2"].map(|number| {
        let mut reader = python("feed_reader.py", &[&address]);
        assert_eq!(reader.line(), "ready");
        telling.wait_for("a subscriber", with_id(&format!("feed/{number}")));
        reader
    });
    let [quick, slow] = &readers;
    telling.wait_for("what both were sent", |it| {
        it["id"] == "feed/2" && it["records"].as_u64().unwrap() > 0
    });
    // the first came first
    slow.signal("STOP");
    let losing = telling.wait_for("who loses", |it| it["state"] == "losing");
    assert_eq!((&losing["id"], &losing["kind"]), (&json!("feed/2"), &json!("subscriber")));
    assert!(losing["lost"].as_u64().unwrap() > 0 && losing["success_rate"].as_f64().unwrap() < 1.0);
    telling.wait_for("what waits for it", |it| {
        it["id"] == "feed/2" && it["lag_records"].as_u64().unwrap() > 0
    });
    let quick_one = telling.wait_for("the other", with_id("feed/1"));
    assert_eq!((&quick_one["lost"], &quick_one["state"]), (&json!(0), &json!("live")));
    assert!(quick_one["rate"].as_f64().unwrap() > 0.0, "{quick_one}");

    // who was there for a while is shown when it has gone
    let since_us = losing["since_us"].as_i64().unwrap();
    telling.wait_for("some seconds", |it| it["seen_us"].as_i64().unwrap() - since_us > 6_000_000);
    let body = r#"{"action":"disconnect","preview":true}"#;
    let (code, look) = telling.act("feed/2", body);
    assert_eq!(
        (code, &look["after"]["connected"], &look["done"]),
        (200, &json!(false), &json!(false))
    );
    let (code, done) = telling.act("feed/2", r#"{"action":"disconnect"}"#);
    assert_eq!((code, &done["done"]), (200, &json!(true)));
    let gone = telling.wait_for("its end", |it| it["id"] == "feed/2" && it["state"] == "gone");
    assert_eq!(gone["actions"], json!({}));
    let (code, refused) = telling.act("feed/2", body);
    assert_eq!(code, 409, "{refused}");
    // NNG's own clients come back by themselves
    slow.signal("CONT");
    telling.wait_for("its return", with_id("feed/3"));
    quick.signal("TERM");
    telling.wait_until_gone("feed/1");
    telling.host.signal("KILL");
}

#[test]
fn a_client_of_the_query_server_is_told_with_its_answers_and_disconnected() {
    let bench = Bench::new(&["faulty", "hikyuu-server"]);
    let address = format!("tcp://127.0.0.1:{}", free_port());
    let pipeline = format!(
        "[sources.day]\nplugin = \"faulty\"\nbatches = 1000000\nrecords = 1\npace = \"10ms\"\n\
         [sinks.server]\nplugin = \"hikyuu-server\"\ninputs = [\"day\"]\nlisten = \"{address}\"\n"
    );
    let telling = Telling::start(&bench, &pipeline);
    let client = nng::Socket::new(nng::Protocol::Req0).unwrap();
    client.set_opt::<RecvTimeout>(Some(DEADLINE)).unwrap();
    client.dial(&address).unwrap();
    // {"cmd": "ping"} in MessagePack, and something that is none
    for question in [&b"\x81\xa3cmd\xa4ping"[..], b"\xc1"] {
        client.send(question).map_err(|(_, error)| error).unwrap();
        client.recv().unwrap();
    }
    let is_counted = |it: &Value| it["records"] == 1 && it["errors"] == 1;
    let reader = telling.wait_for("its answers", is_counted);
    assert_eq!((&reader["kind"], &reader["success_rate"]), (&json!("client"), &json!(0.5)));
    assert_eq!(reader["lag_records"], Value::Null);
    let id = reader["id"].as_str().unwrap();
    let (code, answer) = telling.act(id, r#"{"action":"disconnect"}"#);
    assert_eq!((code, &answer["before"]["connected"]), (200, &json!(true)), "{answer}");
    telling.wait_until_gone(id);
    telling.host.signal("TERM");
    telling.host.wait().assert(0, &["was disconnected by the operator"]);
}
