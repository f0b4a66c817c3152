//! The thread that accepts subscribers at one address.

use std::{sync::Arc, thread};

use sp::{ACCEPT_PAUSE, AcceptFaults, Listener};

use crate::{bus::Bus, connection::Connection};

/// Accepts and serves until the bus closes and the listener is stopped; returns when all that it
/// accepted have ended.
pub fn run(listener: &Listener, bus: &Bus) {
    let mut faults = AcceptFaults::default();
    thread::scope(|scope| {
        loop {
            match listener.accept() {
                Ok(accepted) => {
                    let Some(pending) = bus.admit(Connection::new(accepted)) else { continue };
                    let serve = {
                        let pending = Arc::clone(&pending);
                        move || bus.serve(&pending)
                    };
                    let thread = thread::Builder::new().name("nng-pub-write".into());
                    if let Err(error) = thread.spawn_scoped(scope, serve) {
                        bus.reject(&pending, &format!("no thread for it: {error}"));
                    }
                }
                Err(_) if bus.is_closing() => return,
                Err(error) => {
                    if let Some(line) = faults.line(listener.name(), "max_subscribers", &error) {
                        bus.warn(&line);
                    }
                    bus.wait_for_close(ACCEPT_PAUSE);
                }
            }
        }
    });
}
