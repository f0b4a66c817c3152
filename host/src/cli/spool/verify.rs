//! `dataserver spool verify`

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::Duration,
};

use comfy_table::{Table, presets};
use serde_json::{Value, json};

use super::{folders, inspect};
use crate::{
    cli::{Format, output},
    config::closest,
    spool::{Inspection, SegmentReport},
};

const HEADER: [&str; 6] = ["component", "file", "batches", "records", "size", "state"];
/// How long a running host may take to finish what it is just writing.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// A checked file of a component.
type Checked = (String, SegmentReport);

/// Checks the spools in that folder, or one of them.
pub fn run(folder: &Path, component: Option<&str>, format: Format) -> ExitCode {
    let checked = match check(folder, component) {
        Ok(checked) => checked,
        Err(error) => return output::complain(&error),
    };
    let is_sound = checked.iter().all(|(_, report)| report.scanned.damage.is_empty());
    let printed = match format {
        Format::Json => output::print_json(&checked.iter().map(to_json).collect()),
        Format::Text if checked.is_empty() => {
            output::print(&format!("nothing waits on disk in {}", folder.display()))
        }
        Format::Text => output::print(&to_text(&checked)),
    };
    if is_sound { printed } else { ExitCode::FAILURE }
}

fn check(folder: &Path, component: Option<&str>) -> Result<Vec<Checked>, String> {
    let mut folders = folders(folder)?;
    if let Some(component) = component {
        if !folders.iter().any(|(id, _)| id == component) {
            return Err(unknown(folder, component, &folders));
        }
        folders.retain(|(id, _)| id == component);
    }
    let mut checked = Vec::new();
    for (component, path) in folders {
        let segments = check_twice(&component, &path)?;
        checked.extend(segments.into_iter().map(|report| (component.clone(), report)));
    }
    Ok(checked)
}

/// A host that is writing has unfinished ends: damage is what is still there at a second look.
fn check_twice(component: &str, path: &Path) -> Result<Vec<SegmentReport>, String> {
    let first = inspect(component, path)?;
    let damaged = places(&first);
    if damaged.is_empty() {
        return Ok(first.segments);
    }
    thread::sleep(LOOK_AGAIN_AFTER);
    let mut second = inspect(component, path)?;
    for SegmentReport { path, scanned } in &mut second.segments {
        scanned.damage.retain(|damage| damaged.contains(&(path.clone(), damage.at)));
    }
    Ok(second.segments)
}

fn places(inspection: &Inspection) -> HashSet<(PathBuf, u64)> {
    let of_segment = |report: &SegmentReport| {
        let path = report.path.clone();
        let places = report.scanned.damage.iter().map(move |damage| (path.clone(), damage.at));
        places.collect::<Vec<_>>()
    };
    inspection.segments.iter().flat_map(of_segment).collect()
}

fn unknown(folder: &Path, component: &str, folders: &[(String, PathBuf)]) -> String {
    let names: Vec<_> = folders.iter().map(|(id, _)| id.as_str()).collect();
    let text = format!("nothing waits on disk for `{component}` in {}", folder.display());
    match closest(component, names.iter().copied()) {
        Some(meant) => format!("{text}; did you mean `{meant}`?"),
        None if names.is_empty() => text,
        None => format!("{text}; there are {}", names.join(", ")),
    }
}

fn to_text(checked: &[Checked]) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_header(HEADER);
    let mut told = String::new();
    for (component, SegmentReport { path, scanned }) in checked {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        table.add_row([
            component.clone(),
            name.into_owned(),
            scanned.entries.to_string(),
            scanned.records.to_string(),
            output::size(scanned.bytes),
            if scanned.damage.is_empty() { "sound" } else { "damaged" }.to_owned(),
        ]);
        for damage in &scanned.damage {
            let (at, bytes) = (damage.at, damage.bytes);
            told += &format!("\n{}: damaged at byte {at}: {bytes} bytes", path.display());
        }
    }
    if !told.is_empty() {
        told += "\nwhat is damaged is left out at the next start of the host; sources that can will \
                 send it again";
    }
    format!("{table}{told}")
}

fn to_json((component, SegmentReport { path, scanned }): &Checked) -> Value {
    let damage = scanned.damage.iter().map(|it| json!({ "at": it.at, "bytes": it.bytes }));
    json!({
        "component": component,
        "file": path,
        "batches": scanned.entries,
        "records": scanned.records,
        "bytes": scanned.bytes,
        "damage": damage.collect::<Value>(),
    })
}
