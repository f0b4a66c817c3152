//! `clickhouse-server`, as old as Debian's 18.16.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
};

use super::{DEADLINE, Server, server_port};

/// Attempts to find ports that nobody else takes before the server does.
const ATTEMPTS: usize = 10;

/// Users: `default` without a password, `writer` with the password `secret`, `reader` with the
/// password `secret` who may change nothing.
const USERS: &str = r#"<yandex>
  <profiles>
    <default><max_memory_usage>2000000000</max_memory_usage></default>
    <readonly><readonly>1</readonly></readonly>
  </profiles>
  <quotas><default></default></quotas>
  <users>
    <default><password></password>
      <networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default>
    <writer><password>secret</password>
      <networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></writer>
    <reader><password>secret</password>
      <networks><ip>127.0.0.1</ip></networks><profile>readonly</profile><quota>default</quota></reader>
  </users>
</yandex>
"#;

/// A running ClickHouse.
pub struct ClickHouse {
    server: Server,
    http: u16,
    tcp: u16,
}

impl ClickHouse {
    /// Starts one.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// Starts one that besides speaks TLS on that port, with certificate and key from files in PEM.
    pub fn start_with_tls(port: u16, certificate: &Path, key: &Path) -> Self {
        Self::start_with(&format!(
            "<https_port>{port}</https_port><openSSL><server>
    <certificateFile>{}</certificateFile><privateKeyFile>{}</privateKeyFile>
    <verificationMode>none</verificationMode><loadDefaultCAFile>false</loadDefaultCAFile>
  </server></openSSL>",
            certificate.display(),
            key.display()
        ))
    }

    /// Starts one with more in its configuration.
    fn start_with(more: &str) -> Self {
        let started = (0..ATTEMPTS).find_map(|_| Self::start_at(server_port(), more));
        started.expect("no free ports for clickhouse-server")
    }

    /// Starts one whose port for other servers is that; nothing when somebody has one of its ports.
    pub(super) fn start_at(tcp: u16, more: &str) -> Option<Self> {
        let http = server_port();
        let mut server = Server::new("/usr/sbin/clickhouse-server");
        fs::write(server.path("config.xml"), config(&server, http, tcp, more)).unwrap();
        fs::write(server.path("users.xml"), USERS).unwrap();
        server.arguments = vec!["--config-file=config.xml".to_owned()];
        let log = server.path("server.log");
        if server.launch(|_| ready(&log, http)) {
            return Some(Self { server, http, tcp });
        }
        let log = server.log();
        assert!(log.contains("already in use"), "clickhouse-server ended:\n{log}");
        None
    }

    /// `http://127.0.0.1:PORT`.
    pub fn http_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.http)
    }

    /// The port of its HTTP interface.
    pub fn http_port(&self) -> u16 {
        self.http
    }

    /// The port that `clickhouse-client` speaks to.
    pub fn tcp_port(&self) -> u16 {
        self.tcp
    }

    /// The answer to a statement of the user `default`; panics with the server's text when it
    /// refuses it.
    #[track_caller]
    pub fn query(&self, sql: &str) -> String {
        self.try_query(sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The answer to a statement.
    ///
    /// # Errors
    ///
    /// The server's text when it refuses the statement or is away.
    pub fn try_query(&self, sql: &str) -> Result<String, String> {
        request(self.http, sql).map_err(|error| error.to_string())?
    }

    /// Whether the user `writer` gets in with that password; nothing while the server is down.
    pub fn lets_writer_in(&self, password: &str) -> Option<bool> {
        let target = format!("/?user=writer&password={password}");
        Some(request_to(self.http, &target, "SELECT 1").ok()?.is_ok())
    }

    /// Gives `writer` another password, which holds from the next start.
    pub fn change_password(&self, password: &str) {
        let users = USERS.replacen(">secret<", &format!(">{password}<"), 1);
        fs::write(self.server.path("users.xml"), users).unwrap();
    }

    /// Its number among the system's processes; nothing while it is down.
    pub fn pid(&self) -> Option<u32> {
        self.server.pid()
    }

    /// Sends a signal: STOP, CONT, TERM, or KILL, after which it is gone.
    pub fn signal(&mut self, signal: &str) {
        self.server.signal(signal);
    }

    /// Kills it if it still runs, and starts it again in the same folder and on the same ports.
    #[track_caller]
    pub fn restart(&mut self) {
        // an old line must not be taken for one of the new process
        let log = self.server.path("server.log");
        self.server.kill();
        let _ = fs::remove_file(&log);
        let http = self.http;
        self.server.relaunch(|_| ready(&log, http));
    }

    /// What it logged since its last start.
    pub fn log(&self) -> String {
        self.server.log()
    }
}

fn config(server: &Server, http: u16, tcp: u16, more: &str) -> String {
    let (interserver, folder) = (server_port(), server.folder.path().display());
    format!(
        "<yandex>
  <logger><level>information</level><log>{folder}/server.log</log>
    <errorlog>{folder}/error.log</errorlog><size>100M</size><count>1</count></logger>
  <listen_host>127.0.0.1</listen_host>
  <http_port>{http}</http_port><tcp_port>{tcp}</tcp_port>
  <interserver_http_host>127.0.0.1</interserver_http_host>
  <interserver_http_port>{interserver}</interserver_http_port>
  <path>{folder}/data/</path><tmp_path>{folder}/tmp/</tmp_path>
  <users_config>users.xml</users_config>
  <default_profile>default</default_profile><default_database>default</default_database>
  <timezone>UTC</timezone>
  <mark_cache_size>67108864</mark_cache_size>
  {more}
</yandex>
"
    )
}

/// Whether the server that writes this log listens and answers.
fn ready(log: &Path, port: u16) -> bool {
    let log = fs::read_to_string(log).unwrap_or_default();
    log.contains("Ready for connections") && matches!(request(port, "SELECT 1"), Ok(Ok(_)))
}

/// Sends a statement. HTTP/1.0, because the answer is not cut into chunks then.
fn request(port: u16, sql: &str) -> std::io::Result<Result<String, String>> {
    request_to(port, "/", sql)
}

fn request_to(port: u16, target: &str, sql: &str) -> std::io::Result<Result<String, String>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(DEADLINE))?;
    write!(stream, "POST {target} HTTP/1.0\r\ncontent-length: {}\r\n\r\n{sql}", sql.len())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let fine = head.split_whitespace().nth(1) == Some("200");
    Ok(if fine { Ok(body.to_owned()) } else { Err(body.trim().to_owned()) })
}
