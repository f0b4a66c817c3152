//! What the kernel says about a process, and has it do without.

use std::{fs, process::Command};

/// One letter for what a process does: `T` stopped, `Z` ended and not waited for; nothing once it is
/// gone.
pub fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // its name, in brackets, may hold anything
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Processes that it has started and that run.
pub fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let children: Vec<u32> = lists
        .flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|child| child.parse().ok())
        .collect();
    children.into_iter().filter(|child| state(*child).is_some_and(|it| it != 'Z')).collect()
}

/// Ends a process at once; false when it is gone already.
pub fn kill(pid: u32) -> bool {
    let killed = Command::new("kill").args(["-s", "KILL", &pid.to_string()]).output();
    killed.is_ok_and(|output| output.status.success())
}

/// Numbers of the files that it has open, sorted.
pub fn open_files(pid: u32) -> Vec<u64> {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let mut numbers: Vec<u64> =
        files.filter_map(|file| file.file_name().to_str()?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}

/// Threads that it has.
pub fn threads(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

/// The most files that a process may have open; given back when this is dropped.
pub struct FileLimit {
    pid: u32,
    soft: u64,
    hard: String,
}

impl FileLimit {
    /// Lets a process open no file more than it has; nothing when it is gone.
    pub fn fill(pid: u32) -> Option<Self> {
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
        let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
        let mut cells = line["Max open files".len()..].split_whitespace();
        let (soft, hard) = (cells.next()?.parse().ok()?, cells.next()?.to_owned());
        let limit = Self { pid, soft, hard };
        // a file gets the lowest number that is free
        let free = open_files(pid).into_iter().zip(0..).take_while(|(open, at)| open == at).count();
        limit.set(u64::try_from(free).ok()?).then_some(limit)
    }

    fn set(&self, soft: u64) -> bool {
        let limit = format!("--nofile={soft}:{}", self.hard);
        let set = Command::new("prlimit").args(["--pid", &self.pid.to_string(), &limit]).output();
        set.is_ok_and(|output| output.status.success())
    }
}

impl Drop for FileLimit {
    fn drop(&mut self) {
        self.set(self.soft);
    }
}
