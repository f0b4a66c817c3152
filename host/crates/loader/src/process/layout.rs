//! How batches and other bytes lie in a frame, or beside it in shared memory.

use plugin_api::{Batch, PluginError, Provenance, RecordKind, Round};

use super::{
    memory::{Memory, TheirMemory},
    wire::{Body, Broken},
};
use crate::guest_output::{MadeBatch, MadePayload, Stamp};

/// Payloads of one frame that have more bytes together lie in shared memory.
const MAX_INLINE: usize = 64 << 10;
/// Fixed part of a batch, bytes.
const BATCH: usize = 64;

impl Body<'_> {
    /// A payload by its place: in the frame or in shared memory.
    fn payload(
        &mut self,
        place: u8,
        len: u32,
        offset: u64,
        memory: &TheirMemory,
    ) -> Result<Vec<u8>, Broken> {
        match place {
            0 => Ok(self.bytes(len as usize)?.to_vec()),
            1 => memory.read(offset, len),
            other => Err(Broken(format!("a payload has the place {other}"))),
        }
    }

    /// A batch as the host gives it, whose payload is not verified yet.
    pub fn given(&mut self, memory: &TheirMemory) -> Result<GivenBatch, Broken> {
        let head = Head::read(self)?;
        let bytes = self.payload(head.place, head.len, head.offset, memory)?;
        Ok(GivenBatch { head, bytes })
    }

    /// A batch as the child made it.
    pub fn made(&mut self, memory: &TheirMemory) -> Result<MadeBatch, Broken> {
        let head = Head::read(self)?;
        let payload = match head.place {
            2 => MadePayload::Unchanged,
            3 => MadePayload::Nothing,
            place => MadePayload::Bytes(self.payload(place, head.len, head.offset, memory)?),
        };
        self.end()?;
        let stamp = (head.sequence > 0).then_some(Stamp {
            source: head.source,
            epoch: head.epoch,
            sequence: head.sequence,
            part: head.part,
            received_at_us: head.received_at_us,
        });
        Ok(MadeBatch { kind: head.kind, round: head.round, stamp, payload })
    }

    /// A dead letter, or a state: a short text and bytes.
    pub fn blob(&mut self, memory: &TheirMemory) -> Result<Blob, Broken> {
        let (given, place, text) = (self.u8()? != 0, self.u8()?, self.u16()?);
        let (len, offset) = (self.u32()?, self.u64()?);
        let text = self.text(usize::from(text))?;
        let bytes = given.then(|| self.payload(place, len, offset, memory)).transpose()?;
        self.end()?;
        Ok(Blob { text, bytes })
    }
}

/// A text and bytes, which may be missing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Blob {
    pub text: String,
    pub bytes: Option<Vec<u8>>,
}

/// A batch on its way to a child.
pub(super) struct GivenBatch {
    head: Head,
    bytes: Vec<u8>,
}

impl GivenBatch {
    /// The batch, verified.
    pub fn into_batch(self) -> Result<Batch, PluginError> {
        let Self { head, bytes } = self;
        let mut stamp = Provenance::of_source(&head.source);
        (stamp.epoch, stamp.sequence, stamp.part) = (head.epoch, head.sequence, head.part);
        stamp.received_at_us = head.received_at_us;
        let batch = Batch::from_untrusted(head.kind, bytes, head.round)?.with_provenance(stamp);
        Ok(match (head.delivery, head.lasting) {
            (0, _) => batch,
            (delivery, true) => batch.with_delivery(delivery),
            (delivery, false) => batch.with_passing_delivery(delivery),
        })
    }
}

/// The fixed part of a batch and the id of its source.
struct Head {
    kind: RecordKind,
    round: Round,
    lasting: bool,
    place: u8,
    delivery: u64,
    epoch: u64,
    sequence: u64,
    part: u64,
    received_at_us: i64,
    offset: u64,
    len: u32,
    source: String,
}

impl Head {
    fn read(body: &mut Body<'_>) -> Result<Self, Broken> {
        let (kind, flags, place, source) = (body.u8()?, body.u8()?, body.u8()?, body.u8()?);
        let kind = RecordKind::numbered(kind)
            .ok_or_else(|| Broken(format!("a batch has records of kind {kind}")))?;
        let _records = body.u32()?;
        let (delivery, epoch, sequence) = (body.u64()?, body.u64()?, body.u64()?);
        let (part, received_at_us, offset) = (body.u64()?, body.i64()?, body.u64()?);
        let (len, _zero) = (body.u32()?, body.u32()?);
        let source = body.text(usize::from(source))?;
        let round = Round { first: flags & 1 != 0, last: flags & 2 != 0 };
        let lasting = flags & 4 != 0;
        Ok(Self {
            kind,
            round,
            lasting,
            place,
            delivery,
            epoch,
            sequence,
            part,
            received_at_us,
            offset,
            len,
            source,
        })
    }
}

/// Where the payload of a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Inline,
    /// In shared memory, at that offset.
    Shared(u64),
    /// It is that of the batch that the call was given.
    Unchanged,
}

/// Writes batches, their payloads into shared memory when they are large together.
pub(super) fn put_batches(
    body: &mut Vec<u8>,
    batches: &[Batch],
    memory: &mut Memory,
) -> Result<(), PluginError> {
    let total: usize = batches.iter().map(|batch| batch.payload().len()).sum();
    let is_shared = total > MAX_INLINE;
    if is_shared {
        memory.reserve(total)?;
    }
    for batch in batches {
        let place = match is_shared {
            true => Place::Shared(memory.put(batch.payload())?),
            false => Place::Inline,
        };
        put_batch(body, batch, place)?;
    }
    Ok(())
}

/// Writes a batch that was made, maybe of an input whose payload it has.
pub(super) fn put_made(
    body: &mut Vec<u8>,
    batch: &Batch,
    input: Option<&Batch>,
    memory: &mut Memory,
) -> Result<(), PluginError> {
    let is_same = |input: &Batch| {
        let (theirs, own) = (input.payload(), batch.payload());
        (theirs.as_ptr(), theirs.len(), input.kind()) == (own.as_ptr(), own.len(), batch.kind())
    };
    if input.is_some_and(is_same) {
        return put_batch(body, batch, Place::Unchanged);
    }
    put_batches(body, std::slice::from_ref(batch), memory)
}

/// Writes one batch whose payload is at that place.
fn put_batch(body: &mut Vec<u8>, batch: &Batch, place: Place) -> Result<(), PluginError> {
    let (round, stamp) = (batch.round(), batch.provenance());
    let source = &stamp.source()[..stamp.source().floor_char_boundary(255)];
    let len = u32::try_from(batch.payload().len())
        .map_err(|_| PluginError::bad_data("a batch has more than 4 GiB; send smaller ones"))?;
    let is_lasting = batch.lasting_delivery() != 0;
    let flags = u8::from(round.first) | u8::from(round.last) << 1 | u8::from(is_lasting) << 2;
    let (number, offset) = match place {
        Place::Inline => (0, 0),
        Place::Shared(offset) => (1, offset),
        Place::Unchanged => (2, 0),
    };
    body.reserve(BATCH + source.len());
    let source_len = u8::try_from(source.len()).unwrap_or(u8::MAX);
    body.extend([batch.kind().number(), flags, number, source_len]);
    body.extend(batch.records().to_le_bytes());
    for number in [batch.delivery(), stamp.epoch, stamp.sequence, stamp.part] {
        body.extend(number.to_le_bytes());
    }
    body.extend(stamp.received_at_us.to_le_bytes());
    body.extend(offset.to_le_bytes());
    body.extend(u64::from(len).to_le_bytes());
    body.extend(source.as_bytes());
    if place == Place::Inline {
        body.extend(&batch.payload()[..]);
    }
    Ok(())
}

/// Writes a text and bytes.
pub(super) fn put_blob(
    body: &mut Vec<u8>,
    text: &str,
    bytes: Option<&[u8]>,
    memory: &mut Memory,
) -> Result<(), PluginError> {
    let text = &text[..text.floor_char_boundary(4 << 10)];
    let content = bytes.unwrap_or_default();
    let len = u32::try_from(content.len())
        .map_err(|_| PluginError::fatal("a state has more than 4 GiB; keep less"))?;
    let is_shared = content.len() > MAX_INLINE;
    let mut offset = 0;
    if is_shared {
        memory.reserve(content.len())?;
        offset = memory.put(content)?;
    }
    body.extend([u8::from(bytes.is_some()), u8::from(is_shared)]);
    body.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
    body.extend(len.to_le_bytes());
    body.extend(offset.to_le_bytes());
    body.extend(text.as_bytes());
    if !is_shared {
        body.extend(content);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use plugin_api::testing::{bar_batch, spot_batch};

    use super::*;

    fn stamped(batch: Batch) -> Batch {
        let mut stamp = Provenance::of_source("day");
        (stamp.epoch, stamp.sequence, stamp.part) = (7, 3, 1);
        stamp.received_at_us = -5;
        batch.with_provenance(stamp).with_delivery(9)
    }

    #[test]
    fn batches_come_out_as_they_went_in_through_the_frame_and_through_memory() {
        let small = [stamped(spot_batch(2, Round::WHOLE)), stamped(bar_batch())];
        let large = [stamped(spot_batch(500, Round { first: true, last: false }))];
        for batches in [&small[..], &large[..]] {
            let (mut body, mut memory) = (Vec::new(), Memory::default());
            put_batches(&mut body, batches, &mut memory).unwrap();
            let mut theirs = TheirMemory::default();
            if let Some(file) = memory.take_announced() {
                theirs.replace(file.try_clone().unwrap());
            }
            let mut read = Body(&body);
            for batch in batches {
                let out = read.given(&theirs).unwrap().into_batch().unwrap();
                assert_eq!(out.payload()[..], batch.payload()[..]);
                assert_eq!((out.kind(), out.round()), (batch.kind(), batch.round()));
                assert_eq!(out.lasting_delivery(), 9);
                let (a, b) = (out.provenance(), batch.provenance());
                let numbers = |it: &Provenance| (it.epoch, it.sequence, it.part, it.received_at_us);
                assert_eq!((a.source(), numbers(a)), (b.source(), numbers(b)));
            }
            read.end().unwrap();
        }
    }

    #[test]
    fn a_batch_is_laid_out_as_the_page_says() {
        let mut body = Vec::new();
        let batch = stamped(spot_batch(1, Round { first: false, last: true }));
        put_batch(&mut body, &batch, Place::Unchanged).unwrap();
        assert_eq!(body[..8], [0, 2 | 4, 2, 3, 1, 0, 0, 0]);
        assert_eq!((body[8], body[16], body[24], body[32]), (9, 7, 3, 1));
        assert_eq!(body[40..48], (-5_i64).to_le_bytes());
        assert_eq!((body.len(), &body[64..]), (67, &b"day"[..]));
        let made = Body(&body).made(&TheirMemory::default()).unwrap();
        assert!(matches!(made.payload, MadePayload::Unchanged));
        assert_eq!(made.stamp.unwrap().sequence, 3);
    }

    #[test]
    fn a_blob_comes_out_as_it_went_in() {
        for (text, bytes) in [("why", Some(vec![1; 9])), ("", None), ("", Some(vec![2; 70_000]))] {
            let (mut body, mut memory) = (Vec::new(), Memory::default());
            put_blob(&mut body, text, bytes.as_deref(), &mut memory).unwrap();
            let mut theirs = TheirMemory::default();
            if let Some(file) = memory.take_announced() {
                theirs.replace(file.try_clone().unwrap());
            }
            let read = Body(&body).blob(&theirs).unwrap();
            assert_eq!(read, Blob { text: text.to_owned(), bytes });
        }
    }

    #[test]
    fn no_damaged_body_panics_or_is_read_beyond_its_end() {
        let mut body = Vec::new();
        let batch = stamped(spot_batch(1, Round::WHOLE));
        put_batch(&mut body, &batch, Place::Inline).unwrap();
        let theirs = TheirMemory::default();
        for end in 0..body.len() {
            assert!(Body(&body[..end]).made(&theirs).is_err(), "{end}");
        }
        for at in 0..BATCH {
            for bit in 0..8 {
                let mut damaged = body.clone();
                damaged[at] ^= 1 << bit;
                let _ = Body(&damaged).made(&theirs);
                let _ = Body(&damaged).blob(&theirs);
            }
        }
    }
}
