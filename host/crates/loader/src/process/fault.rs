//! Why a child's call failed.

use std::{os::unix::process::ExitStatusExt, process::ExitStatus, time::Duration};

use dataserver_config::Limits;
use plugin_api::{ByteSize, PluginError};
use rustix::process::Signal;

use crate::{apart::signal_name, at_fault::at_fault, rate_limit};

/// Ticks of a second.
const TICKS: u64 = 100;

/// Its time was up. One that computed is at fault, and one that told the host things all the while, so
/// that no time was measured; one that waited for something outside may succeed another time, so
/// the records under way are not.
pub(super) fn overdue(call: &str, allowed: Duration, computed: bool) -> PluginError {
    let allowed = plugin_api::Duration(allowed);
    if computed {
        return at_fault(format!(
            "deadline of {allowed} exceeded in {call}; mend the plugin, or raise limits.deadline"
        ));
    }
    PluginError::fatal(format!(
        "deadline of {allowed} exceeded in {call}, while the plugin waited for something outside; \
         look at what it calls, or raise limits.deadline"
    ))
}

/// Whether so many ticks of a processor are much of a stretch of time: a quarter, as others may have had
/// the processors too.
pub(super) fn is_much(ticks: u64, stretch: Duration) -> bool {
    u128::from(ticks) * u128::from(1_000 / TICKS) * 4 > stretch.as_millis()
}

/// It has ended, or closed its socket (no status). What it printed last says why, as a rule.
pub(super) fn ended(
    call: &str,
    status: Option<ExitStatus>,
    last_line: &str,
    is_python: bool,
    limits: &Limits,
) -> PluginError {
    let told = match last_line {
        "" => String::new(),
        line => format!(", printing: {}", rate_limit::line(line)),
    };
    let remedy = remedy(last_line, is_python, limits);
    let Some(status) = status else {
        return at_fault(format!("the plugin's process closed its socket in {call}{told}{remedy}"));
    };
    match (status.signal(), status.code()) {
        // somebody ended it, or the system for want of memory: not the records under way
        (Some(signal), _) if signal == Signal::KILL.as_raw() || signal == Signal::TERM.as_raw() => {
            let signal = signal_name(signal);
            PluginError::fatal(format!("the plugin's process was ended with {signal} in {call}"))
        }
        (Some(signal), _) => {
            let signal = signal_name(signal);
            at_fault(format!("the plugin's process crashed with {signal} in {call}{told}{remedy}"))
        }
        (None, code) => {
            let code = code.unwrap_or_default();
            let text = format!("the plugin's process ended with exit code {code} in {call}");
            at_fault(text + &told + &remedy)
        }
    }
}

/// What to do about what was printed.
fn remedy(last_line: &str, is_python: bool, limits: &Limits) -> String {
    let is_out_of_memory = ["MemoryError", "memory allocation of", "bad_alloc", "out of memory"]
        .iter()
        .any(|sign| last_line.contains(sign));
    if is_out_of_memory {
        let memory = ByteSize(limits.memory);
        return format!("; it may have {memory}: mend the plugin, or raise limits.memory");
    }
    if is_python && last_line.contains("No module named 'dataserver") {
        return "; keep the folder `python` beside `bin`, install the wheel that lies in it for this \
                interpreter, or set DATASERVER_PYTHONPATH"
            .to_owned();
    }
    if is_python && last_line.contains("No module named") {
        return "; install it into a .venv beside the file, or set [host] python to an interpreter \
                that has it"
            .to_owned();
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use dataserver_config::Carrier;
    use plugin_api::ErrorKind;

    use super::*;

    #[test]
    fn a_child_that_computed_is_at_fault_and_one_that_waited_is_not() {
        let second = Duration::from_secs(1);
        assert_eq!(overdue("apply", second, true).kind, ErrorKind::Panic);
        assert_eq!(overdue("apply", second, false).kind, ErrorKind::Fatal);
        assert!(is_much(90, second) && !is_much(10, second));
    }

    #[test]
    fn each_way_to_end_is_told_with_what_was_printed_last_and_a_remedy() {
        let exit = |code: i32| Some(ExitStatus::from_raw(code << 8));
        let signal = |number| Some(ExitStatus::from_raw(number));
        let limits = Limits::of(Carrier::Process);
        // status, last line, kind, what is told
        let cases = [
            (exit(0), "", ErrorKind::Panic, "ended with exit code 0 in open"),
            (exit(1), "ValueError: no", ErrorKind::Panic, "printing: ValueError: no"),
            (signal(9), "", ErrorKind::Fatal, "ended with SIGKILL in open"),
            (signal(11), "", ErrorKind::Panic, "crashed with SIGSEGV in open"),
            (None, "", ErrorKind::Panic, "closed its socket in open"),
            (exit(1), "MemoryError", ErrorKind::Panic, "raise limits.memory"),
            (
                exit(1),
                "ModuleNotFoundError: No module named 'dataserver'",
                ErrorKind::Panic,
                "keep the folder `python`",
            ),
            (
                exit(1),
                "ModuleNotFoundError: No module named 'requests'",
                ErrorKind::Panic,
                "install it into a .venv",
            ),
        ];
        for (status, line, kind, told) in cases {
            let error = ended("open", status, line, true, &limits);
            assert_eq!(error.kind, kind, "{error}");
            assert!(error.message.contains(told), "{error}");
        }
    }
}
