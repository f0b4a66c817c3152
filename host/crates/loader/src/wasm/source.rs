//! Sources in components.

use std::time::Duration;

use plugin_api::{PluginError, Polled};

use super::{
    bindings::exports::dataserver::plugin::source_role::{self, Guest},
    from_guest::made,
    instance::Instance,
};
use crate::{SourceInstance, guest_output::accept_of_source};

impl SourceInstance for Instance<Guest> {
    fn next(&mut self, wait: Duration) -> Result<Polled, PluginError> {
        let wait_us = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
        let allowed = self.deadline().saturating_add(wait);
        self.call(
            "next",
            allowed,
            async |guest, store| guest.call_next(store, wait_us).await,
            |polled, _| match polled {
                source_role::Polled::Batch(batch) => {
                    Ok(Polled::Batch(accept_of_source(made(batch))?))
                }
                source_role::Polled::Idle => Ok(Polled::Idle),
                source_role::Polled::End => Ok(Polled::End),
            },
        )
    }

    fn confirm(&mut self, batches: u64) -> Result<(), PluginError> {
        self.call_plain("confirm", async |guest, store| guest.call_confirm(store, batches).await)
    }

    fn close(&mut self) -> Result<(), PluginError> {
        self.call_slow("close", async |guest, store| guest.call_close(store).await)
    }
}
