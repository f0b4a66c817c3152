//! Transforms in components.

use std::time::Duration;

use plugin_api::{Batch, PluginError};
use wasmtime::Store;

use super::{
    bindings::{dataserver::plugin::types, exports::dataserver::plugin::transform_role::Guest},
    instance::{Instance, LEAST_FOR_OPENING, about},
    lend::lend,
    sandbox::Sandbox,
};
use crate::{Opening, TransformInstance};

/// An open transform.
pub(super) struct WasmTransform(Instance<Guest>);

impl WasmTransform {
    /// Opens it.
    pub fn open(mut instance: Instance<Guest>, opening: &Opening) -> Result<Self, PluginError> {
        instance.call_slow("open", async |guest, store| {
            let about = about(opening, store.data());
            guest.call_open(store, &opening.options, about).await
        })?;
        Ok(Self(instance))
    }

    /// A call that may push batches.
    fn call_pushing(
        &mut self,
        name: &str,
        allowed: Duration,
        input: Option<&Batch>,
        call: impl AsyncFnOnce(
            &Guest,
            &mut Store<Sandbox>,
        ) -> wasmtime::Result<Result<(), types::Error>>,
    ) -> Result<Vec<Batch>, PluginError> {
        if let Some(sandbox) = self.0.sandbox() {
            sandbox.pushed.begin(input);
        }
        self.0.call(name, allowed, call, |(), sandbox| sandbox.pushed.finish(input))
    }
}

impl TransformInstance for WasmTransform {
    fn apply(&mut self, batch: &Batch) -> Result<Vec<Batch>, PluginError> {
        let (lent, allowed) = (lend(batch, false)?, self.0.deadline());
        self.call_pushing("apply", allowed, Some(batch), async |guest, store| {
            guest.call_apply(store, lent).await
        })
    }

    fn tick(&mut self) -> Result<Vec<Batch>, PluginError> {
        let allowed = self.0.deadline();
        self.call_pushing("tick", allowed, None, async |guest, store| guest.call_tick(store).await)
    }

    fn export_state(&mut self) -> Result<Option<Vec<u8>>, PluginError> {
        self.0.call_slow("export-state", async |guest, store| guest.call_export_state(store).await)
    }

    fn import_state(&mut self, state: &[u8]) -> Result<(), PluginError> {
        self.0.call_slow("import-state", async |guest, store| {
            guest.call_import_state(store, state).await
        })
    }

    fn close(&mut self) -> Result<Vec<Batch>, PluginError> {
        let allowed = self.0.deadline().max(LEAST_FOR_OPENING);
        self.call_pushing("close", allowed, None, async |guest, store| {
            guest.call_close(store).await
        })
    }
}
