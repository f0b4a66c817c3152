//! What the server counts.

use std::sync::atomic::AtomicU64;

/// What the server did.
#[derive(Debug, Default)]
pub struct Counters {
    /// Clients that are connected.
    pub clients: AtomicU64,
    /// Clients that were put out for being idle.
    pub idle: AtomicU64,
    /// Questions that were answered, refused ones among them.
    pub requests: AtomicU64,
    /// Questions that were answered with an error.
    pub refusals: AtomicU64,
    /// Bytes of all answers.
    pub answered_bytes: AtomicU64,
}
