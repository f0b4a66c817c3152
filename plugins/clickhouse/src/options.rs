//! What may stand in the table of a `clickhouse` sink.

use kit::Faults;
use plugin_api::{Context, PluginError, options};

use crate::access::{Access, Target};

options! {
    /// Options of the `clickhouse` sink.
    pub struct Options {
        #[serde(flatten)]
        pub access: Access,
        /// Makes database, tables and view when they are missing, and adds the columns that tables
        /// of earlier builds lack (`phase`, `source`). Nothing else of an existing table is
        /// changed: when a column differs, the error says which, and the statement that heals it.
        /// Default true.
        #[serde(default = "default_create_tables")]
        pub create_tables: bool,
        /// Days that records are kept, by their own time, 1 to 10000: the server deletes what is
        /// older, also in tables that were there before. A server without TTL has the months dropped
        /// that are older as a whole. Default: all are kept.
        #[serde(default)]
        pub keep_days: Option<u32>,
        /// As `keep_days`, for tables alone that are made here; 0 = never, at most 10000. Default 0.
        #[serde(default)]
        pub ttl_days: u32,
    }
}

/// The server counts in 32 bits of seconds: what passes 2106 begins anew, and everything would be old.
const MAX_TTL_DAYS: u32 = 10_000;

fn default_create_tables() -> bool {
    true
}

/// The options after their check.
#[derive(Clone)]
pub struct Settings {
    pub target: Target,
    pub create_tables: bool,
    /// Days that records are kept in every table.
    pub keep_days: Option<u32>,
    /// Days that records are kept in tables that are made; 0 for all.
    pub ttl_days: u32,
}

impl Options {
    /// Checks the options and reports all faults at once.
    pub fn check(&self, context: &Context) -> Result<Settings, PluginError> {
        let mut faults = Faults::default();
        let target = self.access.target(context, &mut faults);
        faults.within("`ttl_days`", self.ttl_days, 0..=MAX_TTL_DAYS, "allowed is");
        if let Some(days) = self.keep_days {
            faults.within("`keep_days`", days, 1..=MAX_TTL_DAYS, "allowed is");
            if self.ttl_days > 0 {
                let text = "`keep_days` and `ttl_days` are the same for new tables; leave \
                            `ttl_days` out";
                faults.push(text.to_owned());
            }
        }
        Ok(Settings {
            target: faults.check_made(target)?,
            create_tables: self.create_tables,
            keep_days: self.keep_days,
            ttl_days: self.ttl_days,
        })
    }
}

impl Settings {
    /// Days that records are kept in a table that is made now; 0 for all.
    pub fn new_table_days(&self) -> u32 {
        self.keep_days.unwrap_or(self.ttl_days)
    }
}
