//! Values of the contract from and to those of the author traits.

use super::bindings::types;
use crate::{
    Batch, Delivery, ErrorKind, Payload, PluginError, Provenance, RecordKind, Role, RoleKind, Round,
};

impl From<PluginError> for types::Error {
    fn from(error: PluginError) -> Self {
        let kind = match error.kind {
            ErrorKind::Config => types::ErrorKind::Config,
            ErrorKind::BadData => types::ErrorKind::BadData,
            ErrorKind::Retry => types::ErrorKind::Retry,
            // a panic traps before it could be told
            ErrorKind::Fatal | ErrorKind::Panic => types::ErrorKind::Fatal,
        };
        Self { kind, message: error.message }
    }
}

impl From<types::RoleKind> for RoleKind {
    fn from(kind: types::RoleKind) -> Self {
        match kind {
            types::RoleKind::Source => Self::Source,
            types::RoleKind::Transform => Self::Transform,
            types::RoleKind::Sink => Self::Sink,
        }
    }
}

impl From<Role> for types::Role {
    fn from(role: Role) -> Self {
        let kind = match role.kind {
            RoleKind::Source => types::RoleKind::Source,
            RoleKind::Transform => types::RoleKind::Transform,
            RoleKind::Sink => types::RoleKind::Sink,
        };
        let delivery = role.delivery.map(|delivery| match delivery {
            Delivery::Publisher => types::Delivery::Publisher,
            Delivery::Service => types::Delivery::Service,
            Delivery::Store => types::Delivery::Store,
        });
        Self {
            kind,
            options_schema: role.options_schema.to_string(),
            delivery,
            ordered: role.ordered,
            max_records: role.max_records,
            max_wait_us: u64::try_from(role.max_wait.as_micros()).unwrap_or(u64::MAX),
        }
    }
}

impl From<types::Batch> for Batch {
    /// The payload is taken as it is: the host verified it.
    fn from(batch: types::Batch) -> Self {
        let kind = match batch.kind {
            types::RecordKind::Spot => RecordKind::Spot,
            types::RecordKind::Bar => RecordKind::Bar,
        };
        let round = Round { first: batch.round.first, last: batch.round.last };
        let payload = Payload::verified(batch.payload);
        let lent = Self::lent(kind, round, batch.records, batch.provenance.into(), payload);
        if batch.lasting {
            lent.with_delivery(batch.delivery)
        } else {
            lent.with_passing_delivery(batch.delivery)
        }
    }
}

impl From<types::Provenance> for Provenance {
    fn from(of: types::Provenance) -> Self {
        let mut stamp = Self::of_source(&of.source);
        (stamp.epoch, stamp.sequence, stamp.part) = (of.epoch, of.sequence, of.part);
        stamp.received_at_us = of.received_at_us;
        stamp
    }
}

impl From<&Provenance> for types::Provenance {
    fn from(of: &Provenance) -> Self {
        Self {
            source: of.source().to_owned(),
            epoch: of.epoch,
            sequence: of.sequence,
            part: of.part,
            received_at_us: of.received_at_us,
        }
    }
}

/// A batch on its way to the host; the payload of `input` itself need not travel.
pub fn made(batch: Batch, input: Option<&Batch>) -> types::MadeBatch {
    let kind = match batch.kind() {
        RecordKind::Spot => types::RecordKind::Spot,
        RecordKind::Bar => types::RecordKind::Bar,
    };
    let round = types::Round { first: batch.round().first, last: batch.round().last };
    let provenance = (batch.provenance().sequence != 0).then(|| batch.provenance().into());
    let is_input = input.is_some_and(|input| input.payload().is(batch.payload()));
    let payload = if is_input {
        types::Payload::Unchanged
    } else {
        types::Payload::Bytes(batch.into_payload().into_bytes())
    };
    types::MadeBatch { kind, round, provenance, payload }
}
