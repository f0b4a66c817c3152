//! Runs pipelines of source, transform and sink plugins.
//!
//! The `dataserver` program is a thin layer over this library, so that another process can embed a
//! host: read a [`config`], look into a [plugin folder](loader::PluginCatalog), and
//! [`embed`] what comes of both. The parts of a host are crates of their own, and are named here
//! for those who embed one.

pub mod alarms;
pub mod backfill;
pub mod cli;
pub mod control;
pub mod days;
pub mod descriptors;
pub mod embed;
pub mod hikyuu;
pub mod lock;
mod log;
mod plugin_list;
mod recent;
mod record_json;
pub mod reload;
mod search;

pub use dataserver_config as config;
pub use dataserver_engine as engine;
pub use dataserver_loader as loader;
pub use dataserver_spool as spool;
