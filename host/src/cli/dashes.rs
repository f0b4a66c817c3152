//! Hikyuu's commands take long names behind one dash as well: `-addr`, `-ignore_weekend`.

use std::ffi::OsString;

use clap::CommandFactory;

use super::Arguments;

/// Commands whose flags are Hikyuu's.
const VERBS: [&str; 2] = ["serve", "collect"];
/// Flags that may stand before the verb, each with a value.
const GLOBAL: [&str; 2] = ["--log-level", "--log-format"];

/// The command line with two dashes before long names that have one.
pub fn doubled(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<_> = arguments.into_iter().collect();
    let Some((at, verb)) = verb(&arguments) else { return arguments };
    let command = Arguments::command();
    let Some(command) = command.find_subcommand(verb) else { return arguments };
    let mut names: Vec<&str> = vec!["help", "log-level", "log-format"];
    for argument in command.get_arguments() {
        names.extend(argument.get_long());
        names.extend(argument.get_all_aliases().unwrap_or_default());
    }
    for argument in arguments.iter_mut().skip(at + 1).take_while(|it| *it != "--") {
        let Some(text) = argument.to_str().and_then(|text| text.strip_prefix('-')) else {
            continue;
        };
        let name = text.split_once('=').map_or(text, |(name, _)| name);
        if names.contains(&name) {
            *argument = format!("--{text}").into();
        }
    }
    arguments
}

/// The verb and its place, if it is one of those.
fn verb(arguments: &[OsString]) -> Option<(usize, &'static str)> {
    let mut at = 1;
    while let Some(argument) = arguments.get(at)?.to_str().filter(|it| it.starts_with('-')) {
        at += if GLOBAL.contains(&argument) { 2 } else { 1 };
    }
    let verb = VERBS.into_iter().find(|verb| arguments[at] == *verb)?;
    Some((at, verb))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_behind_one_dash_are_understood_where_hikyuu_takes_them() {
        let cases = [
            // as typed, as understood
            ("serve -addr tcp://:1 -n 3 -save 1", "serve --addr tcp://:1 -n 3 --save 1"),
            ("--log-level debug serve -buf=true", "--log-level debug serve --buf=true"),
            ("serve --addr x -parquet_path /a", "serve --addr x --parquet_path /a"),
            (
                "collect -ignore_weekend -phase1 0:00-1:00",
                "collect --ignore_weekend --phase1 0:00-1:00",
            ),
            ("serve -h", "serve -h"),
            ("serve -other", "serve -other"),
            ("serve -n 3 -- -addr", "serve -n 3 -- -addr"),
            ("run -config x", "run -config x"),
            ("check -c serve -addr", "check -c serve -addr"),
            ("--log-level serve run -addr", "--log-level serve run -addr"),
            ("", ""),
        ];
        for (typed, understood) in cases {
            let words = |text: &str| -> Vec<OsString> {
                format!("dataserver {text}").split_whitespace().map(OsString::from).collect()
            };
            assert_eq!(doubled(words(typed)), words(understood), "{typed}");
        }
    }
}
