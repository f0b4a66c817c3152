//! What a call across the plugin boundary costs.

use std::{path::Path, sync::Arc};

use dataserver::{
    engine::topology::null_host,
    loader::{AnyInstance, Opening, Plugin, PluginCatalog, SinkInstance},
};
use plugin_api::{Ack, Batch, Context, PluginError, RoleKind, Round, testing::spot_batch};

use super::{
    measure::{Row, nanos},
    payload::SPOTS,
};

/// The shipped library of a plugin, loaded as the host loads it.
pub fn load(id: &str, kind: RoleKind) -> Arc<dyn Plugin> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(harness::plugin(id), folder.path().join("plugin.so")).unwrap();
    let catalog = PluginCatalog::scan(&[folder.path().to_owned()], folder.path());
    catalog.plugin(id, kind, None).unwrap_or_else(|error| panic!("{error:?}")).plugin
}

/// A context for a component that runs outside of a host.
pub fn context(folder: &Path) -> Context {
    Context::new("bench", folder, folder.join("state"), null_host())
}

struct Direct;

impl AnyInstance for Direct {
    fn export_state(&mut self) -> Result<Option<Vec<u8>>, PluginError> {
        Ok(None)
    }

    fn import_state(&mut self, _: &[u8]) -> Result<(), PluginError> {
        Ok(())
    }
}

impl SinkInstance for Direct {
    fn write(&mut self, batches: &[Batch]) -> Result<Ack, PluginError> {
        std::hint::black_box(batches);
        Ok(Ack::Delivered)
    }

    fn tick(&mut self) -> Result<Ack, PluginError> {
        Ok(Ack::Delivered)
    }

    fn flush(&mut self) -> Result<(), PluginError> {
        Ok(())
    }

    fn close(&mut self) -> Result<(), PluginError> {
        Ok(())
    }
}

pub fn rows() -> Vec<Row> {
    let plugin = load("null", RoleKind::Sink);
    let mut across = plugin.open_sink(Opening::plain("{}", context(Path::new(".")))).unwrap();
    let mut direct: Box<dyn SinkInstance> = std::hint::black_box(Box::new(Direct));
    let batch = [spot_batch(SPOTS, Round::WHOLE)];
    let across = nanos(1_000_000, || across.write(&batch));
    let direct = nanos(1_000_000, || direct.write(&batch));
    let cloned = nanos(1_000_000, || batch[0].clone());
    vec![
        Row::new("call across the boundary, guarded against panics", format!("{across:.1} ns"))
            .against(format!("a direct virtual call {direct:.1} ns")),
        Row::new("clone of a batch, its payload shared", format!("{cloned:.1} ns")),
    ]
}
