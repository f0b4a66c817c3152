//! Runs pipelines of source, transform and sink plugins.
//!
//! The `dataserver` program is a thin layer over this library, so that another process can embed a
//! host: read a [`config`], look into a [plugin folder](plugin::PluginCatalog), and
//! [`embed`] what comes of both.

pub mod ack;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod dead_letter;
pub mod descriptors;
pub mod embed;
pub mod hikyuu;
pub mod lock;
pub mod own_file;
pub mod plugin;
pub mod queue;
pub mod reload;
pub mod retry;
pub mod shutdown;
pub mod spool;
pub mod telemetry;
pub mod topology;
