//! Hosts with servers, networks and a disk of their own.

use std::{
    fmt::Write,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use harness::{Bench, ClickHouse, Proxy, Random, Redis, SmallDisk};

use super::{
    MOMENT,
    fault::{Server, Which},
    pipeline,
    site::{Site, entries},
};

/// Longest wait for the second host to have all that the first one wrote.
const DEADLINE: Duration = Duration::from_secs(120);

/// Everything that a run needs; the hosts go first and the disk before its folder.
pub struct World {
    /// The first host, and where there is one, the second.
    sites: Vec<Site>,
    /// Streams that the second host reads.
    reads: &'static [&'static str],
    to_clickhouse: Proxy,
    to_redis: Proxy,
    /// The server.
    pub clickhouse: ClickHouse,
    /// The server.
    pub redis: Redis,
    /// The disk with spools, checkpoints and lakes, where one can be mounted.
    pub disk: Option<SmallDisk>,
    bench: Bench,
    started: Instant,
    journal: String,
}

impl World {
    /// Starts servers and a host, and maybe another that reads what the first one writes to Redis.
    ///
    /// Options that change nothing about the result are random.
    pub fn start(random: &mut Random, with_second: bool) -> Self {
        let bench = Bench::with_links(&["clickhouse", "parquet", "redis-stream", "replay"]);
        let disk = SmallDisk::mount(bench.path("disk"), "128m");
        let (clickhouse, redis) = (ClickHouse::start(), Redis::start(&[]));
        let to_clickhouse = Proxy::start(clickhouse.http_port());
        let to_redis = Proxy::start(redis.port());
        let ports = (to_clickhouse.port(), to_redis.port());
        let mut sites = vec![Site::new(Which::First, pipeline::first(ports, random))];
        let reads = random.pick(&[&pipeline::FIELDS[..], &pipeline::LISTS]);
        if with_second {
            sites.push(Site::new(Which::Second, pipeline::second(ports, reads, random)));
        }
        sites.iter_mut().for_each(|site| site.start(&bench));
        let (started, journal) = (Instant::now(), String::new());
        Self {
            sites,
            reads,
            to_clickhouse,
            to_redis,
            clickhouse,
            redis,
            disk,
            bench,
            started,
            journal,
        }
    }

    /// Whether there is that host.
    pub fn has(&self, which: Which) -> bool {
        self.sites.len() > which as usize
    }

    /// Whether a host's source makes the same batches again after a restart. Entries of one record
    /// each are joined as they come, and come one by one again.
    pub fn repeats_batches(&self, which: Which) -> bool {
        which == Which::First || self.reads == pipeline::LISTS
    }

    /// Folder of a host's lake.
    pub fn lake(&self, which: Which) -> PathBuf {
        self.bench.path("disk").join(pipeline::lake(which))
    }

    /// The file of the first host's lake that was written first.
    pub fn first_file_of_lake(&self) -> PathBuf {
        let days = entries(&self.lake(Which::First).join("kind=spot"));
        let files = entries(&days[0]);
        files.into_iter().find(|it| it.extension().is_some_and(|it| it == "parquet")).unwrap()
    }

    /// Whether the first host ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.sites[0].has_ended()
    }

    /// Starts a host.
    pub fn start_host(&mut self, which: Which) {
        self.sites[which as usize].start(&self.bench);
    }

    /// Ends a host with that signal.
    pub fn stop_host(&mut self, which: Which, signal: &str) {
        let code = self.sites[which as usize].stop(signal);
        self.note(&format!("the {which} host ended with {code}"));
    }

    /// Sends a signal to a host, which goes on.
    pub fn signal_host(&self, which: Which, signal: &str) {
        self.sites[which as usize].signal(signal);
    }

    /// Damages the spools of a host that is down.
    pub fn tear_spools(&mut self, which: Which, random: &mut Random) {
        let told = self.sites[which as usize].tear_spools(&self.bench, random);
        self.note(&format!("torn:{told}"));
    }

    /// Waits until the first host has delivered all and ended by itself, and the second one has
    /// acknowledged all that it wrote to Redis.
    pub fn finish(&mut self) {
        self.note("waiting for the end");
        let code = self.sites[0].wait();
        assert_eq!(code, 0, "{}", self.journal());
        self.note("the first host has ended");
        if self.has(Which::Second) {
            let deadline = Instant::now() + DEADLINE;
            while !self.reads.iter().all(|stream| self.is_acknowledged(stream)) {
                if Instant::now() > deadline {
                    self.sites[1].stop("TERM");
                    panic!("the second host does not get all:\n{}", self.journal());
                }
                thread::park_timeout(MOMENT * 10);
            }
            let code = self.sites[1].stop("TERM");
            assert_eq!(code, 0, "{}", self.journal());
            self.note("the second host has ended");
        }
    }

    /// Whether the second host's group has acknowledged every entry of a stream.
    fn is_acknowledged(&self, stream: &str) -> bool {
        let printed = self.redis.cli(&["xinfo", "groups", stream]);
        let lines: Vec<&str> = printed.lines().collect();
        let is_zero = |name: &str| lines.windows(2).any(|pair| pair == [name, "0"]);
        is_zero("pending") && is_zero("lag")
    }

    /// Sends a signal to a server.
    pub fn signal(&mut self, server: Server, signal: &str) {
        match server {
            Server::ClickHouse => self.clickhouse.signal(signal),
            Server::Redis => self.redis.signal(signal),
        }
    }

    /// Starts a server again.
    pub fn restart(&mut self, server: Server) {
        match server {
            Server::ClickHouse => self.clickhouse.restart(),
            Server::Redis => self.redis.restart(),
        }
    }

    /// Has Redis do something.
    pub fn tell_redis(&self, command: &[&str]) {
        assert_eq!(self.redis.cli(command), "OK", "{command:?}");
    }

    /// What lies between the hosts and a server.
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

    /// Notes what happens, for whoever looks for the cause of a failure.
    pub fn note(&mut self, text: &str) {
        let line = format!("--- {} ms: {text}", self.started.elapsed().as_millis());
        eprintln!("{line}");
        let _ = writeln!(self.journal, "{line}");
    }

    /// What happened, and what the hosts logged.
    pub fn journal(&self) -> String {
        let logs: String = self.sites.iter().map(|site| site.log.as_str()).collect();
        format!("{}{logs}", self.journal)
    }
}
