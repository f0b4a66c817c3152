//! Sink that inserts records into ClickHouse over HTTP.
//!
//! Follow one batch: [`sink`] hands it to its [`table`], whose [`schema`] fills one column after
//! the other as the server keeps them ([`native`]); full blocks go into the [`body`], compressed into
//! [`frame`]s, which [`http`] sends under a token that tells them from all others ([`token`]);
//! [`answer`] reads what comes back. What the server is, whether its tables fit and what is missing is found out by [`prepare`]
//! with the statements of [`ddl`]; what went wrong is told by [`fault`].

mod answer;
mod body;
mod ddl;
mod fault;
mod frame;
mod http;
mod native;
mod options;
mod prepare;
mod schema;
mod sink;
mod table;
#[cfg(test)]
mod tests;
mod token;

use plugin_api::export_plugin;
use sink::ClickHouse;

export_plugin! {
    name: "clickhouse",
    description: "Inserts records into ClickHouse",
    author: "dataserver developers",
    sink: ClickHouse,
}
