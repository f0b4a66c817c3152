//! What the tests of several plugins share.

// a test that cannot go on must fail loudly
#![allow(clippy::unwrap_used)]

use std::{
    process::Command,
    thread,
    time::{Duration, Instant},
};

/// Longest wait for what must happen, on the slowest machine.
pub const DEADLINE: Duration = Duration::from_secs(60);
/// Set in the process that runs one test alone.
const ALONE: &str = "DATASERVER_TEST_ALONE";

/// Waits for what another thread or process brings about; panics when it does not come.
#[track_caller]
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !done() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::park_timeout(Duration::from_millis(1));
    }
}

/// Whether this process runs that test alone, for tests that count or bound what a process has.
///
/// In any other process it starts one that does, by the shell after `setup`, and checks that the
/// test passed there. `test` is the whole path of the test.
#[track_caller]
pub fn is_alone(test: &str, setup: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let program = std::env::current_exe().unwrap();
    let script = format!("{setup}\nexec {} --exact {test} --nocapture", program.display());
    let output = Command::new("sh").args(["-c", &script]).env(ALONE, "1").output().unwrap();
    let said = [output.stdout, output.stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
    assert!(output.status.success(), "{}{}", said[0], said[1]);
    assert!(said[0].contains("1 passed"), "the test was renamed");
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_can_run_in_a_process_of_its_own() {
        let test = "testing::tests::a_test_can_run_in_a_process_of_its_own";
        if is_alone(test, "export DATASERVER_TEST_SETUP=done") {
            assert_eq!(std::env::var("DATASERVER_TEST_SETUP").unwrap(), "done");
        }
    }

    #[test]
    fn what_comes_late_is_waited_for() {
        let mut looks = 0;
        wait_until("the third look", || {
            looks += 1;
            looks == 3
        });
        assert_eq!(looks, 3);
    }
}
