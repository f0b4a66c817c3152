//! Waiting for what must happen, with a limit.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Longest wait, with a machine in mind that has much else to do.
const DEADLINE: Duration = Duration::from_secs(180);

/// Asks again and again until the answer is yes; false after the deadline.
pub(crate) fn comes_true(mut done: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + DEADLINE;
    while !done() {
        if Instant::now() > deadline {
            return false;
        }
        thread::park_timeout(Duration::from_millis(10));
    }
    true
}

/// Waits for something; panics when it does not come.
#[track_caller]
pub fn wait_until(what: &str, done: impl FnMut() -> bool) {
    assert!(comes_true(done), "waited for: {what}");
}
