//! Batches that a guest makes, taken over and checked.

use std::collections::HashMap;

use plugin_api::{Batch, PluginError, Provenance, RecordKind, Round};
use wasmtime::Result;

use super::bindings::dataserver::plugin::types;

/// A call may hand over so many times its memory.
const TIMES_MEMORY: u64 = 4;
/// What a batch costs beside its payload, bytes.
const COST: u64 = 1_024;

/// What a call has handed over so far.
#[derive(Debug)]
pub(super) struct Pushed {
    batches: Vec<types::MadeBatch>,
    bytes: u64,
    max_bytes: u64,
    /// Payload of the batch that the call was given, bytes.
    given: u64,
    /// Stamps of the sources that the instance was given batches of, by id. It may hold a batch
    /// back and make something of it in a later call.
    stamp_by_source: HashMap<String, Provenance>,
    /// Whether the call that runs takes batches at all.
    open: bool,
}

impl Pushed {
    /// For an instance with that much memory.
    pub fn new(memory: u64) -> Self {
        let max_bytes = memory.saturating_mul(TIMES_MEMORY);
        let (batches, stamp_by_source) = (Vec::new(), HashMap::new());
        Self { batches, bytes: 0, max_bytes, given: 0, stamp_by_source, open: false }
    }

    /// A call begins that may push, with the batch that it is given.
    pub fn begin(&mut self, input: Option<&Batch>) {
        (self.bytes, self.given, self.open) = (0, 0, true);
        self.batches.clear();
        let Some(input) = input else { return };
        self.given = input.payload().len() as u64;
        let source = input.provenance().source();
        if !self.stamp_by_source.contains_key(source) {
            self.stamp_by_source.insert(source.to_owned(), input.provenance().clone());
        }
    }

    /// Takes a batch.
    ///
    /// # Errors
    /// Ends the call when it is not the time for it, or too much.
    pub fn push(&mut self, batch: types::MadeBatch) -> Result<()> {
        if !self.open {
            return Err(Refused("pushed a batch outside of apply, tick and close".into()).into());
        }
        let payload = match &batch.payload {
            types::Payload::Bytes(bytes) => bytes.len() as u64,
            types::Payload::Unchanged => self.given,
        };
        self.admit(payload)?;
        self.batches.push(batch);
        Ok(())
    }

    /// Counts what a call hands over, payload of so many bytes.
    ///
    /// # Errors
    /// Ends the call when it is too much.
    pub fn admit(&mut self, payload: u64) -> Result<()> {
        self.bytes = self.bytes.saturating_add(payload).saturating_add(COST);
        if self.bytes <= self.max_bytes {
            return Ok(());
        }
        let most = plugin_api::ByteSize(self.max_bytes);
        Err(Refused(format!("handed over more than {most} in one call")).into())
    }

    /// What the call handed over, checked; `input` is the batch that it was given.
    ///
    /// # Errors
    /// When a batch is malformed.
    pub fn finish(&mut self, input: Option<&Batch>) -> Result<Vec<Batch>, PluginError> {
        self.open = false;
        let made = std::mem::take(&mut self.batches);
        made.into_iter().map(|made| self.accept(made, input)).collect()
    }

    fn accept(&self, made: types::MadeBatch, input: Option<&Batch>) -> Result<Batch, PluginError> {
        let stamp = made.provenance.as_ref().and_then(|it| self.stamp(it));
        let batch = accept(made, input)?;
        Ok(match (stamp, input) {
            (Some(stamp), _) => batch.with_provenance(stamp),
            (None, Some(input)) => batch.with_provenance(input.provenance().clone()),
            (None, None) => batch,
        })
    }

    /// The place that a batch claims, if it is one of a source that the instance knows.
    fn stamp(&self, claimed: &types::ProvenanceResult) -> Option<Provenance> {
        let mut stamp = self.stamp_by_source.get(&claimed.source)?.clone();
        (stamp.epoch, stamp.sequence, stamp.part) = (claimed.epoch, claimed.sequence, claimed.part);
        stamp.received_at_us = claimed.received_at_us;
        (claimed.sequence > 0).then_some(stamp)
    }
}

/// Why the host ends a call.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refused(pub String);

/// Checks a batch that a guest made; it has no place yet.
fn accept(made: types::MadeBatch, input: Option<&Batch>) -> Result<Batch, PluginError> {
    let round = Round { first: made.round.first, last: made.round.last };
    let kind = match made.kind {
        types::RecordKind::Spot => RecordKind::Spot,
        types::RecordKind::Bar => RecordKind::Bar,
    };
    match (made.payload, input) {
        (types::Payload::Unchanged, Some(input)) if input.kind() == kind => {
            Ok(input.clone().with_round(round))
        }
        (types::Payload::Unchanged, _) => {
            Err(malformed("it is called unchanged, but there is no such input"))
        }
        (types::Payload::Bytes(bytes), _) => verify(kind, bytes, round),
    }
}

/// Checks a batch that a source made, and gives it the number that the source says.
pub(super) fn accept_of_source(made: types::MadeBatch) -> Result<Batch, PluginError> {
    let number = made.provenance.as_ref().map(|it| (it.epoch, it.sequence, it.part));
    let batch = accept(made, None)?;
    Ok(match number {
        Some((epoch, sequence, part)) if sequence > 0 => batch.numbered(epoch, sequence, part),
        _ => batch,
    })
}

fn verify(kind: RecordKind, bytes: Vec<u8>, round: Round) -> Result<Batch, PluginError> {
    let batch = match kind {
        RecordKind::Spot => Batch::from_untrusted_spots(bytes, round),
        RecordKind::Bar => Batch::from_bars(bytes).map(|batch| batch.with_round(round)),
    };
    batch.map_err(|error| malformed(&error.message))
}

/// It is the plugin's fault, not that of the records it was given: another instance may do better.
fn malformed(why: &str) -> PluginError {
    super::fault::guilty(format!(
        "the plugin made a batch that is malformed: {why}; report this to the plugin's author"
    ))
}
