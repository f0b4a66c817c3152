//! The latest tick of every security, asked for over HTTP while messages come already.

use std::{
    sync::mpsc::{Receiver, TryRecvError, sync_channel},
    thread,
    time::Duration,
};

use plugin_api::shown_address;
use ureq::Agent;

/// How long the server may take: QMT answers for the whole market within seconds.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Largest answer, bytes.
const MOST_BYTES: u64 = 64 << 20;

/// A question that is under way.
pub struct Snapshot {
    answer: Receiver<Result<Vec<u8>, String>>,
}

impl Snapshot {
    /// Asks on a thread of its own, which ends with the answer.
    pub fn ask(address: &str, symbols: &[String]) -> Self {
        let url = format!("http://{address}/api/full_tick?stocks={}", symbols.join(","));
        let (sender, answer) = sync_channel(1);
        thread::spawn(move || {
            // no receiver is left when the connection is closed
            let _ = sender.send(fetch(&url));
        });
        Self { answer }
    }

    /// The answer, once; `None` while it is not there.
    pub fn answer(&self) -> Option<Result<Vec<u8>, String>> {
        match self.answer.try_recv() {
            Ok(answer) => Some(answer),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err("the question failed".to_owned())),
        }
    }
}

fn fetch(url: &str) -> Result<Vec<u8>, String> {
    let config = Agent::config_builder().proxy(None).timeout_global(Some(TIMEOUT)).build();
    let of = |error: &ureq::Error| format!("{}: {error}", shown_address(url));
    let mut response = config.new_agent().get(url).call().map_err(|error| of(&error))?;
    let body = response.body_mut().with_config().limit(MOST_BYTES).read_to_vec();
    body.map_err(|error| of(&error))
}
