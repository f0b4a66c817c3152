//! One batch as it lies in a segment.
//!
//! ```text
//! length u32 │ crc32 u32 │ number u64 │ flags u8 │ records u32 │ received_at_us i64 │
//! epoch u64 │ sequence u64 │ part u64 │ writer (u16, bytes) │ source (u16, bytes) │ payload
//! ```
//! Little endian. `length` counts what follows the checksum, which covers just that.

use plugin_api::{Batch, PluginError, Provenance, RecordKind, Round};

use super::{
    bytes::{Reader, put_text},
    lanes::{Lane, Mark},
};

/// Bytes before what the checksum covers.
pub(super) const PREFIX: usize = 8;

const IS_BAR: u8 = 1;
const IS_FIRST: u8 = 2;
const IS_LAST: u8 = 4;

/// An entry without its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub number: u64,
    pub kind: RecordKind,
    pub round: Round,
    pub records: u32,
    pub received_at_us: i64,
    pub lane: Lane,
    pub mark: Mark,
}

impl Head {
    /// What is kept of a batch from that writer.
    pub fn of(number: u64, lane: Lane, batch: &Batch) -> Self {
        Self {
            number,
            kind: batch.kind(),
            round: batch.round(),
            records: batch.records(),
            received_at_us: batch.provenance().received_at_us,
            lane,
            mark: Mark::of(batch),
        }
    }

    /// Everything of the entry that comes before the payload.
    pub fn encode(&self, payload: &[u8]) -> Vec<u8> {
        let mut head = vec![0; PREFIX];
        let is_bar = if self.kind == RecordKind::Bar { IS_BAR } else { 0 };
        let is_first = if self.round.first { IS_FIRST } else { 0 };
        let is_last = if self.round.last { IS_LAST } else { 0 };
        head.extend(self.number.to_le_bytes());
        head.push(is_bar | is_first | is_last);
        head.extend(self.records.to_le_bytes());
        head.extend(self.received_at_us.to_le_bytes());
        for word in [self.lane.epoch, self.mark.sequence, self.mark.part] {
            head.extend(word.to_le_bytes());
        }
        put_text(&mut head, &self.lane.writer);
        put_text(&mut head, &self.lane.source);
        let length = head.len() - PREFIX + payload.len();
        let mut crc = crc32fast::Hasher::new();
        crc.update(&head[PREFIX..]);
        crc.update(payload);
        // a batch is far below the limit of its FlatBuffers, 2 GiB
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        head[..4].copy_from_slice(&length.to_le_bytes());
        head[4..PREFIX].copy_from_slice(&crc.finalize().to_le_bytes());
        head
    }

    /// Reads the part that the checksum covers; also gives where the payload begins in it.
    pub fn decode(body: &[u8]) -> Option<(Self, usize)> {
        let mut reader = Reader::new(body);
        let number = reader.u64()?;
        let flags = reader.u8()?;
        let records = reader.u32()?;
        let received_at_us = i64::from_le_bytes(reader.array()?);
        let (epoch, sequence, part) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let (writer, source) = (reader.text()?, reader.text()?);
        let kind = if flags & IS_BAR == 0 { RecordKind::Spot } else { RecordKind::Bar };
        let round = Round { first: flags & IS_FIRST != 0, last: flags & IS_LAST != 0 };
        let lane = Lane { writer, source, epoch };
        let mark = Mark { sequence, part };
        let head = Self { number, kind, round, records, received_at_us, lane, mark };
        Some((head, reader.position()))
    }

    /// The batch again, checked as bytes from outside are.
    pub fn into_batch(self, payload: Vec<u8>) -> Result<Batch, PluginError> {
        let batch = match self.kind {
            RecordKind::Spot => Batch::from_untrusted_spots(payload, self.round)?,
            RecordKind::Bar => Batch::from_bars(payload)?.with_round(self.round),
        };
        let mut provenance = Provenance::of_source(&self.lane.source);
        provenance.received_at_us = self.received_at_us;
        Ok(batch
            .with_provenance(provenance)
            .numbered(self.lane.epoch, self.mark.sequence, self.mark.part)
            .with_delivery(self.number))
    }
}
