//! `dataserver dead-letter ls`

use std::{path::Path, process::ExitCode};

use comfy_table::{Table, presets};
use dataserver_engine::dead_letter::Summary;
use plugin_api::terminal;
use serde_json::{Value, json};

use super::output;
use crate::cli::Format;

const HEADER: [&str; 8] =
    ["component", "files", "letters", "records", "oldest", "newest", "size", "commonest reason"];
/// Longest reason in the table, letters.
const MAX_REASON: usize = 100;

/// Prints what lies in the folder.
pub fn run(folder: &Path, format: Format) -> ExitCode {
    match Summary::all(folder) {
        Ok(all) if format == Format::Json => output::print_json(&to_json(&all)),
        Ok(all) if all.is_empty() => {
            output::print(&format!("nothing was set aside in {}", folder.display()))
        }
        Ok(all) => output::print(&table(&all)),
        Err(error) => output::complain(&format!("{}: {error}", folder.display())),
    }
}

fn table(all: &[Summary]) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_header(HEADER);
    let mut damaged = String::new();
    for summary in all {
        let time = |time: Option<_>| time.map(output::time).unwrap_or_default();
        let reason: String =
            summary.reason.iter().flat_map(|it| it.chars()).take(MAX_REASON).collect();
        table.add_row([
            summary.component.clone(),
            summary.files.to_string(),
            summary.letters.to_string(),
            summary.records.to_string(),
            time(summary.oldest),
            time(summary.newest),
            output::size(summary.bytes),
            terminal::on_one_line(&reason).into_owned(),
        ]);
        if summary.damaged > 0 {
            let (component, lines) = (&summary.component, summary.damaged);
            damaged += &format!("\n{component}: {lines} damaged lines, which are no letters");
        }
    }
    format!("{table}{damaged}")
}

fn to_json(all: &[Summary]) -> Value {
    let describe = |summary: &Summary| {
        json!({
            "component": summary.component,
            "files": summary.files,
            "letters": summary.letters,
            "records": summary.records,
            "damaged": summary.damaged,
            "oldest": summary.oldest.map(|time| time.to_string()),
            "newest": summary.newest.map(|time| time.to_string()),
            "bytes": summary.bytes,
            "reason": summary.reason,
        })
    };
    all.iter().map(describe).collect()
}
