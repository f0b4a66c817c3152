//! What may stand in the table of a `clickhouse` source.

use kit::{Faults, history};
use plugin_api::{Ask, Context, PluginError, options};

use crate::access::{Access, Target};

options! {
    /// Options of the `clickhouse` source.
    pub struct Options {
        #[serde(flatten)]
        pub access: Access,
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
    pub fn check(&self, context: &Context) -> Result<Target, PluginError> {
        let mut faults = Faults::default();
        let target = self.access.target(context, &mut faults);
        let allowed = 1..=history::MOST_BATCH_RECORDS;
        faults.within("`batch_records`", self.batch_records, allowed, "allowed is");
        faults.check_made(target)
    }
}
