//! A host with servers, networks and a disk of its own.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Instant,
};

use harness::{Bench, ClickHouse, DAYS, Host, Proxy, Random, Redis, SmallDisk, python, sample};

use super::{fault::Server, pipeline};

/// Everything that a run needs; the host goes first and the disk before its folder.
pub struct World {
    host: Option<Host>,
    to_clickhouse: Proxy,
    to_redis: Proxy,
    /// The server.
    pub clickhouse: ClickHouse,
    /// The server.
    pub redis: Redis,
    /// The disk with spools, checkpoints and lake, where one can be mounted.
    pub disk: Option<SmallDisk>,
    bench: Bench,
    pipeline: String,
    started: Instant,
    journal: String,
}

impl World {
    /// Starts servers and host; options that change nothing about the result are random.
    pub fn start(random: &mut Random) -> Self {
        let bench = Bench::with_links(&["clickhouse", "parquet", "redis-stream", "replay"]);
        let disk = SmallDisk::mount(bench.path("disk"), "128m");
        let (clickhouse, redis) = (ClickHouse::start(), Redis::start(&[]));
        let to_clickhouse = Proxy::start(clickhouse.http_port());
        let to_redis = Proxy::start(redis.port());
        let pipeline = pipeline::text(to_clickhouse.port(), to_redis.port(), random);
        let mut world = Self {
            host: None,
            to_clickhouse,
            to_redis,
            clickhouse,
            redis,
            disk,
            bench,
            pipeline,
            started: Instant::now(),
            journal: String::new(),
        };
        world.start_host();
        world
    }

    /// Folder of the lake.
    pub fn lake(&self) -> PathBuf {
        self.bench.path("disk/lake")
    }

    /// The file of the lake that was written first.
    pub fn first_file_of_lake(&self) -> PathBuf {
        let days = entries(&self.lake().join("kind=spot"));
        let files = entries(&days[0]);
        files.into_iter().find(|it| it.extension().is_some_and(|it| it == "parquet")).unwrap()
    }

    /// Whether the host ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.host.as_mut().is_some_and(Host::has_ended)
    }

    /// Starts the host. A replay that had ended would begin again, so it gets nothing to play then.
    pub fn start_host(&mut self) {
        let position = self.bench.read("disk/data/state/day/position.json");
        let finished = position.contains("\"finished\":true");
        if finished {
            self.note("all was confirmed before the host went");
        }
        let input = if finished { self.nothing() } else { joined().to_owned() };
        self.bench.pipeline(&self.pipeline.replace("INPUT", &input.display().to_string()));
        self.host = Some(self.bench.start());
    }

    /// Ends the host with that signal.
    pub fn stop_host(&mut self, signal: &str) {
        if let Some(host) = self.host.take() {
            host.signal(signal);
            let run = host.wait();
            let _ = writeln!(self.journal, "{}", run.stderr);
            assert!(!run.stderr.contains("thread '"), "it panicked:\n{}", self.journal);
        }
    }

    /// Waits until the host has delivered all and ends by itself.
    pub fn finish(&mut self) {
        self.note("waiting for the end");
        let run = self.host.take().unwrap().wait();
        let _ = writeln!(self.journal, "{}", run.stderr);
        assert_eq!(run.code, 0, "{}", self.journal);
    }

    /// Sends a signal to a server.
    pub fn signal(&mut self, server: Server, signal: &str) {
        match server {
            Server::ClickHouse => self.clickhouse.signal(signal),
            Server::Redis => self.redis.signal(signal),
        }
    }

    /// Sends a signal to the host, which goes on.
    pub fn signal_host(&self, signal: &str) {
        self.host.iter().for_each(|host| host.signal(signal));
    }

    /// Has Redis do something.
    pub fn tell_redis(&self, command: &[&str]) {
        assert_eq!(self.redis.cli(command), "OK", "{command:?}");
    }

    /// Starts a server again.
    pub fn restart(&mut self, server: Server) {
        match server {
            Server::ClickHouse => self.clickhouse.restart(),
            Server::Redis => self.redis.restart(),
        }
    }

    /// What lies between the host and a server.
    pub fn network(&self, server: Server) -> &Proxy {
        match server {
            Server::ClickHouse => &self.to_clickhouse,
            Server::Redis => &self.to_redis,
        }
    }

    /// Leaves so many bytes free.
    pub fn fill_disk(&self, leave: u64) {
        self.disk.iter().for_each(|disk| disk.fill(leave));
    }

    /// Gives the disk its room back.
    pub fn free_disk(&self) {
        self.disk.iter().for_each(SmallDisk::free);
    }

    /// Takes a random number of bytes off the end of every spool's newest segment, while the host is
    /// down.
    pub fn tear_spools(&mut self, random: &mut Random) {
        for spool in entries(&self.bench.path("disk/data/spool")) {
            let segments = entries(&spool);
            let segments =
                segments.iter().filter(|it| it.extension().is_some_and(|it| it == "seg"));
            let Some(newest) = segments.max() else { continue };
            let length = fs::metadata(newest).unwrap().len();
            // often within the last batches, sometimes anywhere
            let most = random.pick(&[200, 5_000, u64::MAX]).min(length);
            let cut = random.between(0, most);
            let file = fs::OpenOptions::new().write(true).open(newest).unwrap();
            file.set_len(length - cut).unwrap();
            // a power cut may leave the length and take what was written there
            let zeroes = random.between(0, 2) == 0;
            if zeroes {
                file.set_len(length).unwrap();
            }
            let left = if zeroes { "zeroed in" } else { "cut off" };
            self.note(&format!("{cut} of {length} bytes {left} {}", newest.display()));
        }
    }

    /// Notes what happens, for whoever looks for the cause of a failure.
    pub fn note(&mut self, text: &str) {
        let now = self.started.elapsed().as_millis();
        let line = format!("--- {now} ms: {text}");
        eprintln!("{line}");
        let _ = writeln!(self.journal, "{line}");
    }

    /// What happened, and what the hosts logged.
    pub fn journal(&self) -> &str {
        &self.journal
    }

    /// A file without a quote.
    fn nothing(&self) -> PathBuf {
        let text = fs::read_to_string(joined()).unwrap();
        self.bench.write("nothing.csv", text.lines().next().unwrap())
    }
}

/// What is in a folder, sorted by name.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let found = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<_> = found.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Of every so many moments of the recorded days one is played.
const EVERY: &str = "3";

/// All recorded days in one file; made once, because every start of a host compares its date.
pub fn joined() -> &'static Path {
    static JOINED: OnceLock<PathBuf> = OnceLock::new();
    JOINED.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        fs::create_dir_all(folder).unwrap();
        let joined = folder.join(format!("joined-{EVERY}.csv"));
        if !joined.exists() {
            // under another name first, for tests of another process
            let new = folder.join(format!("joined-{}", std::process::id()));
            let days = DAYS.map(|day| sample(day.file).display().to_string());
            let mut arguments = vec![new.to_str().unwrap(), EVERY];
            arguments.extend(days.iter().map(String::as_str));
            python("delivery_input.py", &arguments).finish();
            fs::rename(&new, &joined).unwrap();
        }
        joined
    })
}
