//! `redis-server`.

use std::process::Command;

use super::{Server, server_port};

/// Attempts to find ports that nobody else takes before the server does.
const ATTEMPTS: usize = 10;

/// A running Redis that writes every command to disk before it answers.
pub struct Redis {
    server: Server,
    port: u16,
    password: String,
}

impl Redis {
    /// Starts one; the settings are further lines of its configuration, e.g. `maxmemory 4mb`.
    ///
    /// With `requirepass` the password is used by [`Redis::cli`] and stands in [`Redis::url`].
    pub fn start(settings: &[&str]) -> Self {
        let password = settings.iter().find_map(|line| line.strip_prefix("requirepass "));
        let password = password.unwrap_or_default().trim().to_owned();
        for _ in 0..ATTEMPTS {
            let (port, bus) = (server_port(), server_port());
            let mut server = Server::new("/usr/bin/redis-server");
            let text = format!(
                "bind 127.0.0.1\nport {port}\ncluster-port {bus}\ndir {}\nlogfile server.log\n\
                 save \"\"\nappendonly yes\nappendfsync always\n{}\n",
                server.folder.path().display(),
                settings.join("\n")
            );
            std::fs::write(server.path("redis.conf"), text).unwrap();
            server.arguments = vec!["redis.conf".to_owned()];
            if server.launch(|pid| ready(port, &password, pid)) {
                return Self { server, port, password };
            }
            let log = server.log();
            assert!(log.contains("in use"), "redis-server ended:\n{log}");
        }
        panic!("no free port for redis-server");
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `redis://127.0.0.1:PORT`, with the password where there is one.
    pub fn url(&self) -> String {
        let user = if self.password.is_empty() { "" } else { &format!(":{}@", self.password) };
        format!("redis://{user}127.0.0.1:{}", self.port)
    }

    /// What `redis-cli` prints for a command; errors of the server are text too.
    pub fn cli(&self, arguments: &[&str]) -> String {
        cli(self.port, &self.password, arguments)
    }

    /// Its number among the system's processes; nothing while it is down.
    pub fn pid(&self) -> Option<u32> {
        self.server.pid()
    }

    /// Sends a signal: STOP, CONT, TERM, or KILL, after which it is gone.
    pub fn signal(&mut self, signal: &str) {
        self.server.signal(signal);
    }

    /// Kills it if it still runs, and starts it again in the same folder and on the same port.
    #[track_caller]
    pub fn restart(&mut self) {
        let (port, password) = (self.port, self.password.clone());
        self.server.relaunch(|pid| ready(port, &password, pid));
    }

    /// What it logged since its last start.
    pub fn log(&self) -> String {
        self.server.log()
    }
}

/// Whether the process of that id answers on that port, and not another server.
fn ready(port: u16, password: &str, pid: u32) -> bool {
    cli(port, password, &["ping"]) == "PONG"
        && cli(port, password, &["info", "server"])
            .lines()
            .any(|line| line.trim() == format!("process_id:{pid}"))
}

/// Runs `redis-cli`.
pub(super) fn cli(port: u16, password: &str, arguments: &[&str]) -> String {
    let mut command = Command::new("redis-cli");
    command.args(["-h", "127.0.0.1", "-p", &port.to_string()]).args(arguments);
    if !password.is_empty() {
        command.env("REDISCLI_AUTH", password);
    }
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("cannot run redis-cli: {error}; run `make packages-test`"));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}
