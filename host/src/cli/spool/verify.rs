//! `dataserver spool verify`

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::Duration,
};

use dataserver_spool::{self as spool, Inspection, SegmentReport, Unacknowledged};
use serde_json::{Value, json};

use super::{chosen, folders, inspect};
use crate::cli::{
    Format,
    output::{self, Column},
};

const COLUMNS: [Column; 6] = [
    Column::text("component"),
    Column::text("file"),
    Column::number("batches"),
    Column::number("records"),
    Column::number("size").or_left_out(),
    Column::text("state"),
];
/// How long a running host may take to finish what it is just writing.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// The checked files of a component.
struct Checked {
    component: String,
    folder: PathBuf,
    found: Inspection,
    /// What was found damaged before.
    damage: Unacknowledged,
}

impl Checked {
    fn is_sound(&self) -> bool {
        self.damage.places == 0
            && self.found.positions.is_empty()
            && self.found.segments.iter().all(|report| report.damage.is_empty())
    }
}

/// Checks the spools in that folder, or one of them.
pub fn run(folder: &Path, component: Option<&str>, format: Format) -> ExitCode {
    let checked = match check(folder, component) {
        Ok(checked) => checked,
        Err(error) => return output::complain(&error),
    };
    let printed = match format {
        Format::Json => {
            let files = checked.iter().flat_map(|it| {
                it.found.segments.iter().map(|report| to_json(&it.component, report))
            });
            output::print_json(&files.chain(positions(&checked)).collect::<Value>())
        }
        Format::Text if checked.iter().all(|it| it.found.segments.is_empty() && it.is_sound()) => {
            output::print(&format!("nothing waits on disk in {}", folder.display()))
        }
        Format::Text => output::print(&to_text(&checked)),
    };
    if checked.iter().all(Checked::is_sound) { printed } else { ExitCode::FAILURE }
}

fn check(folder: &Path, component: Option<&str>) -> Result<Vec<Checked>, String> {
    let folders = chosen(folders(folder)?, component, folder)?;
    let check = |(component, folder): (String, PathBuf)| {
        let found = check_twice(&component, &folder)?;
        let damage = spool::unacknowledged(&folder);
        Ok(Checked { component, folder, found, damage })
    };
    folders.into_iter().map(check).collect()
}

/// A host that is writing has unfinished ends: damage is what is still there at a second look.
fn check_twice(component: &str, path: &Path) -> Result<Inspection, String> {
    let first = inspect(component, path)?;
    let damaged = places(&first);
    if damaged.is_empty() && first.positions.is_empty() {
        return Ok(first);
    }
    thread::sleep(LOOK_AGAIN_AFTER);
    let mut second = inspect(component, path)?;
    for SegmentReport { path, damage, .. } in &mut second.segments {
        damage.retain(|stretch| damaged.contains(&(path.clone(), stretch.at)));
    }
    second.positions.retain(|it| first.positions.contains(it));
    Ok(second)
}

fn places(inspection: &Inspection) -> HashSet<(PathBuf, u64)> {
    let of_segment = |report: &SegmentReport| {
        let path = report.path.clone();
        let places = report.damage.iter().map(move |stretch| (path.clone(), stretch.at));
        places.collect::<Vec<_>>()
    };
    inspection.segments.iter().flat_map(of_segment).collect()
}

fn to_text(checked: &[Checked]) -> String {
    let rows = checked.iter().flat_map(|Checked { component, found, .. }| {
        found.segments.iter().map(move |report| row(component, report))
    });
    let mut told = output::table(0, &COLUMNS, rows);
    for Checked { component, folder, found, damage } in checked {
        for report in &found.segments {
            for stretch in &report.damage {
                told += &format!("{}: {stretch}\n", report.path.display());
            }
        }
        for (path, fault) in &found.positions {
            told += &format!("{}: {fault}; what was under way is offered again\n", path.display());
        }
        if damage.places > 0 {
            let about = if damage.is_about { "about " } else { "" };
            told += &format!(
                "{component}: {} damaged places were found before, with {about}{} records lost; \
                 they are kept in {}/*.damaged, and `dataserver spool acknowledge {component}` says \
                 that they are known\n",
                damage.places,
                damage.records,
                folder.display()
            );
        }
    }
    if checked.iter().any(|it| it.found.segments.iter().any(|report| !report.damage.is_empty())) {
        told += "what is damaged is kept aside at the next start of the host, which goes on with \
                 the next whole batch; sources that can will send it again\n";
    }
    told
}

fn row(component: &str, report: &SegmentReport) -> [String; 6] {
    let name = report.path.file_name().unwrap_or_default().to_string_lossy();
    [
        component.to_owned(),
        name.into_owned(),
        report.entries.to_string(),
        report.records.to_string(),
        output::size(report.bytes),
        if report.damage.is_empty() { "sound" } else { "damaged" }.to_owned(),
    ]
}

fn to_json(component: &str, report: &SegmentReport) -> Value {
    let damage = report.damage.iter().map(|it| {
        json!({
            "at": it.at,
            "bytes": it.bytes,
            "what": it.to_string(),
            "batches_lost": it.batches,
            "records_lost": it.records,
            "is_exact": it.is_exact,
        })
    });
    json!({
        "component": component,
        "file": report.path,
        "batches": report.entries,
        "records": report.records,
        "bytes": report.bytes,
        "damage": damage.collect::<Value>(),
    })
}

/// Positions that cannot be used, as files with damage.
fn positions(checked: &[Checked]) -> impl Iterator<Item = Value> {
    checked.iter().flat_map(|it| {
        it.found.positions.iter().map(|(path, fault)| {
            let damage = json!([{ "at": 0, "what": fault }]);
            json!({ "component": it.component, "file": path, "damage": damage })
        })
    })
}
