//! A subscriber of the feed that sorts what it gets by rounds.

use std::{
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nng::{
    Protocol, Socket,
    options::{Options, RecvBufferSize, RecvMaxSize, RecvTimeout, protocol::pubsub::Subscribe},
};
use plugin_api::schemas::verify::complete_spot_list;

/// Longest wait for the next message.
const PATIENCE: Duration = Duration::from_secs(60);
const TOPIC: &[u8] = b":spot:";

/// A round as it arrived.
#[derive(Debug, Default)]
pub struct Delivered {
    /// Symbols, e.g. `sh600000`, in order of arrival.
    pub symbols: Vec<String>,
    /// Numbers of the records.
    pub sequences: Vec<u64>,
    /// Last prices.
    pub closes: Vec<f64>,
    /// Names.
    pub names: Vec<String>,
    /// From the start mark to the end mark.
    pub took: Duration,
}

/// Sorts what comes from that address until so many rounds have ended.
pub fn subscribe(address: &str, rounds: usize) -> JoinHandle<Vec<Delivered>> {
    let address = address.to_owned();
    thread::spawn(move || {
        let socket = Socket::new(Protocol::Sub0).unwrap();
        socket.set_opt::<Subscribe>(TOPIC.to_vec()).unwrap();
        socket.set_opt::<RecvBufferSize>(8_192).unwrap();
        socket.set_opt::<RecvMaxSize>(0).unwrap();
        socket.set_opt::<RecvTimeout>(Some(PATIENCE)).unwrap();
        let patience = Instant::now() + PATIENCE;
        while socket.dial(&address).is_err() {
            assert!(Instant::now() < patience, "nobody listens on {address}");
            thread::park_timeout(Duration::from_millis(10));
        }
        let mut delivered = Vec::new();
        let mut open: Option<(Delivered, Instant)> = None;
        while delivered.len() < rounds {
            let message = socket.recv().unwrap();
            let content = message.strip_prefix(TOPIC).unwrap();
            if content == b"[start spot]" {
                assert!(open.is_none(), "a round within a round");
                open = Some((Delivered::default(), Instant::now()));
            } else if content == b"[end spot]" {
                let (mut round, started) = open.take().expect("an end without a start");
                round.took = started.elapsed();
                delivered.push(round);
            } else {
                let round = &mut open.as_mut().expect("quotes outside of a round").0;
                for spot in complete_spot_list(content).unwrap().iter() {
                    let market = spot.market().to_lowercase();
                    round.symbols.push(format!("{market}{}", spot.code()));
                    round.sequences.push(spot.sequence());
                    round.closes.push(spot.close());
                    round.names.push(spot.name().to_owned());
                }
            }
        }
        delivered
    })
}
