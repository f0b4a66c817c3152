//! `dataserver dead-letter`

mod ls;
mod replay;
mod show;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};
use dataserver_engine::dead_letter;

use super::{Format, PipelineFile, output};

/// Arguments of `dead-letter`.
#[derive(Debug, Args)]
pub struct DeadLetter {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the components that set data aside: how much, when, and the commonest reason.
    Ls {
        #[command(flatten)]
        file: PipelineFile,
        /// How the list is printed.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Show what a component set aside, the newest last: reason, time and records.
    Show {
        /// Id of the component.
        component: String,
        /// Show at most so many letters, the newest.
        #[arg(long, default_value_t = 20, value_name = "N")]
        limit: usize,
        #[command(flatten)]
        file: PipelineFile,
        /// How the letters are printed.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Send a sink again what it refused, e.g. once the server or the table is mended.
    ///
    /// The host that runs does it, or without one the sink alone. A letter goes when the sink has
    /// delivered it; what it refuses again becomes a new letter. Exit code 0 when all was
    /// delivered, 1 when letters stay, 78 when the pipeline file cannot work.
    Replay(replay::Replay),
}

impl DeadLetter {
    /// Does what was asked for.
    pub fn run(self) -> ExitCode {
        match self.verb {
            Verb::Ls { file, format } => with_folder(&file, |folder| ls::run(&folder, format)),
            Verb::Show { component, limit, file, format } => {
                with_folder(&file, |folder| show::run(&folder, &component, limit, format))
            }
            Verb::Replay(replay) => replay.run(),
        }
    }
}

/// The folder of all letters; plugins need not be there to look into it.
fn with_folder(file: &PipelineFile, run: impl FnOnce(PathBuf) -> ExitCode) -> ExitCode {
    match file.load() {
        Ok(parsed) => run(dead_letter::folder(&parsed.host().data_dir)),
        Err(faults) => output::show_faults(&faults),
    }
}
