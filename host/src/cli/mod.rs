//! The `dataserver` command: arguments as typed, then one file a verb.

mod alarms;
mod backfill;
mod check;
mod client;
mod consumers;
mod dashes;
mod days;
mod dead_letter;
mod following;
mod graph;
mod logging;
mod output;
mod pause;
mod plugin_host;
mod plugins;
mod progress;
mod reload;
mod resting;
mod run;
mod spool;
mod tap;
mod top;
mod verify;
mod watch;

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
    /// Serve a native plugin to the host that starts this process.
    ///
    /// So any library can be run apart: a component with `carrier = "process"` does it, and a
    /// `.plugin.toml` may name it as its command. Speaks the protocol of docs/PROCESS.md over its
    /// standard input.
    PluginHost(plugin_host::PluginHost),
    /// Let the running host apply the pipeline file and the plugin folders anew.
    ///
    /// Prints what is added, changed, rerouted, kept and removed. On any fault the pipeline goes on
    /// as it was. Exit code 0 when it is what the file says, 1 when a step failed or no host
    /// answers, 78 when the file or a plugin cannot work.
    Reload(reload::Reload),
    /// Pause a component: a source is not asked, others take nothing from their queue.
    ///
    /// That is kept over restarts and reloads, until `dataserver resume`. The host that runs does it
    /// at once; without one it holds from the next start on. Exit code 0 when it is done, 1 when it
    /// cannot be, 78 when the pipeline file cannot work.
    Pause(pause::Pause),
    /// Let a component go on that is paused.
    Resume(pause::Pause),
    /// Show what the components of the running host are doing, and who holds others up.
    ///
    /// On a terminal it goes on until `q`; `?` explains keys and columns. Exit code 0, or 1 when no
    /// host answers, 78 when the pipeline file cannot work.
    Top(top::Top),
    /// Look into what waits on disk for the sinks.
    Spool(spool::Spool),
    /// Fill gaps from sources of history: what is missing, and nothing else.
    ///
    /// Asks the sources of `[backfill]` for what the ledger lacks, and puts it into the stores through
    /// their buffers on disk, beside the host that runs or, without one, with the stores alone. One
    /// that is broken off goes on. Exit code 0 when nothing is missing any more, 1 when something is
    /// or another backfill runs, 78 when the pipeline file cannot work.
    Backfill(backfill::Backfill),
    /// List, show and send again what components refused.
    DeadLetter(dead_letter::DeadLetter),
    /// Show the records of a component as they pass, through the running host.
    ///
    /// Goes on over a reload and over a lost connection, which stderr tells, as well as what could
    /// not be shown: who needs every record uses a sink. Exit code 0 at the limit or after the
    /// duration, 1 when no host answers or it has no such component.
    Tap(tap::Tap),
    /// List, mend and remove the consumers of the groups that sources read in, or list everybody who
    /// reads from the host that runs.
    ///
    /// All but `readers` ask the servers themselves, whether or not the host runs. Exit code 0 when
    /// they answered, 1 when a server is away or refuses, 78 when the pipeline file cannot work.
    Consumers(consumers::Consumers),
    /// Show which days are whole, or what is missing of one, as the ledger of the pipeline has it.
    ///
    /// Reads the ledger itself, whether or not a host runs. Exit code 0 also for days that are not
    /// complete, as this is a look; 1 when the pipeline has no ledger, or it cannot be read; 78 when the
    /// pipeline file cannot work.
    Days(days::Days),
    /// Count a day anew in a store, and name every security and minute of which it has more or less
    /// than came.
    ///
    /// Compares the store with the ledger, and its bars of minutes with the day. Exit code 0 when all is
    /// the same, 1 when something differs or cannot be read, 78 when the pipeline file cannot work.
    Verify(verify::Verify),
    /// Print the pipeline as a picture.
    Graph(graph::Graph),
    /// Try whether alarms reach who is to be told.
    Alarms(alarms::Alarms),
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
        Command::PluginHost(plugin_host) => plugin_host.run(),
        Command::Reload(reload) => reload.run(),
        Command::Pause(pause) => pause.run(true),
        Command::Resume(resume) => resume.run(false),
        Command::Top(top) => top.run(),
        Command::Consumers(consumers) => consumers.run(),
        Command::Tap(tap) => tap.run(),
        Command::Spool(spool) => spool.run(),
        Command::Backfill(backfill) => backfill.run(),
        Command::DeadLetter(dead_letter) => dead_letter.run(),
        Command::Days(days) => days.run(),
        Command::Verify(verify) => verify.run(),
        Command::Graph(graph) => graph.run(),
        Command::Alarms(alarms) => alarms.run(),
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

    /// Verbs that need no pipeline, or have one of their own.
    const WITHOUT: [&str; 6] =
        ["serve", "collect", "completions", "plugin-host", "plugins probe", "plugins new"];

    /// Every verb that has none below it, with the words that lead there.
    fn verbs(command: &clap::Command) -> Vec<(String, &clap::Command)> {
        let mut found = Vec::new();
        let mut open = vec![(String::new(), command)];
        while let Some((words, command)) = open.pop() {
            let below = command.get_subcommands().filter(|it| it.get_name() != "help");
            let below: Vec<_> = below.filter(|it| !it.is_hide_set()).collect();
            if below.is_empty() {
                found.push((words.trim().to_owned(), command));
            }
            open.extend(below.into_iter().map(|it| (format!("{words} {}", it.get_name()), it)));
        }
        found
    }

    #[test]
    fn every_verb_that_needs_a_pipeline_takes_it_by_the_same_flag() {
        let mut command = Arguments::command();
        // hands the flags of a verb down to those below it
        command.build();
        let verbs = verbs(&command);
        assert!(verbs.len() > 15, "{verbs:?}");
        for verb in WITHOUT {
            assert!(verbs.iter().any(|(words, _)| words == verb), "{verb} is no verb any more");
        }
        let names_it = |argument: &&clap::Arg| {
            argument.get_short() == Some('c') && argument.get_long() == Some("config")
        };
        for (words, command) in verbs.iter().filter(|(words, _)| !WITHOUT.contains(&words.as_str()))
        {
            let flag = command.get_arguments().find(names_it);
            assert!(flag.is_some(), "`{words}` does not take the pipeline by -c and --config");
        }
    }

    #[test]
    fn every_verb_that_lists_something_does_so_for_programs_too() {
        let mut command = Arguments::command();
        command.build();
        let listing = [
            "plugins list",
            "plugins show",
            "spool ls",
            "spool verify",
            "dead-letter ls",
            "dead-letter show",
            "consumers readers",
            "consumers list",
            "consumers lag",
            "consumers pending",
            "check",
            "days",
            "verify",
            "reload",
            "alarms test",
            "backfill",
        ];
        let verbs = verbs(&command);
        for verb in listing {
            let (_, command) = verbs.iter().find(|(words, _)| words == verb).unwrap();
            let format = command.get_arguments().find(|it| it.get_long() == Some("format"));
            let values = format.unwrap().get_possible_values();
            assert!(values.iter().any(|it| it.get_name() == "json"), "{verb}");
        }
    }

    #[test]
    fn the_pipeline_may_stand_before_and_behind_the_verb_of_plugins() {
        let parsed = Arguments::try_parse_from(["dataserver", "plugins", "-c", "x.toml", "list"]);
        let Ok(Arguments { command: Command::Plugins(plugins), .. }) = parsed else { panic!() };
        assert_eq!(plugins.file().path(), std::path::Path::new("x.toml"));
        let parsed = Arguments::try_parse_from(["dataserver", "plugins", "list", "-c", "x.toml"]);
        let Ok(Arguments { command: Command::Plugins(plugins), .. }) = parsed else { panic!() };
        assert_eq!(plugins.file().path(), std::path::Path::new("x.toml"));
    }
}
