//! The one open instance of a component.
//!
//! Exports are plain functions, so the instance lies in a static between two calls. A component
//! runs on one thread.

use std::{any::Any, cell::RefCell};

use crate::PluginError;

thread_local! {
    static OPEN: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) };
}

/// Keeps what was opened; what was open before is dropped.
pub fn put<Role: 'static>(role: Role) {
    OPEN.set(Some(Box::new(role)));
}

/// Calls what is open.
pub fn call<Role: 'static, T>(
    call: impl FnOnce(&mut Role) -> Result<T, PluginError>,
) -> Result<T, PluginError> {
    OPEN.with_borrow_mut(|open| match open.as_mut().and_then(|role| role.downcast_mut::<Role>()) {
        Some(role) => call(role),
        None => Err(PluginError::fatal("the instance is not open; call `open` first")),
    })
}

/// Calls what is open for the last time, and drops it unless the call is to be repeated.
pub fn call_last<Role: 'static, T>(
    close: impl FnOnce(&mut Role) -> Result<T, PluginError>,
) -> Result<T, PluginError> {
    let result = call(close);
    if result.is_ok() {
        OPEN.set(None);
    }
    result
}
