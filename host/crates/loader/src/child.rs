//! What a child process does with one plugin file for the host that started it.

use std::path::Path;

pub use crate::apart::{Bounds, NOT_CONFINED, confine};
use crate::{
    Plugin, about::About, elf, native::NativePlugin, probe::Answer, problem::Problem, wasm::compile,
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
