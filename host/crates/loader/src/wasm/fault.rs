//! Why a guest's call failed.

use std::{collections::HashSet, time::Duration};

use dataserver_config::Limits;
use plugin_api::{ByteSize, ErrorKind, Level, PluginError};
use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use super::{bindings::dataserver::plugin::types, sandbox::Sandbox};
use crate::{
    at_fault::{GuestFault, at_fault},
    rate_limit,
};

/// Innermost frames that are reported of a trap.
pub(super) const MAX_FRAMES: usize = 8;

/// The guest was still computing when its time was up.
#[derive(Debug, thiserror::Error)]
#[error("the deadline is over")]
pub(super) struct Overdue;

/// The guest waited for something outside when its time was up. Another instance may succeed, so
/// the records in flight are not at fault.
pub(super) fn waited_too_long(call: &str, allowed: Duration) -> PluginError {
    let allowed = plugin_api::Duration(allowed);
    PluginError::fatal(format!(
        "deadline of {allowed} exceeded in {call}, while the plugin waited for something outside; \
         look at what it calls, or raise limits.deadline"
    ))
}

/// What a trap or a refusal means.
pub(super) fn explain(
    error: &wasmtime::Error,
    call: &str,
    allowed: Duration,
    limits: &Limits,
    sandbox: &Sandbox,
) -> PluginError {
    if error.is::<Overdue>() {
        let allowed = plugin_api::Duration(allowed);
        return at_fault(format!(
            "deadline of {allowed} exceeded in {call}; mend the plugin, or raise limits.deadline"
        ));
    }
    if sandbox.limiter.is_exhausted() {
        let memory = ByteSize(limits.memory);
        return at_fault(format!(
            "memory limit of {memory} reached in {call}; mend the plugin, or raise limits.memory"
        ));
    }
    if let Some(GuestFault(why)) = error.downcast_ref() {
        return at_fault(format!("the plugin {why} ({call}); report this to its author"));
    }
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return at_fault(format!("the plugin ended itself with exit code {} in {call}", exit.0));
    }
    if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() {
        sandbox.host.log(Level::Debug, &sandbox.shown(&format!("{call}: {backtrace}")));
    }
    let Some(trap) = error.downcast_ref::<Trap>() else {
        return at_fault(format!("{call} failed: {}", sandbox.shown(&causes(error))));
    };
    // compiled guests keep a second stack at the bottom of their memory, which ends otherwise
    let overflows =
        *trap == Trap::StackOverflow || (*trap == Trap::MemoryOutOfBounds && is_recursion(error));
    match (trap, panic_text(&sandbox.printed.text())) {
        _ if overflows => at_fault(format!(
            "stack overflow in {call}{}; report this to the plugin's author",
            place(error)
        )),
        (_, Some(panic)) => at_fault(format!("panicked: {}", sandbox.shown(&panic))),
        (Trap::UnreachableCodeReached, None) => {
            at_fault(format!("trap in {call}: unreachable{}", place(error)))
        }
        (trap, None) => at_fault(format!("trap in {call}: {trap}{}", place(error))),
    }
}

/// What went wrong, without where in the guest, which stands before it otherwise.
fn causes(error: &wasmtime::Error) -> String {
    let backtrace = error.downcast_ref::<WasmBacktrace>().map(ToString::to_string);
    let texts = error.chain().map(ToString::to_string);
    texts.filter(|text| Some(text) != backtrace.as_ref()).collect::<Vec<_>>().join(": ")
}

/// The innermost function that has a name.
fn place(error: &wasmtime::Error) -> String {
    let frames = error.downcast_ref::<WasmBacktrace>().map(WasmBacktrace::frames);
    let named = frames.unwrap_or_default().iter().find_map(|frame| frame.func_name());
    named.map(|name| format!(" at {}", rate_limit::line(name))).unwrap_or_default()
}

/// Whether the innermost frames repeat a few functions.
fn is_recursion(error: &wasmtime::Error) -> bool {
    let frames = error.downcast_ref::<WasmBacktrace>().map(WasmBacktrace::frames);
    let frames = frames.unwrap_or_default();
    let functions: HashSet<_> = frames.iter().map(|frame| frame.func_index()).collect();
    frames.len() >= MAX_FRAMES && functions.len() <= MAX_FRAMES / 2
}

/// What Rust's panic handler printed last.
fn panic_text(printed: &str) -> Option<String> {
    let (_, told) = printed.rsplit_once("panicked at ")?;
    let (place, message) = told.split_once(":\n")?;
    let message = message.split("\nnote: ").next().unwrap_or(message).trim();
    Some(format!("{message} ({place})"))
}

/// An error returned by the guest.
pub(super) fn told(error: &types::Error, sandbox: &Sandbox) -> PluginError {
    let kind = match error.kind {
        types::ErrorKind::Config => ErrorKind::Config,
        types::ErrorKind::BadData => ErrorKind::BadData,
        types::ErrorKind::Retry => ErrorKind::Retry,
        types::ErrorKind::Fatal => ErrorKind::Fatal,
    };
    PluginError { kind, message: sandbox.shown(&error.message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_panic_is_read_from_what_was_printed() {
        let printed = "hello\nthread 'main' panicked at src/a.rs:1:2:\nold\n\
             thread '<unnamed>' (1) panicked at src/lib.rs:10:5:\nindex out of bounds: 5\n\
             note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n";
        assert_eq!(panic_text(printed).unwrap(), "index out of bounds: 5 (src/lib.rs:10:5)");
        assert_eq!(panic_text("all is well\n"), None);
    }

    #[test]
    fn the_cause_of_a_call_that_failed_stands_before_where_it_failed() {
        let module = "(module (import \"h\" \"f\" (func $f)) (func (export \"g\") call $f))";
        let engine = wasmtime::Engine::default();
        let module = wasmtime::Module::new(&engine, wat::parse_str(module).unwrap()).unwrap();
        let mut linker = wasmtime::Linker::new(&engine);
        let fails = || -> wasmtime::Result<()> { Err(wasmtime::Error::msg("the table is full")) };
        linker.func_wrap("h", "f", fails).unwrap();
        let mut store = wasmtime::Store::new(&engine, ());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let call = instance.get_typed_func::<(), ()>(&mut store, "g").unwrap();
        let error = call.call(&mut store, ()).unwrap_err();
        assert!(format!("{error:#}").starts_with("error while executing"), "{error:#}");
        assert_eq!(causes(&error), "the table is full");
        assert!(error.downcast_ref::<WasmBacktrace>().is_some());
    }
}
