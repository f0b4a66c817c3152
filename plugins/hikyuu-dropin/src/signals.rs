//! Keeps the process's signals away from this library's threads.
//!
//! Ctrl-C must wake the interpreter's own thread, not one of ours. And a program that does not
//! ignore SIGPIPE, as Rust's own do, must not end because a client has gone: where it is blocked, a
//! write fails instead.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;

/// Those that a thread's own fault raises: they cannot wait.
const FAULTS: [i32; 7] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGSYS,
    libc::SIGABRT,
];

/// Blocks all other signals in this thread, and in those that it starts from now on.
pub fn block() {
    let mut set = MaybeUninit::uninit();
    // SAFETY: the set is filled before it is read, and only this thread's mask changes.
    unsafe {
        libc::sigfillset(set.as_mut_ptr());
        for fault in FAULTS {
            libc::sigdelset(set.as_mut_ptr(), fault);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, set.as_ptr(), std::ptr::null_mut());
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read, thread};

    use super::*;

    #[test]
    fn a_thread_and_its_children_take_no_signal_but_their_own_faults() {
        let masks = thread::spawn(|| {
            block();
            thread::spawn(mask).join().unwrap()
        });
        let mask = masks.join().unwrap();
        let is_blocked = |signal: i32| mask & (1 << (signal - 1)) != 0;
        assert!([libc::SIGINT, libc::SIGTERM, libc::SIGPIPE].into_iter().all(is_blocked));
        assert!(!FAULTS.into_iter().any(is_blocked), "{mask:b}");
    }

    /// What the system says is blocked in this thread, a bit a signal.
    fn mask() -> u64 {
        let mut text = String::new();
        let mut status = std::fs::File::open("/proc/thread-self/status").unwrap();
        status.read_to_string(&mut text).unwrap();
        let mask = text.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
        u64::from_str_radix(mask.trim(), 16).unwrap()
    }
}
