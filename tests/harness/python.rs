//! Independent readers in Python: pynng, flatbuffers, pyarrow; and plugins in Python.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
};

use crate::{repository, servers::send_signal};

/// A plugin in Python among those of the tests.
pub fn python_plugin(name: &str) -> PathBuf {
    let path = repository().join("tests/python/plugins").join(format!("{name}.py"));
    assert!(path.exists(), "{}", path.display());
    path
}

/// Folder in which plugins in Python find the package `dataserver`: the built one, whose library
/// reads records, or its source, which can pass them on.
pub fn python_package() -> PathBuf {
    let built = std::env::var_os("DATASERVER_PYTHONPATH").map(PathBuf::from);
    built.unwrap_or_else(|| repository().join("plugin-api/python/python"))
}

/// Whether that package reads and makes records.
pub fn python_has_records() -> bool {
    let package = Command::new("python3")
        .args(["-c", "from dataserver import Batch"])
        .env("PYTHONPATH", python_package())
        .stderr(Stdio::null())
        .status();
    package.unwrap().success()
}

/// A running script of tests/python; killed when dropped.
pub struct Python {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

/// Starts a script of tests/python.
pub fn python(script: &str, arguments: &[&str]) -> Python {
    let interpreter = repository().join("target/venv/bin/python");
    assert!(interpreter.exists(), "{} is missing; run `make venv`", interpreter.display());
    let mut child = Command::new(interpreter)
        .arg(repository().join("tests/python").join(script))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    Python { child, stdout }
}

impl Python {
    /// The next line that the script prints.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Sends a signal: STOP, CONT, TERM.
    pub fn signal(&self, signal: &str) {
        send_signal(self.child.id(), signal);
    }

    /// Waits for the script's end; panics unless it succeeded. Returns what else it printed.
    #[track_caller]
    pub fn finish(mut self) -> String {
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.stdout, &mut rest).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{rest}");
        rest
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
