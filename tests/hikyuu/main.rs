//! The real Hikyuu 2.8.3 against hosts of ours: its spot agent, its buffer-server client, and its
//! slot for a data server.
//!
//! It runs in a Debian 13 folder of its own, which root.sh makes once. Where that cannot be made,
//! each test says so and ends.

// a test that cannot go on must fail loudly
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs)]

mod agent;
mod bars;
mod broken;
mod buffer;
mod dropin;
mod feed;
mod joined;
mod odd;
mod real;
mod server;
