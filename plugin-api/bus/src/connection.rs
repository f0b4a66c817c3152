//! A connection to the publisher, which one instance hands to the next.

use std::time::Instant;

use sp::Frames;

use crate::link::Link;

/// A connection and what is read of a message on it.
#[derive(Debug)]
pub struct Connection {
    /// The connection.
    pub link: Link,
    /// Puts messages together.
    pub frames: Frames,
    /// When it began, for this instance.
    pub since: Instant,
    /// Quotes came over it.
    pub is_useful: bool,
}

impl Connection {
    /// One that begins now, or goes on in the middle of a message.
    pub fn new(link: Link, frames: Frames) -> Self {
        Self { link, frames, since: Instant::now(), is_useful: false }
    }
}
