//! Batches: the unit of queueing, delivery and retry.

#[cfg(not(target_family = "wasm"))]
use abi_stable::{
    StableAbi,
    std_types::{RArc as Shared, RString as SharedText, RVec as Bytes},
};
use schemas::{
    encode::SpotListEncoder,
    flat,
    spot::{SpotListReader, SpotView},
    verify,
};
#[cfg(target_family = "wasm")]
use std::{string::String as SharedText, sync::Arc as Shared, vec::Vec as Bytes};

use crate::PluginError;

/// What the records of a batch are.
#[repr(u8)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(not(target_family = "wasm"), derive(StableAbi))]
pub enum RecordKind {
    /// Quotes: a `SpotList` of `spot.fbs`.
    Spot,
    /// Bars: a `BarList` of `bar.fbs`.
    Bar,
}

impl RecordKind {
    /// `spot` or `bar`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spot => "spot",
            Self::Bar => "bar",
        }
    }
}

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
    /// Number of the batch at its source, from 1; 0 before it is stamped.
    pub sequence: u64,
    /// When the host took it in, microseconds since 1970 UTC.
    pub received_at_us: i64,
}

impl Provenance {
    /// A first stamp for the batches of that source.
    pub fn of_source(source: &str) -> Self {
        Self { source: Shared::new(SharedText::from(source)), sequence: 0, received_at_us: 0 }
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
    provenance: Provenance,
    payload: Payload,
}

impl Batch {
    /// The quotes that the encoder holds, which starts anew.
    pub fn from_spots(encoder: &mut SpotListEncoder, round: Round) -> Self {
        let records = encoder.len();
        Self::new(RecordKind::Spot, round, records, encoder.finish())
    }

    /// Quotes from outside, checked here.
    ///
    /// # Errors
    /// `BadData` when the bytes are no list that every reader can take.
    pub fn from_untrusted_spots(bytes: Vec<u8>, round: Round) -> Result<Self, PluginError> {
        let records = verify::complete_spot_list(&bytes)?.len();
        Ok(Self::new(RecordKind::Spot, round, records, bytes))
    }

    /// Bars, as [`encode_bars`](crate::encode_bars) makes them or from outside, checked here.
    ///
    /// # Errors
    /// `BadData` when the bytes are no list of bars.
    pub fn from_bars(bytes: Vec<u8>) -> Result<Self, PluginError> {
        let list = verify::bar_list(&bytes)
            .map_err(|error| PluginError::bad_data(format!("not a list of bars: {error}")))?;
        let records = list.bar().len();
        Ok(Self::new(RecordKind::Bar, Round::MIDDLE, records, bytes))
    }

    fn new(kind: RecordKind, round: Round, records: usize, payload: Vec<u8>) -> Self {
        let records = u32::try_from(records).unwrap_or(u32::MAX);
        let payload = Payload(Shared::new(Bytes::from(payload)));
        Self { kind, round, records, provenance: Provenance::of_source(""), payload }
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

    /// Where the batch comes from.
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// The encoded records.
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// The quotes of the batch; none for a batch of bars.
    #[allow(unsafe_code)]
    pub fn spots(&self) -> SpotListReader<'_> {
        if self.kind != RecordKind::Spot {
            return SpotListReader::default();
        }
        // SAFETY: the constructors encoded or verified the payload, and it never changes.
        SpotListReader::new(unsafe { flat::root_as_spot_list_unchecked(&self.payload) })
    }

    /// The bars of the batch; none for a batch of quotes.
    #[allow(unsafe_code)]
    pub fn bars(&self) -> impl Iterator<Item = schemas::bar::BarRecord<'_>> {
        let list = (self.kind == RecordKind::Bar).then(|| {
            // SAFETY: the constructor verified the payload, and it never changes.
            unsafe { flat::root_as_bar_list_unchecked(&self.payload) }
        });
        list.into_iter().flat_map(|list| list.bar().iter()).map(Into::into)
    }

    /// The batch with only those quotes; its own payload when all are kept.
    ///
    /// # Errors
    /// Never in practice: fewer quotes need less room than the list they come from.
    pub fn retain_spots(
        &self,
        mut keep: impl FnMut(&SpotView<'_>) -> bool,
    ) -> Result<Self, PluginError> {
        let kept: Vec<_> = self.spots().iter().filter(|spot| keep(spot)).collect();
        if kept.len() == self.spots().len() {
            return Ok(self.clone());
        }
        let mut encoder = SpotListEncoder::new(kept.len());
        for spot in kept {
            encoder.push_wire(&spot.to_wire())?;
        }
        Ok(Self::from_spots(&mut encoder, self.round).with_provenance(self.provenance.clone()))
    }
}

#[cfg(test)]
mod tests {
    use schemas::encode::SpotRecord;

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
    fn bytes_from_outside_are_checked() {
        assert!(Batch::from_untrusted_spots(b"no list".to_vec(), Round::WHOLE).is_err());
        let list = batch(&["600000"]).payload().to_vec();
        assert_eq!(Batch::from_untrusted_spots(list, Round::WHOLE).unwrap().records(), 1);
        assert!(Batch::from_bars(b"no list".to_vec()).is_err());
    }
}
