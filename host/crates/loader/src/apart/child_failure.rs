//! Why a child gave no answer.

use std::os::unix::process::ExitStatusExt;

use rustix::process::Signal;

use super::{Bounds, Watched};
use crate::problem::Problem;

/// Exit code of a child that could not be confined, and so did nothing (`EX_OSERR` of sysexits.h).
pub const NOT_CONFINED: u8 = 71;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Nothing can be started.
    NoProgram,
    /// The system says why it started nothing.
    NotStarted(String),
    /// Its time was up.
    Time,
    /// It asked for more memory than it may have.
    Memory,
    /// It wrote more than it may.
    Output,
    /// It started a process.
    Processes,
    /// A signal that a fault raises.
    Crash(String),
    /// Ended by itself, with that code.
    Exit(i32),
    /// Exited normally with no answer, or a partial one.
    Silent,
}

/// Why there is no answer, and what was printed before.
#[derive(Debug)]
pub(crate) struct ChildFailure {
    pub cause: Cause,
    pub output: String,
}

impl ChildFailure {
    pub fn of(cause: Cause) -> Self {
        Self { cause, output: String::new() }
    }

    /// The problem when no child could be started; `None` when one was.
    pub fn not_started(&self) -> Option<Problem> {
        match &self.cause {
            Cause::NoProgram => Some(Problem::new(
                "is not used: a plugin file is tried in a child process first, and this process \
                 has no program for it",
                "set DATASERVER_PROGRAM to the `dataserver` program, or use a plugin that is built in",
            )),
            Cause::NotStarted(error) => Some(Problem::new(
                format!("could not be tried in a child process: {error}"),
                "let the host start processes and write to its temporary folder (TMPDIR)",
            )),
            _ => None,
        }
    }

    /// What was printed, to follow the cause.
    pub fn printed(&self) -> String {
        let is_said = matches!(self.cause, Cause::Crash(_) | Cause::Exit(_) | Cause::Silent);
        if is_said && !self.output.is_empty() {
            return format!(", printing: {}", self.output);
        }
        String::new()
    }
}

/// Why a child that ended so has no answer; `None` when it ended in order, and may have one.
pub(super) fn cause(watched: &Watched, output: &str, bounds: &Bounds) -> Option<Cause> {
    if !watched.in_time {
        return Some(Cause::Time);
    }
    let status = watched.status.filter(|status| !status.success())?;
    let ended = match (status.signal(), status.code()) {
        (Some(signal), _) if signal == Signal::XCPU.as_raw() => return Some(Cause::Time),
        (Some(signal), _) if signal == Signal::XFSZ.as_raw() => return Some(Cause::Output),
        (Some(signal), _) if signal == Signal::SYS.as_raw() => return Some(Cause::Processes),
        (Some(signal), _) => Cause::Crash(signal_name(signal)),
        (None, Some(code)) if code == i32::from(NOT_CONFINED) => {
            return Some(Cause::NotStarted(output.to_owned()));
        }
        (None, Some(code)) => Cause::Exit(code),
        (None, None) => Cause::Silent,
    };
    // a failed allocation can end a process in any way; memory was sampled
    let is_full = watched.memory >= bounds.memory / 2 || output.contains("memory allocation of");
    Some(if is_full { Cause::Memory } else { ended })
}

/// What a signal is called.
pub(crate) fn signal_name(signal: i32) -> String {
    let names = [
        (Signal::SEGV, "SIGSEGV"),
        (Signal::BUS, "SIGBUS"),
        (Signal::ILL, "SIGILL"),
        (Signal::FPE, "SIGFPE"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::TRAP, "SIGTRAP"),
        (Signal::KILL, "SIGKILL"),
        (Signal::TERM, "SIGTERM"),
    ];
    let known = names.iter().find(|(known, _)| known.as_raw() == signal);
    known.map_or_else(|| format!("signal {signal}"), |(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use std::{process::ExitStatus, time::Duration};

    use super::*;

    #[test]
    fn each_way_to_end_without_an_answer_is_told_apart() {
        let second = Duration::from_secs(1);
        let bounds = Bounds { memory: 1 << 30, time: second, processor: second, output: 1 };
        let signal = |raw| Some(ExitStatus::from_raw(raw));
        let exit = |code| Some(ExitStatus::from_raw(code << 8));
        // status, most memory, printed, cause
        let cases = [
            (exit(0), 0, "", None),
            (None, 0, "", None),
            (signal(24), 0, "", Some(Cause::Time)),
            (signal(25), 0, "", Some(Cause::Output)),
            (signal(31), 0, "", Some(Cause::Processes)),
            (signal(11), 1 << 20, "", Some(Cause::Crash("SIGSEGV".to_owned()))),
            (signal(11), 1 << 30, "", Some(Cause::Memory)),
            (signal(6), 0, "memory allocation of 9 bytes failed", Some(Cause::Memory)),
            (signal(34), 0, "", Some(Cause::Crash("signal 34".to_owned()))),
            (exit(127), 0, "", Some(Cause::Exit(127))),
            (exit(71), 0, "no", Some(Cause::NotStarted("no".to_owned()))),
        ];
        for (status, memory, output, expected) in cases {
            let watched = Watched { in_time: true, status, memory };
            assert_eq!(cause(&watched, output, &bounds), expected, "{status:?} {output}");
        }
        let watched = Watched { in_time: false, status: signal(9), memory: 0 };
        assert_eq!(cause(&watched, "", &bounds), Some(Cause::Time));
    }
}
