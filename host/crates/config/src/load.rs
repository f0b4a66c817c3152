//! Reads a file as far as that goes without plugins.

use std::path::Path;

use plugin_api::RoleKind;

use super::{
    Environment, Faults, ParsedConfig, alarms, backfill,
    components::{self, read_kind, unknown_sections},
    file, granted, graph, host, mask, parse, read,
    report::Report,
    substitute,
};

/// Reads a pipeline from a file.
///
/// What is wrong with a file that is valid TOML is kept in the [`ParsedConfig`], so that it can be shown
/// together with what its plugins find wrong.
///
/// # Errors
/// When the file cannot be read, is no UTF-8 or no TOML; in the last case together with all else
/// that is certainly wrong.
pub fn load(path: &Path, environment: &dyn Environment) -> Result<ParsedConfig, Faults> {
    // by its full name, as the working directory is where a link led when the program was started
    let bytes = file::read(&environment.working_dir().join(path)).map_err(|error| {
        let message = format!("cannot read the pipeline: {error}");
        Faults::unread(path, message, "name the file with -c FILE")
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        // a broken byte may stand in the very word by which a secret is known
        let covered = mask::mask_all(&String::from_utf8_lossy(error.as_bytes()));
        let mut report = Report::new(path, &covered);
        report
            .fault(&(valid..valid), "the file is not valid UTF-8 from here on")
            .help("save it as UTF-8, without GBK or UTF-16");
        report.finish().0
    })?;
    load_text(&text, path, environment)
}

/// Reads a pipeline from the text of a file; relative paths count from the file's folder.
///
/// # Errors
/// When it is no TOML; together with all else that is certainly wrong.
pub fn load_text(
    text: &str,
    file: &Path,
    environment: &dyn Environment,
) -> Result<ParsedConfig, Faults> {
    let absolute = host::absolute(&environment.working_dir(), file);
    let base_dir = absolute.parent().unwrap_or(&absolute).to_owned();

    let mut report = Report::new(file, text);
    let mut root = parse::parse(text, &mut report);
    report.cover_secrets_of(&root);
    substitute::fill_table(&mut root, environment, &mut report);

    unknown_sections(&mut report, &root);
    let host = root.get("host").and_then(|entry| read::table(&mut report, entry));
    let executable_dir = environment.executable_dir();
    let host = host::read_host(&mut report, host, &base_dir, executable_dir.as_deref());
    let alarms = root.get("alarms").and_then(|entry| read::table(&mut report, entry));
    let alarms = alarms.map(|table| alarms::read_alarms(&mut report, table)).unwrap_or_default();
    let table = root.get("backfill").and_then(|entry| read::table(&mut report, entry));
    let backfill = table.map(|table| backfill::read_backfill(&mut report, table));
    let backfill = backfill.unwrap_or_default();
    let components: Vec<_> = [RoleKind::Source, RoleKind::Transform, RoleKind::Sink]
        .into_iter()
        .flat_map(|kind| read_kind(&mut report, &root, kind))
        .collect();
    let folders: Vec<_> = [RoleKind::Source, RoleKind::Transform, RoleKind::Sink]
        .into_iter()
        .flat_map(|kind| components::tables(&root, kind))
        .flat_map(|component| granted::granted(component, &base_dir))
        .collect();
    let kept = granted::Kept::of(&host.settings, &absolute, environment);
    granted::check(&mut report, &folders, &kept);
    let asked = backfill.named(&report, &components);
    graph::check(&mut report, &root, &components, &asked);
    backfill.check(&mut report, &components);
    if report.is_partial() {
        return Err(report.finish().0);
    }
    let parts = (host, alarms, backfill, components);
    Ok(ParsedConfig::new(absolute, base_dir, parts, report))
}
