//! Messages of the bus. A clone shares everything.

use std::sync::Arc;

use plugin_api::{Batch, Payload};

use crate::securities::Set;

/// Largest body of a message, unless a single quote has more: NNG's sockets refuse what is larger,
/// and the connection with it, until they are told otherwise.
const MOST_BYTES: usize = 1 << 20;
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
    /// When the host received them, microseconds since 1970 UTC; 0 of a mark.
    pub received_us: i64,
    /// Which securities they are of, where that was looked at.
    pub securities: Option<Arc<Set>>,
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
            Message { place, head, payload: None, records: 0, received_us: 0, securities: None }
        };
        Self {
            topic: topic.as_bytes().into(),
            start: mark(Place::Start, "[start spot]"),
            end: mark(Place::End, "[end spot]"),
        }
    }

    /// The quotes of a batch, byte for byte; in several messages where one would be too large for
    /// readers that were told nothing. Each carries the securities that `of` sees in it.
    pub fn data(
        &self,
        batch: &Batch,
        of: &mut dyn FnMut(&Batch) -> Option<Arc<Set>>,
    ) -> Vec<Message> {
        let mut whole = Message {
            place: Place::Data,
            head: Arc::clone(&self.topic),
            payload: Some(batch.payload().clone()),
            records: batch.records(),
            received_us: batch.provenance().received_at_us,
            securities: None,
        };
        if whole.len() > MOST_BYTES
            && let Ok(Some((first, second))) = batch.halves()
        {
            let mut parts = self.data(&first, of);
            parts.append(&mut self.data(&second, of));
            return parts;
        }
        whole.securities = of(batch);
        vec![whole]
    }
}

#[cfg(test)]
mod tests {
    use plugin_api::{Round, SpotListEncoder, SpotRecord};

    use super::*;

    /// Quotes with ten levels a side, each with a name of so many bytes.
    fn batch(records: usize, name: usize) -> Batch {
        let (levels, volumes, name) = ([1.0; 10], [1; 10], "名".repeat(name / 3));
        let mut encoder = SpotListEncoder::new(records);
        for number in 0..records {
            let record = SpotRecord {
                market: "SH",
                code: &format!("{number:06}"),
                name: &name,
                time_us: 1,
                bid: &levels,
                bid_volume: &volumes,
                ask: &levels,
                ask_volume: &volumes,
                ..SpotRecord::default()
            };
            encoder.push(&record).unwrap();
        }
        Batch::from_spots(&mut encoder, Round::WHOLE)
    }

    fn codes(message: &Message) -> Vec<String> {
        let bytes = message.payload.as_ref().unwrap().to_vec();
        let batch = Batch::from_untrusted_spots(bytes, Round::MIDDLE).unwrap();
        batch.spots().iter().map(|spot| spot.code().to_owned()).collect()
    }

    #[test]
    fn a_batch_that_is_too_large_goes_in_parts_and_any_other_as_it_is() {
        let messages = Messages::new(":spot:");
        for (records, name) in [(1, 30), (60, 12), (5_500, 12), (2_000, 3_000), (17, 200_000)] {
            let batch = batch(records, name);
            let parts = messages.data(&batch, &mut |_| None);
            assert!(parts.iter().all(|part| part.len() <= MOST_BYTES), "{records} of {name}");
            let seen: Vec<_> = parts.iter().flat_map(codes).collect();
            let sent: Vec<_> = batch.spots().iter().map(|spot| spot.code().to_owned()).collect();
            assert_eq!(seen, sent, "in order, each once");
            let counted: u32 = parts.iter().map(|part| part.records).sum();
            assert_eq!(counted, batch.records());
            let is_whole = batch.payload().len() + 6 <= MOST_BYTES;
            assert_eq!(parts.len() == 1, is_whole, "{records} of {name}");
            if is_whole {
                assert_eq!(parts[0].payload.as_ref().unwrap()[..], batch.payload()[..]);
            }
        }
        // nothing smaller can be made of one quote
        assert_eq!(messages.data(&batch(1, 2 << 20), &mut |_| None).len(), 1);
    }
}
