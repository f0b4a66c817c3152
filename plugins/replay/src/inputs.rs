//! Finds the files that `path` names.

use std::{
    fs,
    path::{Path, PathBuf},
};

use plugin_api::{Context, PluginError};

use crate::{
    config::Format,
    foreign::{self, Packing},
    reader::{Form, Input, OpenFault, in_file, shown},
    text::{describe, peek},
    utf16,
};

/// Files of a folder that are taken when the format is to be told by the content.
const EXTENSIONS: [&str; 3] = ["csv", "txt", "parquet"];
const PACKINGS: [&str; 2] = ["gz", "zst"];
const PARQUET: &[u8] = b"PAR1";

/// The files, in the order of their paths.
///
/// # Errors
/// `Config` when there are none; it names the absolute path.
pub fn find_files(
    path: &str,
    format: Format,
    context: &Context,
) -> Result<Vec<PathBuf>, PluginError> {
    let resolved = context.resolve(Path::new(path));
    let absolute = std::path::absolute(&resolved).unwrap_or(resolved);
    let shown = shown(&absolute);
    let mut files = Vec::new();
    if absolute.is_file() {
        return Ok(vec![absolute]);
    }
    if absolute.is_dir() {
        walk(&absolute, format, &mut files)
            .map_err(|error| PluginError::config(format!("folder {shown}: {error}")))?;
    } else if path.contains(['*', '?', '[']) {
        let pattern = absolute.to_string_lossy();
        let found = glob::glob(&pattern)
            .map_err(|error| PluginError::config(format!("path {shown} is no glob: {error}")))?;
        for entry in found {
            let entry = entry.map_err(|error| PluginError::config(error.to_string()))?;
            if entry.is_dir() {
                walk(&entry, format, &mut files)
                    .map_err(|error| PluginError::config(in_file(&entry, error)))?;
            } else {
                files.push(entry);
            }
        }
    } else {
        return Err(PluginError::config(format!(
            "nothing at {shown}; a relative `path` counts from the folder of pipeline.toml"
        )));
    }
    files.sort_by_cached_key(|path| natural_key(path));
    files.dedup();
    if files.is_empty() {
        return Err(PluginError::config(format!(
            "no file to play at {shown}; .csv, .txt (also .gz, .zst) and .parquet are read"
        )));
    }
    Ok(files)
}

/// Paths with their numbers padded, so that `day-2` comes before `day-10`.
fn natural_key(path: &Path) -> (String, PathBuf) {
    const WIDTH: usize = 20;
    let text = path.to_string_lossy();
    let (mut key, mut digits) = (String::new(), String::new());
    for char in text.chars().chain(['\0']) {
        if char.is_ascii_digit() {
            digits.push(char);
            continue;
        }
        if !digits.is_empty() {
            key.push_str(&format!("{digits:0>WIDTH$}"));
            digits.clear();
        }
        key.push(char);
    }
    (key, path.to_owned())
}

/// Takes every file with a fitting name; those that begin with `.` or `_` are being written.
fn walk(folder: &Path, format: Format, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(['.', '_']) {
            continue;
        }
        if path.is_dir() {
            walk(&path, format, files)?;
        } else if fits(&name, format) {
            files.push(path);
        }
    }
    Ok(())
}

fn fits(name: &str, format: Format) -> bool {
    let mut parts = name.rsplit('.');
    let mut extension = parts.next().unwrap_or_default().to_ascii_lowercase();
    if PACKINGS.contains(&extension.as_str()) {
        extension = parts.next().unwrap_or_default().to_ascii_lowercase();
    }
    match format {
        Format::Auto => EXTENSIONS.contains(&extension.as_str()),
        Format::Parquet => extension == "parquet",
        Format::Csv => extension == "csv",
        Format::Qq => extension == "txt",
    }
}

/// Tells how a file is written.
///
/// # Errors
/// When the file cannot be read.
pub fn identify(path: &Path, format: Format) -> Result<Input, OpenFault> {
    let form = match format {
        Format::Parquet => Form::Parquet,
        Format::Csv => Form::Csv,
        Format::Qq => Form::Qq,
        Format::Auto => {
            detect(path).map_err(|error| OpenFault::Unreadable(in_file(path, describe(&error))))?
        }
    };
    Ok(Input { path: path.to_owned(), form })
}

/// What the first bytes say; the name counts only where they say nothing.
fn detect(path: &Path) -> std::io::Result<Form> {
    let (head, packing) = peek(path)?;
    if head.starts_with(PARQUET) && packing == Packing::None {
        return Ok(Form::Parquet);
    }
    let named_so = path.extension().is_some_and(|name| name.eq_ignore_ascii_case("parquet"));
    if named_so && (head.is_empty() || foreign::is_binary(&head)) {
        return Ok(Form::Parquet);
    }
    let head = utf16::decoded(&head);
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head).trim_ascii_start();
    // of lines of the quote service the first may be damaged
    let is_qq = text.starts_with(b"v_")
        || text.split(|byte| matches!(byte, b'\n' | b'\r')).any(is_quote_line);
    Ok(if is_qq { Form::Qq } else { Form::Csv })
}

/// Whether a line looks like one of the quote service, even a damaged one.
fn is_quote_line(line: &[u8]) -> bool {
    const FEW: usize = 10;
    let line = line.trim_ascii_start();
    let has_form = line.starts_with(b"v_") && line.contains(&b'=') && line.contains(&b'"');
    has_form || line.iter().filter(|byte| **byte == b'~').count() > FEW
}
