//! `dataserver spool ls`

use std::{path::Path, process::ExitCode};

use dataserver_config::{BufferKind, Component, ParsedConfig};
use dataserver_engine::topology::spool_folder;
use dataserver_loader::PluginCatalog;
use dataserver_spool::Inspection;
use jiff::Timestamp;
use plugin_api::RoleKind;
use serde_json::{Value, json};

use super::{folders, inspect};
use crate::cli::{
    Format,
    output::{self, Column},
};

const COLUMNS: [Column; 7] = [
    Column::text("component"),
    Column::number("batches"),
    Column::number("records"),
    Column::number("bytes"),
    Column::number("files").or_left_out(),
    Column::number("on disk").or_left_out(),
    Column::text("oldest"),
];

/// What waits for one component.
struct Waiting {
    component: String,
    found: Inspection,
    /// Why nobody will deliver it.
    orphaned: Option<String>,
}

/// Prints what waits for the sinks of a pipeline, and for others.
pub fn run(parsed: ParsedConfig, format: Format) -> ExitCode {
    let folder = spool_folder(&parsed.host().data_dir);
    let waiting = match all(parsed, &folder) {
        Ok(waiting) => waiting,
        Err(error) => return output::complain(&error),
    };
    match format {
        Format::Json => output::print_json(&waiting.iter().map(to_json).collect()),
        Format::Text if waiting.is_empty() => {
            output::print(&format!("nothing waits on disk in {}", folder.display()))
        }
        Format::Text => output::print(&to_text(&waiting, &folder)),
    }
}

fn all(parsed: ParsedConfig, folder: &Path) -> Result<Vec<Waiting>, String> {
    let folders = folders(folder)?;
    let components = components(parsed);
    let look = |(component, path): (String, _)| {
        let found = inspect(&component, path)?;
        // nothing waits in an empty one: it may stay or go
        let orphaned = why_orphaned(&component, &components).filter(|_| found.entries > 0);
        Ok(Waiting { component, found, orphaned })
    };
    folders.iter().map(|(component, path)| look((component.clone(), path))).collect()
}

/// The components with their buffers, as far as their plugins are there to say.
fn components(parsed: ParsedConfig) -> Vec<(Component, bool)> {
    let catalog = PluginCatalog::of(parsed.host());
    let unresolved: Vec<_> = parsed.components().cloned().collect();
    match parsed.resolve(&catalog) {
        Ok(pipeline) => pipeline.components.into_iter().map(|it| (it, true)).collect(),
        Err(_) => unresolved.into_iter().map(|it| (it, false)).collect(),
    }
}

fn why_orphaned(id: &str, components: &[(Component, bool)]) -> Option<String> {
    let sink = components.iter().find(|(it, _)| it.id == id && it.kind == RoleKind::Sink);
    match sink {
        None => Some("no sink of this pipeline has that name".to_owned()),
        Some((sink, true)) if sink.buffer.kind == BufferKind::Memory => {
            Some("this sink has its buffer in memory now".to_owned())
        }
        Some(_) => None,
    }
}

fn to_text(all: &[Waiting], folder: &Path) -> String {
    let row = |Waiting { component, found, .. }: &Waiting| {
        [
            component.clone(),
            found.entries.to_string(),
            found.records.to_string(),
            output::size(found.bytes),
            found.segments.len().to_string(),
            output::size(found.file_bytes),
            oldest(found).map(output::time).unwrap_or_default(),
        ]
    };
    let mut text = output::table(0, &COLUMNS, all.iter().map(row));
    for Waiting { component, found, orphaned } in all {
        if let Some(why) = orphaned {
            text += &format!(
                "{component}: {why}, so nobody delivers what waits; bring back [sinks.{component}] \
                 with a buffer on disk, or remove {}\n",
                folder.join(component).display()
            );
        }
        if found.segments.iter().any(|segment| !segment.damage.is_empty()) {
            text += &format!(
                "{component}: not all of it can be read; `dataserver spool verify {component}` \
                 says where\n"
            );
        }
    }
    text
}

fn to_json(waiting: &Waiting) -> Value {
    let Waiting { component, found, orphaned } = waiting;
    json!({
        "component": component,
        "batches": found.entries,
        "records": found.records,
        "bytes": found.bytes,
        "files": found.segments.len(),
        "file_bytes": found.file_bytes,
        "oldest": oldest(found).map(|time| time.to_string()),
        "orphaned": orphaned,
    })
}

fn oldest(found: &Inspection) -> Option<Timestamp> {
    Timestamp::from_microsecond(found.oldest_us?).ok()
}
