//! The `dataserver` command: arguments as typed, then one file a verb.

mod check;
mod client;
mod consumers;
mod dashes;
mod dead_letter;
mod graph;
mod logging;
mod output;
mod plugins;
mod reload;
mod run;
mod spool;
mod tap;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use dataserver_config::{self as config, Faults, ParsedConfig, ProcessEnvironment};

use self::logging::LogFormat;
use crate::hikyuu;

/// Exit code of a pipeline file that cannot work (`EX_CONFIG` of sysexits.h).
const EXIT_CONFIG: u8 = 78;

/// Real-time market-data host: runs pipelines of source, transform and sink plugins.
#[derive(Debug, Parser)]
#[command(name = "dataserver", version, max_term_width = 100)]
struct Arguments {
    /// Lowest severity that is logged: `RUST_LOG` goes before it.
    #[arg(
        long, global = true, default_value = "info", value_name = "LEVEL",
        value_parser = ["off", "error", "warn", "info", "debug", "trace"]
    )]
    log_level: String,
    /// How log lines are written to stderr.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a pipeline until SIGTERM or SIGINT, or until all its sources have ended.
    ///
    /// Ends with a table of records, losses, errors and latencies. A first signal lets what is
    /// under way be delivered, a second one ends at once. Exit code 0 when everything was
    /// delivered, 1 when something failed, 78 when the pipeline file cannot work.
    Run(PipelineFile),
    /// Check a pipeline: syntax, keys, inputs, plugins, and whether every component could start.
    ///
    /// Exit code 0 when it can run, 78 when it cannot.
    Check(check::Check),
    /// Answer Hikyuu's queries: what Hikyuu's own `dataserver` command does, with its flags.
    ///
    /// Reads what a collector publishes, makes bars of every period, and answers
    /// get_data_from_buffer_server and get_spot_from_buffer_server. Runs and ends as `run` does, with
    /// the pipeline that --print-config shows. Long flags may have one dash, as Hikyuu's.
    Serve(hikyuu::Serve),
    /// Publish quotes for Hikyuu: what Hikyuu's `spot_server` does, with its flags.
    ///
    /// Runs and ends as `run` does, with the pipeline that --print-config shows. Long flags may have
    /// one dash, as Hikyuu's.
    Collect(hikyuu::Collect),
    /// List the installed plugins, or show one plugin's options.
    Plugins(plugins::Plugins),
    /// Let the running host apply the pipeline file and the plugin folders anew.
    ///
    /// Prints what is added, changed, rerouted, kept and removed. On any fault the pipeline goes on
    /// as it was. Exit code 0 when it is what the file says, 1 when a step failed or no host
    /// answers, 78 when the file or a plugin cannot work.
    Reload(reload::Reload),
    /// Look into what waits on disk for the sinks.
    Spool(spool::Spool),
    /// List, show and send again what components refused.
    DeadLetter(dead_letter::DeadLetter),
    /// Show the records of a component as they pass, through the running host.
    ///
    /// Goes on over a reload and over a lost connection, which stderr tells, as well as what could
    /// not be shown: who needs every record uses a sink. Exit code 0 at the limit or after the
    /// duration, 1 when no host answers or it has no such component.
    Tap(tap::Tap),
    /// List, mend and remove the consumers of the groups that sources read in.
    ///
    /// Asks the servers themselves, whether or not the host runs. Exit code 0 when they answered,
    /// 1 when a server is away or refuses, 78 when the pipeline file cannot work.
    Consumers(consumers::Consumers),
    /// Print the pipeline as a picture.
    Graph(graph::Graph),
    /// Print completions for a shell, e.g. `dataserver completions bash > /etc/bash_completion.d/dataserver`.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// The pipeline to work on.
#[derive(Debug, Args)]
struct PipelineFile {
    /// The pipeline file. Default: `pipeline.toml` in this folder, or else
    /// /etc/dataserver/pipeline.toml.
    #[arg(short, long, global = true, env = "DATASERVER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl PipelineFile {
    /// Where it is searched when none is named; the first one that is there.
    const PLACES: [&str; 2] = ["pipeline.toml", "/etc/dataserver/pipeline.toml"];

    /// The file that is named, or else the first one that is there.
    fn path(&self) -> PathBuf {
        self.config.clone().unwrap_or_else(|| first_there(&Self::PLACES.map(PathBuf::from)))
    }

    fn load(&self) -> Result<ParsedConfig, Faults> {
        config::load(&self.path(), &ProcessEnvironment)
    }
}

/// The first file that is there, also a link that leads nowhere; if none is, the first one.
fn first_there(places: &[PathBuf]) -> PathBuf {
    let there = places.iter().find(|place| place.symlink_metadata().is_ok());
    there.or(places.first()).cloned().unwrap_or_default()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    dataserver_loader::this_is_the_program();
    let arguments = Arguments::parse_from(dashes::doubled(std::env::args_os()));
    logging::start(&arguments.log_level, arguments.log_format);
    match arguments.command {
        Command::Run(file) => run::run(file),
        Command::Serve(serve) => run::run_asked(serve.asked()),
        Command::Collect(collect) => run::run_asked(collect.asked()),
        Command::Check(check) => check.run(),
        Command::Plugins(plugins) => plugins.run(),
        Command::Reload(reload) => reload.run(),
        Command::Consumers(consumers) => consumers.run(),
        Command::Tap(tap) => tap.run(),
        Command::Spool(spool) => spool.run(),
        Command::DeadLetter(dead_letter) => dead_letter.run(),
        Command::Graph(graph) => graph.run(),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "dataserver", &mut text);
            output::print(&String::from_utf8_lossy(&text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn without_a_name_the_pipeline_file_is_the_first_one_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let places = ["here.toml", "etc.toml"].map(|name| folder.path().join(name));
        assert_eq!(first_there(&places), places[0], "the one to complain of");
        std::fs::write(&places[1], "").unwrap();
        assert_eq!(first_there(&places), places[1]);
        std::os::unix::fs::symlink("nowhere", &places[0]).unwrap();
        assert_eq!(first_there(&places), places[0], "a link that leads nowhere for now");
    }

    #[test]
    fn every_verb_that_needs_a_pipeline_takes_it_by_the_same_flag() {
        for verb in [
            "run",
            "check",
            "plugins list",
            "plugins show x",
            "reload",
            "tap x",
            "spool ls",
            "spool verify",
            "dead-letter ls",
            "dead-letter show x",
            "dead-letter replay x",
            "consumers list",
            "consumers lag",
            "consumers pending",
            "graph",
        ] {
            for flag in ["-c", "--config"] {
                let words =
                    ["dataserver"].into_iter().chain(verb.split(' ')).chain([flag, "x.toml"]);
                let parsed = Arguments::try_parse_from(words);
                assert!(parsed.is_ok(), "{verb} {flag}: {}", parsed.unwrap_err());
            }
        }
        let parsed = Arguments::try_parse_from(["dataserver", "plugins", "-c", "x.toml", "list"]);
        let Ok(Arguments { command: Command::Plugins(plugins), .. }) = parsed else { panic!() };
        assert_eq!(plugins.file().path(), std::path::Path::new("x.toml"));
        let parsed = Arguments::try_parse_from(["dataserver", "plugins", "list", "-c", "x.toml"]);
        let Ok(Arguments { command: Command::Plugins(plugins), .. }) = parsed else { panic!() };
        assert_eq!(plugins.file().path(), std::path::Path::new("x.toml"));
    }
}
