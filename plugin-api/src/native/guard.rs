//! Turns panics into errors, on the plugin's side of the boundary.
//!
//! A panic that reached the boundary would end the host. A native library has a standard library of
//! its own and with it a panic hook of its own, so the hook below sees this plugin's panics alone.

use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook},
    sync::Once,
};

use crate::{ErrorKind, PluginError};

thread_local! {
    static IN_CALL: Cell<bool> = const { Cell::new(false) };
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `call`; a panic within it becomes an error of kind `Panic` with text and place.
pub(crate) fn guard<T>(call: impl FnOnce() -> Result<T, PluginError>) -> Result<T, PluginError> {
    // the caller drops the instance after a panic, so no broken state is seen again
    let was_in_call = IN_CALL.replace(true);
    let result = catch_unwind(AssertUnwindSafe(call));
    IN_CALL.set(was_in_call);
    result.unwrap_or_else(|payload| {
        let noted = LAST_PANIC.with_borrow_mut(Option::take);
        let text = noted.unwrap_or_else(|| panic_text(payload.as_ref()));
        // a payload whose own drop panics must not take the host down
        std::mem::forget(payload);
        Err(PluginError { kind: ErrorKind::Panic, message: format!("panicked: {text}") })
    })
}

/// Notes panics within [`guard`] instead of printing them; those of other threads are printed.
///
/// Only for a library that has its own copy of the standard library.
pub(crate) fn install_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = take_hook();
        set_hook(Box::new(move |info| if IN_CALL.get() { note_panic(info) } else { print(info) }));
    });
}

fn note_panic(info: &PanicHookInfo<'_>) {
    let text = panic_text(info.payload());
    let noted = match info.location() {
        Some(place) => format!("{text}, at {}:{}", place.file(), place.line()),
        None => text,
    };
    LAST_PANIC.with_borrow_mut(|last| *last = Some(noted));
}

fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no text".to_owned())
}
