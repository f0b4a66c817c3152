//! A clock of the day for one host, which can be put forward and back while it runs.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use crate::{build_dir, repository};

/// Numbers of the file that is shared with the host.
const NUMBERS: usize = 3;

/// What a host is told instead of the machine's time of day, and what it tells about its heap.
pub struct HostClock {
    path: PathBuf,
    file: File,
}

impl HostClock {
    /// A clock that is right so far, with its file at that path.
    pub fn new(path: &Path) -> Self {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
            .unwrap();
        file.write_all_at(&[0; 8 * NUMBERS], 0).unwrap();
        Self { path: path.to_owned(), file }
    }

    /// Environment of a host that goes by it.
    pub fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        vec![("LD_PRELOAD", library().to_owned()), ("DATASERVER_TEST_CLOCK", self.path.clone())]
    }

    /// Puts it so many seconds forward, or back below 0.
    pub fn put(&self, seconds: i64) {
        self.file.write_all_at(&[seconds.to_ne_bytes(), [0; 8]].concat(), 0).unwrap();
    }

    /// How often it was asked and not right since it was put.
    pub fn answers(&self) -> u64 {
        self.number(1)
    }

    /// Bytes of the heap that were in use a moment ago, where the host was started with
    /// `DATASERVER_TEST_HEAP`.
    pub fn heap(&self) -> u64 {
        self.number(2)
    }

    fn number(&self, place: u64) -> u64 {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, 8 * place).unwrap();
        u64::from_ne_bytes(bytes)
    }
}

/// The library that is preloaded, compiled once a process.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let library = build_dir().join("clock.so");
        // under another name first, for tests of another process
        let new = build_dir().join(format!("clock-{}.so", std::process::id()));
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-pthread", "-o"])
            .arg(&new)
            .arg(repository().join("tests/harness/clock.c"))
            .args(["-ldl"])
            .output()
            .unwrap_or_else(|error| panic!("cannot run cc: {error}; run `make packages-test`"));
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        fs::rename(&new, &library).unwrap();
        library
    })
}
