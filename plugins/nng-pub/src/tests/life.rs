//! Opening, waiting for an audience, closing, and opening again.

use std::{net::TcpListener, thread};

use plugin_api::{Ack, ErrorKind};

use super::{raw::Seen, *};

#[test]
fn addresses_in_use_are_named_and_nothing_is_left_behind() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("notes"), "").unwrap();
    let context = testing::context(&Arc::default(), folder.path());
    let tcp = format!("tcp://127.0.0.1:{port}");
    let options = json!({ "listen": ["ipc://free.ipc", tcp, "ipc://notes"] });
    let error = NngPub::open(testing::options(options).unwrap(), context).err().unwrap();
    assert_eq!(error.kind, ErrorKind::Fatal);
    for text in [&tcp, "is in use", "ss -ltnp", &format!(":{port}'"), "notes exists"] {
        assert!(error.message.contains(text), "{text} is missing in: {error}");
    }
    assert!(!folder.path().join("free.ipc").exists(), "all addresses or none");
}

#[test]
fn bad_options_are_a_matter_of_configuration() {
    let context = testing::context(&Arc::default(), std::path::Path::new("."));
    let options = testing::options(json!({ "listen": ["udp://127.0.0.1:1"] })).unwrap();
    assert_eq!(NngPub::open(options, context).err().unwrap().kind, ErrorKind::Config);
}

#[test]
fn the_same_addresses_work_right_after_the_end() {
    let bench = Bench::new(json!({}));
    let (host, folder) = (Arc::clone(&bench.host), bench.folder.path().to_owned());
    let listen = json!({ "listen": ["ipc://bus.ipc", bench.tcp()] });
    let mut subscribers = [bench.dial(&bench.ipc()), bench.dial(&bench.tcp())];
    let Bench { sink, folder: _kept, .. } = bench;
    drop(sink); // as after a fatal error: without `close`
    for subscriber in &mut subscribers {
        assert!(subscriber.next().is_none());
    }
    assert!(!folder.join("bus.ipc").exists());
    // what a killed process leaves behind
    drop(std::os::unix::net::UnixListener::bind(folder.join("bus.ipc")).unwrap());
    let context = testing::context(&host, &folder);
    let again = NngPub::start(settings(listen, &context).unwrap(), context).unwrap();
    assert_eq!(again.addresses().len(), 2);
}

#[test]
fn the_first_batch_waits_for_its_subscribers() {
    let mut bench = Bench::new(json!({ "wait_subscribers": 2 }));
    let (ipc, tcp) = (bench.ipc(), bench.tcp());
    let mut readers = thread::scope(|scope| {
        let dial = scope.spawn(|| [RawSubscriber::dial(&ipc), RawSubscriber::dial(&tcp)]);
        bench.write(numbered(0..1, Round::WHOLE));
        dial.join().unwrap()
    });
    readers = readers.map(|mut reader| {
        assert_eq!(reader.next(), Some(Seen::Start));
        reader
    });
    drop(readers);
    bench.await_subscribers(0);
    bench.write(numbered(1..2, Round::WHOLE)); // waits no more
}

#[test]
fn a_wait_for_subscribers_becomes_a_retry_and_loses_nothing() {
    let mut bench = Bench::with(json!({ "wait_subscribers": 1 }), |settings| {
        settings.subscribers_timeout = Duration::from_millis(10);
    });
    assert_eq!(bench.sink.write(&[]), Ok(Ack::Delivered), "nothing to hold");
    let batch = numbered(0..1, Round::WHOLE);
    let error = bench.sink.write(std::slice::from_ref(&batch)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Retry);
    assert!(error.message.contains("waiting for 1 subscribers"), "{error}");
    let mut subscriber = bench.dial(&bench.ipc());
    bench.write(batch.clone());
    assert_eq!(subscriber.next(), Some(Seen::Start));
    assert_eq!(subscriber.next(), Some(Seen::Data(batch.payload().to_vec())));
}

#[test]
fn a_wait_for_subscribers_ends_with_the_host() {
    let mut bench = Bench::new(json!({ "wait_subscribers": 1 }));
    bench.host.stop();
    let error = bench.sink.write(&[numbered(0..1, Round::WHOLE)]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Retry);
}

#[test]
fn the_number_of_subscribers_is_shown() {
    let bench = Bench::new(json!({}));
    let subscriber = bench.dial(&bench.tcp());
    drop(subscriber);
    bench.await_subscribers(0);
    let gauges: Vec<_> = bench.host.told().gauges;
    assert_eq!(gauges, [0.0, 1.0, 0.0].map(|count| ("subscribers".to_owned(), count)));
    assert_eq!(bench.logged("listening at"), 2);
}
