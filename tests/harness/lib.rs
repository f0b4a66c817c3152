//! Runs the real program with real plugins in folders of its own.
//!
//! Everything is found beside the running test: `make test` builds the workspace first.

// a test that cannot get what it needs must fail loudly
#![allow(clippy::unwrap_used)]

mod browser;
mod clock;
mod days;
mod disk;
mod joined;
pub mod kernel;
mod process;
mod proxy;
mod python;
mod random;
mod servers;
mod waiting;

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

pub use browser::Browser;
pub use clock::HostClock;
pub use days::{DAYS, Day};
pub use disk::SmallDisk;
pub use fixtures::{Need, are_complete, fixture, seed, skip};
pub use joined::{History, LateHost};
pub use process::{Host, Run};
pub use proxy::Proxy;
pub use python::{Python, python, python_package, python_plugin};
pub use random::Random;
pub use servers::{
    ClickHouse, ClickHouseCluster, KlineRows, KlineServer, QuoteDay, QuoteFault, QuoteServer,
    Redis, RedisCluster, Served,
};
pub use waiting::wait_until;

/// The repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Where the build put programs and libraries: two folders above the running test.
pub fn build_dir() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().to_owned()
}

/// The program under test.
pub fn program() -> PathBuf {
    built("dataserver")
}

/// The library of a plugin.
pub fn plugin(id: &str) -> PathBuf {
    built(&format!("libdataserver_{}.so", id.replace('-', "_")))
}

/// The component of a plugin.
pub fn wasm_plugin(id: &str) -> PathBuf {
    let target = build_dir().parent().unwrap().join("wasm32-wasip2/release");
    let path = target.join(format!("dataserver_{}.wasm", id.replace('-', "_")));
    assert!(path.exists(), "{} is missing; `make wasm` builds it first", path.display());
    path
}

fn built(name: &str) -> PathBuf {
    let path = build_dir().join(name);
    assert!(path.exists(), "{} is missing; `make test` builds it first", path.display());
    path
}

/// A port that nothing listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// One of the recorded days in config/samples.
pub fn sample(name: &str) -> PathBuf {
    let path = repository().join("config/samples").join(name);
    assert!(path.exists(), "{}", path.display());
    path
}

/// A folder with plugins and a pipeline file, removed at the end.
pub struct Bench {
    folder: TempDir,
}

impl Bench {
    /// A folder with those plugins.
    pub fn new(plugins: &[&str]) -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(bench.path("plugins")).unwrap();
        for id in plugins {
            bench.install(id, &format!("lib{id}.so"));
        }
        bench
    }

    /// A folder with links to those plugins: large libraries need no copy for each of many runs.
    pub fn with_links(plugins: &[&str]) -> Self {
        let bench = Self::new(&[]);
        for id in plugins {
            let link = bench.path("plugins").join(format!("lib{id}.so"));
            std::os::unix::fs::symlink(plugin(id), link).unwrap();
        }
        bench
    }

    /// Puts a plugin's library into the plugin folder under that file name.
    pub fn install(&self, id: &str, file: &str) {
        fs::copy(plugin(id), self.path("plugins").join(file)).unwrap();
    }

    /// Puts a Python plugin of the tests into the plugin folder.
    pub fn install_python(&self, name: &str) {
        let file = self.path("plugins").join(format!("{name}.py"));
        fs::copy(python_plugin(name), file).unwrap();
    }

    /// Puts a plugin's component into the plugin folder.
    pub fn install_wasm(&self, id: &str) {
        fs::copy(wasm_plugin(id), self.path("plugins").join(format!("{id}.wasm"))).unwrap();
    }

    /// A path within the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file into the folder.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Writes pipeline.toml.
    pub fn pipeline(&self, text: &str) -> &Self {
        self.write("pipeline.toml", text);
        self
    }

    /// The text of a file in the folder.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Sequence numbers that the `faulty` sink wrote to a file.
    pub fn sequences(&self, name: &str) -> Vec<u64> {
        self.read(name).lines().map(|line| line.parse().unwrap()).collect()
    }

    /// Runs `dataserver` with those arguments in the folder, to its end.
    pub fn run(&self, arguments: &[&str]) -> Run {
        Host::start(self.folder.path(), arguments).wait()
    }

    /// Runs `dataserver` with those arguments in a folder of the folder.
    pub fn run_in(&self, name: &str, arguments: &[&str]) -> Run {
        Host::start(&self.path(name), arguments).wait()
    }

    /// Starts `dataserver` with those arguments in the folder.
    pub fn spawn(&self, arguments: &[&str]) -> Host {
        Host::start(self.folder.path(), arguments)
    }

    /// Starts `dataserver run` in a folder of the folder.
    pub fn start_in(&self, name: &str) -> Host {
        Host::start(&self.path(name), &["run"])
    }

    /// Starts `dataserver run` in a folder of the folder, with more in its environment.
    pub fn start_with(&self, name: &str, environment: &[(&str, PathBuf)]) -> Host {
        Host::start_with(&self.path(name), &["run"], environment)
    }

    /// Starts `dataserver run` in the folder.
    pub fn start(&self) -> Host {
        Host::start(self.folder.path(), &["run"])
    }
}
