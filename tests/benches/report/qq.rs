//! The Tencent lines: how fast they become records, and how soon a round is with its subscriber.

use std::{
    collections::HashMap,
    fmt::Write,
    time::{Duration, Instant},
};

use harness::{Bench, QuoteDay, QuoteServer, python};
use nng::{
    Protocol, Socket,
    options::{Options, RecvBufferSize, RecvMaxSize, RecvTimeout, protocol::pubsub::Subscribe},
};
use plugin_api::{
    SpotListEncoder,
    schemas::qq::{Encoding, Quote, lines},
};

use super::measure::{Row, best, rate};

const SYMBOLS: usize = 5_500;
const REQUEST: usize = 60;
const ROUNDS: usize = 40;

/// A line of 82 fields with five levels, as they were in 2022, under that symbol.
fn line(index: usize) -> (String, Vec<u8>) {
    let market = if index < 3_000 { "sh" } else { "sz" };
    let code = if index < 3_000 { 600_000 + index } else { index - 2_999 };
    let cents = 500 + index % 9_000;
    let price = |step: i64| {
        let cents = i64::try_from(cents).unwrap() + step;
        format!("{}.{:02}", cents / 100, cents % 100)
    };
    let (last, volume) = (price(0), 100_000 + index * 7);
    let amount = volume * cents;
    let mut text = format!(
        "v_{market}{code:06}=\"1~NAME~{code:06}~{last}~{}~{}~{volume}~{}~{}",
        price(-7),
        price(-3),
        volume / 2,
        volume / 2
    );
    for level in 0..10_i64 {
        let step = if level < 5 { -level } else { level - 4 };
        let _ = write!(text, "~{}~{}", price(step), 37 + level * 211);
    }
    let _ = write!(
        text,
        "~~20221122115648~0.07~0.51~{}~{}~{last}/{volume}/{amount}~{volume}~{}~0.52~41.41~~{}~{}~1.29~18.58\
         ~21.36~1.61~11.94~9.77~0.63~-222~10.86~52.82~39.90~~~0.89~{}.{:04}~0.0000~0~ ~GP-A~-5.92~0.84~0.51\
         ~3.88~1.95~15.42~9.62~3.72~11.04~-1.75~171061950~196698691~-37.12~-6.32~171061950~~~-4.76~0.09~\"",
        price(9),
        price(-9),
        amount / 10_000,
        price(9),
        price(-9),
        amount / 10_000,
        amount % 10_000,
    );
    // the name in GBK: four characters
    let at = text.find("NAME").unwrap();
    let bytes =
        [&text.as_bytes()[..at], b"\xc6\xd6\xb7\xa2\xd2\xf8\xd0\xd0", &text.as_bytes()[at + 4..]];
    (format!("{market}{code:06}"), bytes.concat())
}

fn answers() -> Vec<u8> {
    (0..SYMBOLS).flat_map(|index| [line(index).1, b";\n".to_vec()].concat()).collect()
}

/// One thread, from the bytes of answers to lists of 60 quotes.
fn parse_and_encode(answers: &[u8], with_encoding: bool) -> Duration {
    let (mut encoder, mut name) = (SpotListEncoder::new(REQUEST), String::new());
    best(30, || {
        let (started, mut sequence) = (Instant::now(), 0);
        for line in lines(answers) {
            let quote = Quote::parse_bytes(line, Encoding::Gbk, &mut name).unwrap();
            sequence += 1;
            if with_encoding {
                encoder.push(&quote.record("quotes", sequence, 1_638_321_301_050_000)).unwrap();
                if encoder.len() == REQUEST {
                    std::hint::black_box(encoder.finish());
                }
            } else {
                std::hint::black_box(&quote);
            }
        }
        assert_eq!(sequence, SYMBOLS as u64);
        started.elapsed()
    })
}

/// From the last byte of a round that the server sent to the last message that a subscriber got.
fn latencies() -> Vec<Duration> {
    let lines: HashMap<_, _> = (0..SYMBOLS).map(line).collect();
    let mut symbols: Vec<_> = lines.keys().cloned().collect();
    symbols.sort_unstable();
    let day = QuoteDay {
        seed: 1,
        latency: (Duration::from_millis(2), Duration::from_millis(20)),
        faults_per_mille: 0,
        faults: Vec::new(),
    };
    let server = QuoteServer::start(lines, day);
    let bench = Bench::new(&["qq", "nng-pub"]);
    let address = format!("ipc://{}", bench.path("feed.ipc").display());
    bench.write("symbols.txt", symbols.join("\n"));
    bench.pipeline(&format!(
        "[sources.quotes]\nplugin = \"qq\"\nurl = \"{}\"\nsymbols_file = \"symbols.txt\"\nphases = []\n\
         interval = \"1s\"\nrounds = {ROUNDS}\n[sinks.feed]\nplugin = \"nng-pub\"\ninputs = [\"quotes\"]\n\
         listen = [\"{address}\"]\nwait_subscribers = 1\n",
        server.url()
    ));
    let host = bench.start();
    let socket = Socket::new(Protocol::Sub0).unwrap();
    socket.set_opt::<Subscribe>(b":spot:".to_vec()).unwrap();
    socket.set_opt::<RecvBufferSize>(8_192).unwrap();
    socket.set_opt::<RecvMaxSize>(0).unwrap();
    socket.set_opt::<RecvTimeout>(Some(Duration::from_secs(60))).unwrap();
    while socket.dial(&address).is_err() {
        std::thread::park_timeout(Duration::from_millis(10));
    }
    let mut ends = Vec::new();
    while ends.len() < ROUNDS {
        if socket.recv().unwrap().ends_with(b"[end spot]") {
            ends.push(Instant::now());
        }
    }
    host.wait().assert(0, &[]);
    let served = server.served();
    let requests = SYMBOLS.div_ceil(REQUEST);
    let sent = served.chunks(requests).map(|round| round.iter().map(|it| it.done).max().unwrap());
    // the first round waits for its subscriber
    ends.into_iter()
        .zip(sent)
        .skip(1)
        .map(|(end, sent)| end.saturating_duration_since(sent))
        .collect()
}

pub fn rows() -> Vec<Row> {
    let answers = answers();
    let (parsed, encoded) = (parse_and_encode(&answers, false), parse_and_encode(&answers, true));
    let bench = Bench::new(&[]);
    let file = bench.write("answers.txt", &answers).display().to_string();
    let python: f64 = python("bench_qq.py", &[&file, "20"]).finish().trim().parse().unwrap();
    let ours = SYMBOLS as f64 / encoded.as_secs_f64();
    let mut latencies = latencies();
    latencies.sort_unstable();
    let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100];
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    vec![
        Row::new("lines parsed on one core", rate(SYMBOLS as f64, parsed)),
        Row::new("lines parsed and encoded on one core", rate(SYMBOLS as f64, encoded)).against(
            format!(
                "a plain parse in Python, without encoding, {:.0} k/s: {:.0} times",
                python / 1e3,
                ours / python
            ),
        ),
        Row::new(
            "a round of 5,500 symbols, stand-in → qq → nng-pub → subscriber, from its last byte sent to \
             its last message received",
            format!(
                "p50 {:.1} ms, p99 {:.1} ms of {} rounds",
                milliseconds(at(50)),
                milliseconds(at(99)),
                latencies.len()
            ),
        ),
    ]
}
