//! Tries a native library in a child process before the host loads it.
//!
//! The child does all that the host does with a library before its first component is opened: it loads
//! it with all symbols resolved, compares its types, reads its manifest, and ends in order.

use std::{path::Path, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    about::About,
    apart::{Bounds, Cause, ChildFailure, Helper, Workspace},
    problem::Problem,
};

/// Memory beside what the file takes, bytes.
const MEMORY: u64 = 1 << 30;
/// Loading takes milliseconds; a machine can be busy.
const TIME: Duration = Duration::from_secs(10);
/// What it may print, and the longest report on differing types, bytes.
const OUTPUT: u64 = 16 << 20;

/// What the child found.
#[derive(Serialize, Deserialize)]
pub(crate) enum Answer {
    /// The host may load it; what it says about itself.
    Fits(About),
    /// Why it may not.
    Problem(Problem),
}

/// Tries the file of a workspace, which has so many bytes, in a child; what it says about itself.
pub(super) fn probe(
    helper: &Helper,
    workspace: &Workspace,
    len: usize,
    report_dir: &Path,
) -> Result<About, Problem> {
    let mapped = u64::try_from(len).unwrap_or(u64::MAX).saturating_mul(4);
    let memory = MEMORY.saturating_add(mapped >> 20 << 20);
    let bounds = Bounds { memory, time: TIME, processor: TIME, output: OUTPUT };
    let answer = helper.run(workspace, "probe", &[report_dir.as_os_str()], &bounds);
    let answer = answer.map_err(|failure| unfit(&failure, &bounds))?;
    match serde_json::from_slice(&answer) {
        Ok(Answer::Fits(about)) => Ok(about),
        Ok(Answer::Problem(problem)) => Err(problem),
        Err(_) => Err(unfit(&ChildFailure::of(Cause::Silent), &bounds)),
    }
}

fn unfit(failure: &ChildFailure, bounds: &Bounds) -> Problem {
    const COPY: &str = "copy or build the file again; if that is the same, report it to the \
                        plugin's author";
    const AUTHOR: &str = "report this to the plugin's author; a library must do nothing of the \
                          kind when it is loaded";
    let (what, help) = match &failure.cause {
        Cause::Time => {
            let time = plugin_api::Duration(bounds.time);
            (format!("hangs when it is loaded: it was given up after {time}"), AUTHOR)
        }
        Cause::Memory => {
            let memory = plugin_api::ByteSize(bounds.memory);
            (format!("takes more than {memory} of memory when it is loaded"), AUTHOR)
        }
        Cause::Output => {
            let output = plugin_api::ByteSize(bounds.output);
            (format!("writes more than {output} when it is loaded"), AUTHOR)
        }
        Cause::Processes => ("starts a process when it is loaded".to_owned(), AUTHOR),
        Cause::Crash(signal) => {
            (format!("is damaged or unsound: it crashes with {signal} when it is loaded"), COPY)
        }
        Cause::Exit(code) => {
            (format!("ends its process with exit code {code} when it is loaded"), COPY)
        }
        Cause::Silent => ("ends its process without an answer when it is loaded".to_owned(), COPY),
        Cause::NoProgram | Cause::NotStarted(_) => (String::new(), COPY),
    };
    let told = || Problem::new(what + &failure.printed(), help);
    failure.not_started().unwrap_or_else(told)
}
