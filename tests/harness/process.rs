//! A running `dataserver`.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use crate::servers::send_signal;

/// Longest wait for anything that must happen.
const DEADLINE: Duration = Duration::from_secs(60);

/// How a run ended.
#[derive(Debug)]
pub struct Run {
    /// The exit code; -1 after a signal.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it logged.
    pub stderr: String,
    /// How long it ran.
    pub elapsed: Duration,
}

impl Run {
    /// Asserts exit code and texts in stderr or stdout.
    #[track_caller]
    pub fn assert(&self, code: i32, texts: &[&str]) -> &Self {
        assert_eq!(self.code, code, "\n{}\n{}", self.stdout, self.stderr);
        for text in texts {
            let found = self.stderr.contains(text) || self.stdout.contains(text);
            assert!(found, "missing {text:?} in\n{}\n{}", self.stdout, self.stderr);
        }
        assert!(!self.stderr.contains("thread '"), "it panicked:\n{}", self.stderr);
        self
    }

    /// A cell of the summary table: the column of that component.
    #[track_caller]
    pub fn summary(&self, component: &str, column: &str) -> u64 {
        let cells = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let header = self.stderr.lines().find(|line| line.trim_start().starts_with("component"));
        let place = cells(header.unwrap()).iter().position(|name| name == column).unwrap();
        let row = self
            .stderr
            .lines()
            .find(|line| line.trim_start().starts_with(&format!("{component} (")));
        // `id (kind)` are two cells
        cells(row.unwrap_or_else(|| panic!("no {component} in\n{}", self.stderr)))[place + 1]
            .parse()
            .unwrap()
    }
}

/// A running `dataserver`; killed when dropped.
pub struct Host {
    child: Child,
    started: Instant,
    stdout: Stream,
    stderr: Stream,
}

/// What a process wrote so far, with a bell for more.
struct Stream {
    text: Arc<(Mutex<(String, bool)>, Condvar)>,
}

impl Stream {
    fn read(source: impl Read + Send + 'static) -> Self {
        let text = Arc::new((Mutex::new((String::new(), false)), Condvar::new()));
        let shared = Arc::clone(&text);
        thread::spawn(move || {
            let mut lines = BufReader::new(source);
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                shared.0.lock().unwrap().0 += &String::from_utf8_lossy(&line);
                shared.1.notify_all();
                line.clear();
            }
            shared.0.lock().unwrap().1 = true;
            shared.1.notify_all();
        });
        Self { text }
    }

    /// Waits for a text; panics with all that came when it does not come.
    #[track_caller]
    fn wait_for(&self, wanted: &str) -> String {
        let guard = self.text.0.lock().unwrap();
        let (guard, _) = self
            .text
            .1
            .wait_timeout_while(guard, DEADLINE, |(text, ended)| !text.contains(wanted) && !*ended)
            .unwrap();
        assert!(guard.0.contains(wanted), "waited for {wanted:?}, got\n{}", guard.0);
        guard.0.clone()
    }

    fn so_far(&self) -> String {
        self.text.0.lock().unwrap().0.clone()
    }

    fn all(&self) -> String {
        let guard = self.text.0.lock().unwrap();
        let (guard, _) =
            self.text.1.wait_timeout_while(guard, DEADLINE, |(_, ended)| !*ended).unwrap();
        guard.0.clone()
    }
}

impl Host {
    pub(crate) fn start(folder: &Path, arguments: &[&str]) -> Self {
        Self::start_with(folder, arguments, &[])
    }

    pub(crate) fn start_with(
        folder: &Path,
        arguments: &[&str],
        environment: &[(&str, PathBuf)],
    ) -> Self {
        let mut child = Command::new(crate::program())
            .args(arguments)
            .current_dir(folder)
            // whoever runs the tests may use Hikyuu
            .env("HOME", folder)
            .env_remove("RUST_LOG")
            .env_remove("DATASERVER_CONFIG")
            .env("DATASERVER_PYTHONPATH", crate::python_package())
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = Stream::read(child.stdout.take().unwrap());
        let stderr = Stream::read(child.stderr.take().unwrap());
        Self { child, started: Instant::now(), stdout, stderr }
    }

    /// Its number among the system's processes.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a text in its log.
    #[track_caller]
    pub fn wait_for(&self, text: &str) -> String {
        self.stderr.wait_for(text)
    }

    /// Waits for a text that it prints.
    #[track_caller]
    pub fn wait_for_output(&self, text: &str) -> String {
        self.stdout.wait_for(text)
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        self.stderr.so_far()
    }

    /// Sends a signal: TERM, INT, KILL, STOP, CONT, HUP.
    pub fn signal(&self, signal: &str) {
        send_signal(self.child.id(), signal);
    }

    /// Whether it ended, by itself or by a signal.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(mut self) -> Run {
        let deadline = Instant::now() + DEADLINE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                let _ = self.child.kill();
                panic!("it does not end:\n{}", self.stderr.all());
            }
            thread::park_timeout(Duration::from_millis(5));
        };
        Run {
            code: status.code().unwrap_or(-1),
            stdout: self.stdout.all(),
            stderr: self.stderr.all(),
            elapsed: self.started.elapsed(),
        }
    }

    /// Largest memory that it ever held, in bytes.
    pub fn peak_memory(&self) -> u64 {
        self.memory_of("VmHWM:")
    }

    /// Memory that it holds, in bytes.
    pub fn memory(&self) -> u64 {
        self.memory_of("VmRSS:")
    }

    fn memory_of(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Asks the host to reload; status and report.
    pub fn reload(&self, port: u16) -> (u16, serde_json::Value) {
        let (code, body) = self.ask(port, "POST", "/api/reload", "");
        (code, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{code} {body}")))
    }

    /// Status and body of a control request, e.g. `/health`.
    pub fn get(&self, port: u16, path: &str, headers: &str) -> (u16, String) {
        self.ask(port, "GET", path, headers)
    }

    fn ask(&self, port: u16, method: &str, path: &str, headers: &str) -> (u16, String) {
        let ending = "connection: close\r\ncontent-length: 0\r\n";
        self.send(
            port,
            &format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n{ending}{headers}\r\n"),
        )
    }

    /// Status and body of what a control request answers that is sent as it is written.
    pub fn send(&self, port: u16, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let code = head.split_whitespace().nth(1).unwrap().parse().unwrap();
        (code, body.to_owned())
    }

    /// What the system tells of the process, e.g. the lines of `status`.
    pub fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap_or_default()
    }

    /// Threads that it has.
    pub fn threads(&self) -> usize {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("Threads:"));
        line.and_then(|threads| threads.trim().parse().ok()).unwrap_or_default()
    }

    /// Asks a control request again and again until its answer contains that text.
    #[track_caller]
    pub fn wait_for_answer(&self, port: u16, path: &str, text: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            // until the host listens, nobody answers
            let listens = TcpStream::connect(("127.0.0.1", port)).is_ok();
            let body = if listens { self.get(port, path, "").1 } else { String::new() };
            if body.contains(text) {
                return body;
            }
            assert!(Instant::now() < deadline, "waited for {text:?}, got\n{body}");
            thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// A value of `/metrics`: the line that starts with that name and holds those labels.
    #[track_caller]
    pub fn metric(&self, port: u16, name: &str, labels: &str) -> f64 {
        let (_, text) = self.get(port, "/metrics", "");
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{name}{{")) && line.contains(labels));
        line.map_or(0.0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
