//! Compiles a component in a child process, which may use up so much and no more.

use std::path::Path;

use plugin_api::ByteSize;

use super::{bounds, cache, engine};
use crate::{
    apart::{Bounds, Cause, ChildFailure, MAX_THREADS, Workspace},
    problem::Problem,
    trial_settings::TrialSettings,
};

/// Largest code that is taken, bytes; code is some ten times as large as the component.
const MAX_CODE: u64 = 1 << 30;

/// Compiled code, [sealed](cache::sealed). The bytes passed [`inspect`](super::inspect()).
pub(super) fn compile(bytes: &[u8], trial: &TrialSettings) -> Result<Vec<u8>, Problem> {
    bounds::check(bytes)?;
    let workspace = Workspace::new("plugin.wasm", bytes).map_err(|error| {
        Problem::new(
            format!("could not be copied to {}: {error}", std::env::temp_dir().display()),
            "free space there, or set TMPDIR to a folder that can be written",
        )
    })?;
    let (memory, time) = (trial.compile.memory, trial.compile.time);
    let bounds = Bounds { memory, time, processor: time * MAX_THREADS, output: MAX_CODE };
    let made = trial.helper.run(&workspace, "compile", &[], &bounds);
    let made = made.map_err(|failure| not_compiled(&failure, &bounds))?;
    match serde_json::from_slice::<Problem>(&made) {
        Ok(problem) => Err(problem),
        Err(_) => Ok(made),
    }
}

/// The child's part: the code, or the problem as JSON.
pub(crate) fn answer(file: &Path) -> Vec<u8> {
    let made = std::fs::read(file).map_err(wasmtime::Error::from).and_then(|bytes| {
        let code = engine::compiler()?.precompile_component(&bytes)?;
        Ok(cache::sealed(&code))
    });
    made.unwrap_or_else(|error| {
        let problem = Problem::new(
            format!("cannot be compiled: {error:#}"),
            "build it again with --target wasm32-wasip2; if that is the same, report it to the \
             plugin's author",
        );
        serde_json::to_vec(&problem).unwrap_or_default()
    })
}

fn not_compiled(failure: &ChildFailure, bounds: &Bounds) -> Problem {
    const BUG: &str = "build it again with --target wasm32-wasip2; if that is the same, report it";
    let (what, help) = match &failure.cause {
        Cause::Time => {
            let time = plugin_api::Duration(bounds.time);
            let help = "build it smaller, or raise `time` of [host] compile";
            (format!("takes longer than {time} to compile"), help)
        }
        Cause::Memory => {
            let memory = ByteSize(bounds.memory);
            let help = "build it smaller, or raise `memory` of [host] compile";
            (format!("takes more than {memory} of memory to compile"), help)
        }
        Cause::Output => {
            let help = "build the plugin with --release, and smaller";
            (format!("compiles to more than {} of code", ByteSize(bounds.output)), help)
        }
        Cause::Crash(signal) => (format!("crashes its compiler with {signal}"), BUG),
        Cause::Exit(code) => (format!("ends its compiler with exit code {code}"), BUG),
        Cause::Processes | Cause::Silent | Cause::NoProgram | Cause::NotStarted(_) => {
            ("ends its compiler without an answer".to_owned(), BUG)
        }
    };
    failure.not_started().unwrap_or_else(|| Problem::new(what + &failure.printed(), help))
}
