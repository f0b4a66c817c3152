//! `dataserver spool`

mod acknowledge;
mod ls;
mod verify;

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand};
use dataserver_config::{ParsedConfig, closest};
use dataserver_engine::topology::spool_folder;
use dataserver_spool::{Inspection, inspect_each};

use super::{
    Format, PipelineFile, output,
    progress::{Progress, Unit},
};

/// Arguments of `spool`.
#[derive(Debug, Args)]
pub struct Spool {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List what waits on disk for each sink, and folders that no sink of the pipeline reads.
    ///
    /// Reads everything that waits, also while a host runs.
    Ls {
        #[command(flatten)]
        file: PipelineFile,
        /// How the list is printed.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Check every byte that waits on disk, and say where damage is and what it costs.
    ///
    /// Changes nothing: the next start of the host keeps aside what is damaged and goes on with the
    /// next whole batch; sources that can will send it again. What a running host is just writing
    /// is no damage. Exit code 0 when all is sound, 1 when something is damaged, was and is not
    /// acknowledged, or cannot be read, 78 when the pipeline file cannot work.
    Verify {
        /// Only the buffer of this sink.
        component: Option<String>,
        #[command(flatten)]
        file: PipelineFile,
        /// How the files are printed.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Say that damage which was found is known, so that the host is healthy again.
    ///
    /// What was damaged stays beside the buffer, as *.acknowledged, until somebody removes it.
    /// Asks the host that runs, or does it alone when none does. Exit code 0 when it is done, 1 when
    /// it cannot be, 78 when the pipeline file cannot work.
    Acknowledge {
        /// Only the buffer of this sink.
        component: Option<String>,
        #[command(flatten)]
        file: PipelineFile,
    },
}

impl Spool {
    /// Does what was asked for.
    pub fn run(self) -> ExitCode {
        match self.verb {
            Verb::Ls { file, format } => with_parsed(&file, |parsed| ls::run(parsed, format)),
            Verb::Verify { component, file, format } => with_parsed(&file, |parsed| {
                let folder = spool_folder(&parsed.host().data_dir);
                verify::run(&folder, component.as_deref(), format)
            }),
            Verb::Acknowledge { component, file } => {
                with_parsed(&file, |parsed| acknowledge::run(parsed.host(), component.as_deref()))
            }
        }
    }
}

/// Plugins need not be there to look into what waits.
fn with_parsed(file: &PipelineFile, run: impl FnOnce(ParsedConfig) -> ExitCode) -> ExitCode {
    match file.load() {
        Ok(parsed) => run(parsed),
        Err(faults) => output::show_faults(&faults),
    }
}

/// The folders of all components, by their ids; none where nothing ever waited.
fn folders(folder: &Path) -> Result<Vec<(String, PathBuf)>, String> {
    let named = |error: io::Error| format!("{}: {error}", folder.display());
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(named)?,
    };
    let mut folders = Vec::new();
    for entry in entries {
        let path = entry.map_err(named)?.path();
        if let Some(name) = path.file_name().filter(|_| path.is_dir()) {
            folders.push((name.to_string_lossy().into_owned(), path));
        }
    }
    folders.sort_unstable();
    Ok(folders)
}

/// The folder of that component, or all.
fn chosen(
    mut folders: Vec<(String, PathBuf)>,
    component: Option<&str>,
    folder: &Path,
) -> Result<Vec<(String, PathBuf)>, String> {
    let Some(component) = component else { return Ok(folders) };
    if folders.iter().any(|(id, _)| id == component) {
        folders.retain(|(id, _)| id == component);
        return Ok(folders);
    }
    let names: Vec<_> = folders.iter().map(|(id, _)| id.as_str()).collect();
    let text = format!("nothing waits on disk for `{component}` in {}", folder.display());
    Err(match closest(component, names.iter().copied()) {
        Some(meant) => format!("{text}; did you mean `{meant}`?"),
        None if names.is_empty() => text,
        None => format!("{text}; there are {}", names.join(", ")),
    })
}

/// Reads all of a spool, and shows a waiting person how far that is.
fn inspect(component: &str, folder: &Path) -> Result<Inspection, String> {
    let progress = Progress::new(component, Some(bytes_of(folder)), Unit::Bytes);
    let mut read = 0;
    let inspected = inspect_each(folder, &mut |segment| {
        read += segment.bytes;
        progress.at(read);
    });
    inspected.map_err(|error| format!("{}: {error}", folder.display()))
}

/// Bytes of the segments of a spool, as far as they can be told.
fn bytes_of(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let segments = files.filter(|file| file.path().extension().is_some_and(|it| it == "seg"));
    segments.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
}
