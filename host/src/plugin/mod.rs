//! Plugins as the rest of the host sees them, whatever they are packed in.

pub mod catalog;
mod elf;
mod native;

use std::time::Duration;

use plugin_api::{Ack, Batch, Context, Manifest, PluginError, Polled, RoleKind};
use serde_json::Value;

pub use catalog::{Found, PluginCatalog};

/// A library that was loaded.
pub trait Plugin: Send + Sync {
    /// What it says about itself.
    fn manifest(&self) -> &Manifest;

    /// Asks whether a component could start, without starting it; `options` are JSON.
    ///
    /// # Errors
    /// What the plugin says.
    fn check(&self, role: RoleKind, options: &str, context: Context) -> Result<(), PluginError>;

    /// Puts an operator's request to a component that need not run; `options` are JSON.
    ///
    /// # Errors
    /// What the plugin says.
    fn command(
        &self,
        role: RoleKind,
        options: &str,
        context: Context,
        request: &Value,
    ) -> Result<Value, PluginError>;

    /// Opens a source; `options` are JSON.
    ///
    /// # Errors
    /// What the plugin says.
    fn open_source(
        &self,
        options: &str,
        context: Context,
    ) -> Result<Box<dyn SourceInstance>, PluginError>;

    /// Opens a transform; `options` are JSON.
    ///
    /// # Errors
    /// What the plugin says.
    fn open_transform(
        &self,
        options: &str,
        context: Context,
    ) -> Result<Box<dyn TransformInstance>, PluginError>;

    /// Opens a sink; `options` are JSON.
    ///
    /// # Errors
    /// What the plugin says.
    fn open_sink(
        &self,
        options: &str,
        context: Context,
    ) -> Result<Box<dyn SinkInstance>, PluginError>;
}

/// An open source; its calls are those of [`plugin_api::Source`].
#[allow(missing_docs, clippy::missing_errors_doc)]
pub trait SourceInstance {
    fn next(&mut self, wait: Duration) -> Result<Polled, PluginError>;
    fn confirm(&mut self, batches: u64) -> Result<(), PluginError>;
    fn export_state(&mut self) -> Result<Option<Vec<u8>>, PluginError>;
    fn import_state(&mut self, state: &[u8]) -> Result<(), PluginError>;
    fn close(&mut self) -> Result<(), PluginError>;
}

/// An open transform; its calls are those of [`plugin_api::Transform`].
#[allow(missing_docs, clippy::missing_errors_doc)]
pub trait TransformInstance {
    fn apply(&mut self, batch: &Batch) -> Result<Vec<Batch>, PluginError>;
    fn tick(&mut self) -> Result<Vec<Batch>, PluginError>;
    fn export_state(&mut self) -> Result<Option<Vec<u8>>, PluginError>;
    fn import_state(&mut self, state: &[u8]) -> Result<(), PluginError>;
    fn close(&mut self) -> Result<Vec<Batch>, PluginError>;
}

/// An open sink; its calls are those of [`plugin_api::Sink`].
#[allow(missing_docs, clippy::missing_errors_doc)]
pub trait SinkInstance {
    fn write(&mut self, batches: &[Batch]) -> Result<Ack, PluginError>;
    fn tick(&mut self) -> Result<Ack, PluginError>;
    fn flush(&mut self) -> Result<(), PluginError>;
    fn export_state(&mut self) -> Result<Option<Vec<u8>>, PluginError>;
    fn import_state(&mut self, state: &[u8]) -> Result<(), PluginError>;
    fn close(&mut self) -> Result<(), PluginError>;
}
