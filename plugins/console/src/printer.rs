//! Batches as JSON lines.

use plugin_api::{Batch, PluginError, Record, RecordKind, WithRecords};

use crate::{columns::Cells, options::Options};

/// Writes the chosen columns of records.
pub struct Printer {
    /// Names and places of the columns to print, by the number of the kind.
    columns: Vec<Vec<(&'static str, usize)>>,
    /// Most records of a batch to print.
    limit: usize,
}

impl Printer {
    /// Checks the options.
    ///
    /// # Errors
    /// `Config` that names every unknown column.
    pub fn new(options: &Options) -> Result<Self, PluginError> {
        let is_known = |name: &str| RecordKind::ALL.into_iter().any(|it| place(it, name).is_some());
        let unknown = options.fields.iter().filter(|name| !is_known(name));
        let unknown: Vec<_> = unknown.map(|name| format!("\"{name}\"")).collect();
        if !unknown.is_empty() {
            let known = RecordKind::ALL.map(|it| format!("{} have {}", it.plural(), names(it)));
            return Err(PluginError::config(format!(
                "no such column in `fields`: {}; {}",
                unknown.join(", "),
                known.join("; "),
            )));
        }
        Ok(Self {
            columns: RecordKind::ALL.map(|kind| chosen(kind, &options.fields)).into(),
            limit: if options.limit == 0 { usize::MAX } else { options.limit },
        })
    }

    /// Appends one line a record; none for records without any of the chosen columns.
    pub fn print(&self, batch: &Batch, lines: &mut Vec<u8>) {
        let columns = &self.columns[usize::from(batch.kind().number())];
        if !columns.is_empty() {
            batch.with_records(Print { columns, limit: self.limit, lines });
        }
    }
}

struct Print<'a> {
    columns: &'a [(&'static str, usize)],
    limit: usize,
    lines: &'a mut Vec<u8>,
}

impl WithRecords for Print<'_> {
    type Output = ();

    fn run<R: Record>(self, records: impl Iterator<Item = R>) {
        let Self { columns, limit, lines } = self;
        let mut cells = Cells::default();
        for record in records.take(limit) {
            cells.fill(&record);
            for (index, (name, place)) in columns.iter().enumerate() {
                lines.extend_from_slice(if index == 0 { b"{\"" } else { b",\"" });
                lines.extend_from_slice(name.as_bytes());
                lines.extend_from_slice(b"\":");
                lines.extend_from_slice(cells.value(*place));
            }
            lines.extend_from_slice(b"}\n");
        }
    }
}

/// The columns of those names, in the order of the names; all without any name.
fn chosen(kind: RecordKind, fields: &[String]) -> Vec<(&'static str, usize)> {
    let columns = kind.columns().iter().enumerate().map(|(place, it)| (it.name, place));
    if fields.is_empty() {
        return columns.collect();
    }
    let columns: Vec<_> = columns.collect();
    let column = |field: &String| columns.iter().find(|(name, _)| name == field).copied();
    fields.iter().filter_map(column).collect()
}

fn place(kind: RecordKind, name: &str) -> Option<usize> {
    kind.columns().iter().position(|column| column.name == name)
}

fn names(kind: RecordKind) -> String {
    kind.columns().iter().map(|column| column.name).collect::<Vec<_>>().join(", ")
}
