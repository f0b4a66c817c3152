//! TLS below the protocol, as NNG's `tls+tcp` has it: greeting and messages are the same, within.
//!
//! Certificates and keys are files in PEM. They are read at the start and again, at the next
//! handshake, whenever one of them has changed; a change that cannot be used is told, and what was
//! there before goes on.

mod client;
mod faults;
mod files;
mod server;
mod session;
#[cfg(test)]
mod tests;

use std::fmt;

pub use client::{Client, ClientFiles};
pub use server::{Server, ServerFiles};
pub(crate) use session::Session;

use crate::address::Address;

/// Where it is said what became of certificates.
pub struct Log {
    info: Box<Line>,
    warn: Box<Line>,
}

type Line = dyn Fn(&str) + Send + Sync;

impl Log {
    /// Says what happens by `info`, and what is wrong and does no harm yet by `warn`.
    pub fn new(
        info: impl Fn(&str) + Send + Sync + 'static,
        warn: impl Fn(&str) + Send + Sync + 'static,
    ) -> Self {
        Self { info: Box::new(info), warn: Box::new(warn) }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Log")
    }
}

/// Says that an address to listen at needs certificates.
pub(crate) fn missing(address: &Address) -> String {
    format!(
        "{address} needs certificates: add tls = {{ cert = \"server.pem\", key = \"server.key\" }}, \
         or listen at tcp://"
    )
}

/// Checks that certificates are given where an address needs them, and there alone. What is wrong is
/// added to `faults`; `option` names the addresses.
pub fn check_use(is_given: bool, option: &str, addresses: &[Address], faults: &mut Vec<String>) {
    let with_tls = addresses.iter().find(|address| address.is_tls());
    match with_tls {
        Some(address) if !is_given => faults.push(match option {
            "listen" => missing(address),
            _ => format!(
                "{address} needs the certificate of the CA that the peer's comes from: add tls = {{ \
                 ca = \"ca.pem\" }}, or {option} tcp://"
            ),
        }),
        None if is_given && !addresses.is_empty() => faults.push(format!(
            "`tls` is given and no address of `{option}` begins with tls+tcp://; write one so, or \
             drop `tls`"
        )),
        _ => {}
    }
}
