//! Batches: the unit of queueing, delivery and retry.

#[cfg(not(target_family = "wasm"))]
use abi_stable::{
    StableAbi,
    std_types::{RArc as Shared, RString as SharedText, RVec as Bytes},
};
#[cfg(target_family = "wasm")]
use std::{string::String as SharedText, sync::Arc as Shared, vec::Vec as Bytes};

use crate::{PluginError, RecordKind};

/// Where a batch stands in its source's pass over all symbols.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(not(target_family = "wasm"), derive(StableAbi))]
pub struct Round {
    /// The batch opens a round.
    pub first: bool,
    /// The batch closes a round.
    pub last: bool,
}

impl Round {
    /// In the middle of a round, or of a source that has no rounds.
    pub const MIDDLE: Self = Self { first: false, last: false };
    /// A round of one batch.
    pub const WHOLE: Self = Self { first: true, last: true };
}

/// Where a batch comes from; stamped by the host when its source hands it over.
#[repr(C)]
#[derive(Debug, Clone)]
#[cfg_attr(not(target_family = "wasm"), derive(StableAbi))]
pub struct Provenance {
    source: Shared<SharedText>,
    /// Which counting the number belongs to: another run, or other data, has another one.
    pub epoch: u64,
    /// Number of the batch at its source, growing from 1; 0 before it is stamped.
    pub sequence: u64,
    /// Place among batches of one number: those that a transform made of one, or halves.
    pub part: u64,
    /// When the host took it in, microseconds since 1970 UTC.
    pub received_at_us: i64,
}

impl Provenance {
    /// A first stamp for the batches of that source.
    pub fn of_source(source: &str) -> Self {
        Self {
            source: Shared::new(SharedText::from(source)),
            epoch: 0,
            sequence: 0,
            part: 0,
            received_at_us: 0,
        }
    }

    /// Id of the source component.
    pub fn source(&self) -> &str {
        self.source.as_str()
    }
}

/// Encoded records, shared by everybody who holds the batch.
///
/// The memory belongs to the library that made it, and is given back there.
#[repr(C)]
#[derive(Clone)]
#[cfg_attr(not(target_family = "wasm"), derive(StableAbi))]
pub struct Payload(Shared<Bytes<u8>>);

impl std::ops::Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_slice()
    }
}

#[cfg(target_family = "wasm")]
impl Payload {
    /// Bytes that the host verified, or made from such.
    pub(crate) fn verified(bytes: Vec<u8>) -> Self {
        Self(Shared::new(bytes))
    }

    /// Whether both are the same memory.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Shared::ptr_eq(&self.0, &other.0)
    }

    /// The bytes; copied when somebody else still holds them.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        Shared::unwrap_or_clone(self.0)
    }
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Payload({} bytes)", self.len())
    }
}

/// Records of one kind in one immutable payload, with their provenance.
///
/// A clone shares the payload. Every payload is a well-formed list whose quotes have market, code
/// and datetime: the constructors see to it.
#[repr(C)]
#[derive(Debug, Clone)]
#[cfg_attr(not(target_family = "wasm"), derive(StableAbi))]
pub struct Batch {
    kind: RecordKind,
    round: Round,
    records: u32,
    delivery: u64,
    /// The number outlives the host.
    lasting: bool,
    provenance: Provenance,
    payload: Payload,
}

impl Batch {
    #[cfg_attr(target_family = "wasm", allow(clippy::useless_conversion))]
    pub(crate) fn new(kind: RecordKind, round: Round, records: usize, payload: Vec<u8>) -> Self {
        let records = u32::try_from(records).unwrap_or(u32::MAX);
        let payload = Payload(Shared::new(Bytes::from(payload)));
        let provenance = Provenance::of_source("");
        Self { kind, round, records, delivery: 0, lasting: false, provenance, payload }
    }

    /// A batch that the host lends to a sandboxed instance, with what the host says of it.
    #[cfg(target_family = "wasm")]
    pub(crate) fn lent(
        kind: RecordKind,
        round: Round,
        records: u32,
        provenance: Provenance,
        payload: Payload,
    ) -> Self {
        Self { kind, round, records, delivery: 0, lasting: false, provenance, payload }
    }

    /// Its payload, given away.
    #[cfg(target_family = "wasm")]
    pub(crate) fn into_payload(self) -> Payload {
        self.payload
    }

    /// The same records, numbered by their source.
    ///
    /// A source that can go back after a restart gives the same records the same numbers again, so
    /// that what is stored already is recognised. Within one `epoch` pairs of `sequence` (from 1)
    /// and `part` only grow; `epoch` changes with the data that the numbers count. A source that
    /// does not number its batches leaves that to the host.
    pub fn numbered(mut self, epoch: u64, sequence: u64, part: u64) -> Self {
        (self.provenance.epoch, self.provenance.sequence) = (epoch, sequence);
        self.provenance.part = part;
        self
    }

    /// The same records as a sink is offered them; see [`delivery`](Self::delivery).
    pub fn with_delivery(self, delivery: u64) -> Self {
        Self { delivery, lasting: true, ..self }
    }

    /// The same records as a sink is offered them by a host that does not remember the number when
    /// it ends.
    pub fn with_passing_delivery(self, delivery: u64) -> Self {
        Self { delivery, lasting: false, ..self }
    }

    /// The same records with another provenance; a transform gives its output that of its input.
    pub fn with_provenance(self, provenance: Provenance) -> Self {
        Self { provenance, ..self }
    }

    /// The same records at another place of their round.
    pub fn with_round(self, round: Round) -> Self {
        Self { round, ..self }
    }

    /// What the records are.
    pub fn kind(&self) -> RecordKind {
        self.kind
    }

    /// Where the batch stands in its round.
    pub fn round(&self) -> Round {
        self.round
    }

    /// Number of records.
    pub fn records(&self) -> u32 {
        self.records
    }

    /// Number under which one sink is offered the batch; 0 before it comes to a sink.
    ///
    /// It grows from batch to batch, by one or more, and is about the time in microseconds since
    /// 1970 UTC. A batch that is offered again has the same number again, so that a sink can tell
    /// what it has already. Halves of a batch share its number and differ in the provenance's
    /// `part`. What comes from a buffer on disk keeps its number over restarts of the host; a
    /// buffer in memory begins anew, and if the clock was put back, below what it had given.
    pub fn delivery(&self) -> u64 {
        self.delivery
    }

    /// The number if it grows over restarts, 0 otherwise: for sinks that remember it that long.
    pub fn lasting_delivery(&self) -> u64 {
        if self.lasting { self.delivery } else { 0 }
    }

    /// Where the batch comes from.
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// The encoded records.
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// The batch in two halves of its records; `None` when it has fewer than two.
    ///
    /// # Errors
    /// Never in practice: fewer records need less room than the list they come from.
    pub fn halves(&self) -> Result<Option<(Self, Self)>, PluginError> {
        let middle = self.records as usize / 2;
        if middle == 0 {
            return Ok(None);
        }
        let [first, second] = self.split_at(middle)?;
        let of_whole = |half: Self| Self { delivery: self.delivery, lasting: self.lasting, ..half };
        let (mut first, mut second) = (of_whole(first), of_whole(second));
        first.round.last = false;
        second.round.first = false;
        second.provenance.part += middle as u64;
        Ok(Some((first, second)))
    }
}

#[cfg(test)]
mod tests {
    use schemas::{
        encode::{SpotListEncoder, SpotRecord, WireSpot},
        verify,
    };

    use super::*;

    fn batch(codes: &[&str]) -> Batch {
        let mut encoder = SpotListEncoder::new(codes.len());
        for code in codes {
            encoder.push(&SpotRecord { market: "SH", code, ..SpotRecord::default() }).unwrap();
        }
        Batch::from_spots(&mut encoder, Round::WHOLE)
    }

    #[test]
    fn a_clone_shares_the_payload() {
        let original = batch(&["600000"]);
        assert_eq!(original.clone().payload().as_ptr(), original.payload().as_ptr());
    }

    #[test]
    fn retaining_everything_copies_nothing() {
        let original = batch(&["600000", "600001"]);
        let same = original.retain_spots(|_| true).unwrap();
        assert_eq!(same.payload().as_ptr(), original.payload().as_ptr());
        let one = original.retain_spots(|spot| spot.code() == "600001").unwrap();
        assert_eq!((one.records(), one.round()), (1, Round::WHOLE));
        let none = original.retain_spots(|_| false).unwrap();
        assert_eq!(none.records(), 0);
        assert!(verify::complete_spot_list(none.payload()).is_ok());
    }

    #[test]
    fn mapping_changes_and_leaves_out_quotes_and_keeps_the_rest() {
        let original = batch(&["600000", "600001", "600002"]).numbered(7, 3, 1);
        let mapped = original
            .map_spots(|spot| {
                (spot.code != "600001").then_some(WireSpot { quality_score: Some(0.5), ..spot })
            })
            .unwrap();
        let read: Vec<_> =
            mapped.spots().iter().map(|spot| (spot.code(), spot.quality_score())).collect();
        assert_eq!(read, [("600000", Some(0.5)), ("600002", Some(0.5))]);
        assert_eq!((mapped.round(), mapped.provenance().sequence), (Round::WHOLE, 3));
        let same = original.map_spots(|spot| (spot.sequence == 0).then_some(spot)).unwrap();
        assert_eq!(same.payload()[..], original.payload()[..]);
    }

    #[test]
    fn halves_have_all_records_and_the_number_of_the_whole() {
        let whole = batch(&["600000", "600001", "600002"]).numbered(7, 3, 10).with_delivery(5);
        let (first, second) = whole.halves().unwrap().unwrap();
        let codes = |half: &Batch| {
            half.spots().iter().map(|spot| spot.code().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(
            (codes(&first), codes(&second)),
            (vec!["600000".to_owned()], vec!["600001".to_owned(), "600002".to_owned()],)
        );
        assert_eq!((first.provenance().part, second.provenance().part), (10, 11));
        assert_eq!((first.delivery(), second.lasting_delivery()), (5, 5));
        assert_eq!(
            (first.round().last, second.round()),
            (false, Round { first: false, last: true })
        );
        assert!(first.halves().unwrap().is_none());
    }

    #[test]
    fn bytes_from_outside_are_checked() {
        assert!(Batch::from_untrusted_spots(b"no list".to_vec(), Round::WHOLE).is_err());
        let list = batch(&["600000"]).payload().to_vec();
        assert_eq!(Batch::from_untrusted_spots(list, Round::WHOLE).unwrap().records(), 1);
        assert!(Batch::from_bars(b"no list".to_vec()).is_err());
    }
}
