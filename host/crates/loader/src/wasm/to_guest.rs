//! Converts a batch for a guest.

use plugin_api::{Batch, PluginError, RecordKind};

use super::bindings::dataserver::plugin::types;

/// The batch as a WIT record. Its payload is copied once, into the guest's memory.
///
/// Only a sink is told the number of the delivery.
///
/// # Errors
/// `Config` for a kind of record that the contract does not know.
pub(super) fn to_guest(batch: &Batch, to_sink: bool) -> Result<types::Batch<'_>, PluginError> {
    let kind = match batch.kind() {
        RecordKind::Spot => types::RecordKind::Spot,
        RecordKind::Bar => types::RecordKind::Bar,
        other => {
            return Err(PluginError::config(format!(
                "sandboxed plugins take no {}; filter them out before",
                other.plural()
            )));
        }
    };
    let (round, stamp) = (batch.round(), batch.provenance());
    Ok(types::Batch {
        kind,
        round: types::Round { first: round.first, last: round.last },
        records: batch.records(),
        delivery: if to_sink { batch.delivery() } else { 0 },
        lasting: to_sink && batch.lasting_delivery() != 0,
        provenance: types::ProvenanceParam {
            source: stamp.source(),
            epoch: stamp.epoch,
            sequence: stamp.sequence,
            part: stamp.part,
            received_at_us: stamp.received_at_us,
        },
        payload: batch.payload(),
    })
}
