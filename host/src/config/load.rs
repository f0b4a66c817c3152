//! Reads a file as far as that goes without plugins.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use plugin_api::RoleKind;

use super::{
    Draft, Environment, Faults,
    components::{self, read_kind, unknown_sections},
    fault::Report,
    graph, host, read, sandbox, substitute, tree,
};

/// Longest pipeline file, 4 MiB: hundreds of times what the longest pipelines take.
const MOST_BYTES: u64 = 4 << 20;

/// Reads a pipeline from a file.
///
/// What is wrong with a file that is valid TOML is kept in the [`Draft`], so that it can be shown
/// together with what its plugins find wrong.
///
/// # Errors
/// When the file cannot be read, is no UTF-8 or no TOML; in the last case together with all else
/// that is certainly wrong.
pub fn load(file: &Path, environment: &dyn Environment) -> Result<Draft, Faults> {
    let bytes = read_file(file)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let mut report = Report::new(file, &String::from_utf8_lossy(error.as_bytes()));
        report
            .fault(&(valid..valid), "the file is not valid UTF-8 from here on")
            .help("save it as UTF-8, without GBK or UTF-16");
        report.finish().0
    })?;
    load_text(&text, file, environment)
}

fn read_file(file: &Path) -> Result<Vec<u8>, Faults> {
    let cannot = |error: io::Error| {
        let message = format!("cannot read the pipeline: {error}");
        Faults::unread(file, message, "name the file with -c FILE")
    };
    let mut bytes = Vec::new();
    let opened = fs::File::open(file).map_err(cannot)?;
    opened.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > MOST_BYTES {
        let message = format!("the file has more than {} MiB", MOST_BYTES >> 20);
        let help = "no pipeline is that long; name the pipeline file with -c FILE";
        return Err(Faults::unread(file, message, help));
    }
    Ok(bytes)
}

/// Reads a pipeline from the text of a file; relative paths count from the file's folder.
///
/// # Errors
/// When it is no TOML; together with all else that is certainly wrong.
pub fn load_text(text: &str, file: &Path, environment: &dyn Environment) -> Result<Draft, Faults> {
    let working_dir = std::env::current_dir().unwrap_or_default();
    let absolute = host::absolute(&working_dir, file);
    let base_dir = absolute.parent().unwrap_or(&absolute).to_owned();

    let mut report = Report::new(file, text);
    let mut root = tree::parse(text, &mut report);
    report.cover_secrets_of(&root);
    substitute::fill_table(&mut root, environment, &mut report);

    unknown_sections(&mut report, &root);
    let host = root.get("host").and_then(|entry| read::table(&mut report, entry));
    let executable_dir = environment.executable_dir();
    let host = host::read_host(&mut report, host, &base_dir, executable_dir.as_deref());
    let components: Vec<_> = [RoleKind::Source, RoleKind::Transform, RoleKind::Sink]
        .into_iter()
        .flat_map(|kind| read_kind(&mut report, &root, kind))
        .collect();
    let granted: Vec<_> = [RoleKind::Source, RoleKind::Transform, RoleKind::Sink]
        .into_iter()
        .flat_map(|kind| components::tables(&root, kind))
        .flat_map(|component| sandbox::granted(component, &base_dir))
        .collect();
    sandbox::check_granted(&mut report, &granted, &host.settings, &absolute);
    graph::check(&mut report, &root, &components);
    if report.is_partial() {
        return Err(report.finish().0);
    }
    Ok(Draft::new(absolute, base_dir, host, components, report))
}
