//! What sink and source tell of the clients of groups, and what is done with one.

use plugin_api::{
    Action, ActionKind, Duration, ErrorKind, Outcome, PluginError, Reader, Sink, Source,
    serde_json::json,
};
use redis::Value as Answer;

use super::{Bench, Server, batch, read};
use crate::sink::RedisSink;

/// Numbers of batches, microseconds since 1970; ids of entries begin with them in milliseconds.
const FIRST: u64 = 1_000_000_000;
const SECOND: u64 = 3_000_000_000;

fn redis(server: &Server, words: &str) {
    server.ask::<Answer>(words);
}

fn read_as(server: &Server, group: &str, client: &str, count: u64) {
    let command = format!("XREADGROUP GROUP {group} {client} COUNT {count} STREAMS spot_stream >");
    redis(server, &command);
}

/// Who holds what in a group: client and entry.
fn held(server: &Server, group: &str) -> Vec<(String, String)> {
    let rows: Vec<(String, String, u64, u64)> =
        server.ask(&format!("XPENDING spot_stream {group} - + 100"));
    rows.into_iter().map(|(entry, client, ..)| (client, entry)).collect()
}

fn claim(to: Option<&str>) -> Action {
    let min_idle = Some(Duration(std::time::Duration::ZERO));
    Action::Claim { to: to.map(str::to_owned), min_idle }
}

/// A stream of ten quotes with three groups: one that has them all, one whose only client read four
/// and died, one in which nobody reads.
fn three_groups(bench: &Bench, server: &Server) -> RedisSink {
    let mut sink = bench.sink(server, &json!({}));
    assert!(told(&mut sink).is_empty(), "there is no stream");
    sink.write(&[batch(1, 10, FIRST)]).unwrap();
    for group in ["a", "b", "c"] {
        redis(server, &format!("XGROUP CREATE spot_stream {group} 0"));
    }
    read_as(server, "a", "quick", 100);
    read_as(server, "b", "dead", 4);
    sink
}

fn told(sink: &mut RedisSink) -> Vec<Reader> {
    sink.readers().unwrap().unwrap()
}

#[test]
fn the_clients_of_every_group_are_told_with_their_lag_and_what_they_hold() {
    let (bench, server) = (Bench::new(), Server::start(&[]));
    let mut sink = three_groups(&bench, &server);
    let readers = told(&mut sink);
    let rows = readers.iter().map(|it| (it.id.as_str(), it.lag_records, it.pending));
    assert_eq!(
        rows.collect::<Vec<_>>(),
        [
            ("spot_stream/a/quick", Some(0), Some(10)),
            ("spot_stream/b/dead", Some(6), Some(4)),
            ("spot_stream/c", Some(10), Some(0)),
        ]
    );
    sink.write(&[batch(11, 10, SECOND)]).unwrap();
    let readers = told(&mut sink);
    let dead = &readers[1];
    assert_eq!((dead.lag_records, dead.newest_us), (Some(16), Some(3_000_000_000)));
    assert_eq!((dead.reached_us, dead.records), (Some(1_000_000_000), Some(4)));
    assert_eq!((dead.name.as_str(), dead.group.as_deref()), ("dead", Some("b")));
    assert!(dead.silent_us.is_some() && dead.address.starts_with("spot_stream at "), "{dead:?}");
    assert!(dead.actions[&ActionKind::Claim].is_none());

    // what is cut off before it was read is lost, and stays so when the group reads on
    redis(&server, "XTRIM spot_stream MAXLEN 2");
    let mut lost = || told(&mut sink).iter().map(|it| it.lost).collect::<Vec<_>>();
    assert_eq!(lost(), [8, 14, 18]);
    read_as(&server, "b", "dead", 100);
    assert_eq!(lost(), [8, 14, 18]);
}

#[test]
fn each_action_tells_before_and_after_and_changes_nothing_when_it_is_only_looked_at() {
    let (bench, server) = (Bench::new(), Server::start(&[]));
    let mut sink = three_groups(&bench, &server);
    let mut act = |reader: &str, action: &Action| -> Result<Outcome, PluginError> {
        let before = held(&server, "b");
        let shown = sink.act(reader, action, true)?;
        assert_eq!(before, held(&server, "b"), "{action:?} was only looked at");
        let done = sink.act(reader, action, false)?;
        assert_eq!(done, shown, "{action:?}");
        Ok(done)
    };
    let dead = "spot_stream/b/dead";
    let refused = act(dead, &Action::Remove).unwrap_err();
    assert!(refused.message.contains("holds 4 entries"), "{refused}");
    let refused = act(dead, &claim(None)).unwrap_err();
    assert!(refused.message.contains("needs `to`"), "{refused}");
    let patient = Action::Claim {
        to: Some("heir".to_owned()),
        min_idle: Some(Duration(std::time::Duration::from_secs(3600))),
    };
    let refused = act(dead, &patient).unwrap_err();
    assert!(refused.message.contains("nothing was moved"), "{refused}");
    assert_eq!(refused.kind, ErrorKind::BadData, "{refused}");
    let outcome = act(dead, &claim(Some("heir"))).unwrap();
    assert_eq!(outcome.before, json!({ "pending": 4, "to": "heir", "to_pending": 0 }));
    assert_eq!(outcome.after, json!({ "pending": 0, "to": "heir", "to_pending": 4 }));
    assert!(held(&server, "b").iter().all(|(client, _)| client == "heir"));

    let heir = "spot_stream/b/heir";
    let entries: Vec<_> = held(&server, "b").into_iter().map(|(_, entry)| entry).take(3).collect();
    let outcome = act(heir, &Action::Ack { entries: entries.clone() }).unwrap();
    assert_eq!((&outcome.before["pending"], &outcome.after["pending"]), (&json!(4), &json!(1)));
    let refused = act(heir, &Action::Ack { entries }).unwrap_err();
    assert!(refused.message.contains("holds none of these"), "{refused}");
    let refused = act(heir, &Action::Ack { entries: vec!["first".to_owned()] }).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Config, "{refused}");

    let outcome = act(dead, &Action::Remove).unwrap();
    assert_eq!(
        (outcome.before, outcome.after),
        (json!({ "exists": true }), json!({ "exists": false }))
    );
    let refused = act(dead, &Action::Remove).unwrap_err();
    assert!(refused.message.contains("there is no reader"), "{refused}");

    let outcome = act(heir, &Action::SetPosition { to: "$".to_owned() }).unwrap();
    assert_eq!((&outcome.before["lag"], &outcome.after["lag"]), (&json!(6), &json!(0)));
    let outcome = act("spot_stream/c", &Action::SetPosition { to: "0".to_owned() }).unwrap();
    assert_eq!(outcome.after["last_delivered"], "0-0");
    let refused = act(heir, &Action::SetPosition { to: "yesterday".to_owned() }).unwrap_err();
    assert!(refused.message.contains("is no position"), "{refused}");

    let outcome = act("spot_stream/c", &Action::Remove).unwrap();
    assert_eq!(outcome.after["exists"], false);
    for (reader, action, said) in [
        ("spot_stream/c", Action::Remove, "there is no reader"),
        ("other/b/heir", Action::Remove, "there is no reader"),
        ("nonsense", Action::Remove, "there is no reader"),
        (heir, Action::Disconnect, "stop its program"),
    ] {
        let refused = act(reader, &action).unwrap_err();
        assert!(refused.message.contains(said), "{reader}: {refused}");
    }
}

#[test]
fn names_that_are_no_text_are_told_apart_and_acted_on_as_what_they_are() {
    let (bench, server) = (Bench::new(), Server::start(&[]));
    let mut sink = bench.sink(&server, &json!({}));
    sink.write(&[batch(1, 10, FIRST)]).unwrap();
    // as text they all look like the last one
    let (group, looks_alike) = (b"g\xff".as_slice(), "g\u{fffd}");
    let clients = [b"c\xff".as_slice(), b"c\xfe", "c\u{fffd}".as_bytes()];
    for name in [group, looks_alike.as_bytes()] {
        let mut make = redis::cmd("XGROUP");
        make.arg("CREATE").arg("spot_stream").arg(name).arg("0");
        server.run::<Answer>(&make);
    }
    for client in clients {
        let mut read = redis::cmd("XREADGROUP");
        read.arg("GROUP").arg(group).arg(client).arg("COUNT").arg(2);
        read.arg("STREAMS").arg("spot_stream").arg(">");
        server.run::<Answer>(&read);
    }
    let pending = |sink: &mut RedisSink| {
        let rows = told(sink).into_iter().map(|it| (it.id, it.pending.unwrap_or_default()));
        let mut rows: Vec<_> = rows.collect();
        rows.sort_unstable();
        rows
    };
    let row = |id: &str, pending: u64| (format!("spot_stream/{id}"), pending);
    assert_eq!(
        pending(&mut sink),
        [row("g%EF%BF%BD", 0), row("g%FF/c%EF%BF%BD", 2), row("g%FF/c%FE", 2), row("g%FF/c%FF", 2)]
    );
    let first = "spot_stream/g%FF/c%FF";
    let outcome = sink.act(first, &claim(Some("heir")), false).unwrap();
    assert_eq!(outcome.after, json!({ "pending": 0, "to": "heir", "to_pending": 2 }));
    sink.act(first, &Action::Remove, false).unwrap();
    let left: Vec<_> = pending(&mut sink).into_iter().map(|(id, _)| id).collect();
    assert!(!left.contains(&first.to_owned()) && left.len() == 4, "{left:?}");
    // a group with the same looks goes, this one stays
    sink.act("spot_stream/g%EF%BF%BD", &Action::Remove, false).unwrap();
    assert!(pending(&mut sink).iter().all(|(id, _)| id.contains("g%FF")));
}

#[test]
fn a_source_tells_of_its_own_group_and_claims_for_itself() {
    let (bench, server, other) = (Bench::new(), Server::start(&[]), Bench::new());
    bench.sink(&server, &json!({})).write(&[batch(1, 10, FIRST)]).unwrap();
    redis(&server, "XGROUP CREATE spot_stream another 0");
    let options = |name: &str| json!({ "stream": "spot_stream", "consumer": name, "group": "g", "batch_records": 10 });
    let mut me = bench.source(&server, &options("me"));
    let mut lost = other.source(&server, &options("lost"));
    read(&mut lost, 10);
    drop(lost);
    let readers = me.readers().unwrap().unwrap();
    // its own client is among them once it has shown a sign of life
    assert!(readers.iter().all(|reader| reader.group.as_deref() == Some("g")), "{readers:?}");
    let pending = readers.iter().find(|reader| reader.name == "lost").unwrap().pending;
    assert_eq!(pending, Some(10));
    let outcome = me.act("spot_stream/g/lost", &claim(None), false).unwrap();
    assert_eq!(outcome.after, json!({ "pending": 0, "to": "me:claimed", "to_pending": 10 }));
    let refused = me.act("spot_stream/another", &Action::Remove, false).unwrap_err();
    assert!(refused.message.contains("there is no reader"), "{refused}");
}

#[test]
fn a_server_that_is_away_costs_the_pipeline_nothing_but_the_list() {
    let (bench, mut server) = (Bench::new(), Server::start(&[]));
    let mut sink = three_groups(&bench, &server);
    server.kill();
    let fault = sink.readers().unwrap_err();
    assert_eq!(fault.kind, ErrorKind::Retry);
    let since = std::time::Instant::now();
    for _ in 0..1_000 {
        assert_eq!(sink.readers().unwrap_err(), fault, "it is not asked again at once");
    }
    assert!(since.elapsed() < std::time::Duration::from_secs(5));
}
