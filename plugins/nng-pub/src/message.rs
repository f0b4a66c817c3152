//! Messages of the bus. A clone shares everything.

use std::sync::Arc;

use plugin_api::{Batch, Payload};

/// What a queued message counts for besides its bytes: the queue's own entry, roundly.
const OVERHEAD: usize = 128;

/// Place of a message in the stream that a subscriber sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Opens a round.
    Start,
    /// Quotes.
    Data,
    /// Closes a round.
    End,
}

/// One message.
#[derive(Debug, Clone)]
pub struct Message {
    /// What it is.
    pub place: Place,
    /// Topic, followed by the mark if it is one.
    pub head: Arc<[u8]>,
    /// Quotes; none for a mark.
    pub payload: Option<Payload>,
    /// Number of quotes.
    pub records: u32,
}

impl Message {
    /// Length of the body on the wire.
    pub fn len(&self) -> usize {
        self.head.len() + self.payload.as_ref().map_or(0, |payload| payload.len())
    }

    /// What it counts for in a bounded queue, bytes.
    pub fn cost(&self) -> usize {
        self.len() + OVERHEAD
    }
}

/// Makes the messages of one topic.
#[derive(Debug, Clone)]
pub struct Messages {
    topic: Arc<[u8]>,
    /// `<topic>[start spot]`
    pub start: Message,
    /// `<topic>[end spot]`
    pub end: Message,
}

impl Messages {
    /// The messages of that topic.
    pub fn new(topic: &str) -> Self {
        let mark = |place, text| {
            let head = [topic, text].concat().into_bytes().into();
            Message { place, head, payload: None, records: 0 }
        };
        Self {
            topic: topic.as_bytes().into(),
            start: mark(Place::Start, "[start spot]"),
            end: mark(Place::End, "[end spot]"),
        }
    }

    /// The quotes of a batch, byte for byte.
    pub fn data(&self, batch: &Batch) -> Message {
        Message {
            place: Place::Data,
            head: Arc::clone(&self.topic),
            payload: Some(batch.payload().clone()),
            records: batch.records(),
        }
    }
}
