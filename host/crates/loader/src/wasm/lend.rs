//! A batch as a guest is given it.

use plugin_api::{Batch, RecordKind};

use super::bindings::dataserver::plugin::types;

/// The batch in the words of the contract. Its payload is copied once, into the guest's memory.
///
/// Only a sink is told the number of the delivery.
pub(super) fn lend(batch: &Batch, to_sink: bool) -> types::Batch<'_> {
    let (round, stamp) = (batch.round(), batch.provenance());
    types::Batch {
        kind: match batch.kind() {
            RecordKind::Spot => types::RecordKind::Spot,
            RecordKind::Bar => types::RecordKind::Bar,
        },
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
    }
}
