//! Runs the real Hikyuu under a clock of its own and tells it what to do.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, OnceLock,
        mpsc::{Receiver, RecvTimeoutError, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use harness::{Need, fixture, skip};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longest wait for one answer, and for a process to end.
const DEADLINE: Duration = Duration::from_secs(120);
/// What root.sh ends with where the folder cannot be made.
const UNAVAILABLE: i32 = 75;
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/// Every type of bars that Hikyuu keeps by the rules of its agent.
pub const TYPES: [&str; 7] = ["DAY", "MIN", "MIN5", "MIN15", "MIN30", "MIN60", "HOUR2"];

/// The real Hikyuu: where it is installed and the data it starts with.
#[derive(Debug, Clone)]
pub struct Hikyuu {
    root: PathBuf,
    fixture: PathBuf,
}

impl Hikyuu {
    /// Finds it, or makes it at the first call. `None` where that cannot be done, which is told.
    pub fn find() -> Option<&'static Self> {
        static FOUND: OnceLock<Option<Hikyuu>> = OnceLock::new();
        let found = FOUND.get_or_init(Self::make);
        if found.is_none() {
            skip(Need::Hikyuu, "the real Hikyuu cannot run here");
        }
        found.as_ref()
    }

    fn make() -> Option<Self> {
        let fixture = fixture("hikyuu")?;
        let caches = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache");
        let root = caches.unwrap_or_else(home).join("dataserver/hikyuu");
        let made = Command::new(script("root.sh")).arg(&root).output().unwrap();
        let stderr = String::from_utf8_lossy(&made.stderr);
        match made.status.code() {
            Some(0) => Some(Self { root, fixture: fixture.canonicalize().unwrap() }),
            Some(UNAVAILABLE) => {
                skip(Need::Hikyuu, stderr.trim_end());
                None
            }
            code => panic!("root.sh ended with {code:?}: {stderr}"),
        }
    }

    /// Starts it at that moment of the exchange's clock with those types of bars in memory, and with
    /// securities added that the data of 2011 does not know.
    pub fn start(&self, moment: &str, types: &[&str], added: &[&str]) -> Session {
        self.start_with(moment, types, added, &[], |_| {})
    }

    /// The same with folders to share and a home that `prepare` fills.
    pub fn start_with(
        &self,
        moment: &str,
        types: &[&str],
        added: &[&str],
        shared: &[&Path],
        prepare: impl FnOnce(&Path),
    ) -> Session {
        let home = tempfile::tempdir().unwrap();
        prepare(home.path());
        let mut command = self.command(home.path(), Some(moment), shared);
        command.arg("/venv/bin/python").arg("/mnt/scripts/client.py");
        command.args([json!(types).to_string(), json!(added).to_string()]);
        let mut session = Session::spawn(command, home);
        assert_eq!(session.answer(), json!("ready"));
        session
    }

    /// Starts publish.py.
    pub fn publisher(&self, address: &str) -> Session {
        let home = tempfile::tempdir().unwrap();
        let mut command = self.command(home.path(), None, &[]);
        command.args(["/venv/bin/python", "/mnt/scripts/publish.py", address]);
        let mut session = Session::spawn(command, home);
        assert_eq!(session.answer(), json!("ready"));
        session
    }

    /// What expected.py computes of a recorded day.
    pub fn expected(&self, recorded: &Path) -> Value {
        let home = tempfile::tempdir().unwrap();
        let readers = harness::repository().join("tests/python").canonicalize().unwrap();
        let samples = recorded.parent().unwrap().canonicalize().unwrap();
        let mut command = self.command(home.path(), None, &[&readers, &samples]);
        command.arg(format!("PYTHONPATH={}", readers.display()));
        command.args(["/venv/bin/python", "/mnt/scripts/expected.py"]);
        let output = command.arg(samples.join(recorded.file_name().unwrap())).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// A path within its folder, seen from outside.
    pub fn inside(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// A command within the folder, at that moment or by the machine's clock.
    pub fn command(&self, home: &Path, moment: Option<&str>, shared: &[&Path]) -> Command {
        let mut command = Command::new(script("enter.sh"));
        let folders = [&[home, self.fixture.as_path()], shared].concat();
        let folders: Vec<_> = folders.iter().map(|folder| folder.to_str().unwrap()).collect();
        command.env("SHARED", folders.join(":"));
        command.arg(&self.root).args(["env", "-i", "PATH=/usr/bin:/bin", "TZ=CST-8"]);
        command.args(["PYTHONDONTWRITEBYTECODE=1", "PYTHONPATH=/mnt/scripts"]);
        command.arg(format!("HOME={}", home.display()));
        command.arg(format!("FIXTURE={}", self.fixture.display()));
        if let Some(moment) = moment {
            // timers keep the machine's clock, only dates are of another day
            command.args(["DONT_FAKE_MONOTONIC=1", &format!("FAKETIME=@{moment}")]);
            command.arg(format!("LD_PRELOAD={FAKETIME}"));
        }
        command
    }
}

fn script(name: &str) -> PathBuf {
    harness::repository().join("tests/hikyuu").join(name)
}

/// A running Hikyuu; killed when dropped.
pub struct Session {
    child: Child,
    stdin: Option<ChildStdin>,
    answers: Receiver<String>,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    _home: TempDir,
}

impl Session {
    /// Starts a script that answers one line of JSON for each it reads.
    pub fn spawn(mut command: Command, home: TempDir) -> Self {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let (sender, answers) = sync_channel(64);
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let log = Arc::<Mutex<String>>::default();
        let mut stderr = child.stderr.take().unwrap();
        let kept = Arc::clone(&log);
        let reader = thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = stderr.read(&mut bytes) {
                *kept.lock().unwrap() += &String::from_utf8_lossy(&bytes[..read]);
            }
        });
        let reader = Some(reader);
        Self { stdin: child.stdin.take(), child, answers, log, reader, _home: home }
    }

    /// Gives a command, e.g. `["agent", "tcp://…"]`, and returns its answer.
    #[track_caller]
    pub fn ask(&mut self, command: Value) -> Value {
        self.tell(command);
        self.answer()
    }

    /// Gives a command whose answer is fetched later.
    pub fn tell(&mut self, command: Value) {
        let stdin = self.stdin.as_mut().unwrap();
        // a process that has ended shows when its answer is missing
        let _ = writeln!(stdin, "{command}").and_then(|()| stdin.flush());
    }

    /// The next answer.
    #[track_caller]
    pub fn answer(&mut self) -> Value {
        match self.answers.recv_timeout(DEADLINE) {
            Ok(line) => serde_json::from_str(&line).unwrap(),
            Err(RecvTimeoutError::Timeout) => panic!("it does not answer:\n{}", self.log()),
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.child.wait().unwrap();
                panic!("it ended with {status}:\n{}", self.log());
            }
        }
    }

    /// Asks again and again until the answer is as wanted.
    #[track_caller]
    pub fn ask_until(&mut self, command: &Value, is_wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let answer = self.ask(command.clone());
            if is_wanted(&answer) {
                return answer;
            }
            let log = self.log();
            assert!(Instant::now() < deadline, "{command} still gives {answer}\n{log}");
            thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until it has logged that.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str) {
        self.wait_for_log_times(text, 1);
    }

    /// Waits until it has logged that so many times.
    #[track_caller]
    pub fn wait_for_log_times(&self, text: &str, times: usize) {
        let deadline = Instant::now() + DEADLINE;
        while self.log().matches(text).count() < times {
            assert!(Instant::now() < deadline, "waited for {text:?}, got\n{}", self.log());
            thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Presses Ctrl-C: enter.sh has become the process itself.
    pub fn interrupt(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait_for_end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.log());
            thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Ends its input, upon which it ends; panics unless it succeeded. Returns its log.
    #[track_caller]
    pub fn finish(self) -> String {
        let (code, log) = self.end();
        assert_eq!(code, 0, "{log}");
        log
    }

    /// Ends its input and waits for its end; returns its exit code, -1 after a signal, and its log.
    #[track_caller]
    pub fn end(mut self) -> (i32, String) {
        self.stdin = None;
        let status = self.wait_for_end();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        (status.code().unwrap_or(-1), self.log())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
