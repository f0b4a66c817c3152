//! Source that fetches quotes as JSON lines over HTTP.
//!
//! An example of a source for the sandbox: the host grants it one server, as in
//! `grants.http = ["quotes.example.com"]`, and it reaches nothing else. Each pass over the URL is a
//! round of one batch. A line is an object with the keys of the stores' columns: `symbol` and
//! `time` must be there, prices are in CNY, volumes in shares, amounts in CNY. The `files-json` and
//! `console` sinks write such lines.
#![cfg(any(target_family = "wasm", test))]

#[cfg(target_family = "wasm")]
mod fetch;
mod quote;
#[cfg(target_family = "wasm")]
mod source;
#[cfg(test)]
mod tests;
mod url;

#[cfg(target_family = "wasm")]
plugin_api::export_plugin! {
    name: "http-quotes",
    description: "Fetches quotes as JSON lines over HTTP",
    author: "dataserver developers",
    source: source::HttpQuotes,
}
