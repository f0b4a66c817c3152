//! Converts what a guest tells and makes.

use std::time::Duration;

use plugin_api::{ApiVersion, Delivery, Manifest, RecordKind, Role, RoleKind, Round};

use super::bindings::dataserver::plugin::types;
use crate::{
    guest_output::{MadeBatch, MadePayload, Stamp},
    manifest,
    problem::Problem,
};

/// Reads a manifest.
pub(super) fn manifest(told: types::Manifest, api: ApiVersion) -> Result<Manifest, Problem> {
    let types::Manifest { name, version, description, author, roles } = told;
    let roles = roles.into_iter().map(role).collect::<Result<_, _>>()?;
    manifest::check(Manifest { name, version, description, author, api, roles })
}

fn role(role: types::Role) -> Result<Role, Problem> {
    let delivery = role.delivery.map(|delivery| match delivery {
        types::Delivery::Publisher => Delivery::Publisher,
        types::Delivery::Service => Delivery::Service,
        types::Delivery::Store => Delivery::Store,
    });
    Ok(Role {
        kind: match role.kind {
            types::RoleKind::Source => RoleKind::Source,
            types::RoleKind::Transform => RoleKind::Transform,
            types::RoleKind::Sink => RoleKind::Sink,
        },
        options_schema: manifest::schema(&role.options_schema)?,
        delivery,
        ordered: role.ordered,
        max_records: role.max_records,
        max_wait: Duration::from_micros(role.max_wait_us),
    })
}

/// A batch that a guest made.
pub(super) fn made(batch: types::MadeBatch) -> MadeBatch {
    let stamp = batch.provenance.map(|it| Stamp {
        source: it.source,
        epoch: it.epoch,
        sequence: it.sequence,
        part: it.part,
        received_at_us: it.received_at_us,
    });
    MadeBatch {
        kind: match batch.kind {
            types::RecordKind::Spot => RecordKind::Spot,
            types::RecordKind::Bar => RecordKind::Bar,
        },
        round: Round { first: batch.round.first, last: batch.round.last },
        stamp,
        payload: match batch.payload {
            types::Payload::Unchanged => MadePayload::Unchanged,
            types::Payload::Bytes(bytes) => MadePayload::Bytes(bytes),
        },
    }
}
