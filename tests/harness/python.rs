//! Independent readers in Python: pynng, flatbuffers, pyarrow; and plugins in Python.

use std::{
    ffi::OsString,
    fs,
    io::{BufRead, BufReader, ErrorKind},
    os::unix::fs::symlink,
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    sync::OnceLock,
};

use crate::{build_dir, built, repository, servers::send_signal};

/// A plugin in Python among those of the tests.
pub fn python_plugin(name: &str) -> PathBuf {
    let path = repository().join("tests/python/plugins").join(format!("{name}.py"));
    assert!(path.exists(), "{}", path.display());
    path
}

/// What plugins in Python import, as `PYTHONPATH` has it: the package `dataserver` with its library, and
/// the environment of the tests. `make test` gives the installed wheel; otherwise the library of this
/// build lies beside the package's files.
pub fn python_package() -> PathBuf {
    static PACKAGE: OnceLock<PathBuf> = OnceLock::new();
    let given = std::env::var_os("DATASERVER_PYTHONPATH").map(PathBuf::from);
    given.unwrap_or_else(|| PACKAGE.get_or_init(assembled).clone())
}

fn assembled() -> PathBuf {
    let folder = build_dir().join("python-package");
    let package = folder.join("dataserver");
    fs::create_dir_all(&package).unwrap();
    let source = repository().join("plugin-api/python/python/dataserver");
    let files = fs::read_dir(source).unwrap().map(|it| it.unwrap().path());
    let links = files.map(|file| (file.file_name().unwrap().to_owned(), file));
    let library = (OsString::from("_native.abi3.so"), built("lib_native.so"));
    for (name, target) in links.chain([library]) {
        match symlink(target, package.join(name)) {
            Ok(()) => {}
            // another test, or an earlier run
            Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}"),
        }
    }
    let versions = fs::read_dir(repository().join("target/venv/lib")).into_iter().flatten();
    let packages = versions.map(|it| it.unwrap().path().join("site-packages"));
    std::env::join_paths([folder].into_iter().chain(packages)).unwrap().into()
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
