//! `dataserver alarms`

use std::process::ExitCode;

use clap::{Args, Subcommand};
use dataserver_config::AlarmTarget;
use dataserver_engine::clock::SystemClock;
use serde_json::{Value, json};

use super::{Format, PipelineFile, output};
use crate::alarms::{Tried, try_target};

/// Arguments of `alarms`.
#[derive(Debug, Args)]
pub struct Alarms {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Send a message to each target of `[alarms]`, and print what it answers.
    ///
    /// The host need not run. Exit code 0 when all took it, 1 when one did not, 78 when the pipeline
    /// file cannot work.
    Test {
        /// Only to this target: 1 is the first of the file.
        #[arg(long, value_name = "N")]
        to: Option<usize>,
        #[command(flatten)]
        file: PipelineFile,
        /// How the answers are printed.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

impl Alarms {
    /// Does what was asked for; plugins need not be there.
    pub fn run(self) -> ExitCode {
        let Verb::Test { to, file, format } = self.verb;
        let parsed = match file.load() {
            Ok(parsed) => parsed,
            Err(faults) => return output::show_faults(&faults),
        };
        let faults = parsed.faults();
        if !faults.is_empty() {
            return output::show_faults(&faults);
        }
        match chosen(&parsed.alarms().to, to) {
            Ok(targets) => test(&targets, format),
            Err(error) => output::complain(&error),
        }
    }
}

/// The targets to try, with their numbers.
fn chosen(all: &[AlarmTarget], to: Option<usize>) -> Result<Vec<(usize, &AlarmTarget)>, String> {
    let numbered = || (1..).zip(all);
    match to {
        _ if all.is_empty() => Err("the pipeline has no `[alarms] to`; name a target there".into()),
        None => Ok(numbered().collect()),
        Some(to) => match numbered().find(|(number, _)| *number == to) {
            Some(target) => Ok(vec![target]),
            None => Err(format!("there is no target {to}; write 1 to {}", all.len())),
        },
    }
}

fn test(targets: &[(usize, &AlarmTarget)], format: Format) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    let mut answers = Vec::new();
    for (number, target) in targets {
        let Tried { name, answer } = try_target(target, &SystemClock);
        if answer.is_err() {
            code = ExitCode::FAILURE;
        }
        if format == Format::Json {
            answers.push(json!({
                "number": number,
                "kind": target.kind.as_str(),
                "target": name,
                "delivered": answer.is_ok(),
                "answer": answer.unwrap_or_else(|why| why),
            }));
            continue;
        }
        // one by one: each may take ten seconds
        output::print(&match answer {
            Ok(answer) => format!("{number} {name}: delivered, {answer}"),
            Err(why) => format!("{number} {name}: not delivered: {why}"),
        });
    }
    if format == Format::Json {
        output::print_json(&Value::Array(answers));
    }
    code
}

#[cfg(test)]
mod tests {
    use dataserver_config::{AlarmKind, Secret};

    use super::*;

    #[test]
    fn a_target_is_chosen_by_its_number_in_the_file() {
        let target = |kind| AlarmTarget { kind, url: Secret("https://h".to_owned()), secret: None };
        let all = [AlarmKind::Feishu, AlarmKind::WeCom].map(target);
        let numbers = |to| chosen(&all, to).map(|it| it.iter().map(|it| it.0).collect::<Vec<_>>());
        assert_eq!(numbers(None), Ok(vec![1, 2]));
        assert_eq!(numbers(Some(2)), Ok(vec![2]));
        assert_eq!(chosen(&all, Some(2)).unwrap()[0].1.kind, AlarmKind::WeCom);
        assert!(numbers(Some(0)).is_err() && numbers(Some(3)).unwrap_err().contains("1 to 2"));
        assert!(chosen(&[], None).unwrap_err().contains("no `[alarms] to`"));
    }
}
