//! All that a plugin author depends on.
//!
//! A plugin is a crate that implements [`Source`], [`Transform`] or [`Sink`] (or several of them)
//! and names them in [`export_plugin!`]. The host calls one instance from one thread at a time,
//! never two calls at once; an instance owns its state and needs no locks.
//!
//! ```no_run
//! use plugin_api::{Ack, Batch, Context, PluginError, Sink, export_plugin, options};
//!
//! options! {
//!     /// Options of the `count` sink.
//!     pub struct Options {
//!         /// Log after so many records.
//!         pub every: u64,
//!     }
//! }
//!
//! struct Count { options: Options, context: Context, seen: u64 }
//!
//! impl Sink for Count {
//!     type Options = Options;
//!
//!     fn open(options: Options, context: Context) -> Result<Self, PluginError> {
//!         Ok(Self { options, context, seen: 0 })
//!     }
//!
//!     fn write(&mut self, batches: &[Batch]) -> Result<Ack, PluginError> {
//!         for batch in batches {
//!             self.seen += u64::from(batch.records());
//!         }
//!         if self.seen >= self.options.every {
//!             self.context.info(&format!("{} records so far", self.seen));
//!         }
//!         Ok(Ack::Delivered)
//!     }
//! }
//!
//! export_plugin! {
//!     name: "count",
//!     description: "Counts records",
//!     author: "A. Trader",
//!     sink: Count,
//! }
//! # fn main() {}
//! ```
//!
//! Nothing in the traits assumes shared memory or threads, so the same source serves a native
//! library (`cargo build --release`) and a sandboxed component
//! (`cargo build --release --target wasm32-wasip2`). In a sandbox a panic ends the instance, what
//! an instance holds is dropped without running `Drop` unless it was closed, and files, network
//! and environment are there as far as the pipeline grants them.
//!
//! A plugin that others read from, or that reads beside others, may tell who they are and what can
//! be done with them: [`Sink::readers`] and [`Sink::act`], and the same calls of the other roles. They
//! are optional: a host asks for them while somebody looks at its readers.

mod address;
mod batch;
mod context;
mod descriptor;
mod error;
#[doc(hidden)]
pub mod export;
mod history;
mod manifest;
#[cfg(not(target_family = "wasm"))]
pub mod native;
mod options;
mod readers;
mod records;
mod report;
mod sink;
mod source;
pub mod terminal;
pub mod testing;
mod transform;
#[cfg(target_family = "wasm")]
pub mod wasm;

pub use address::shown_address;
pub use batch::{Batch, Payload, Provenance, Round};
pub use context::{Context, HostServices, Level};
pub use descriptor::{DESCRIPTOR_SECTION, Descriptor};
pub use error::{ErrorKind, PluginError};
pub use history::{Ask, Asked};
pub use manifest::{ApiVersion, Manifest, Role, RoleKind};
pub use options::{ByteSize, Duration, options_schema, parse_byte_size, parse_duration};
#[doc(hidden)]
pub use readers::ActRequest;
pub use readers::{
    Action, ActionKind, Outcome, Reader, ReaderKind, no_such_action, no_such_reader,
};
pub use records::{RecordKind, WithRecords};
pub use report::Report;
pub use sink::{Ack, Delivery, Sink};
pub use source::{Polled, Source};
pub use transform::{Output, Transform};

pub use dataserver_schemas_reexport::*;

mod dataserver_schemas_reexport {
    pub use schemas;
    pub use schemas::{
        encode::{Levels, SpotListEncoder, SpotRecord, WireSpot},
        records::{
            Column, ColumnType, Record, Visitor,
            bar::{BarRecord, encode_bars},
        },
        spot::{SpotListReader, SpotView, Symbol},
    };
}

pub use schemars;
pub use serde;
pub use serde_json;
