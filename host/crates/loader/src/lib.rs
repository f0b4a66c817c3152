//! Finds, checks and opens plugins, with the same interface for native libraries, WebAssembly
//! components and processes.

mod about;
mod apart;
mod at_fault;
mod build_id;
mod catalog;
pub mod child;
mod covered;
mod descriptor;
mod elf;
mod guest_output;
mod hex;
mod manifest;
mod native;
mod native_host;
mod null_host;
mod probe;
mod problem;
mod process;
mod rate_limit;
mod readers;
mod reports;
mod trial_settings;
mod wasm;

use std::time::Duration;

use dataserver_config::{Carrier, Component, Grants, Limits};
use plugin_api::{
    Ack, Action, Batch, Context, Manifest, Outcome, PluginError, Polled, Reader, RoleKind,
    no_such_reader,
};
use serde_json::Value;

pub use about::About;
pub use apart::{Helper, this_is_the_program};
pub use catalog::{BUILT_IN, Candidate, Installed, PluginCatalog, may_be_plugin};
pub use null_host::NullHost;
pub use problem::Problem;
pub use process::{PythonSettings, python_package};

/// What an instance is opened with, or asked about.
#[derive(Clone)]
pub struct Opening {
    /// The component's options: JSON.
    pub options: String,
    /// Host services.
    pub context: Context,
    /// What it may use up, if its plugin is sandboxed or a process.
    pub limits: Limits,
    /// What it may reach, if its plugin is sandboxed.
    pub grants: Grants,
}

impl Opening {
    /// As the pipeline asks for.
    pub fn of(component: &Component, context: Context) -> Self {
        let (limits, grants) = (component.limits, component.grants.clone());
        Self { options: component.options_json(), context, limits, grants }
    }

    /// With those options, and no more than a sandboxed plugin has by default.
    pub fn plain(options: &str, context: Context) -> Self {
        let (limits, grants) = (Limits::of(Carrier::Wasm), Grants::default());
        Self { options: options.to_owned(), context, limits, grants }
    }
}

/// A library that was loaded.
pub trait Plugin: Send + Sync {
    /// What it says about itself.
    fn manifest(&self) -> &Manifest;

    /// Asks whether a component could start, without starting it.
    ///
    /// # Errors
    /// What the plugin says.
    fn check(&self, role: RoleKind, opening: Opening) -> Result<(), PluginError>;

    /// Puts an operator's request to a component that need not run.
    ///
    /// # Errors
    /// What the plugin says.
    fn command(
        &self,
        role: RoleKind,
        opening: Opening,
        request: &Value,
    ) -> Result<Value, PluginError>;

    /// Opens a source.
    ///
    /// # Errors
    /// What the plugin says.
    fn open_source(&self, opening: Opening) -> Result<Box<dyn SourceInstance>, PluginError>;

    /// Opens a transform.
    ///
    /// # Errors
    /// What the plugin says.
    fn open_transform(&self, opening: Opening) -> Result<Box<dyn TransformInstance>, PluginError>;

    /// Opens a sink.
    ///
    /// # Errors
    /// What the plugin says.
    fn open_sink(&self, opening: Opening) -> Result<Box<dyn SinkInstance>, PluginError>;
}

/// An open instance of any role, whose state can be handed to a successor, and that may tell who
/// reads from it; its calls are those of the author's traits.
#[allow(missing_docs, clippy::missing_errors_doc)]
pub trait AnyInstance {
    fn export_state(&mut self) -> Result<Option<Vec<u8>>, PluginError>;
    fn import_state(&mut self, state: &[u8]) -> Result<(), PluginError>;

    fn readers(&mut self) -> Result<Option<Vec<Reader>>, PluginError> {
        Ok(None)
    }

    fn act(&mut self, reader: &str, _: &Action, _: bool) -> Result<Outcome, PluginError> {
        Err(no_such_reader(reader))
    }
}

/// An open source; its calls are those of [`plugin_api::Source`].
#[allow(missing_docs, clippy::missing_errors_doc)]
pub trait SourceInstance: AnyInstance {
    fn next(&mut self, wait: Duration) -> Result<Polled, PluginError>;
    fn confirm(&mut self, batches: u64) -> Result<(), PluginError>;
    fn close(&mut self) -> Result<(), PluginError>;
}

/// An open transform; its calls are those of [`plugin_api::Transform`].
#[allow(missing_docs, clippy::missing_errors_doc)]
pub trait TransformInstance: AnyInstance {
    fn apply(&mut self, batch: &Batch) -> Result<Vec<Batch>, PluginError>;
    fn tick(&mut self) -> Result<Vec<Batch>, PluginError>;
    fn close(&mut self) -> Result<Vec<Batch>, PluginError>;
}

/// An open sink; its calls are those of [`plugin_api::Sink`].
#[allow(missing_docs, clippy::missing_errors_doc)]
pub trait SinkInstance: AnyInstance {
    fn write(&mut self, batches: &[Batch]) -> Result<Ack, PluginError>;
    fn tick(&mut self) -> Result<Ack, PluginError>;
    fn flush(&mut self) -> Result<(), PluginError>;
    fn close(&mut self) -> Result<(), PluginError>;
}
