//! What commands print.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use dataserver_config::Faults;
use jiff::Timestamp;
use plugin_api::terminal;

use super::EXIT_CONFIG;

/// Prints a text to stdout, safe for a terminal whatever data it holds; a reader that has seen
/// enough (`| head`) is no fault.
pub fn print(text: &str) -> ExitCode {
    print_safe(&terminal::escaped(text))
}

/// Prints JSON to stdout, as [`print`] does.
pub fn print_json(json: &serde_json::Value) -> ExitCode {
    print_safe(&terminal::escaped_json(&json.to_string()))
}

/// Prints what may hold colors of our own, and is safe already.
pub fn print_safe(text: &str) -> ExitCode {
    let mut stdout = io::stdout().lock();
    let ending = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    match write!(stdout, "{text}{ending}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => complain(&error.to_string()),
        _ => ExitCode::SUCCESS,
    }
}

/// Prints an error to stderr and gives the exit code for it.
pub fn complain(text: &str) -> ExitCode {
    note(&format!("error: {text}"));
    ExitCode::FAILURE
}

/// Prints a line to stderr, safe for a terminal.
pub fn note(text: &str) {
    // nothing is left to be told when stderr is gone
    let _ = writeln!(io::stderr(), "{}", terminal::escaped(text));
}

/// Prints what is wrong with a pipeline file, or looks wrong, to stderr.
pub fn show_faults(faults: &Faults) -> ExitCode {
    let _ = write!(io::stderr(), "{}", rendered(faults, io::stderr().is_terminal()));
    ExitCode::from(EXIT_CONFIG)
}

/// `2021-12-01 01:15:01Z`
pub fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// `700 B`, `12 KiB`, `34 MiB`
pub fn size(bytes: u64) -> String {
    match bytes {
        0..0x400 => format!("{bytes} B"),
        0x400..0x10_0000 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

/// What is wrong with a pipeline file, for people; safe for a terminal.
pub fn rendered(faults: &Faults, color: bool) -> String {
    if faults.is_empty() { String::new() } else { faults.render(color, 100) }
}
