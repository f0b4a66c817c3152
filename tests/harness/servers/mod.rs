//! Real servers, each in a folder of its own and on ports that no parallel test takes.

mod clickhouse;
mod clickhouse_cluster;
mod kline;
mod quotes;
mod redis;
mod redis_cluster;

use std::{
    fs::File,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use tempfile::TempDir;

pub use clickhouse::ClickHouse;
pub use clickhouse_cluster::ClickHouseCluster;
pub use kline::{KlineRows, KlineServer};
pub use quotes::{QuoteDay, QuoteFault, QuoteServer, Served};
pub use redis::Redis;
pub use redis_cluster::RedisCluster;

use crate::waiting::comes_true;

/// Longest wait for a server to answer.
const DEADLINE: Duration = Duration::from_secs(60);

/// Ports for listeners that come back on the same port, a different one each time. They lie below
/// those that the system gives to outgoing connections, so that none of these takes the port of a
/// server that is away for a moment.
pub(crate) fn server_port() -> u16 {
    const FIRST: u16 = 12_000;
    const COUNT: u16 = 20_000;
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    // test processes that run side by side begin at places of their own
    let begin = u16::try_from(std::process::id().wrapping_mul(7_919) % u32::from(COUNT)).unwrap();
    loop {
        let next = TAKEN.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (begin + next) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Sends a signal to a process that this test started.
pub(crate) fn send_signal(pid: u32, signal: &str) {
    let sent = Command::new("kill").args(["-s", signal, &pid.to_string()]).status().unwrap();
    assert!(sent.success(), "cannot send {signal} to {pid}");
}

/// A server's folder and its process; killed and waited for when dropped.
struct Server {
    folder: TempDir,
    program: &'static str,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl Server {
    /// A folder for a server that has not started yet. Debian's place is tried before the PATH, where
    /// `/usr/sbin` may be missing.
    fn new(debian: &'static str) -> Self {
        let program = if Path::new(debian).exists() {
            debian
        } else {
            debian.rsplit('/').next().unwrap_or(debian)
        };
        Self { folder: tempfile::tempdir().unwrap(), program, arguments: Vec::new(), child: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the program and waits until it is ready; false when it ended instead, which it does
    /// when somebody else has its port.
    fn launch(&mut self, ready: impl Fn(u32) -> bool) -> bool {
        let output = File::create(self.path("output")).unwrap();
        let mut child = Command::new(self.program)
            .args(&self.arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("cannot start {}: {error}; run `make packages-test`", self.program)
            });
        let mut ended = false;
        let pid = child.id();
        let answered = comes_true(|| {
            ended = child.try_wait().unwrap().is_some();
            ended || ready(pid)
        });
        self.child = Some(child);
        assert!(answered, "{} does not get ready:\n{}", self.program, self.log());
        !ended
    }

    /// Starts it again where it was; waits for whoever has its port for the moment.
    #[track_caller]
    fn relaunch(&mut self, ready: impl Fn(u32) -> bool) {
        self.kill();
        let back = comes_true(|| self.launch(&ready));
        assert!(back, "{} does not come back:\n{}", self.program, self.log());
    }

    /// Its number among the system's processes; nothing while it is down.
    fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    fn signal(&mut self, signal: &str) {
        let pid = self.pid();
        match signal {
            // its port is free when this returns
            "KILL" => self.kill(),
            _ => send_signal(pid.unwrap(), signal),
        }
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// What it printed and logged.
    fn log(&self) -> String {
        let read = |path: &Path| std::fs::read(path).unwrap_or_default();
        ["output", "server.log"]
            .map(|name| String::from_utf8_lossy(&read(&self.path(name))).into_owned())
            .join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
