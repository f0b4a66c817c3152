//! `libdataserver.so` in a process that is not ours, used as Hikyuu uses it.

mod driver;
mod file;
mod install;
mod life;

use std::time::{Duration, Instant};

use harness::{DAYS, free_port, python};
use nng::options::{Options, RecvTimeout, SendTimeout};

use self::driver::Driver;
use crate::nng_sub::publisher;

/// A client as Hikyuu's: a connection.
pub struct Client(nng::Socket);

impl Client {
    /// One that is connected, as soon as somebody listens.
    pub fn dial(port: u16) -> Self {
        let begin = Instant::now();
        loop {
            let socket = nng::Socket::new(nng::Protocol::Req0).unwrap();
            let patience = Some(Duration::from_secs(30));
            socket.set_opt::<RecvTimeout>(patience).unwrap();
            socket.set_opt::<SendTimeout>(patience).unwrap();
            match socket.dial(&format!("tcp://127.0.0.1:{port}")) {
                Ok(()) => return Self(socket),
                Err(error) => assert!(begin.elapsed() < Duration::from_secs(30), "{error}"),
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Asks for all ticks of a security; returns the bytes of the answer.
    pub fn ticks(&self, market: &str, code: &str) -> Vec<u8> {
        let mut body = vec![0x84];
        let pairs = [
            ("cmd", "tick"),
            ("code", code),
            ("datetime", "1400-01-01 00:00:00"),
            ("market", market),
        ];
        for text in pairs.iter().flat_map(|(key, value)| [key, value]) {
            body.push(0xa0 | u8::try_from(text.len()).unwrap());
            body.extend(text.bytes());
        }
        self.0.send(body.as_slice()).map_err(|(_, error)| error).unwrap();
        self.0.recv().unwrap().to_vec()
    }
}

/// Whether an answer says that all went well.
fn is_success(answer: &[u8]) -> bool {
    count(answer, b"\xa3ret\x00") == 1
}

fn count(bytes: &[u8], text: &[u8]) -> usize {
    bytes.windows(text.len()).filter(|window| *window == text).count()
}

#[test]
fn what_a_collector_publishes_is_answered_and_stored() {
    let day = &DAYS[1];
    let feed = format!("tcp://127.0.0.1:{}", free_port());
    let ini =
        format!("[hikyuu]\ntmpdir = /tmp\n; where the collector is\nquotation_server = {feed}\n");
    let mut driver = Driver::with_files(&[("hikyuu.ini", &ini)]);
    driver.make(0);
    let port = free_port();
    let lake = driver.home.path().join("lake");
    driver.start(0, &format!("tcp://127.0.0.1:{port} 3 1 1 {}", lake.display()));
    let first = publisher(day, &feed, 0);
    first.run(&["run"]).assert(0, &[]);

    let client = Client::dial(port);
    let begin = Instant::now();
    let mut answer = client.ticks("SH", "600519");
    // one quote of that day says the same as another of the same second
    let quotes = usize::try_from(day.records - 1).unwrap();
    while count(&answer, b"2023-02-01 ") < quotes {
        assert!(begin.elapsed() < Duration::from_secs(60), "{}", driver.log());
        answer = client.ticks("sh", "600519");
    }
    assert_eq!(count(&answer, b"2023-02-01 "), quotes);
    assert!(is_success(&answer));

    assert_eq!(driver.step("stop 0"), "ok");
    let lakes = [first.path("lake"), lake].map(|it| it.display().to_string());
    let compared = python("same_lakes.py", &[&lakes[0], &lakes[1]]);
    assert_eq!(compared.finish().trim(), format!("{} rows", day.records));
    driver.finish();
}
