//! A host in a folder of its own, which may be down.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use harness::{Bench, Host, Random};

use super::{fault::Which, input};

/// Where a host runs, and what it logged so far.
pub struct Site {
    which: Which,
    host: Option<Host>,
    pipeline: String,
    /// Of every host that ran here.
    pub log: String,
}

impl Site {
    /// A host with that pipeline, which is down yet.
    pub fn new(which: Which, pipeline: String) -> Self {
        Self { which, host: None, pipeline, log: String::new() }
    }

    /// Its folder, within the bench's.
    fn folder(&self) -> &'static str {
        match self.which {
            Which::First => "first",
            Which::Second => "second",
        }
    }

    /// The folder with its spools and checkpoints, on the small disk.
    fn data(&self, bench: &Bench) -> PathBuf {
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
        self.host = Some(bench.start_in(folder));
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

fn tear(segment: &Path, random: &mut Random) -> String {
    let length = fs::metadata(segment).unwrap().len();
    // often within the last batches, sometimes anywhere
    let most = random.pick(&[200, 5_000, u64::MAX]).min(length);
    let cut = random.between(0, most);
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
