//! Kinds of record, and the records of a batch: all that differs from kind to kind.

#[cfg(not(target_family = "wasm"))]
use abi_stable::StableAbi;
use schemas::{
    encode::{SpotListEncoder, WireSpot},
    flat,
    records::{Column, Record, bar::BarRecord},
    spot::{SpotListReader, SpotView, Symbol},
    verify,
};

use crate::{Batch, PluginError, Round};

/// What the records of a batch are. There may be more kinds some day; their numbers, which are the
/// order here, stand in files.
#[repr(u8)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(not(target_family = "wasm"), derive(StableAbi))]
#[non_exhaustive]
pub enum RecordKind {
    /// Quotes: a `SpotList` of `spot.fbs`.
    Spot,
    /// Bars: a `BarList` of `bar.fbs`.
    Bar,
}

impl RecordKind {
    /// Every kind, by its number.
    pub const ALL: [Self; 2] = [Self::Spot, Self::Bar];

    /// `spot` or `bar`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spot => "spot",
            Self::Bar => "bar",
        }
    }

    /// What people call its records: `quotes` or `bars`.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Spot => "quotes",
            Self::Bar => "bars",
        }
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The kind of that number.
    pub fn numbered(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Its number.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// What its records say, in the order of stores.
    pub fn columns(self) -> &'static [Column] {
        match self {
            Self::Spot => SpotView::COLUMNS,
            Self::Bar => BarRecord::COLUMNS,
        }
    }
}

/// Something that is done with the records of a batch, whatever their kind.
pub trait WithRecords {
    /// What comes of it.
    type Output;

    /// Does it with the records, in order.
    fn run<R: Record>(self, records: impl Iterator<Item = R>) -> Self::Output;
}

impl Batch {
    /// Records from outside, checked here.
    ///
    /// # Errors
    /// `BadData` when the bytes are no list of that kind that every reader can take.
    pub fn from_untrusted(
        kind: RecordKind,
        bytes: Vec<u8>,
        round: Round,
    ) -> Result<Self, PluginError> {
        match kind {
            RecordKind::Spot => Self::from_untrusted_spots(bytes, round),
            RecordKind::Bar => Self::from_bars(bytes).map(|batch| batch.with_round(round)),
        }
    }

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
        let records = BarRecord::read_list(&bytes)
            .map_err(|error| PluginError::bad_data(format!("not a list of bars: {error}")))?
            .len();
        Ok(Self::new(RecordKind::Bar, Round::MIDDLE, records, bytes))
    }

    /// The quotes of the batch; none for a batch of another kind.
    #[allow(unsafe_code)]
    pub fn spots(&self) -> SpotListReader<'_> {
        if self.kind() != RecordKind::Spot {
            return SpotListReader::default();
        }
        // SAFETY: the constructors encoded or verified the payload, and it never changes.
        SpotListReader::new(unsafe { flat::root_as_spot_list_unchecked(self.payload()) })
    }

    /// The bars of the batch; none for a batch of another kind.
    #[allow(unsafe_code)]
    pub fn bars(&self) -> impl Iterator<Item = BarRecord<'_>> {
        let list = (self.kind() == RecordKind::Bar).then(|| {
            // SAFETY: the constructor verified the payload, and it never changes.
            unsafe { BarRecord::read_list_unchecked(self.payload()) }
        });
        list.into_iter().flatten()
    }

    /// Does something with the records, whatever their kind.
    pub fn with_records<W: WithRecords>(&self, work: W) -> W::Output {
        match self.kind() {
            RecordKind::Spot => work.run(self.spots().iter()),
            RecordKind::Bar => work.run(self.bars()),
        }
    }

    /// The batch with only the records of those securities; its own payload when all are kept.
    ///
    /// # Errors
    /// Never in practice: fewer records need less room than the list they come from.
    pub fn retain(&self, keep: impl FnMut(Symbol<'_>) -> bool) -> Result<Self, PluginError> {
        match self.with_records(Retain(keep))? {
            Some((records, list)) => Ok(self.of_same(records, list)),
            None => Ok(self.clone()),
        }
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
        let (records, list) = (kept.len(), SpotView::encode(kept.into_iter())?);
        Ok(self.of_same(records, list))
    }

    /// The batch with what `change` makes of each quote, in order; `None` leaves a quote out.
    ///
    /// # Errors
    /// `BadData` when the changed quotes need more room than a list has.
    pub fn map_spots(
        &self,
        mut change: impl FnMut(WireSpot<'_>) -> Option<WireSpot<'_>>,
    ) -> Result<Self, PluginError> {
        let mut encoder = SpotListEncoder::new(self.spots().len());
        for spot in self.spots().iter() {
            if let Some(spot) = change(spot.to_wire()) {
                encoder.push_wire(&spot)?;
            }
        }
        Ok(Self::from_spots(&mut encoder, self.round()).with_provenance(self.provenance().clone()))
    }

    /// The records before that place, and those from there on.
    pub(crate) fn split_at(&self, place: usize) -> Result<[Self; 2], PluginError> {
        let parts = self.with_records(SplitAt(place))?;
        Ok(parts.map(|(records, list)| self.of_same(records, list)))
    }

    /// A batch with other records of the same kind.
    fn of_same(&self, records: usize, list: Vec<u8>) -> Self {
        let batch = Self::new(self.kind(), self.round(), records, list);
        batch.with_provenance(self.provenance().clone())
    }
}

/// Number of records and their list; `None` where all are kept.
struct Retain<F>(F);

impl<F: FnMut(Symbol<'_>) -> bool> WithRecords for Retain<F> {
    type Output = Result<Option<(usize, Vec<u8>)>, PluginError>;

    fn run<R: Record>(mut self, records: impl Iterator<Item = R>) -> Self::Output {
        let mut all = 0;
        let records = records.inspect(|_| all += 1);
        let kept: Vec<_> = records.filter(|record| (self.0)(record.symbol())).collect();
        if kept.len() == all {
            return Ok(None);
        }
        Ok(Some((kept.len(), R::encode(kept.into_iter())?)))
    }
}

struct SplitAt(usize);

impl WithRecords for SplitAt {
    type Output = Result<[(usize, Vec<u8>); 2], PluginError>;

    fn run<R: Record>(self, records: impl Iterator<Item = R>) -> Self::Output {
        let mut first: Vec<_> = records.collect();
        let second = first.split_off(self.0.min(first.len()));
        Ok([
            (first.len(), R::encode(first.into_iter())?),
            (second.len(), R::encode(second.into_iter())?),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{bar_batch, spot_batch};

    #[test]
    fn kinds_are_found_by_name_and_number() {
        for kind in RecordKind::ALL {
            assert_eq!(RecordKind::named(kind.as_str()), Some(kind));
            assert_eq!(RecordKind::numbered(kind.number()), Some(kind));
        }
        assert_eq!((RecordKind::named("Spot"), RecordKind::numbered(255)), (None, None));
    }

    #[test]
    fn records_of_every_kind_are_retained_by_their_security() {
        for batch in [spot_batch(3, Round::WHOLE), bar_batch().with_round(Round::WHOLE)] {
            let same = batch.retain(|_| true).unwrap();
            assert_eq!(same.payload().as_ptr(), batch.payload().as_ptr());
            let one = batch.retain(|symbol| symbol.code == "600000").unwrap();
            assert_eq!((one.records(), one.round(), one.kind()), (1, Round::WHOLE, batch.kind()));
            assert_eq!(batch.retain(|_| false).unwrap().records(), 0);
        }
    }
}
