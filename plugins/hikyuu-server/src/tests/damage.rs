//! Clients that make mistakes, and those that mean harm.

use std::io::{Read, Write};

use super::{raw::RawClient, *};

#[test]
fn every_mistake_is_answered_and_the_server_stays() {
    let bench = Bench::new(json!({}));
    let client = bench.client();
    let text = |value: &Value| {
        let mut body = Vec::new();
        rmpv::encode::write_value(&mut body, value).unwrap();
        body
    };
    let mut bomb = b"\x82\xa3cmd\xa4ping\xa1x".to_vec();
    bomb.extend([0x91; 200_000]);
    let cases: Vec<(Vec<u8>, u64, &str)> = vec![
        (b"".to_vec(), 1, "MessagePack"),
        (b"\x81\xa3cmd".to_vec(), 1, "ends too early"),
        (b"\xc1".to_vec(), 1, "0xc1"),
        (b"\x90".to_vec(), 3, "Missing command!"),
        (b"\x80".to_vec(), 3, "Missing command!"),
        (b"\x81\xa3cmd\x05".to_vec(), 4, "process the message: 5"),
        (b"\x81\xa3cmd\xc0".to_vec(), 1, "type must be string, but is null"),
        (bomb, 1, "nested too deeply"),
        (text(&map(&[("cmd", "Market".into())])), 4, "process the message: Market"),
        (text(&market("MIN7", &[])), 1, "ktype \"MIN7\" is not known"),
        (text(&market("DAY", &[("SH600000", "1399-01-01")])), 1, "is no datetime"),
        (text(&tick("SH", "600000", "9999999999")), 1, "is no datetime"),
        (text(&tick("SH", "600000", "2026-11-20T09:30:00")), 1, "is no datetime"),
        (
            text(&map(&[("cmd", "tick".into()), ("market", 5.into())])),
            1,
            "market: type must be string",
        ),
    ];
    for (body, code, expected) in cases {
        let (ret, msg) = client.refused(&body);
        assert!(ret == code && msg.contains(expected), "{ret} {msg} / {code} {expected}");
        assert!(client.is_alive());
    }
    assert_eq!(bench.logged("client"), 0, "a mistake in a question is no matter for the log");
}

#[test]
fn a_request_that_is_too_large_is_answered_and_the_connection_goes_on() {
    let bench = Bench::new(json!({}));
    let client = bench.client();
    let (ret, msg) = client.refused(&vec![0x93; 100 << 20]);
    assert_eq!(ret, 1);
    assert!(msg.contains("10485760") && msg.contains("16MiB"), "{msg}");
    assert!(client.is_alive());
    // as large as allowed, and nonsense
    assert_eq!(client.refused(&vec![0x01; (16 << 20) - 4]).0, 1);
    assert!(client.is_alive());
}

#[test]
fn a_stranger_is_told_apart_and_put_out() {
    let strangers: [(&[u8], &str); 6] = [
        (b"GET / HTTP/1.1\r\n\r\n", "GET / HT"),
        (b"\0SP\0\0\x21\0\0", "SUB"),
        (b"\0SP\0\0\x30\0\0\xff\xff\xff\xff\xff\xff\xff\xff", "announced a message of"),
        // a length and no request number
        (b"\0SP\0\0\x30\0\0\0\0\0\0\0\0\0\x04\0\0\0\0", "without a request number"),
        (b"\0SP\0\0\x30\0\0\0\0\0\0\0\0\0\x02\x80\0", "without a request number"),
        (b"\0SP\0\0\x30\0\0\0\0\0\0\0\0\0\x09\x80\0", "sent nothing more of its request"),
    ];
    for (bytes, reason) in strangers {
        let bench = Bench::new(json!({ "stall_timeout": "100ms" }));
        let mut socket = raw::connect(&bench.address());
        socket.write_all(bytes).unwrap();
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest); // ends, by close or by reset
        wait_until(reason, || bench.logged(reason) > 0);
        assert!(bench.client().is_alive());
    }
}

#[test]
fn questions_that_come_at_once_are_answered_in_order() {
    let bench = Bench::new(json!({}));
    let mut client = RawClient::dial(&bench.address());
    let ping = b"\x81\xa3cmd\xa4ping";
    let mut both = raw::framed(0x8000_0001, ping);
    both.extend(raw::framed(0x8000_0002, b"\x80"));
    both.extend(raw::framed(0x8000_0003, ping));
    client.write(&both);
    for (number, ret) in [(0x8000_0001, 0), (0x8000_0002, 3), (0x8000_0003, 0)] {
        let (answered, body) = client.read();
        assert_eq!(answered, number);
        assert_eq!(read(&body)["ret"], Value::from(ret));
    }
}

#[test]
fn a_question_behind_one_that_was_refused_is_answered() {
    let bench = Bench::new(json!({ "max_request": "1MiB", "stall_timeout": "2s" }));
    // four that announce as much as is allowed and send nothing of it
    let mut holders: Vec<_> = (0..4).map(|_| RawClient::dial(&bench.address())).collect();
    for client in &mut holders {
        client.write(&raw::framed(0x8000_0001, &[0; (1 << 20) - 4])[..100]);
    }
    let mut client = RawClient::dial(&bench.address());
    let mut padded = b"\x82\xa3cmd\xa4ping\xa1x\xc5\x9c\x40".to_vec();
    padded.extend([0; 40_000]);
    let mut both = raw::framed(0x8000_0001, &padded);
    both.extend(raw::framed(0x8000_0002, b"\x81\xa3cmd\xa4ping"));
    let refused = (0..1_000).any(|_| {
        client.write(&both);
        let (number, body) = client.read();
        let first = read(&body);
        assert_eq!(number, 0x8000_0001);
        let (number, body) = client.read();
        assert_eq!((number, read(&body)["ret"].as_u64()), (0x8000_0002, Some(0)));
        first["msg"].as_str().is_some_and(|msg| msg.contains("too many large requests"))
    });
    assert!(refused);
}

#[test]
fn words_that_lead_back_through_devices_are_kept() {
    let bench = Bench::new(json!({}));
    let mut client = RawClient::dial(&bench.address());
    let mut body = 7_u32.to_be_bytes().to_vec();
    body.extend(0x8000_0001_u32.to_be_bytes());
    body.extend(b"\x81\xa3cmd\xa4ping");
    client.write(&raw::with_length(&body));
    let (first, rest) = client.read();
    assert_eq!((first, &rest[..4]), (7, &0x8000_0001_u32.to_be_bytes()[..]));
    assert_eq!(read(&rest[4..])["ret"], Value::from(0));
}

#[test]
fn a_request_that_comes_byte_by_byte_is_answered() {
    let bench = Bench::new(json!({}));
    let mut client = RawClient::dial(&bench.address());
    for byte in raw::framed(0x8000_0001, b"\x81\xa3cmd\xa4ping") {
        client.write(&[byte]);
    }
    assert_eq!(read(&client.read().1)["ret"], Value::from(0));
}

#[test]
fn random_bytes_never_harm_the_server() {
    use proptest::{prelude::*, test_runner::TestRunner};
    let bench = Bench::new(json!({}));
    let client = bench.client();
    let keys = ["cmd", "market", "codes", "dates", "ktype", "code", "datetime", "tick"];
    let leaf = prop_oneof![
        prop::sample::select(keys.to_vec()).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(Value::Binary),
        Just(Value::Nil),
        Just(Value::from("2026-11-20")),
    ];
    let value = leaf.prop_recursive(3, 40, 6, move |inner| {
        let pairs = (prop::sample::select(keys.to_vec()).prop_map(Value::from), inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(Value::Array),
            prop::collection::vec(pairs, 0..8).prop_map(Value::Map),
        ]
    });
    let cut = any::<prop::sample::Index>();
    TestRunner::new(ProptestConfig::with_cases(2_000))
        .run(&(value, cut, any::<bool>()), |(value, cut, whole)| {
            let mut body = Vec::new();
            rmpv::encode::write_value(&mut body, &value).unwrap();
            if !whole {
                body.truncate(cut.index(body.len() + 1));
            }
            let answer = read(&client.ask_raw(&body));
            let ret = answer["ret"].as_u64().unwrap();
            prop_assert!(ret < 5 && (ret == 0) == answer["msg"].is_nil());
            Ok(())
        })
        .unwrap();
    assert!(client.is_alive());
}
