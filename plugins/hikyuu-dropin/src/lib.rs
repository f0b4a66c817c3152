//! The library that Hikyuu loads as its data server: `libdataserver.so` in its plugin folder.
//!
//! It is a whole host. What `start_data_server` is called with becomes a [`pipeline`] of
//! plugins that are [linked in](PLUGINS), which runs on threads of its own until it is
//! [stopped](server). [`bridge`] holds the only symbol that is exported, and [`log`] says all that
//! cannot be returned.
//!
//! The process is somebody else's, a Python interpreter mostly: nothing here [listens to signals](signals),
//! writes to stdout, ends the process or lets a panic out.

mod arguments;
mod bridge;
mod home;
mod log;
mod pipeline;
mod server;
mod signals;

use plugin_api::native::Linked;

/// Plugins that need no file.
const PLUGINS: [Linked; 5] = [
    dataserver_bars::DATASERVER_PLUGIN,
    dataserver_clickhouse::DATASERVER_PLUGIN,
    dataserver_hikyuu_server::DATASERVER_PLUGIN,
    dataserver_nng_sub::DATASERVER_PLUGIN,
    dataserver_parquet::DATASERVER_PLUGIN,
];
