//! The edge to C++: what Hikyuu calls, and what the object in `shim.cpp` calls.
//!
//! All of it may be called from any thread. The caller is C++ code that must not be unwound into,
//! so a panic ends in the log.
#![allow(unsafe_code)]

use std::{
    ffi::{c_char, c_void},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr, slice,
};

use crate::{arguments::Arguments, server::Server};

/// Returned by the object's `info`.
const INFO: &str = concat!(
    r#"{"name":"dataserver","version":1,"release":""#,
    env!("CARGO_PKG_VERSION"),
    r#"","description":"Real-time market data: serves and stores what a collector publishes","#,
    r#""author":"dataserver developers"}"#
);

/// Bytes that are lent for a call; no NUL at the end.
#[repr(C)]
#[derive(Clone, Copy)]
struct Text {
    bytes: *const c_char,
    length: usize,
}

/// What the object calls. `server` is the pointer that it was made with.
#[repr(C)]
struct Calls {
    start: extern "C" fn(
        server: *const Server,
        addr: Text,
        work_num: usize,
        save_tick: bool,
        buf_tick: bool,
        parquet_path: Text,
    ),
    stop: extern "C" fn(server: *const Server),
    free: extern "C" fn(server: *mut Server),
    info: Text,
}

unsafe extern "C" {
    /// Makes the object, which owns the server from then on; null when there is no memory.
    fn hikyuu_shim_new(server: *mut c_void, calls: *const Calls) -> *mut c_void;
}

/// Makes a data server that is not started, as a pointer to C++'s `hku::PluginBase` that the caller
/// deletes; null when there is no memory.
// SAFETY: Hikyuu looks for this name in the library, and nothing else here is named so.
#[unsafe(no_mangle)]
#[allow(non_snake_case)]
extern "C" fn createPlugin() -> *mut c_void {
    let made = catch_unwind(|| {
        let server = Box::into_raw(Box::<Server>::default());
        let info = Text { bytes: INFO.as_ptr().cast(), length: INFO.len() };
        let calls = Calls { start, stop, free, info };
        // SAFETY: both are as declared in shim.cpp, which copies the calls, and whose destructor
        // hands the server back to `free`, once.
        let object = unsafe { hikyuu_shim_new(server.cast(), &raw const calls) };
        if object.is_null() {
            free(server);
        }
        object
    });
    made.unwrap_or(ptr::null_mut())
}

extern "C" fn start(
    server: *const Server,
    addr: Text,
    work_num: usize,
    save_tick: bool,
    buf_tick: bool,
    parquet_path: Text,
) {
    guard("start", || {
        // SAFETY: the object calls this with the server it was made with, before it frees it.
        let server = unsafe { &*server };
        // SAFETY: the caller's strings live until it returns.
        let (addr, parquet_path) = unsafe { (text(addr), text(parquet_path)) };
        server.start(Arguments { addr, work_num, save_tick, buf_tick, parquet_path });
    });
}

extern "C" fn stop(server: *const Server) {
    guard("stop", || {
        // SAFETY: as in `start`.
        unsafe { &*server }.stop();
    });
}

extern "C" fn free(server: *mut Server) {
    guard("free", || {
        // SAFETY: it came from `Box::into_raw`, and is given back once, as the last of all.
        drop(unsafe { Box::from_raw(server) });
    });
}

/// # Safety
/// The bytes must be readable.
unsafe fn text(text: Text) -> String {
    if text.length == 0 {
        return String::new();
    }
    // SAFETY: the caller vouches for it.
    let bytes = unsafe { slice::from_raw_parts(text.bytes.cast(), text.length) };
    String::from_utf8_lossy(bytes).into_owned()
}

fn guard(call: &str, body: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(body)) {
        // dropping it may panic again
        std::mem::forget(payload);
        tracing::error!("panicked in {call}; the text stands above, please report it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_made_and_says_what_it_is() {
        let object = createPlugin();
        assert!(!object.is_null());
        // SAFETY: an object of C++ begins with a pointer to its virtual functions, of which the
        // second is the deleting destructor.
        unsafe {
            let functions = *object.cast::<*const extern "C" fn(*mut c_void)>();
            let delete = *functions.add(1);
            delete(object);
        }
        assert!(INFO.starts_with("{\"name\":\"dataserver\"") && INFO.ends_with('}'));
    }

    #[test]
    fn a_panic_does_not_leave_a_call() {
        guard("test", || panic!("on purpose"));
    }

    #[test]
    fn an_empty_text_may_have_no_bytes() {
        // SAFETY: nothing is read.
        assert_eq!(unsafe { text(Text { bytes: ptr::null(), length: 0 }) }, "");
    }
}
