//! A running bridge script.

use std::{
    fs::OpenOptions,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use harness::{Bench, repository};

use super::wait_until;

/// Killed when dropped. Its log goes on over restarts.
pub struct Bridge {
    child: Child,
    log: PathBuf,
    /// Where the log of this run begins.
    begin: usize,
}

impl Bridge {
    /// Starts it in a bench's folder.
    pub fn start(bench: &Bench, port: u16, token: &str, arguments: &[&str]) -> Self {
        let interpreter = repository().join("target/venv/bin/python");
        assert!(interpreter.exists(), "{} is missing; run `make venv`", interpreter.display());
        let log = bench.path("bridge.log");
        let begin = std::fs::read(&log).map_or(0, |text| text.len());
        let output = OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let child = Command::new(interpreter)
            .args(["-B", "-X", "utf8"])
            .arg(repository().join("plugins/qmt/bridge/qmt_bridge.py"))
            .args(["--port", &port.to_string(), "--status-every", "0.1", "--max-backoff", "0.5"])
            .args(["--spool", "spool", "--poll-interval", "0.05"])
            .args(arguments)
            .current_dir(bench.path(""))
            .env("QMT_BRIDGE_TOKEN", token)
            .env("PYTHONPATH", repository().join("tests/python/xtquant_standin"))
            .env("XTQUANT_STANDIN", bench.path("xtquant"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output)
            .spawn()
            .unwrap();
        Self { child, log, begin }
    }

    /// What this run has logged.
    pub fn log(&self) -> String {
        let text = std::fs::read(&self.log).unwrap();
        String::from_utf8_lossy(&text[self.begin..]).into_owned()
    }

    /// Waits for a text in the log of this run.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        wait_until(text, || {
            let log = self.log();
            assert!(!log.contains("Traceback"), "{log}");
            log.contains(text)
        });
    }

    /// Waits until everything so far is confirmed: two reports in a row that begin from now on.
    #[track_caller]
    pub fn wait_until_nothing_waits(&self) {
        let begin = self.log().len();
        wait_until("every confirmation", || {
            let log = self.log();
            let reports: Vec<_> =
                log[begin..].lines().filter(|line| line.contains("records so far")).collect();
            let is_done = |line: &&str| line.contains("; 0 batches");
            reports.len() > 2 && reports[reports.len() - 2..].iter().all(is_done)
        });
    }

    /// Waits until so many records of this run are in its spool.
    #[track_caller]
    pub fn wait_for_records(&self, records: u64) {
        self.wait_for(&format!(": {records} records so far"));
    }

    /// Kills it without a word.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it in order.
    #[track_caller]
    pub fn end(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
        wait_until("the end of the bridge", || self.child.try_wait().unwrap().is_some());
        let (status, log) = (self.child.wait().unwrap(), self.log());
        assert!(status.success() && log.contains("ended in order"), "{log}");
        assert!(!log.contains("Traceback"), "{log}");
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
