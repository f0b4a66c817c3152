//! Beginning, end, and beginning again.

use plugin_api::{Action, ErrorKind};

use super::*;

#[test]
fn clients_come_by_every_kind_of_address() {
    let abstract_name = format!("abstract://hikyuu-server-{}", std::process::id());
    let options = json!({ "listen": ["tcp://127.0.0.1:0", "ipc://server.ipc", abstract_name] });
    let bench = Bench::new(options);
    for address in bench.sink.addresses() {
        assert!(Client::dial(&address).is_alive(), "{address}");
    }
}

#[test]
fn an_address_in_use_is_named() {
    let bench = Bench::new(json!({}));
    let host = Arc::<TestHost>::default();
    let folder = tempfile::tempdir().unwrap();
    let context = testing::context(&host, folder.path());
    let options = testing::options::<Options>(json!({ "listen": bench.address() })).unwrap();
    let error = HikyuuServer::open(options, context).err().unwrap();
    assert_eq!(error.kind, ErrorKind::Fatal);
    assert!(
        error.message.contains(&bench.address()) && error.message.contains("in use"),
        "{error}"
    );
}

#[test]
fn an_end_with_clients_connected_frees_the_address_at_once() {
    let mut bench = Bench::new(json!({}));
    let address = bench.address();
    let clients: Vec<_> = (0..20).map(|_| bench.client()).collect();
    assert!(clients.iter().all(Client::is_alive));
    let begun = Instant::now();
    bench.sink.close().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10));
    let again = Bench::new(json!({ "listen": address }));
    // NNG's own clients find the way back by themselves
    assert!(clients.iter().all(Client::is_alive));
    drop(again);
}

#[test]
fn the_operator_sees_each_client_and_disconnects_one() {
    let mut bench = Bench::new(json!({}));
    let (first, second) = (bench.client(), bench.client());
    assert!(first.is_alive() && second.is_alive() && second.is_alive());
    first.refused(b"nonsense");
    let mut told = Vec::new();
    wait_until("each answer to be counted", || {
        told = bench.sink.readers().unwrap().unwrap();
        let counts: Vec<_> = told.iter().map(|it| (it.records, it.errors)).collect();
        counts == [(Some(1), 1), (Some(2), 0)]
    });
    assert_eq!(told[0].since_us, Some(us(NOW)));
    let (id, action) = (told[0].id.clone(), Action::Disconnect);
    let shown = bench.sink.act(&id, &action, true).unwrap();
    assert_eq!(
        (&shown.before["connected"], &shown.after["connected"]),
        (&json!(true), &json!(false))
    );
    let is_there = |bench: &mut Bench| {
        bench.sink.readers().unwrap().unwrap().iter().any(|reader| reader.id == id)
    };
    assert!(is_there(&mut bench), "a look changes nothing");
    bench.sink.act(&id, &action, false).unwrap();
    wait_until("it to be disconnected", || !is_there(&mut bench));
    assert_eq!(bench.logged("was disconnected by the operator"), 1);
    let refused = bench.sink.act(&id, &action, false).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Config, "{refused}");
    assert!(first.is_alive(), "NNG's own clients find the way back by themselves");
}

#[test]
fn what_was_kept_outlives_a_restart() {
    let mut bench = Bench::new(json!({}));
    bench.spots(&[spot("600000", "09:31:02", 8.5), spot("600000", "09:31:05", 8.6)]);
    bench.bars(&[
        bar("600000", "1m", "2026-11-20 09:31:00", 8.5),
        bar("600000", "year", "2026-12-31 00:00:00", 8.5),
    ]);
    bench.sink.close().unwrap();
    let mut bench = Bench::within(Arc::clone(&bench.folder), json!({}));
    // the host offers the last batch again, and there is a new one
    bench.spots(&[spot("600000", "09:31:05", 8.6), spot("600000", "09:31:08", 8.7)]);
    let client = bench.client();
    assert_eq!(client.data(&tick("SH", "600000", "2026-11-20")).len(), 3);
    for ktype in ["MIN", "YEAR"] {
        assert_eq!(client.data(&market(ktype, &[("SH600000", "2026-11-20")])).len(), 1, "{ktype}");
    }
}

#[test]
fn what_was_kept_of_another_day_goes_when_a_new_one_begins() {
    let mut bench = Bench::new(json!({}));
    bench.spots(&[spot("600000", "09:31:02", 8.5)]);
    bench.bars(&[bar("600000", "1m", "2026-11-20 09:31:00", 8.5)]);
    bench.sink.close().unwrap();
    let mut bench = Bench::within(Arc::clone(&bench.folder), json!({}));
    bench.host.set_now_us(us("2026-11-23 09:30:05"));
    let monday =
        SpotRecord { time_us: us("2026-11-23 09:30:00"), ..spot("600001", "09:30:00", 1.0) };
    // a suspended share still carries Friday's time
    bench.spots(&[monday, spot("600002", "15:00:00", 1.0)]);
    let client = bench.client();
    assert_eq!(client.data(&tick("SH", "600000", "1400-01-01 00:00:00")).len(), 0);
    assert_eq!(client.data(&market("MIN", &[("SH600000", "2026-01-01")])).len(), 0);
    assert_eq!(client.data(&tick("SH", "600001", "1400-01-01 00:00:00")).len(), 1);
    assert_eq!(bench.host.counted("records_outdated_total"), 1);
}

#[test]
fn a_damaged_memory_is_named_and_does_not_keep_the_server_from_starting() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let state = folder.path().join("state");
    std::fs::create_dir_all(&state).unwrap();
    std::fs::write(state.join("store.bin"), b"DSHKSTORxxxx").unwrap();
    let mut bench = Bench::within(folder, json!({}));
    assert_eq!(bench.logged("store.bin is not used: it is damaged"), 1);
    assert!(bench.client().is_alive());
    bench.sink.close().unwrap();
    let bench = Bench::within(Arc::clone(&bench.folder), json!({}));
    assert_eq!(bench.logged("not used"), 0, "it was written anew");
}

#[test]
fn a_server_that_shall_not_remember_writes_nothing() {
    let mut bench = Bench::new(json!({ "remember": false }));
    bench.spots(&[spot("600000", "09:31:02", 8.5)]);
    bench.sink.close().unwrap();
    assert!(!bench.folder.path().join("state").exists());
}
