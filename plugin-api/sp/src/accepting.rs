//! What those who accept connections do about the bound on open files.

use std::{
    io,
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    process::{Resource, getrlimit},
};

/// Pause after a failed accept: the connection that could not be accepted still waits, so the next
/// attempt would fail at once.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Least time between two lines about failing accepts.
const SILENCE: Duration = Duration::from_secs(60);
/// Of all open files that a process may have, one listener's peers take at most one in so many.
const SHARE: u64 = 2;

/// How many peers are let in of `wanted`, so that what else the process opens (files of sinks, its
/// control interface) finds room, with a line for the log when it is fewer; `option` bounds them.
pub fn room(option: &str, wanted: usize) -> (usize, Option<String>) {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let most = usize::try_from(limit / SHARE).unwrap_or(usize::MAX).max(1);
    if wanted <= most {
        return (wanted, None);
    }
    let line = format!(
        "{option} is {wanted}, but this process may have {limit} files open in all: {most} are let \
         in at a time; raise LimitNOFILE= of the service or `ulimit -n`, or lower {option}"
    );
    (most, Some(line))
}

/// Says why nobody can be let in, once in a while.
#[derive(Debug, Default)]
pub struct AcceptFaults {
    told: Option<Instant>,
}

impl AcceptFaults {
    /// A line for the log about an accept that failed; `option` bounds how many are let in.
    pub fn line(&mut self, listener: &str, option: &str, error: &io::Error) -> Option<String> {
        let errno = error.raw_os_error().map(Errno::from_raw_os_error);
        // whoever left before it was let in
        if errno == Some(Errno::CONNABORTED) || self.told.is_some_and(|it| it.elapsed() < SILENCE) {
            return None;
        }
        self.told = Some(Instant::now());
        let remedy = match errno {
            Some(Errno::MFILE) => format!(
                "this process has as many files open as it may; raise LimitNOFILE= of the service \
                 or `ulimit -n`, or lower {option}"
            ),
            Some(Errno::NFILE) => {
                "this machine has as many files open as it may; raise fs.file-max with `sysctl`, or \
                 end what has them open"
                    .to_owned()
            }
            _ => "it is tried again".to_owned(),
        };
        Some(format!("nobody is let in at {listener} for now: {error}; {remedy}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_accept_is_told_once_with_its_remedy() {
        let cases = [
            (Errno::MFILE, "LimitNOFILE"),
            (Errno::NFILE, "fs.file-max"),
            (Errno::NOBUFS, "tried again"),
        ];
        for (errno, remedy) in cases {
            let mut faults = AcceptFaults::default();
            let line = faults.line("tcp://a:1", "max_clients", &errno.into()).unwrap();
            assert!(line.contains("tcp://a:1") && line.contains(remedy), "{line}");
            for _ in 0..100 {
                assert_eq!(faults.line("tcp://a:1", "max_clients", &errno.into()), None);
            }
        }
        let left = AcceptFaults::default().line("a", "b", &Errno::CONNABORTED.into());
        assert_eq!(left, None);
    }

    #[test]
    fn peers_leave_room_for_other_files() {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let half = usize::try_from(limit / 2).unwrap();
        assert_eq!(room("max_clients", 1), (1, None));
        let (most, line) = room("max_clients", usize::MAX);
        assert_eq!(most, half);
        assert!(line.unwrap().contains("max_clients") && half > 0);
    }
}
