//! Transforms in components.

use std::time::Duration;

use plugin_api::{Batch, PluginError};
use wasmtime::Store;

use super::{
    bindings::exports::dataserver::plugin::transform_role::Guest,
    instance::{Answer, Instance, MIN_OPEN_TIMEOUT},
    sandbox::Sandbox,
    to_guest::to_guest,
};
use crate::TransformInstance;

impl Instance<Guest> {
    /// A call that may push batches.
    fn call_pushing(
        &mut self,
        name: &str,
        allowed: Duration,
        input: Option<&Batch>,
        call: impl AsyncFnOnce(&Guest, &mut Store<Sandbox>) -> Answer<()>,
    ) -> Result<Vec<Batch>, PluginError> {
        if let Some(sandbox) = self.sandbox() {
            sandbox.output.begin(input);
        }
        self.call(name, allowed, call, |(), sandbox| sandbox.output.finish(input))
    }
}

impl TransformInstance for Instance<Guest> {
    fn apply(&mut self, batch: &Batch) -> Result<Vec<Batch>, PluginError> {
        let (guest_batch, allowed) = (to_guest(batch, false)?, self.deadline());
        self.call_pushing("apply", allowed, Some(batch), async |guest, store| {
            guest.call_apply(store, guest_batch).await
        })
    }

    fn tick(&mut self) -> Result<Vec<Batch>, PluginError> {
        let allowed = self.deadline();
        self.call_pushing("tick", allowed, None, async |guest, store| guest.call_tick(store).await)
    }

    fn close(&mut self) -> Result<Vec<Batch>, PluginError> {
        let allowed = self.deadline().max(MIN_OPEN_TIMEOUT);
        self.call_pushing("close", allowed, None, async |guest, store| {
            guest.call_close(store).await
        })
    }
}
