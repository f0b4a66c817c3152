//! Batches made by a plugin outside of the process, collected and checked.

use std::collections::HashMap;

use plugin_api::{Batch, PluginError, Provenance, RecordKind, Round, SpotListEncoder, encode_bars};

use super::at_fault::{GuestFault, at_fault};

/// A call may output so many times its memory.
const TIMES_MEMORY: u64 = 4;
/// What a batch costs beside its payload, bytes.
const COST: u64 = 1_024;
/// Longest id of a source, bytes.
const MAX_SOURCE: usize = 256;
/// Highest sequence or part.
const MAX_NUMBER: u64 = u64::MAX >> 2;

/// A batch as the plugin hands it over.
#[derive(Debug)]
pub(crate) struct MadeBatch {
    /// What its records are.
    pub kind: RecordKind,
    /// Where it stands in its round.
    pub round: Round,
    /// Its place in the counting of its source; `None` leaves that to the host.
    pub stamp: Option<Stamp>,
    /// Its records.
    pub payload: MadePayload,
}

/// Where a plugin says that a batch comes from.
#[derive(Debug, Clone)]
pub(crate) struct Stamp {
    pub source: String,
    pub epoch: u64,
    pub sequence: u64,
    pub part: u64,
    pub received_at_us: i64,
}

/// The records of a batch that a plugin made.
#[derive(Debug)]
pub(crate) enum MadePayload {
    /// Those of the batch that the call was given.
    Unchanged,
    /// None, for a batch whose marks of the round count.
    Nothing,
    /// A list, which is not verified yet.
    Bytes(Vec<u8>),
}

/// Output of the current call.
#[derive(Debug)]
pub(crate) struct GuestOutput {
    batches: Vec<MadeBatch>,
    bytes: u64,
    max_bytes: u64,
    /// Payload of the batch that the call was given, bytes.
    given: u64,
    /// Stamps of the sources that the instance was given batches of, by id. It may hold a batch
    /// back and make something of it in a later call.
    stamp_by_source: HashMap<String, Provenance>,
    /// The latest time of receipt among them; a guest cannot know a later one.
    newest_received_us: i64,
    /// Whether the call that runs takes batches at all.
    open: bool,
}

impl GuestOutput {
    /// For an instance with that much memory.
    pub fn of_memory(memory: u64) -> Self {
        Self::new(memory.saturating_mul(TIMES_MEMORY))
    }

    /// At most so many bytes a call.
    pub fn new(max_bytes: u64) -> Self {
        let (batches, stamp_by_source) = (Vec::new(), HashMap::new());
        Self {
            batches,
            bytes: 0,
            max_bytes,
            given: 0,
            stamp_by_source,
            newest_received_us: 0,
            open: false,
        }
    }

    /// Begins a call that may push, with its input batch.
    pub fn begin(&mut self, input: Option<&Batch>) {
        (self.bytes, self.given, self.open) = (0, 0, true);
        self.batches.clear();
        let Some(input) = input else { return };
        self.given = input.payload().len() as u64;
        let received_us = input.provenance().received_at_us;
        self.newest_received_us = self.newest_received_us.max(received_us);
        let source = input.provenance().source();
        if !self.stamp_by_source.contains_key(source) {
            self.stamp_by_source.insert(source.to_owned(), input.provenance().clone());
        }
    }

    /// Adds a batch.
    ///
    /// # Errors
    /// Ends the call when it may not push, or exceeds its limit.
    pub fn push(&mut self, batch: MadeBatch) -> Result<(), GuestFault> {
        if !self.open {
            return Err(GuestFault("pushed a batch outside of apply, tick and close".into()));
        }
        let payload = match &batch.payload {
            MadePayload::Bytes(bytes) => bytes.len() as u64,
            MadePayload::Unchanged => self.given,
            MadePayload::Nothing => 0,
        };
        let source = batch.stamp.as_ref().map_or(0, |it| it.source.len());
        if source > MAX_SOURCE {
            return Err(GuestFault(format!("named a source with an id of {source} bytes")));
        }
        self.admit(payload)?;
        self.batches.push(batch);
        Ok(())
    }

    /// Counts output, payload of so many bytes.
    ///
    /// # Errors
    /// Ends the call when it is too much.
    pub fn admit(&mut self, payload: u64) -> Result<(), GuestFault> {
        self.bytes = self.bytes.saturating_add(payload).saturating_add(COST);
        if self.bytes <= self.max_bytes {
            return Ok(());
        }
        let most = plugin_api::ByteSize(self.max_bytes);
        Err(GuestFault(format!("handed over more than {most} in one call")))
    }

    /// The checked output of the call; `input` is its input batch.
    ///
    /// # Errors
    /// When a batch is malformed.
    pub fn finish(&mut self, input: Option<&Batch>) -> Result<Vec<Batch>, PluginError> {
        let made = std::mem::take(&mut self.batches);
        made.into_iter().map(|made| self.accept(made, input)).collect()
    }

    /// The only batch of the call, as it was handed over; `None` when there are none or several.
    pub fn take_single(&mut self) -> Option<MadeBatch> {
        let batch = self.batches.pop();
        batch.filter(|_| self.batches.is_empty())
    }

    /// Ends the call: output that was not taken is discarded.
    pub fn end(&mut self) {
        (self.bytes, self.open) = (0, false);
        self.batches.clear();
    }

    fn accept(&self, made: MadeBatch, input: Option<&Batch>) -> Result<Batch, PluginError> {
        let stamp = made.stamp.as_ref().map(|it| self.stamp(it)).transpose()?.flatten();
        let batch = accept(made, input)?;
        Ok(match (stamp, input) {
            (Some(stamp), _) => batch.with_provenance(stamp),
            (None, Some(input)) => batch.with_provenance(input.provenance().clone()),
            (None, None) => batch,
        })
    }

    /// The sequence that a batch claims, if it is of a source that the instance knows.
    fn stamp(&self, claimed: &Stamp) -> Result<Option<Provenance>, PluginError> {
        check_numbers(claimed)?;
        let known = self.stamp_by_source.get(&claimed.source).filter(|_| claimed.sequence > 0);
        Ok(known.cloned().map(|mut stamp| {
            (stamp.epoch, stamp.sequence, stamp.part) =
                (claimed.epoch, claimed.sequence, claimed.part);
            // delivery numbers are derived from it
            stamp.received_at_us = claimed.received_at_us.clamp(0, self.newest_received_us);
            stamp
        }))
    }
}

/// Later parts are counted on from a batch's sequence, so it must not be near the largest number.
fn check_numbers(claimed: &Stamp) -> Result<(), PluginError> {
    let highest = claimed.sequence.max(claimed.part);
    if highest <= MAX_NUMBER {
        return Ok(());
    }
    Err(malformed(&format!("its place is {highest}, the highest is {MAX_NUMBER}")))
}

/// Checks a batch made by a guest; it has no sequence yet.
fn accept(made: MadeBatch, input: Option<&Batch>) -> Result<Batch, PluginError> {
    let MadeBatch { kind, round, .. } = made;
    match (made.payload, input) {
        (MadePayload::Unchanged, Some(input)) if input.kind() == kind => {
            Ok(input.clone().with_round(round))
        }
        (MadePayload::Unchanged, _) => {
            Err(malformed("it is called unchanged, but there is no such input"))
        }
        (MadePayload::Nothing, _) => empty(kind, round),
        (MadePayload::Bytes(bytes), _) => verify(kind, bytes, round),
    }
}

fn empty(kind: RecordKind, round: Round) -> Result<Batch, PluginError> {
    match kind {
        RecordKind::Spot => Ok(Batch::from_spots(&mut SpotListEncoder::new(0), round)),
        RecordKind::Bar => Ok(Batch::from_bars(encode_bars([]))?.with_round(round)),
        other => Err(malformed(&format!("{} cannot be made by plugins", other.plural()))),
    }
}

/// Checks a batch made by a source, and sets the sequence that the source claims.
pub(crate) fn accept_of_source(made: MadeBatch) -> Result<Batch, PluginError> {
    made.stamp.as_ref().map_or(Ok(()), check_numbers)?;
    let number = made.stamp.as_ref().map(|it| (it.epoch, it.sequence, it.part));
    let batch = accept(made, None)?;
    Ok(match number {
        Some((epoch, sequence, part)) if sequence > 0 => batch.numbered(epoch, sequence, part),
        _ => batch,
    })
}

fn verify(kind: RecordKind, bytes: Vec<u8>, round: Round) -> Result<Batch, PluginError> {
    let batch = Batch::from_untrusted(kind, bytes, round);
    batch.map_err(|error| malformed(&error.message))
}

/// It is the plugin's fault, not that of the records it was given: another instance may do better.
fn malformed(why: &str) -> PluginError {
    at_fault(format!(
        "the plugin made a batch that is malformed: {why}; report this to the plugin's author"
    ))
}

#[cfg(test)]
mod tests {
    use plugin_api::testing::spot_batch;

    use super::*;

    fn claim(source: &str, received_at_us: i64) -> Stamp {
        let source = source.to_owned();
        Stamp { source, epoch: 1, sequence: 2, part: 0, received_at_us }
    }

    fn made(stamp: Stamp) -> MadeBatch {
        MadeBatch {
            kind: RecordKind::Spot,
            round: Round::MIDDLE,
            stamp: Some(stamp),
            payload: MadePayload::Unchanged,
        }
    }

    fn input() -> Batch {
        let mut stamp = Provenance::of_source("day");
        (stamp.sequence, stamp.received_at_us) = (2, 1_000);
        spot_batch(1, Round::WHOLE).with_provenance(stamp)
    }

    #[test]
    fn a_source_with_an_endless_id_ends_the_call() {
        let mut output = GuestOutput::of_memory(1 << 20);
        output.begin(Some(&input()));
        assert!(output.push(made(claim("day", 1))).is_ok());
        let refused = output.push(made(claim(&"d".repeat(60_000_000), 1))).unwrap_err();
        assert!(refused.to_string().contains("60000000"), "{refused}");
    }

    #[test]
    fn a_batch_of_nothing_has_its_marks_and_no_records() {
        for kind in RecordKind::ALL {
            let mut output = GuestOutput::of_memory(1 << 20);
            output.begin(None);
            let nothing = MadePayload::Nothing;
            let made = MadeBatch { kind, round: Round::WHOLE, stamp: None, payload: nothing };
            output.push(made).unwrap();
            let batch = output.finish(None).unwrap().remove(0);
            assert_eq!((batch.kind(), batch.round(), batch.records()), (kind, Round::WHOLE, 0));
        }
    }

    #[test]
    fn a_guest_knows_no_later_time_than_it_was_told() {
        let (mut output, input) = (GuestOutput::of_memory(1 << 20), input());
        output.begin(Some(&input));
        for (claimed, taken) in [(i64::MAX, 1_000), (900, 900), (-5, 0)] {
            output.push(made(claim("day", claimed))).unwrap();
            let batches = output.finish(Some(&input)).unwrap();
            assert_eq!(batches[0].provenance().received_at_us, taken);
        }
    }
}
