//! Runs what could harm the process in a child process first.
//!
//! Initialisers of a damaged library can crash or hang, and a compiler can use all memory. So a
//! child runs them: the `dataserver` program itself, for one file, in its own process group, with
//! limits on memory, time and output, without the host's environment or open files. Its answer, or
//! its exit status, decides whether the host loads the file.

mod child;
mod child_failure;
mod workspace;

use std::{
    ffi::OsStr,
    fs, io,
    num::NonZeroUsize,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, getpid, kill_process_group, waitid};

pub use self::{child::confine, child_failure::NOT_CONFINED};
pub(crate) use self::{
    child_failure::{Cause, ChildFailure, signal_name},
    workspace::Workspace,
};

/// The program's file.
const PROGRAM: &str = "dataserver";
/// Variable with the program, for a process that is not `dataserver` itself.
const PROGRAM_VARIABLE: &str = "DATASERVER_PROGRAM";
/// Variables of the dynamic loader, kept so that libraries are found alike.
const KEPT_VARIABLES: [&str; 2] = ["LD_LIBRARY_PATH", "LD_PRELOAD"];
/// Threads that compile; each has a heap of its own, which counts against the bound on memory.
pub(crate) const MAX_THREADS: u32 = 4;
/// Longest interval between two checks of a child.
const MAX_PAUSE: Duration = Duration::from_millis(10);

static IS_PROGRAM: AtomicBool = AtomicBool::new(false);

/// The program that tries plugin files on behalf of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Helper(Option<PathBuf>);

impl Helper {
    /// The program at that path, which must be `dataserver` of this version.
    pub fn at(program: impl Into<PathBuf>) -> Self {
        Self(Some(program.into()))
    }

    /// None: plugins that are linked in can be used, files cannot.
    pub fn none() -> Self {
        Self(None)
    }

    /// This process's own program if that is `dataserver`; otherwise the one that
    /// `DATASERVER_PROGRAM` names, or `dataserver` beside the running program or in the folder above
    /// it, as Cargo lays tests out; otherwise none.
    pub fn of_this_process() -> Self {
        if IS_PROGRAM.load(Ordering::Relaxed) {
            // the file that runs, also when another one lies under its name by now
            return Self::at("/proc/self/exe");
        }
        if let Some(named) = std::env::var_os(PROGRAM_VARIABLE).filter(|it| !it.is_empty()) {
            return Self::at(named);
        }
        let running = std::env::current_exe().unwrap_or_default();
        let folders = running.ancestors().skip(1).take(2);
        Self(folders.map(|folder| folder.join(PROGRAM)).find(|program| program.is_file()))
    }

    /// The program, if there is one.
    pub(crate) fn program(&self) -> Option<&Path> {
        self.0.as_deref()
    }

    /// Runs `verb` in a child on the file of a workspace.
    ///
    /// # Errors
    /// How the child failed, when it gave no answer or did not exit normally.
    pub(crate) fn run(
        &self,
        workspace: &Workspace,
        verb: &str,
        arguments: &[&OsStr],
        bounds: &Bounds,
    ) -> Result<Vec<u8>, ChildFailure> {
        let program = self.0.as_deref().ok_or_else(|| ChildFailure::of(Cause::NoProgram))?;
        let mut child = start(program, workspace, verb, arguments, bounds)
            .map_err(|error| ChildFailure::of(Cause::NotStarted(error.to_string())))?;
        let watched = watch(&mut child, bounds.time);
        let cause = child_failure::cause(&watched, &workspace.output(), bounds);
        match (cause, fs::read(workspace.answer())) {
            (None, Ok(answer)) if !answer.is_empty() => Ok(answer),
            (cause, _) => Err(ChildFailure {
                cause: cause.unwrap_or(Cause::Silent),
                output: workspace.output(),
            }),
        }
    }
}

/// The running program is `dataserver`, and can be started as its own helper.
pub fn this_is_the_program() {
    IS_PROGRAM.store(true, Ordering::Relaxed);
}

/// Resource limits of a child.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Memory that it can write to, bytes.
    pub memory: u64,
    /// From its start to its end.
    pub time: Duration,
    /// Of the processors, over all its threads.
    pub processor: Duration,
    /// Longest file that it writes, bytes; what it prints counts as one.
    pub output: u64,
}

fn start(
    program: &Path,
    workspace: &Workspace,
    verb: &str,
    arguments: &[&OsStr],
    bounds: &Bounds,
) -> io::Result<Child> {
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = threads.min(MAX_THREADS as usize);
    let seconds = bounds.processor.as_secs().max(1);
    Command::new(program)
        .arg0(PROGRAM)
        .args(["plugins", "child", verb])
        .arg(format!("--parent={}", getpid().as_raw_nonzero()))
        .arg(format!("--memory={}", bounds.memory))
        .arg(format!("--seconds={seconds}"))
        .arg(format!("--output={}", bounds.output))
        .arg(workspace.file())
        .arg(workspace.answer())
        .args(arguments)
        .env_clear()
        .envs(KEPT_VARIABLES.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .env("MALLOC_ARENA_MAX", "2")
        .env("RAYON_NUM_THREADS", threads.to_string())
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(workspace.output_file()?)
        .stderr(workspace.output_file()?)
        .spawn()
}

/// Outcome of a child.
struct Watched {
    /// Whether it ended before its time was up.
    in_time: bool,
    /// How it ended; `None` where the system does not tell, because this process ignores SIGCHLD.
    status: Option<ExitStatus>,
    /// The most memory that it was seen to have, bytes.
    memory: u64,
}

/// Waits for its end, at most so long, and kills its process group.
fn watch(child: &mut Child, time: Duration) -> Watched {
    let (begin, pid) = (Instant::now(), Pid::from_child(child));
    let (mut pause, mut most) = (Duration::from_millis(1), 0);
    let looked = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    // it stays a zombie until its group was ended, so that no other group can have its number
    let in_time = loop {
        match waitid(WaitId::Pid(pid), looked) {
            Ok(None) => {}
            Ok(Some(_)) | Err(_) => break true,
        }
        most = most.max(memory(pid).unwrap_or(0));
        if begin.elapsed() > time {
            break false;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(MAX_PAUSE);
    };
    let _ = kill_process_group(pid, Signal::KILL);
    Watched { in_time, status: child.wait().ok(), memory: most }
}

/// Memory that a process can write to, bytes.
fn memory(pid: Pid) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
}
