//! `dataserver dead-letter ls`

use std::{path::Path, process::ExitCode};

use dataserver_engine::dead_letter::Summary;
use serde_json::{Value, json};

use crate::cli::{
    Format,
    output::{self, Column},
};

const COLUMNS: [Column; 8] = [
    Column::text("component"),
    Column::number("files").or_left_out(),
    Column::number("letters"),
    Column::number("records"),
    Column::text("oldest").or_left_out(),
    Column::text("newest"),
    Column::number("size").or_left_out(),
    Column::text("commonest reason").or_cut(),
];
/// Longest reason that is laid out, letters.
const MAX_REASON: usize = 1_000;

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
    let time = |time: Option<_>| time.map(output::time).unwrap_or_default();
    let row = |summary: &Summary| {
        [
            summary.component.clone(),
            summary.files.to_string(),
            summary.letters.to_string(),
            summary.records.to_string(),
            time(summary.oldest),
            time(summary.newest),
            output::size(summary.bytes),
            summary.reason.iter().flat_map(|it| it.chars()).take(MAX_REASON).collect(),
        ]
    };
    let mut text = output::table(0, &COLUMNS, all.iter().map(row));
    for summary in all.iter().filter(|summary| summary.damaged > 0) {
        let (component, lines) = (&summary.component, summary.damaged);
        text += &format!("{component}: {lines} damaged lines, which are no letters\n");
    }
    text
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
