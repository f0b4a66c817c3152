//! What a child process does with one plugin file for the host that started it.

use std::{os::unix::net::UnixStream, path::Path};

pub use crate::apart::{Bounds, NOT_CONFINED, confine};
use crate::{
    Plugin, about::About, apart::Workspace, elf, native::NativePlugin, probe::Answer,
    problem::Problem, process::serve::serve, wasm::compile,
};

/// Loads a library; what was found, as the host reads it.
pub fn probe(file: &Path, report_dir: &Path) -> Vec<u8> {
    let tried = std::fs::read(file)
        .map_err(|error| Problem::new(format!("cannot be read: {error}"), "try again"))
        .and_then(|bytes| elf::inspect(&bytes))
        .and_then(|descriptor| NativePlugin::open(file, &descriptor, report_dir));
    let answer = match tried {
        Ok(plugin) => Answer::Fits(About::of(plugin.manifest())),
        Err(problem) => Answer::Problem(problem),
    };
    serde_json::to_vec(&answer).unwrap_or_default()
}

/// Compiles a component: its code, or the problem as JSON.
pub fn compile(file: &Path) -> Vec<u8> {
    compile::answer(file)
}

/// Loads a library and serves it over the socket until the host on the other end is done.
///
/// # Errors
/// Why the library cannot be used, or that the host is gone.
pub fn plugin_host(file: &Path, socket: UnixStream, now_us: fn() -> i64) -> Result<(), String> {
    let named = |problem: Problem| format!("{} {problem}", file.display());
    let plugin = open_copy(file).map_err(named)?;
    serve(&plugin, socket, now_us).map_err(|error| format!("the host: {error}"))
}

/// The library, from a copy of its own, as the file may be overwritten while it runs.
fn open_copy(file: &Path) -> Result<NativePlugin, Problem> {
    let help = "check the file and its permissions, and TMPDIR";
    let told = |what: &str, error: std::io::Error| Problem::new(format!("{what}: {error}"), help);
    let bytes = std::fs::read(file).map_err(|error| told("cannot be read", error))?;
    let descriptor = elf::inspect(&bytes)?;
    let copy = Workspace::new("plugin.so", &bytes)
        .map_err(|error| told("cannot be copied to a folder of its own", error))?;
    NativePlugin::open(copy.file(), &descriptor, &std::env::temp_dir())
}
