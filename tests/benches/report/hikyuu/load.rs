//! A host under load: 5,500 securities each second from the quotation bus through bars into the
//! query server, and 200 clients who ask again as soon as they are answered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use harness::{Bench, Host, free_port};
use nng::{
    Protocol, Socket,
    options::{Options, SendBufferSize},
};
use plugin_api::SpotListEncoder;

use super::{
    OPEN_US, SECOND_US,
    client::{Client, is_success, market, percentile, tick},
    quote,
};
use crate::measure::Row;

const SYMBOLS: usize = 5_500;
const CLIENTS: usize = 200;
const SPAN: Duration = Duration::from_secs(60);
/// Every so many questions of a client are for the quotes of one security.
const TICK_EVERY: usize = 10;

fn code(symbol: usize) -> String {
    format!("{:06}", 600_000 + symbol)
}

/// Publishes a round each second until it shall stop; returns how many there were.
fn publish(address: &str, stop: &AtomicBool) -> u64 {
    let socket = Socket::new(Protocol::Pub0).unwrap();
    socket.set_opt::<SendBufferSize>(1_024).unwrap();
    socket.listen(address).unwrap();
    let codes: Vec<_> = (0..SYMBOLS).map(code).collect();
    let mut encoder = SpotListEncoder::new(500);
    let (mut round, begun) = (0, Instant::now());
    while !stop.load(Ordering::Relaxed) {
        socket.send(&b":spot:[start spot]"[..]).unwrap();
        for part in codes.chunks(500) {
            for code in part {
                let time_us = OPEN_US + i64::try_from(round).unwrap() * SECOND_US;
                encoder.push(&quote(code, time_us, i64::try_from(round).unwrap())).unwrap();
            }
            let message = [&b":spot:"[..], &encoder.finish()].concat();
            socket.send(message.as_slice()).unwrap();
        }
        socket.send(&b":spot:[end spot]"[..]).unwrap();
        round += 1;
        thread::sleep(
            (begun + Duration::from_secs(round)).saturating_duration_since(Instant::now()),
        );
    }
    round
}

struct Asked {
    markets: Vec<Duration>,
    ticks: Vec<Duration>,
    failures: u64,
}

/// Asks for the last bars of 100 securities, now and then for the quotes of one.
fn ask(address: &str, number: usize, rounds: &AtomicU64, stop: &AtomicBool) -> Asked {
    let mut client = Client::dial(address);
    let mut asked = Asked { markets: Vec::new(), ticks: Vec::new(), failures: 0 };
    let first = number * 27 % (SYMBOLS - 100);
    let codes: Vec<_> = (first..first + 100).map(|symbol| format!("SH{}", code(symbol))).collect();
    let bars = market("MIN", &codes, "2021-12-01 09:31:00");
    while !stop.load(Ordering::Relaxed) {
        let turn = asked.markets.len() + asked.ticks.len();
        let is_tick = turn % TICK_EVERY == TICK_EVERY - 1;
        let quotes = tick("SH", &code(first + turn % 100), "2021-12-01 09:30:00");
        let begun = Instant::now();
        let answer = client.ask(if is_tick { &quotes } else { &bars });
        let latency = begun.elapsed();
        asked.failures += u64::from(!is_success(&answer));
        if is_tick { asked.ticks.push(latency) } else { asked.markets.push(latency) }
    }
    rounds.fetch_add(1, Ordering::Relaxed);
    asked
}

fn megabytes(host: &Host) -> u64 {
    host.memory() >> 20
}

pub fn rows() -> Vec<Row> {
    let (http, port) = (free_port(), free_port());
    let (bus, address) =
        (format!("tcp://127.0.0.1:{}", free_port()), format!("tcp://127.0.0.1:{port}"));
    let bench = Bench::with_links(&["nng-sub", "bars", "hikyuu-server"]);
    bench.pipeline(&format!(
        "[host]\nhttp = \"127.0.0.1:{http}\"\n[sources.bus]\nplugin = \"nng-sub\"\ndial = \"{bus}\"\n\
         [transforms.bars]\nplugin = \"bars\"\ninputs = [\"bus\"]\n\
         [sinks.server]\nplugin = \"hikyuu-server\"\ninputs = [\"bus\", \"bars\"]\n\
         listen = \"{address}\"\nremember = false\n"
    ));
    let (quiet, stop, ended) =
        (Arc::new(AtomicBool::new(false)), AtomicBool::new(false), AtomicU64::new(0));
    let publisher = thread::spawn({
        let (bus, quiet) = (bus, Arc::clone(&quiet));
        move || publish(&bus, &quiet)
    });
    let host = bench.start();
    host.wait_for("the pipeline runs");
    let kept =
        "dataserver_kept_ticks{component=\"server\",kind=\"sink\",plugin=\"hikyuu-server\"} ";
    host.wait_for_answer(http, "/metrics", &format!("{kept}{SYMBOLS}"));
    let (memory, asked) = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                scope.spawn({
                    let (address, ended, stop) = (&address, &ended, &stop);
                    move || ask(address, number, ended, stop)
                })
            })
            .collect();
        thread::sleep(SPAN / 6);
        let early = megabytes(&host);
        thread::sleep(SPAN - SPAN / 6);
        let late = megabytes(&host);
        stop.store(true, Ordering::Relaxed);
        let asked: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
        ((early, late), asked)
    });
    let received = host.metric(http, "dataserver_records_in_total", "component=\"server\"");
    let bytes = host.metric(http, "dataserver_kept_bytes", "component=\"server\"");
    quiet.store(true, Ordering::Relaxed);
    let rounds = publisher.join().unwrap();
    host.signal("TERM");
    host.wait().assert(0, &[]);
    let failures: u64 = asked.iter().map(|asked| asked.failures).sum();
    let (mut markets, mut ticks) = (Vec::new(), Vec::new());
    for asked in asked {
        markets.extend(asked.markets);
        ticks.extend(asked.ticks);
    }
    let questions = markets.len() + ticks.len();
    let ms =
        |latencies: &Vec<Duration>, share| percentile(latencies.clone(), share).as_secs_f64() * 1e3;
    vec![
        Row::new(
            &format!(
                "{CLIENTS} clients at once for {} s, 5,500 securities a second, 6 periods of bars",
                SPAN.as_secs()
            ),
            format!(
                "{questions} answers, {failures} errors, `market` of 100 codes p50 {:.1} ms, p99 {:.1} ms; \
                 `tick` p50 {:.1} ms, p99 {:.1} ms",
                ms(&markets, 0.5),
                ms(&markets, 0.99),
                ms(&ticks, 0.5),
                ms(&ticks, 0.99)
            ),
        ),
        Row::new(
            "memory of the host under that load",
            format!("{} MB after 10 s, {} MB after 60 s", memory.0, memory.1),
        )
        .against(format!(
            "{:.0} MB are what is kept: {received:.0} quotes and bars of {rounds} rounds came",
            bytes / 1e6
        )),
    ]
}
