//! Sinks in components.

use plugin_api::{Ack, Batch, PluginError};

use super::{
    bindings::exports::dataserver::plugin::sink_role::{self, Guest},
    instance::{Instance, about},
    lend::lend,
};
use crate::{Opening, SinkInstance};

/// An open sink.
pub(super) struct WasmSink(Instance<Guest>);

impl WasmSink {
    /// Opens it.
    pub fn open(mut instance: Instance<Guest>, opening: &Opening) -> Result<Self, PluginError> {
        instance.call_slow("open", async |guest, store| {
            let about = about(opening, store.data());
            guest.call_open(store, &opening.options, about).await
        })?;
        Ok(Self(instance))
    }
}

impl SinkInstance for WasmSink {
    fn write(&mut self, batches: &[Batch]) -> Result<Ack, PluginError> {
        let lent = batches.iter().map(|batch| lend(batch, true)).collect::<Result<Vec<_>, _>>()?;
        self.0
            .call_plain("write", async |guest, store| guest.call_write(store, &lent).await)
            .map(ack)
    }

    fn tick(&mut self) -> Result<Ack, PluginError> {
        self.0.call_plain("tick", async |guest, store| guest.call_tick(store).await).map(ack)
    }

    fn flush(&mut self) -> Result<(), PluginError> {
        self.0.call_plain("flush", async |guest, store| guest.call_flush(store).await)
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

fn ack(ack: sink_role::Ack) -> Ack {
    match ack {
        sink_role::Ack::Delivered => Ack::Delivered,
        sink_role::Ack::Held => Ack::Held,
    }
}
