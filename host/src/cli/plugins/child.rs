//! `dataserver plugins child`: tries one plugin file for the host that started it.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, Subcommand};
use dataserver_loader::child::{self, Bounds, NOT_CONFINED, confine};
use rustix::process::Pid;

/// Arguments of `plugins child`.
#[derive(Debug, Args)]
pub struct Child {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Load a library.
    Probe {
        #[command(flatten)]
        task: Task,
        /// Folder for the report on differing types.
        reports: PathBuf,
    },
    /// Compile a component.
    Compile {
        #[command(flatten)]
        task: Task,
    },
}

#[derive(Debug, Args)]
struct Task {
    /// Process that started this one.
    #[arg(long)]
    parent: i32,
    /// Most memory, bytes.
    #[arg(long)]
    memory: u64,
    /// Most time of the processors, seconds.
    #[arg(long)]
    seconds: u64,
    /// Longest file that is written, bytes.
    #[arg(long)]
    output: u64,
    /// The file.
    file: PathBuf,
    /// Where the answer goes.
    answer: PathBuf,
}

impl Child {
    /// Confines this process, and does what it was started for.
    pub fn run(&self) -> ExitCode {
        match &self.verb {
            Verb::Probe { task, reports } => task.run(|task| child::probe(&task.file, reports)),
            Verb::Compile { task } => task.run(|task| child::compile(&task.file)),
        }
    }
}

impl Task {
    fn run(&self, answer: impl FnOnce(&Self) -> Vec<u8>) -> ExitCode {
        let processor = Duration::from_secs(self.seconds);
        let (memory, output) = (self.memory, self.output);
        // its time by the clock is looked at by the process that started it
        let bounds = Bounds { memory, time: Duration::MAX, processor, output };
        let parent = Pid::from_raw(self.parent).ok_or_else(|| std::io::Error::other("no parent"));
        if let Err(error) = parent.and_then(|parent| confine(parent, &bounds)) {
            eprintln!("cannot be confined: {error}");
            return ExitCode::from(NOT_CONFINED);
        }
        match std::fs::write(&self.answer, answer(self)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("the answer cannot be written: {error}");
                ExitCode::FAILURE
            }
        }
    }
}
