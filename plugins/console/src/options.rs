//! What the `console` sink can be told.

use plugin_api::options;

options! {
    /// Options of the `console` sink.
    #[derive(Default)]
    #[serde(default)]
    pub struct Options {
        /// Records of each batch to print, from its start; 0 prints all. Default 0.
        pub limit: usize,
        /// Columns to print, in this order, e.g. `["symbol", "time", "close"]`; a record prints
        /// those of them that its kind has. Default: all.
        pub fields: Vec<String>,
    }
}
