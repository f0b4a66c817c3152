//! A real Redis on a socket file, so that no port is needed.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use kit::testing::wait_until;
use redis::{Cmd, FromRedisValue};
use tempfile::TempDir;

/// A running Redis; killed when dropped.
pub struct Server {
    folder: TempDir,
    child: Child,
}

impl Server {
    /// Starts one with further arguments.
    pub fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--unixsocket", "redis.sock", "--save", ""]);
        command.args(["--appendonly", "yes", "--appendfsync", "always"]).args(arguments);
        command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().expect("redis-server; `make packages-test` installs it");
        let server = Self { folder, child };
        wait_until("redis-server answers", || server.connect().is_some());
        server
    }

    /// Kills it.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// What `url` says.
    pub fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn connect(&self) -> Option<redis::Connection> {
        let client = redis::Client::open(self.url()).ok()?;
        let mut connection = client.get_connection().ok()?;
        redis::cmd("PING").query::<String>(&mut connection).ok()?;
        Some(connection)
    }

    /// The answer to a command given as words.
    #[track_caller]
    pub fn ask<T: FromRedisValue>(&self, words: &str) -> T {
        let mut words = words.split_whitespace();
        let mut command = redis::cmd(words.next().unwrap());
        words.for_each(|word| {
            command.arg(word);
        });
        self.run(&command)
    }

    /// The answer to a command.
    #[track_caller]
    pub fn run<T: FromRedisValue>(&self, command: &Cmd) -> T {
        command.query(&mut self.connect().unwrap()).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
