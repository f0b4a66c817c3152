//! A small program in C++ that does with the library what Hikyuu does.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use harness::{build_dir, plugin, repository};
use tempfile::TempDir;

/// Longest wait for anything that must happen.
const DEADLINE: Duration = Duration::from_secs(60);

/// The library under test.
pub fn library() -> PathBuf {
    plugin("hikyuu-dropin")
}

/// The program, compiled once.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let program = build_dir().join(format!("dropin-driver-{}", std::process::id()));
        let compiled = Command::new("g++")
            .args(["-std=c++17", "-O1", "-Wall", "-Werror", "-o"])
            .arg(&program)
            .arg(repository().join("tests/suite/dropin/driver.cpp"))
            .arg("-ldl")
            .status()
            .unwrap();
        assert!(compiled.success());
        // one name for all: another run may be using the old one
        let shared = build_dir().join("dropin-driver");
        fs::rename(program, &shared).unwrap();
        shared
    })
}

/// The program with the library open, as a user who has a home folder; killed when dropped.
pub struct Driver {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    pub home: TempDir,
}

impl Driver {
    /// With the library open, and those files in `~/.hikyuu`.
    pub fn with_files(files: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join(".hikyuu")).unwrap();
        for (name, text) in files {
            fs::write(home.path().join(".hikyuu").join(name), text).unwrap();
        }
        Self::at(home)
    }

    /// As the owner of that home folder.
    pub fn at(home: TempDir) -> Self {
        let mut child = Command::new(program())
            .env("HOME", home.path())
            .env_remove("RUST_LOG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut driver = Self { child, stdin, stdout, home };
        let open = format!("open {}", library().display());
        assert_eq!(driver.step(&open), "ok");
        driver
    }

    /// With an object besides.
    pub fn new() -> Self {
        let mut driver = Self::with_files(&[]);
        driver.make(0);
        driver
    }

    /// Makes an object of that number.
    #[track_caller]
    pub fn make(&mut self, object: u32) {
        let info = self.step(&format!("new {object}"));
        assert!(info.starts_with("{\"name\":\"dataserver\",\"version\":"), "{info}");
    }

    /// Starts an object; returns how long the call took.
    pub fn start(&mut self, object: u32, arguments: &str) -> Duration {
        Duration::from_millis(self.step(&format!("start {object} {arguments}")).parse().unwrap())
    }

    /// Does one step; returns the answer.
    #[track_caller]
    pub fn step(&mut self, step: &str) -> String {
        writeln!(self.stdin.as_mut().unwrap(), "{step}").unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the program ended at `{step}`:\n{}", self.log());
        line.trim_end().to_owned()
    }

    /// What the library logged so far.
    pub fn log(&self) -> String {
        let log = self.home.path().join(".hikyuu/dataserver.log");
        fs::read_to_string(log).unwrap_or_default()
    }

    /// Waits until it logged a text that many times.
    #[track_caller]
    pub fn wait_for(&self, text: &str, times: usize) {
        let begin = Instant::now();
        while self.log().matches(text).count() < times {
            assert!(
                begin.elapsed() < DEADLINE,
                "{text:?} is not {times} times in:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until only the program's own thread is left.
    #[track_caller]
    pub fn wait_for_no_threads(&mut self) {
        let begin = Instant::now();
        // one that was waited for may still be returning to the system
        while self.step("threads") != "1" {
            assert!(begin.elapsed() < DEADLINE, "{}", self.log());
        }
    }

    /// Ends the program by closing its input; it must end well, and have printed nothing else.
    #[track_caller]
    pub fn finish(mut self) {
        drop(self.stdin.take());
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.stdout, &mut rest).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success() && rest.is_empty(), "{status}\n{rest}\n{}", self.log());
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
