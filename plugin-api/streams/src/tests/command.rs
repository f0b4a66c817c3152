//! What operators ask.

use plugin_api::{
    PluginError, Polled, Sink, Source,
    serde_json::{Value, json},
    testing::options,
};

use super::{Bench, Server, batch, read, sequences, wait_until, with};
use crate::source::RedisSource;

const OPTIONS: &str = "spot_stream";

fn ask(bench: &Bench, server: &Server, request: Value) -> Result<Value, PluginError> {
    let mut asked = json!({ "command": "consumers" });
    asked.as_object_mut().unwrap().extend(request.as_object().unwrap().clone());
    let given = options(with(server, &json!({ "stream": OPTIONS, "consumer": "me" }))).unwrap();
    RedisSource::command(&given, &bench.context(), &asked)
}

#[test]
fn an_operator_sees_moves_and_removes_what_clients_have() {
    let (bench, server, other) = (Bench::new(), Server::start(&[]), Bench::new());
    let rows = |request| ask(&bench, &server, request);
    assert_eq!(rows(json!({ "action": "list" })).unwrap(), json!([]));
    assert_eq!(rows(json!({ "action": "remove", "consumer": "x" })).unwrap(), json!([]));

    bench.sink(&server, &json!({})).write(&[batch(1, 10, 1_000)]).unwrap();
    let options = |name: &str| {
        json!({
            "stream": OPTIONS, "consumer": name, "claim_after": "400ms", "batch_records": 10
        })
    };
    let mut me = bench.source(&server, &options("me"));
    let mut lost = other.source(&server, &options("lost"));
    read(&mut lost, 10);
    drop(lost);
    bench.sink(&server, &json!({ "ids": "auto" })).write(&[batch(11, 5, 1_001)]).unwrap();

    let list = rows(json!({ "action": "list" })).unwrap();
    let of_lost = list.as_array().unwrap().iter().find(|row| row["consumer"] == "lost").unwrap();
    assert_eq!((&of_lost["pending"], &of_lost["stream"]), (&json!(10), &json!(OPTIONS)));
    let lag = rows(json!({ "action": "lag" })).unwrap();
    assert_eq!(
        (&lag[0]["lag"], &lag[0]["pending"], &lag[0]["entries"]),
        (&5.into(), &10.into(), &15.into())
    );
    let pending = rows(json!({ "action": "pending", "consumer": "lost", "limit": 3 })).unwrap();
    assert_eq!((pending.as_array().unwrap().len(), &pending[0]["tries"]), (3, &json!(1)));

    for (request, text) in [
        (json!({ "action": "remove", "consumer": "lost" }), "still has 10 entries"),
        (json!({ "action": "remove", "group": "minute_bar_consumers" }), "still have 10 entries"),
        (json!({ "action": "remove" }), "name the client to remove"),
        (json!({ "action": "claim" }), "with --consumer"),
        (json!({ "action": "destroy" }), "unknown variant"),
        (json!({ "action": "list", "wrong": 1 }), "unknown field"),
        (json!({ "command": "other" }), "has no command \"other\""),
    ] {
        let error = rows(request).unwrap_err();
        assert!(error.message.contains(text), "{error}");
    }

    let claim = json!({ "action": "claim", "consumer": "lost", "min_idle": "0ms" });
    let moved = rows(claim).unwrap();
    assert_eq!((&moved[0]["to"], &moved[0]["claimed"]), (&"me:claimed".into(), &10.into()));
    let removed = rows(json!({ "action": "remove", "consumer": "lost" })).unwrap();
    assert_eq!((&removed[0]["consumer"], &removed[0]["given_up"]), (&"lost".into(), &0.into()));
    // and the client that runs takes them, and what is new
    let mut records = Vec::new();
    wait_until("records", || {
        if let Polled::Batch(batch) = me.next(std::time::Duration::from_millis(20)).unwrap() {
            records.extend(sequences([&batch]));
        }
        records.len() >= 15
    });
    records.sort_unstable();
    assert_eq!(records, (1..=15).collect::<Vec<_>>());

    let forced = json!({ "action": "remove", "group": "minute_bar_consumers", "force": true });
    assert_eq!(rows(forced).unwrap()[0]["given_up"], 15);
    assert_eq!(rows(json!({ "action": "lag" })).unwrap(), json!([]));
}
