//! One child process: how it is started, confined, waited for and ended.
#![allow(unsafe_code)]

use std::{
    fs::File,
    io,
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::CommandExt},
    },
    process::{Child as Process, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use dataserver_config::Limits;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{
        Pid, PidfdFlags, Resource, Rlimit, Signal, getpid, getppid, getrlimit, kill_process_group,
        nice, pidfd_open, set_parent_process_death_signal, setrlimit, setsid,
    },
};

use super::launch::Launch;

/// Address space beside its memory, bytes: runtimes of other languages set much of it aside, and use
/// little.
const RESERVED: u64 = 16 << 30;
/// Closes the descriptors when the program is begun, not at once: the one by which a failure of that
/// is told must stay open until then.
const ON_EXEC: libc::c_uint = libc::CLOSE_RANGE_CLOEXEC;

/// A child with its end of the socket. Ended with all it started when dropped.
pub(super) struct Child {
    process: Process,
    pid: Pid,
    /// Becomes readable when it has ended; `None` on systems that have no such thing.
    ended: Option<OwnedFd>,
    /// What it prints.
    pub printed: File,
    status: Option<ExitStatus>,
    is_over: bool,
}

/// What there is to do.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ready {
    /// The socket can be read, or is closed.
    pub reads: bool,
    /// Something was printed.
    pub prints: bool,
    /// The process has ended.
    pub ended: bool,
}

/// What a child does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    /// Time of the processors that all its threads have used, in ticks of the system.
    pub ticks: u64,
    /// Its first thread computes, or would if it had a processor.
    pub runs: bool,
}

impl Child {
    /// Starts it in the folder of its file; the socket is its standard input.
    pub fn start(launch: &Launch, limits: &Limits) -> io::Result<(Self, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        let (printed, prints) = io::pipe()?;
        let mut command = Command::new(&launch.command[0]);
        command
            .args(&launch.command[1..])
            .current_dir(launch.folder())
            .env_clear()
            .envs(launch.environment())
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(prints.try_clone()?)
            .stderr(prints);
        let (parent, limits) = (getpid(), *limits);
        // SAFETY: between fork and exec only system calls are made, on values that were copied
        // before: nothing is allocated and no lock is taken.
        unsafe { command.pre_exec(move || confine(parent, &limits).map_err(io::Error::from)) };
        let process = command.spawn()?;
        // the ends of the child are closed with it
        drop(command);
        let pid = Pid::from_child(&process);
        let printed = File::from(OwnedFd::from(printed));
        rustix::io::ioctl_fionbio(&printed, true)?;
        ours.set_nonblocking(true)?;
        let ended = pidfd_open(pid, PidfdFlags::empty()).ok();
        Ok((Self { process, pid, ended, printed, status: None, is_over: false }, ours))
    }

    /// Waits until there is something to do, at most so long.
    pub fn wait(&self, socket: &UnixStream, sends: bool, longest: Duration) -> io::Result<Ready> {
        let sending = if sends { PollFlags::OUT } else { PollFlags::empty() };
        let mut polled = vec![
            PollFd::new(socket, PollFlags::IN | sending),
            PollFd::new(&self.printed, PollFlags::IN),
        ];
        polled.extend(self.ended.as_ref().map(|ended| PollFd::new(ended, PollFlags::IN)));
        let longest = Timespec::try_from(longest).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        match poll(&mut polled, Some(&longest)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = |at: usize| polled.get(at).map_or(PollFlags::empty(), PollFd::revents);
        let over = PollFlags::HUP | PollFlags::ERR;
        Ok(Ready {
            reads: flags(0).intersects(PollFlags::IN | over),
            // the end of what it prints is no news, as it may close that
            prints: flags(1).contains(PollFlags::IN),
            ended: flags(2).contains(PollFlags::IN),
        })
    }

    /// Waits for its end, at most so long; whether it has ended.
    pub fn wait_end(&self, longest: Duration) -> bool {
        let Some(ended) = &self.ended else { return false };
        let until = Instant::now() + longest;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
            match poll(&mut [PollFd::new(ended, PollFlags::IN)], Some(&left)) {
                Ok(ready) => return ready > 0,
                Err(Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }

    /// Ends it, and all of its group; how it ended, where the system tells.
    pub fn end(&mut self) -> Option<ExitStatus> {
        if !std::mem::replace(&mut self.is_over, true) {
            // it stays a zombie until its group was ended, so that no other group has its number
            let _ = kill_process_group(self.pid, Signal::KILL);
            self.status = self.process.wait().ok();
        }
        self.status
    }

    /// What it does, as far as the system tells.
    pub fn work(&self) -> Option<Work> {
        let pid = self.pid.as_raw_nonzero();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // the name of the program stands in brackets and may hold anything
        let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Work { ticks: number(11)? + number(12)?, runs: fields.first() == Some(&"R") })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}

/// Confines the new process before its program begins.
fn confine(parent: Pid, limits: &Limits) -> Result<(), Errno> {
    // a session of its own: it has no terminal, and its group is ended with it
    setsid()?;
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() != Some(parent) {
        return Err(Errno::SRCH);
    }
    limit(Resource::Core, 0)?;
    limit(Resource::Data, limits.memory)?;
    limit(Resource::As, limits.memory.saturating_add(RESERVED))?;
    // a process can always be nicer than it is
    nice(i32::from(limits.nice))?;
    // SAFETY: marks descriptors of this process alone, which has none that its program needs but
    // the first three. Where the system lacks the call, all that the host opens is marked already.
    let _ = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, ON_EXEC) };
    Ok(())
}

fn limit(resource: Resource, most: u64) -> Result<(), Errno> {
    let most = getrlimit(resource).maximum.map_or(most, |allowed| allowed.min(most));
    setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
}
