//! nng-pub against a bare loop of the NNG library that sends the same bytes.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use dataserver::loader::Opening;
use nng::{
    Protocol, Socket,
    options::{
        Options, RecvBufferSize, RecvMaxSize, RecvTimeout, SendBufferSize,
        protocol::pubsub::Subscribe,
    },
};
use plugin_api::{Batch, RoleKind, Round};

use super::{
    abi::{context, load},
    measure::Row,
    payload::list,
};

const MESSAGES: usize = 5_000;

/// What a subscriber got, and how long that took from the first to the last message.
struct Received {
    messages: usize,
    bytes: usize,
    time: Duration,
}

impl Received {
    fn megabytes_per_second(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.time.as_secs_f64()
    }
}

/// Receives until nothing comes for a while; calls back when it is connected.
fn receive(address: &str, expected: usize) -> Received {
    let socket = Socket::new(Protocol::Sub0).unwrap();
    socket.set_opt::<Subscribe>(b":spot:".to_vec()).unwrap();
    socket.set_opt::<RecvBufferSize>(8_192).unwrap();
    socket.set_opt::<RecvMaxSize>(0).unwrap();
    socket.set_opt::<RecvTimeout>(Some(Duration::from_millis(500))).unwrap();
    while socket.dial(address).is_err() {
        thread::park_timeout(Duration::from_millis(10));
    }
    let mut received = Received { messages: 0, bytes: 0, time: Duration::ZERO };
    let mut first = None;
    // the first message is awaited longer: the other side may still be getting ready
    let patience = Instant::now() + Duration::from_secs(20);
    while received.messages < expected {
        match socket.recv() {
            Ok(message) => {
                let started = *first.get_or_insert_with(Instant::now);
                received.messages += usize::from(message.len() > 100);
                received.bytes += message.len();
                received.time = started.elapsed();
            }
            Err(_) if first.is_none() && Instant::now() < patience => {}
            Err(_) => break,
        }
    }
    received
}

fn bare(folder: &Path) -> Received {
    let address = format!("ipc://{}", folder.join("bare.ipc").display());
    let mut message = b":spot:".to_vec();
    message.extend(list());
    let reader = thread::spawn({
        let address = address.clone();
        move || receive(&address, MESSAGES)
    });
    let socket = Socket::new(Protocol::Pub0).unwrap();
    socket.set_opt::<SendBufferSize>(8_192).unwrap();
    let (joined, subscriber) = std::sync::mpsc::sync_channel(4);
    socket
        .pipe_notify(move |_, event| {
            if event == nng::PipeEvent::AddPost {
                let _ = joined.try_send(());
            }
        })
        .unwrap();
    socket.listen(&address).unwrap();
    subscriber.recv().unwrap();
    for _ in 0..MESSAGES {
        socket.send(message.as_slice()).unwrap();
    }
    reader.join().unwrap()
}

fn plugin(folder: &Path) -> Received {
    let address = format!("ipc://{}", folder.join("plugin.ipc").display());
    let options = serde_json::json!({
        "listen": [address], "wait_subscribers": 1, "max_rate": 0, "slow_subscriber": "wait",
    });
    let batch = Batch::from_untrusted_spots(list(), Round::MIDDLE).unwrap();
    let opening = batch.clone().with_round(Round { first: true, last: false });
    let mut sink = load("nng-pub", RoleKind::Sink)
        .open_sink(Opening::plain(&options.to_string(), context(folder)))
        .unwrap();
    let reader = thread::spawn(move || receive(&address, MESSAGES));
    sink.write(&[opening]).unwrap();
    for _ in 1..MESSAGES {
        sink.write(std::slice::from_ref(&batch)).unwrap();
    }
    sink.flush().unwrap();
    let received = reader.join().unwrap();
    sink.close().unwrap();
    received
}

pub fn rows() -> Vec<Row> {
    let folder = tempfile::tempdir().unwrap();
    let fastest = |run: fn(&Path) -> Received| {
        let runs = (0..5).map(|_| run(folder.path()));
        runs.max_by(|a, b| a.megabytes_per_second().total_cmp(&b.megabytes_per_second())).unwrap()
    };
    let (ours, bare) = (fastest(plugin), fastest(bare));
    vec![Row::new(
        "received from nng-pub",
        format!("{:.0} MB/s, {} of {MESSAGES} messages", ours.megabytes_per_second(), ours.messages),
    )
    .against(format!(
        "a bare loop of NNG's pub socket with its largest buffer {:.0} MB/s, {} of {MESSAGES} messages: {:.2} times",
        bare.megabytes_per_second(),
        bare.messages,
        ours.megabytes_per_second() / bare.megabytes_per_second()
    ))]
}
