//! Sinks in components.

use plugin_api::{Ack, Batch, PluginError};

use super::{
    bindings::exports::dataserver::plugin::sink_role::{self, Guest},
    instance::Instance,
    to_guest::to_guest,
};
use crate::SinkInstance;

impl SinkInstance for Instance<Guest> {
    fn write(&mut self, batches: &[Batch]) -> Result<Ack, PluginError> {
        let guest_batches =
            batches.iter().map(|batch| to_guest(batch, true)).collect::<Result<Vec<_>, _>>()?;
        self.call_plain("write", async |guest, store| guest.call_write(store, &guest_batches).await)
            .map(ack)
    }

    fn tick(&mut self) -> Result<Ack, PluginError> {
        self.call_plain("tick", async |guest, store| guest.call_tick(store).await).map(ack)
    }

    fn flush(&mut self) -> Result<(), PluginError> {
        self.call_plain("flush", async |guest, store| guest.call_flush(store).await)
    }

    fn close(&mut self) -> Result<(), PluginError> {
        self.call_slow("close", async |guest, store| guest.call_close(store).await)
    }
}

fn ack(ack: sink_role::Ack) -> Ack {
    match ack {
        sink_role::Ack::Delivered => Ack::Delivered,
        sink_role::Ack::Held => Ack::Held,
    }
}
