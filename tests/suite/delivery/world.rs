//! Hosts with servers, networks and a disk of their own.

use std::{
    collections::BTreeMap,
    fmt::Write,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use harness::{Bench, ClickHouse, Proxy, Random, SmallDisk, kernel};

use super::{
    MOMENT, damage,
    fault::{Server, Which},
    keys::Keys,
    making::wait,
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
    /// The server.
    pub clickhouse: ClickHouse,
    /// Redis, alone or as a cluster.
    pub keys: Keys,
    /// By store, symbol and time of the records that damage may have cost it.
    may_lack: BTreeMap<String, Vec<(String, i64)>>,
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
    pub fn start(random: &mut Random, with_second: bool, with_cluster: bool) -> Self {
        let bench = Bench::with_links(&["clickhouse", "parquet", "redis-stream", "replay"]);
        let disk = SmallDisk::mount(bench.path("disk"), "128m");
        let (clickhouse, keys) = (ClickHouse::start(), Keys::start(with_cluster));
        let to_clickhouse = Proxy::start(clickhouse.http_port());
        let port = to_clickhouse.port();
        let mut sites = vec![Site::new(Which::First, pipeline::first(port, &keys, random), &bench)];
        let reads = random.pick(&[&pipeline::FIELDS[..], &pipeline::LISTS]);
        if with_second {
            let pipeline = pipeline::second(port, &keys, reads, random);
            sites.push(Site::new(Which::Second, pipeline, &bench));
        }
        sites.iter_mut().for_each(|site| site.start(&bench));
        Self {
            sites,
            reads,
            to_clickhouse,
            clickhouse,
            keys,
            may_lack: BTreeMap::new(),
            disk,
            bench,
            started: Instant::now(),
            journal: String::new(),
        }
    }

    /// A host, which must be there.
    pub fn site(&mut self, which: Which) -> &mut Site {
        &mut self.sites[which as usize]
    }

    /// The clock of a host, which must be there.
    pub fn clock(&self, which: Which) -> &harness::HostClock {
        &self.sites[which as usize].clock
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

    /// Ends a host with that signal. Gives its exit code, -1 for the signal.
    pub fn stop_host(&mut self, which: Which, signal: &str) -> i32 {
        let code = self.sites[which as usize].stop(signal);
        self.note(&format!("the {which} host ended with {code}"));
        code
    }

    /// Takes the ends of the spools of a host that is down; false when there was nothing.
    pub fn tear_spools(&mut self, which: Which, random: &mut Random) -> bool {
        let told = self.sites[which as usize].tear_spools(&self.bench, random);
        self.note(&format!("torn:{told}"));
        !told.is_empty()
    }

    /// Damages the spools of a host that is down within; false when there was nothing.
    pub fn damage_spools(&mut self, which: Which, random: &mut Random) -> bool {
        let spools = self.sites[which as usize].data(&self.bench).join("spool");
        let damaged = damage::damage(&spools, random);
        let told: String = damaged.iter().map(|it| it.told.as_str()).collect();
        self.note(&format!("damaged:{told}"));
        for it in &damaged {
            let store = pipeline::store(which, &it.sink);
            self.may_lack.entry(store).or_default().extend(it.records.iter().cloned());
        }
        !damaged.is_empty()
    }

    /// Kills a process that a host has just started; false when it starts none.
    pub fn kill_child(&mut self, which: Which) -> bool {
        let site = &mut self.sites[which as usize];
        let mut child = None;
        wait(|| {
            child = site.pid().and_then(|pid| kernel::children(pid).first().copied());
            child.is_some() || site.runs_pipeline() || !site.is_running()
        });
        let is_killed = child.is_some_and(kernel::kill);
        // what it was for may be needed: then the host ends and says so, and is started again
        wait(|| site.runs_pipeline() || !site.is_running());
        if !site.is_running() {
            let code = site.wait();
            self.note(&format!("the {which} host ended with {code} without its child"));
            self.start_host(which);
        }
        is_killed
    }

    /// Lets a host open no file more than it has; false when it is gone.
    pub fn fill_file_table(&mut self, which: Which) -> bool {
        self.sites[which as usize].fill_file_table()
    }

    /// Lets it open files again.
    pub fn free_file_table(&mut self, which: Which) {
        self.sites[which as usize].free_file_table();
    }

    /// Whether every host has inserted into its table.
    pub fn has_filled_tables(&self) -> bool {
        self.sites.iter().all(|site| {
            let table = pipeline::table(site.which());
            let count = self.clickhouse.try_query(&format!("SELECT count() > 0 FROM {table}"));
            count.is_ok_and(|count| count.trim() == "1")
        })
    }

    /// By store, records that damage may have cost it; what a stream lacks, its reader lacks, too.
    pub fn may_lack_by_store(&self) -> BTreeMap<String, Vec<(String, i64)>> {
        let mut all = self.may_lack.clone();
        let read = if self.reads == pipeline::LISTS { "lists" } else { "fields" };
        let of_stream = all.get(&pipeline::store(Which::First, read)).cloned().unwrap_or_default();
        for sink in ["lake", "table"] {
            let store = pipeline::store(Which::Second, sink);
            all.entry(store).or_default().extend(of_stream.iter().cloned());
        }
        all
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
        let printed = self.keys.cli(&["xinfo", "groups", stream]);
        let lines: Vec<&str> = printed.lines().collect();
        let is_zero = |name: &str| lines.windows(2).any(|pair| pair == [name, "0"]);
        is_zero("pending") && is_zero("lag")
    }

    /// A server's number among the system's processes; nothing while it is down.
    pub fn pid(&mut self, server: Server) -> Option<u32> {
        match server {
            Server::ClickHouse => self.clickhouse.pid(),
            Server::Redis => self.keys.one().pid(),
        }
    }

    /// Sends a signal to a server.
    pub fn signal(&mut self, server: Server, signal: &str) {
        match server {
            Server::ClickHouse => self.clickhouse.signal(signal),
            Server::Redis => self.keys.one().signal(signal),
        }
    }

    /// Starts a server again.
    pub fn restart(&mut self, server: Server) {
        match server {
            Server::ClickHouse => self.clickhouse.restart(),
            Server::Redis => self.keys.one().restart(),
        }
    }

    /// Has Redis do something.
    pub fn tell_redis(&self, command: &[&str]) {
        assert_eq!(self.keys.cli(command), "OK", "{command:?}");
    }

    /// What lies between the hosts and a server.
    pub fn network(&self, server: Server) -> &Proxy {
        match server {
            Server::ClickHouse => &self.to_clickhouse,
            Server::Redis => self.keys.network(),
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
