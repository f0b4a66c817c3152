//! What may stand in the table of a `parquet` source.

use std::path::PathBuf;

use kit::{Faults, history};
use plugin_api::{Ask, PluginError, options};

options! {
    /// Options of the `parquet` source.
    pub struct Options {
        /// Folder of the lake. A relative path counts from pipeline.toml.
        pub path: PathBuf,
        /// What is read; whoever asks for history sets it.
        #[serde(default)]
        pub ask: Option<Ask>,
        /// Most records of a batch, 1 to 100000. Default 10000.
        #[serde(default = "default_batch_records")]
        pub batch_records: usize,
    }
}

fn default_batch_records() -> usize {
    history::BATCH_RECORDS
}

impl Options {
    /// Checks the options, but for what is asked.
    pub fn check(&self) -> Result<(), PluginError> {
        let mut faults = Faults::default();
        let allowed = 1..=history::MOST_BATCH_RECORDS;
        faults.within("`batch_records`", self.batch_records, allowed, "allowed is");
        faults.check()
    }
}
