//! The format of an entry: one batch in a segment.
//!
//! ```text
//! mark u64 │ length u32 │ check u32 │ crc32 u32 │ entries u64 │ records u64 │
//! number u64 │ flags u8 │ records u32 │ received_at_us i64 │ epoch u64 │ sequence u64 │ part u64 │
//! writer (u16, bytes) │ source (u16, bytes) │ payload
//! ```
//! Little endian. `mark` is random for each segment and part of its file name, so that entries can
//! be found after damage, and no payload is taken for one. `length` counts what follows `crc32`;
//! `check` covers mark and length, `crc32` the mark and what follows. `entries` and `records` count
//! what was appended to the spool before, so that the loss by damage can be computed; 0 entries
//! mean unknown.
//!
//! Earlier hosts wrote entries without mark, check and counts.

use plugin_api::{Batch, PluginError, Provenance, RecordKind, Round};

use super::{
    bytes::{Reader, put_text},
    streams::{ProducerStream, SeqNo},
};

/// Count of what was appended to a spool up to some point; entries count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    pub entries: u64,
    pub records: u64,
}

impl Tally {
    /// Before the first append.
    pub const START: Self = Self { entries: 1, records: 0 };

    /// The count after so much more.
    pub fn and(self, entries: u64, records: u64) -> Self {
        Self {
            entries: self.entries.saturating_add(entries),
            records: self.records.saturating_add(records),
        }
    }

    /// Decodes a count; `None` inside when it is unknown.
    pub fn read(reader: &mut Reader<'_>) -> Option<Option<Self>> {
        let (entries, records) = (reader.u64()?, reader.u64()?);
        Some((entries > 0).then_some(Self { entries, records }))
    }

    /// Encodes a count.
    pub fn encode(tally: Option<Self>) -> [u8; 16] {
        let Self { entries, records } = tally.unwrap_or(Self { entries: 0, records: 0 });
        (u128::from(entries) | u128::from(records) << 64).to_le_bytes()
    }
}

/// How the entries of a segment are framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame {
    /// Length and checksum alone, as earlier hosts wrote them.
    Plain,
    /// With this mark.
    Marked(u64),
}

impl Frame {
    /// Bytes before what the length counts.
    pub fn prefix(self) -> usize {
        match self {
            Self::Plain => 8,
            Self::Marked(_) => 20,
        }
    }

    /// Length and checksum of what follows that prefix; `None` where no entry begins. A length
    /// without a mark is not checked.
    pub fn open(self, prefix: &[u8]) -> Option<(usize, u32)> {
        let mut reader = Reader::new(prefix);
        let length = match self {
            Self::Plain => reader.u32()?,
            Self::Marked(mark) => {
                (reader.u64()? == mark).then_some(())?;
                let length = reader.u32()?;
                (reader.u32()? == check(mark, length)).then_some(length)?
            }
        };
        Some((usize::try_from(length).ok()?, reader.u32()?))
    }

    /// The checksum of what follows the prefix, given in two parts.
    pub fn checksum(self, head: &[u8], payload: &[u8]) -> u32 {
        let mut crc = crc32fast::Hasher::new();
        if let Self::Marked(mark) = self {
            crc.update(&mark.to_le_bytes());
        }
        crc.update(head);
        crc.update(payload);
        crc.finalize()
    }
}

fn check(mark: u64, length: u32) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&mark.to_le_bytes());
    crc.update(&length.to_le_bytes());
    crc.finalize()
}

/// Bits of the flags; the kind's number has its lowest bit in the first one and the others behind
/// the marks of the round, because there were two kinds at first.
const KIND: u8 = 1;
const IS_FIRST: u8 = 2;
const IS_LAST: u8 = 4;
const MORE_OF_KIND: u32 = 3;

fn flags(kind: RecordKind, round: Round) -> u8 {
    let number = kind.number();
    let is_first = if round.first { IS_FIRST } else { 0 };
    let is_last = if round.last { IS_LAST } else { 0 };
    number & KIND | is_first | is_last | number >> 1 << MORE_OF_KIND
}

/// `None` for a kind of a later host.
fn of_flags(flags: u8) -> Option<(RecordKind, Round)> {
    let kind = RecordKind::numbered(flags & KIND | flags >> MORE_OF_KIND << 1)?;
    Some((kind, Round { first: flags & IS_FIRST != 0, last: flags & IS_LAST != 0 }))
}

/// An entry without its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub number: u64,
    pub kind: RecordKind,
    pub round: Round,
    pub records: u32,
    pub received_at_us: i64,
    pub stream: ProducerStream,
    pub seq: SeqNo,
    /// Count before it, if known.
    pub tally: Option<Tally>,
}

impl Head {
    /// The head of a batch.
    pub fn of(number: u64, stream: ProducerStream, batch: &Batch) -> Self {
        Self {
            number,
            kind: batch.kind(),
            round: batch.round(),
            records: batch.records(),
            received_at_us: batch.provenance().received_at_us,
            stream,
            seq: SeqNo::of(batch),
            tally: None,
        }
    }

    /// Encodes everything before the payload.
    pub fn encode(&self, frame: Frame, payload: &[u8]) -> Vec<u8> {
        let prefix = frame.prefix();
        let mut head = vec![0; prefix];
        if let Frame::Marked(_) = frame {
            head.extend(Tally::encode(self.tally));
        }
        head.extend(self.number.to_le_bytes());
        head.push(flags(self.kind, self.round));
        head.extend(self.records.to_le_bytes());
        head.extend(self.received_at_us.to_le_bytes());
        for word in [self.stream.epoch, self.seq.sequence, self.seq.part] {
            head.extend(word.to_le_bytes());
        }
        put_text(&mut head, &self.stream.writer);
        put_text(&mut head, &self.stream.source);
        // a batch is far below the limit of its FlatBuffers, 2 GiB
        let length = u32::try_from(head.len() - prefix + payload.len()).unwrap_or(u32::MAX);
        let crc = frame.checksum(&head[prefix..], payload);
        let mut front = Vec::with_capacity(prefix);
        if let Frame::Marked(mark) = frame {
            front.extend(mark.to_le_bytes());
        }
        front.extend(length.to_le_bytes());
        if let Frame::Marked(mark) = frame {
            front.extend(check(mark, length).to_le_bytes());
        }
        front.extend(crc.to_le_bytes());
        head[..prefix].copy_from_slice(&front);
        head
    }

    /// Reads the part that the checksum covers; also gives where the payload begins in it.
    pub fn decode(frame: Frame, body: &[u8]) -> Option<(Self, usize)> {
        let mut reader = Reader::new(body);
        let tally = match frame {
            Frame::Plain => None,
            Frame::Marked(_) => Tally::read(&mut reader)?,
        };
        let number = reader.u64()?;
        let (kind, round) = of_flags(reader.u8()?)?;
        let records = reader.u32()?;
        let received_at_us = i64::from_le_bytes(reader.array()?);
        let (epoch, sequence, part) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let (writer, source) = (reader.text()?, reader.text()?);
        let stream = ProducerStream { writer, source, epoch };
        let seq = SeqNo { sequence, part };
        let head = Self { number, kind, round, records, received_at_us, stream, seq, tally };
        Some((head, reader.position()))
    }

    /// The batch again, checked as bytes from outside are.
    pub fn into_batch(self, payload: Vec<u8>) -> Result<Batch, PluginError> {
        let batch = Batch::from_untrusted(self.kind, payload, self.round)?;
        let mut provenance = Provenance::of_source(&self.stream.source);
        provenance.received_at_us = self.received_at_us;
        Ok(batch
            .with_provenance(provenance)
            .numbered(self.stream.epoch, self.seq.sequence, self.seq.part)
            .with_delivery(self.number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Flags as they stand in segments on disk: 1 for bars, 2 and 4 for the ends of a round.
    const WRITTEN: [(u8, RecordKind, bool, bool); 8] = [
        (0, RecordKind::Spot, false, false),
        (1, RecordKind::Bar, false, false),
        (2, RecordKind::Spot, true, false),
        (3, RecordKind::Bar, true, false),
        (4, RecordKind::Spot, false, true),
        (5, RecordKind::Bar, false, true),
        (6, RecordKind::Spot, true, true),
        (7, RecordKind::Bar, true, true),
    ];

    #[test]
    fn flags_of_segments_on_disk_keep_their_meaning() {
        for (byte, kind, first, last) in WRITTEN {
            let round = Round { first, last };
            assert_eq!((flags(kind, round), of_flags(byte)), (byte, Some((kind, round))));
        }
    }

    #[test]
    fn kinds_of_later_hosts_are_not_taken_for_known_ones() {
        let known = u8::try_from(RecordKind::ALL.len()).unwrap();
        for number in known..1 << 6 {
            let byte = number & KIND | number >> 1 << MORE_OF_KIND;
            assert_eq!(of_flags(byte), None, "{number}");
        }
    }

    /// A bar that closes a round, as earlier hosts wrote it.
    #[test]
    fn an_entry_on_disk_is_read_unchanged() {
        #[rustfmt::skip]
        let body = [
            &7_u64.to_le_bytes()[..], &[5], &1_u32.to_le_bytes(), &9_i64.to_le_bytes(),
            &2_u64.to_le_bytes(), &3_u64.to_le_bytes(), &4_u64.to_le_bytes(),
            &[5, 0], b"clean", &[3, 0], b"day", b"payload",
        ].concat();
        let (head, payload) = Head::decode(Frame::Plain, &body).unwrap();
        assert_eq!((head.number, head.kind, head.records), (7, RecordKind::Bar, 1));
        assert_eq!(head.round, Round { first: false, last: true });
        assert_eq!(&body[payload..], b"payload");
        assert_eq!(head.encode(Frame::Plain, b"payload")[8..], body[..payload]);
    }
}
