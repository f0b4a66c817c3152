//! What commands print.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use jiff::Timestamp;

use super::EXIT_CONFIG;
use crate::config::Faults;

/// Prints to stdout; a reader that has seen enough (`| head`) is no fault.
pub fn print(text: &str) -> ExitCode {
    let mut stdout = io::stdout().lock();
    let ending = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    match write!(stdout, "{text}{ending}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => complain(&error.to_string()),
        _ => ExitCode::SUCCESS,
    }
}

/// Prints an error to stderr and gives the exit code for it.
pub fn complain(text: &str) -> ExitCode {
    // nothing is left to be told when stderr is gone
    let _ = writeln!(io::stderr(), "error: {text}");
    ExitCode::FAILURE
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

/// What is wrong with a pipeline file, for people.
pub fn rendered(faults: &Faults, color: bool) -> String {
    if faults.is_empty() { String::new() } else { faults.render(color, 100) }
}
