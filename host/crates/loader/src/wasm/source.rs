//! Sources in components.

use std::time::Duration;

use plugin_api::{PluginError, Polled};

use super::{
    bindings::exports::dataserver::plugin::source_role::{self, Guest},
    instance::{Instance, about},
    pushed::accept_of_source,
};
use crate::{Opening, SourceInstance};

/// An open source.
pub(super) struct WasmSource(Instance<Guest>);

impl WasmSource {
    /// Opens it.
    pub fn open(mut instance: Instance<Guest>, opening: &Opening) -> Result<Self, PluginError> {
        instance.call_slow("open", async |guest, store| {
            let about = about(opening, store.data());
            guest.call_open(store, &opening.options, about).await
        })?;
        Ok(Self(instance))
    }
}

impl SourceInstance for WasmSource {
    fn next(&mut self, wait: Duration) -> Result<Polled, PluginError> {
        let wait_us = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
        let allowed = self.0.deadline().saturating_add(wait);
        self.0.call(
            "next",
            allowed,
            async |guest, store| guest.call_next(store, wait_us).await,
            |polled, _| match polled {
                source_role::Polled::Batch(made) => Ok(Polled::Batch(accept_of_source(made)?)),
                source_role::Polled::Idle => Ok(Polled::Idle),
                source_role::Polled::End => Ok(Polled::End),
            },
        )
    }

    fn confirm(&mut self, batches: u64) -> Result<(), PluginError> {
        self.0.call_plain("confirm", async |guest, store| guest.call_confirm(store, batches).await)
    }

    fn export_state(&mut self) -> Result<Option<Vec<u8>>, PluginError> {
        self.0.call_slow("export-state", async |guest, store| guest.call_export_state(store).await)
    }

    fn import_state(&mut self, state: &[u8]) -> Result<(), PluginError> {
        self.0.call_slow("import-state", async |guest, store| {
            guest.call_import_state(store, state).await
        })
    }

    fn close(&mut self) -> Result<(), PluginError> {
        self.0.call_slow("close", async |guest, store| guest.call_close(store).await)
    }
}
