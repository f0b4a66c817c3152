//! Sink that inserts records into ClickHouse over HTTP, and source that reads them back.
//!
//! Follow one batch: [`sink`] hands it to its [`table`], whose [`schema`] fills one column after
//! the other as the server keeps them ([`native`]); full blocks go into the [`body`], compressed into
//! [`frame`]s, which [`http`] sends under a token that tells them from all others ([`token`]);
//! [`answer`] reads what comes back. What the server is, whether its tables fit and what is missing is found out by [`prepare`]
//! with the statements of [`ddl`]; what went wrong is told by [`fault`]. What is too old goes by
//! [`retention`]. Of a [`cluster`] every shard gets the rows that its [`shard_key`] says. And back: [`source`] asks for blocks, which [`native_read`] undoes.

mod access;
mod answer;
mod body;
mod cluster;
mod ddl;
mod fault;
mod frame;
mod http;
mod native;
mod native_read;
mod options;
mod prepare;
mod retention;
mod schema;
mod shard_key;
mod sink;
mod source;
mod table;
#[cfg(test)]
mod tests;
mod token;

use plugin_api::export_plugin;
use sink::ClickHouse;
use source::TableSource;

export_plugin! {
    name: "clickhouse",
    description: "Inserts records into ClickHouse and reads them back",
    author: "dataserver developers",
    source: TableSource,
    sink: ClickHouse,
}
