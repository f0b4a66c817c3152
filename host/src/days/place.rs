//! Where a pipeline keeps account of its days.

use std::path::PathBuf;

use ::days::{Ledger, LedgerError};
use dataserver_config::{Component, Pipeline};
use plugin_api::RoleKind;

/// The plugin that keeps it.
const PLUGIN: &str = "ledger";
/// The option that says where.
const PATH: &str = "path";

/// A ledger of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Id of the sink that keeps it.
    pub id: String,
    /// Its file; absolute.
    pub path: PathBuf,
    /// What the sink reads from.
    pub inputs: Vec<String>,
}

/// A pipeline that keeps account of nothing; says how it would.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no completeness: this pipeline keeps no account of whole days; add [sinks.{PLUGIN}] with \
     plugin = \"{PLUGIN}\", inputs = [\"{input}\"] and {PATH} = \"{PLUGIN}.db\", and reload"
)]
pub struct NoLedger {
    input: String,
}

impl Place {
    /// That of a pipeline, the first one where there are several.
    ///
    /// # Errors
    /// When it has none.
    pub fn of(pipeline: &Pipeline) -> Result<Self, NoLedger> {
        let is_it = |it: &&Component| it.kind == RoleKind::Sink && it.plugin == PLUGIN;
        let Some(sink) = pipeline.components.iter().find(is_it) else {
            let source = pipeline.components.iter().find(|it| it.kind == RoleKind::Source);
            let input = source.map_or("ID", |source| source.id.as_str()).to_owned();
            return Err(NoLedger { input });
        };
        // the plugin asks for it, so it is there in a pipeline that was checked
        let path = sink.options.get(PATH).and_then(|path| path.as_str()).unwrap_or_default();
        let path = pipeline.base_dir.join(path);
        Ok(Self { id: sink.id.clone(), path, inputs: sink.inputs.clone() })
    }

    /// Opens it to read, also while a host writes.
    ///
    /// # Errors
    /// When it is not there yet, or cannot be read.
    pub fn read(&self) -> Result<Ledger, LedgerError> {
        Ledger::read(&self.path)
    }
}
