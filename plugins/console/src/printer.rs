//! Batches as JSON lines.

use plugin_api::{Batch, PluginError, RecordKind};

use crate::{
    columns::{BAR_COLUMNS, Column, SPOT_COLUMNS, WriteBar, WriteSpot},
    options::Options,
};

/// Writes the chosen columns of records.
pub struct Printer {
    spot_columns: Vec<Column<WriteSpot>>,
    bar_columns: Vec<Column<WriteBar>>,
    /// Most records of a batch to print.
    limit: usize,
}

impl Printer {
    /// Checks the options.
    ///
    /// # Errors
    /// `Config` that names every unknown column.
    pub fn new(options: &Options) -> Result<Self, PluginError> {
        let unknown: Vec<_> = options
            .fields
            .iter()
            .filter(|name| !is_known(&SPOT_COLUMNS, name) && !is_known(&BAR_COLUMNS, name))
            .map(|name| format!("\"{name}\""))
            .collect();
        if !unknown.is_empty() {
            return Err(PluginError::config(format!(
                "no such column in `fields`: {}; quotes have {}; bars have {}",
                unknown.join(", "),
                names(&SPOT_COLUMNS),
                names(&BAR_COLUMNS),
            )));
        }
        Ok(Self {
            spot_columns: chosen(&SPOT_COLUMNS, &options.fields),
            bar_columns: chosen(&BAR_COLUMNS, &options.fields),
            limit: if options.limit == 0 { usize::MAX } else { options.limit },
        })
    }

    /// Appends one line a record; none for records without any of the chosen columns.
    pub fn print(&self, batch: &Batch, lines: &mut Vec<u8>) {
        match batch.kind() {
            RecordKind::Spot => {
                for spot in batch.spots().iter().take(self.limit) {
                    line(&self.spot_columns, lines, |write, lines| write(&spot, lines));
                }
            }
            RecordKind::Bar => {
                for bar in batch.bars().take(self.limit) {
                    line(&self.bar_columns, lines, |write, lines| write(&bar, lines));
                }
            }
        }
    }
}

fn line<Write>(
    columns: &[Column<Write>],
    lines: &mut Vec<u8>,
    value: impl Fn(&Write, &mut Vec<u8>),
) {
    for (index, (name, write)) in columns.iter().enumerate() {
        lines.extend_from_slice(if index == 0 { b"{\"" } else { b",\"" });
        lines.extend_from_slice(name.as_bytes());
        lines.extend_from_slice(b"\":");
        value(write, lines);
    }
    if !columns.is_empty() {
        lines.extend_from_slice(b"}\n");
    }
}

fn is_known<Write>(columns: &[Column<Write>], name: &str) -> bool {
    columns.iter().any(|(known, _)| *known == name)
}

fn names<Write>(columns: &[Column<Write>]) -> String {
    columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// The columns of those names, in the order of the names; all without any name.
fn chosen<Write: Copy>(columns: &[Column<Write>], fields: &[String]) -> Vec<Column<Write>> {
    if fields.is_empty() {
        return columns.to_vec();
    }
    let column = |field: &String| columns.iter().find(|(name, _)| name == field).copied();
    fields.iter().filter_map(column).collect()
}
