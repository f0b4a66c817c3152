//! Signs of life while the pipeline behind the source is full.
//!
//! A client that waits for its stores asks for no entries, and after `claim_after` others would
//! take over what it is about to deliver.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, Thread},
};

use redis::cmd;

use super::options::Settings;
use crate::server::{EntryId, Fault, Servers};

/// Signs within the time after which a client counts as dead.
const SIGNS: u32 = 4;

/// A thread that asks for nothing now and then; it ends when this is dropped.
pub struct Heartbeat {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    /// The client has entries under its second name, too.
    has_claimed: AtomicBool,
}

impl Heartbeat {
    /// Starts it, unless nothing is taken over.
    pub fn start(settings: &Settings) -> Option<Self> {
        let pause = settings.claim_after? / SIGNS;
        let shared = Arc::new(Shared::default());
        let (settings, seen) = (settings.clone(), Arc::clone(&shared));
        let started = thread::Builder::new().name("heartbeat".to_owned()).spawn(move || {
            let mut servers = None;
            while !seen.is_over.load(Ordering::Acquire) {
                let has_claimed = seen.has_claimed.load(Ordering::Acquire);
                servers = beat(servers, &settings, has_claimed).ok();
                thread::park_timeout(pause);
            }
        });
        // without it, only a pipeline that is full for long counts as dead
        Some(Self { shared, thread: started.ok()?.thread().clone() })
    }

    /// From now on it speaks for what was taken over, too.
    pub fn claimed(&self) {
        self.shared.has_claimed.store(true, Ordering::Release);
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Asks, as every name that has entries, for those behind the last possible one.
fn beat(
    servers: Option<Servers>,
    settings: &Settings,
    has_claimed: bool,
) -> Result<Servers, Fault> {
    let mut servers = match servers {
        Some(servers) => servers,
        None => Servers::connect(&settings.target)?,
    };
    // the very last id means the same as `>`
    let behind_all = EntryId { ms: u64::MAX, number: u64::MAX - 1 }.to_string();
    for stream in &settings.streams {
        let claimed = has_claimed.then_some(&settings.claimed);
        for name in [&settings.consumer].into_iter().chain(claimed) {
            let mut command = cmd("XREADGROUP");
            command.arg("GROUP").arg(&settings.group).arg(name);
            command.arg("COUNT").arg(1).arg("STREAMS").arg(stream).arg(&behind_all);
            servers.of(stream)?.ask(&command)?;
        }
    }
    Ok(servers)
}
