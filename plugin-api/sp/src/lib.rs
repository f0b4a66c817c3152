//! The Scalability Protocols on plain sockets, for the plugins that speak them.
//!
//! NNG's own sockets bound their queues by a number of messages and drop unseen. Whoever must count
//! what is lost speaks the protocol itself, which is little: both ends of a connection say in 8
//! bytes what they are ([`greeting`]), then every message goes behind its length ([`framing`]).
//! Addresses are written as for NNG ([`address`]), and a [`Listener`] accepts. Whether that goes
//! through TLS ([`tls`]) is known to a [`Wire`] alone.
//!
//! This crate knows no plugin, no host and no record.

mod accepting;
pub mod address;
pub mod framing;
pub mod greeting;
mod listener;
mod socket;
mod socket_file;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod tls;
mod wire;

pub use accepting::{ACCEPT_PAUSE, AcceptFaults, room};
pub use address::{Address, Endpoint};
pub use framing::{Frame, Frames, Framing};
pub use greeting::Protocol;
pub use listener::{Accepted, Listener};
pub use socket::tune;
pub use wire::Wire;
