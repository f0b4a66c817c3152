//! Plugins of components that do not run.

use dataserver_config::{Component, Pipeline};
use dataserver_engine::topology;
use dataserver_loader::{Opening, Plugin, PluginCatalog};
use plugin_api::{Context, PluginError};

/// Asks the plugin of a component that need not run, and leaves no trace by that.
///
/// # Errors
/// When there is no such plugin, and what it answers.
pub fn ask<T>(
    component: &Component,
    pipeline: &Pipeline,
    catalog: &PluginCatalog,
    ask: impl FnOnce(&dyn Plugin, Opening) -> Result<T, PluginError>,
) -> Result<T, PluginError> {
    let plugin = catalog
        .plugin(&component.plugin, component.kind, component.carrier)
        .map_err(|missing| PluginError::config(missing.message))?
        .plugin;
    let context = Context::new(
        &component.id,
        &pipeline.base_dir,
        pipeline.host.data_dir.join("state").join(&component.id),
        topology::null_host(),
    );
    ask(plugin.as_ref(), Opening::of(component, context))
}
