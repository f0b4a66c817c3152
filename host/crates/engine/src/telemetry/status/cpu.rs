//! Processor time of threads, as the system counts it.

use std::fs;

/// Number of the thread that calls this; `None` where the system does not tell.
pub(super) fn this_thread() -> Option<u32> {
    let link = fs::read_link("/proc/thread-self").ok()?;
    link.file_name()?.to_str()?.parse().ok()
}

/// Processor time that a thread of this process has had, in hundredths of a second; `None` when it
/// has ended.
pub(super) fn ticks(thread: u32) -> Option<u64> {
    let stat = fs::read(format!("/proc/self/task/{thread}/stat")).ok()?;
    parse(&String::from_utf8_lossy(&stat))
}

fn parse(stat: &str) -> Option<u64> {
    // the name stands in parentheses, and may hold some itself
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(11);
    let user: u64 = times.next()?.parse().ok()?;
    let system: u64 = times.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_found_whatever_a_thread_is_called() {
        let rest = "S 1 2 2 0 -1 4194368 9 0 0 0 321 45 0 0 20 0 9 0 1 2 3";
        for name in ["lake", "a b", "a) (b"] {
            assert_eq!(parse(&format!("17 ({name}) {rest}")), Some(366), "{name}");
        }
        for damaged in ["", "17 (lake", "17 (lake) S 1 2", "17 (lake) S 1 2 2 0 -1 4 9 0 0 0 x 4 0"]
        {
            assert_eq!(parse(damaged), None, "{damaged}");
        }
    }

    #[test]
    fn a_thread_that_works_takes_time_and_one_that_has_ended_tells_none() {
        let thread = this_thread().unwrap();
        let before = ticks(thread).unwrap();
        let mut sum = 0_u64;
        while ticks(thread).unwrap() < before + 2 {
            sum = (0..100_000).fold(sum, |sum, it| std::hint::black_box(sum ^ it));
        }
        let ended = std::thread::spawn(this_thread).join().unwrap().unwrap();
        assert!(ended != thread && ticks(u32::MAX).is_none(), "{sum}");
    }
}
