//! A host in a folder of its own, which may be down.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use harness::{Bench, Host, HostClock, Random, kernel::FileLimit};

use super::{fault::Which, input};

/// Where a host runs, and what it logged so far.
pub struct Site {
    which: Which,
    host: Option<Host>,
    pipeline: String,
    /// What it takes for the time of day.
    pub clock: HostClock,
    /// While it can open no more files.
    file_limit: Option<FileLimit>,
    /// Of every host that ran here.
    pub log: String,
}

impl Site {
    /// A host with that pipeline, which is down yet.
    pub fn new(which: Which, pipeline: String, bench: &Bench) -> Self {
        let clock = HostClock::new(&bench.path(folder(which)).join("clock"));
        Self { which, host: None, pipeline, clock, file_limit: None, log: String::new() }
    }

    /// Its folder, within the bench's.
    fn folder(&self) -> &'static str {
        folder(self.which)
    }

    /// Its number among the system's processes; nothing while it is down.
    pub fn pid(&self) -> Option<u32> {
        self.host.as_ref().map(Host::pid)
    }

    /// Which one it is.
    pub fn which(&self) -> Which {
        self.which
    }

    /// What it logged since its last start.
    fn log_so_far(&self) -> String {
        self.host.as_ref().map(Host::log).unwrap_or_default()
    }

    /// Whether it has come so far that its pipeline runs.
    pub fn runs_pipeline(&self) -> bool {
        self.log_so_far().contains("the pipeline runs")
    }

    /// Whether there is a process of it.
    pub fn is_running(&mut self) -> bool {
        self.host.as_mut().is_some_and(|host| !host.has_ended())
    }

    /// Lets it open no file more than it has; false when it is gone.
    pub fn fill_file_table(&mut self) -> bool {
        self.file_limit = self.pid().and_then(FileLimit::fill);
        self.file_limit.is_some()
    }

    /// Lets it open files again.
    pub fn free_file_table(&mut self) {
        self.file_limit = None;
    }

    /// The folder with its spools and checkpoints, on the small disk.
    pub fn data(&self, bench: &Bench) -> PathBuf {
        bench.path("disk").join(self.folder())
    }

    /// Whether it ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.host.as_mut().is_some_and(Host::has_ended)
    }

    /// Starts it. A replay that had ended would begin again, so it gets nothing to play then.
    pub fn start(&mut self, bench: &Bench) {
        let folder = self.folder();
        let position = self.data(bench).join("state/day/position.json");
        let position = fs::read_to_string(position).unwrap_or_default();
        let input = if position.contains("\"finished\":true") {
            bench.write(&format!("{folder}/nothing.csv"), input::header())
        } else {
            input::joined().to_owned()
        };
        let pipeline = self.pipeline.replace("INPUT", &input.display().to_string());
        bench.write(&format!("{folder}/pipeline.toml"), pipeline);
        self.host = Some(bench.start_with(folder, &self.clock.environment()));
    }

    /// Sends it a signal with which it goes on.
    pub fn signal(&self, signal: &str) {
        self.host.iter().for_each(|host| host.signal(signal));
    }

    /// Ends it with that signal. Gives its exit code; 0 when it had ended by itself.
    pub fn stop(&mut self, signal: &str) -> i32 {
        self.host.iter().for_each(|host| host.signal(signal));
        self.wait()
    }

    /// Waits until it has ended. Gives its exit code, -1 after a signal.
    pub fn wait(&mut self) -> i32 {
        let Some(host) = self.host.take() else { return 0 };
        let run = host.wait();
        let _ = writeln!(self.log, "--- {} host:\n{}", self.which, run.stderr);
        assert!(!run.stderr.contains("thread '"), "it panicked:\n{}", self.log);
        run.code
    }

    /// Takes a random number of bytes off the end of every spool's newest segment, while it is down.
    pub fn tear_spools(&self, bench: &Bench, random: &mut Random) -> String {
        let mut told = String::new();
        for spool in entries(&self.data(bench).join("spool")) {
            let is_segment = |path: &&PathBuf| path.extension().is_some_and(|it| it == "seg");
            if let Some(newest) = entries(&spool).iter().filter(is_segment).max() {
                told += &tear(newest, random);
            }
        }
        told
    }
}

fn folder(which: Which) -> &'static str {
    match which {
        Which::First => "first",
        Which::Second => "second",
    }
}

/// What was torn off; nothing where there was nothing.
fn tear(segment: &Path, random: &mut Random) -> String {
    let length = fs::metadata(segment).unwrap().len();
    if length == 0 {
        return String::new();
    }
    // often within the last batches, sometimes anywhere
    let most = random.pick(&[200, 5_000, u64::MAX]).min(length);
    let cut = random.between(1, most);
    let file = fs::OpenOptions::new().write(true).open(segment).unwrap();
    file.set_len(length - cut).unwrap();
    // a power cut may leave the length and take what was written there
    let zeroes = random.between(0, 2) == 0;
    if zeroes {
        file.set_len(length).unwrap();
    }
    let left = if zeroes { "zeroed in" } else { "cut off" };
    format!("\n    {cut} of {length} bytes {left} {}", segment.display())
}

/// What is in a folder, sorted by name.
pub fn entries(folder: &Path) -> Vec<PathBuf> {
    let found = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<_> = found.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}
