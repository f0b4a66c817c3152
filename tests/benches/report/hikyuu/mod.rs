//! The query server: how fast it answers, and how it bears the whole market and many clients.

mod client;
mod load;
mod node_server;

use std::{
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use dataserver::loader::{Opening, SinkInstance};
use nng::{Aio, AioResult, Context, Message, Protocol, Socket};
use plugin_api::{
    Batch, RoleKind, Round, SpotListEncoder, SpotRecord, Symbol, encode_bars,
    schemas::records::bar::BarRecord,
};

use super::{
    abi::{context, load},
    measure::Row,
};
use client::{Client, market, percentile, ping, tick};
use node_server::NodeServer;

/// 2021-12-01 09:30:00 in Shanghai, microseconds since 1970 UTC.
const OPEN_US: i64 = 1_638_322_200_000_000;
const SECOND_US: i64 = 1_000_000;
const CODES: usize = 100;
const MINUTES: i64 = 240;
/// Quotes of a day, one every three seconds.
const TICKS: i64 = 4_800;
/// How long each measurement lasts.
const SPAN: Duration = Duration::from_secs(2);

/// A sink that keeps a day: minute bars of [`CODES`] securities and all quotes of the first.
fn server(folder: &Path) -> (Box<dyn SinkInstance>, String) {
    let address = format!("tcp://127.0.0.1:{}", harness::free_port());
    let options = serde_json::json!({ "listen": address, "remember": false });
    let mut sink = load("hikyuu-server", RoleKind::Sink)
        .open_sink(Opening::plain(&options.to_string(), context(folder)))
        .unwrap();
    let codes: Vec<_> = (0..CODES).map(|index| format!("{}", 600_000 + index)).collect();
    for minute in 1..=MINUTES {
        let bars = codes.iter().map(|code| BarRecord {
            symbol: Symbol { market: "SH", code },
            period: "1m",
            time_us: OPEN_US + minute * 60 * SECOND_US,
            open: 8.5,
            high: 8.6,
            low: 8.4,
            close: 8.55,
            amount_cny: 123_456.0 * minute as f64,
            volume_shares: 14_500,
            closed: true,
            quality_score: None,
            source: "bench",
        });
        sink.write(&[Batch::from_bars(encode_bars(bars)).unwrap()]).unwrap();
    }
    let mut encoder = SpotListEncoder::new(500);
    for number in 0..TICKS {
        encoder.push(&quote(&codes[0], OPEN_US + number * 3 * SECOND_US, number)).unwrap();
        if encoder.len() == 500 || number + 1 == TICKS {
            sink.write(&[Batch::from_spots(&mut encoder, Round::WHOLE)]).unwrap();
        }
    }
    (sink, address)
}

/// A quote that differs from the one before it as real ones do.
fn quote(code: &str, time_us: i64, number: i64) -> SpotRecord<'_> {
    const PRICES: [[f64; 5]; 2] = [[8.49, 8.48, 8.47, 8.46, 8.45], [8.50, 8.51, 8.52, 8.53, 8.54]];
    const SIZES: [[u64; 5]; 3] = [
        [10_000, 20_000, 30_000, 40_000, 50_000],
        [12_300, 20_000, 31_000, 40_000, 50_000],
        [900, 25_000, 30_000, 41_100, 50_000],
    ];
    let turn = usize::try_from(number).unwrap();
    SpotRecord {
        market: "SH",
        code,
        time_us,
        pre_close: 8.5,
        open: 8.52,
        high: 8.6,
        low: 8.4,
        close: if turn.is_multiple_of(3) { 8.5 } else { 8.49 },
        amount_cny: 84_930.0 * number as f64,
        volume_shares: number.unsigned_abs() * 10_000,
        bid: &PRICES[0],
        bid_volume: &SIZES[turn % 3],
        ask: &PRICES[1],
        ask_volume: &SIZES[(turn + 1) % 3],
        ..SpotRecord::default()
    }
}

/// NNG's reply socket with 128 contexts: reads the request's MessagePack and sends those bytes.
fn echo(answer: Vec<u8>) -> (Socket, Vec<(Aio, Context)>, String) {
    let address = format!("tcp://127.0.0.1:{}", harness::free_port());
    let socket = Socket::new(Protocol::Rep0).unwrap();
    let answer: Arc<[u8]> = answer.into();
    let workers: Vec<_> = (0..128)
        .map(|_| {
            let context = Context::new(&socket).unwrap();
            let (replies, answer) = (context.clone(), Arc::clone(&answer));
            let aio = Aio::new(move |aio, result| match result {
                AioResult::Send(Ok(())) => replies.recv(&aio).unwrap(),
                AioResult::Recv(Ok(message)) => {
                    let mut body = &message[..];
                    std::hint::black_box(rmpv::decode::read_value(&mut body).unwrap());
                    replies.send(&aio, Message::from(&answer[..])).unwrap();
                }
                _ => {} // the socket was closed
            });
            (aio.unwrap(), context)
        })
        .collect();
    socket.listen(&address).unwrap();
    workers.iter().for_each(|(aio, context)| context.recv(aio).unwrap());
    (socket, workers, address)
}

/// What so many clients saw who asked again and again.
struct Seen {
    per_second: f64,
    p99: Duration,
}

fn measure(address: &str, request: &[u8], clients: usize) -> Seen {
    let latencies: Vec<Duration> = thread::scope(|scope| {
        let clients: Vec<_> = (0..clients)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = Client::dial(address);
                    let mut latencies = Vec::new();
                    let begun = Instant::now();
                    while begun.elapsed() < SPAN {
                        let asked = Instant::now();
                        client.ask(request);
                        latencies.push(asked.elapsed());
                    }
                    latencies
                })
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    Seen {
        per_second: latencies.len() as f64 / SPAN.as_secs_f64(),
        p99: percentile(latencies, 0.99),
    }
}

/// The best that clients saw of each server, asked in turn, so that a slow minute of the machine hits
/// all of them.
fn best_in_turn(addresses: &[&str], request: &[u8], clients: usize) -> Vec<Seen> {
    let mut best: Vec<Option<Seen>> = addresses.iter().map(|_| None).collect();
    for _ in 0..3 {
        for (best, address) in best.iter_mut().zip(addresses) {
            let seen = measure(address, request, clients);
            if best.as_ref().is_none_or(|best| seen.per_second > best.per_second) {
                *best = Some(seen);
            }
        }
    }
    best.into_iter().flatten().collect()
}

pub fn rows() -> Vec<Row> {
    let folder = tempfile::tempdir().unwrap();
    let (mut sink, address) = server(folder.path());
    let codes: Vec<_> = (0..CODES).map(|index| format!("SH{}", 600_000 + index)).collect();
    let cases = [
        ("an empty request (`ping`)", ping()),
        ("`market`: the last bar of 100 codes", market("MIN", &codes, "2021-12-01 13:30:00")),
        ("`market`: 240 bars of 100 codes", market("MIN", &codes, "1400-01-01 00:00:00")),
        ("`tick`: the last 20 quotes", tick("SH", "600000", "2021-12-01 13:29:00")),
        ("`tick`: 4,800 quotes", tick("SH", "600000", "1400-01-01 00:00:00")),
    ];
    let mut rows = Vec::new();
    for (what, request) in cases {
        let answer = Client::dial(&address).ask(&request);
        let node = NodeServer::start(folder.path(), &answer);
        let (_socket, _workers, bare) = echo(answer.clone());
        for clients in [1, 64] {
            let mut addresses = vec![address.as_str(), bare.as_str()];
            addresses.extend(node.as_ref().map(NodeServer::address));
            let seen = best_in_turn(&addresses, &request, clients);
            let (ours, bare) = (&seen[0], &seen[1]);
            let mut against = format!(
                "the same bytes from a bare NNG socket {:.0}/s: {:.2} times",
                bare.per_second,
                ours.per_second / bare.per_second
            );
            if let Some(node) = seen.get(2) {
                against += &format!(
                    "; a C++ stand-in of ours for Hikyuu's node server, built on NNG and nlohmann's JSON as its \
                     published header is, {:.0}/s, p99 {:.2} ms: {:.2} times",
                    node.per_second,
                    node.p99.as_secs_f64() * 1e3,
                    ours.per_second / node.per_second
                );
            }
            let figure =
                format!("{:.0}/s, p99 {:.2} ms", ours.per_second, ours.p99.as_secs_f64() * 1e3);
            let what = format!("{what}, {} bytes, {clients} clients", answer.len());
            rows.push(Row::new(&what, figure).against(against));
        }
    }
    sink.close().unwrap();
    rows.extend(load::rows());
    rows
}
