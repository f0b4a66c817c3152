//! Hosts that come to know the securities of a recorded day in the middle of it, and join it to history.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::{Bench, DAYS, Day, Host, HostClock, Run, free_port, python, sample};

/// Four securities of Shenzhen, 2022-06-01.
const DAY: Day = DAYS[2];
/// 16:00 of that day in Shanghai, seconds since 1970.
const EVENING: i64 = 1_654_070_400;
const DEADLINE: Duration = Duration::from_secs(60);

/// A folder with a lake of the minutes of 2022-06-01, which is the history.
pub struct History(Bench);

/// A host on the evening of that day by its clock, which has seen a part of each security.
pub struct LateHost {
    bench: Bench,
    host: Host,
    clock: HostClock,
    address: String,
    /// What it has seen.
    file: PathBuf,
}

impl History {
    /// Makes the bars of the whole day.
    pub fn new() -> Self {
        let bench = Bench::with_links(&["replay", "bars", "parquet"]);
        bench.pipeline(&format!(
            "{}\n[transforms.bars]\nplugin = \"bars\"\ninputs = [\"day\"]\nperiods = [\"1m\"]\n\
             updates = false\n\
             [sinks.lake]\nplugin = \"parquet\"\ninputs = [\"bars\"]\npath = \"lake\"\n",
            DAY.source()
        ));
        bench.run(&["run"]).assert(0, &[]);
        Self(bench)
    }

    /// Starts hosts that see of the four securities what came from these moments on, as `10:31:07`, and
    /// make bars of these periods; returns when they have joined it to history.
    pub fn join(&self, moments: &[[String; 4]], periods: &str) -> Vec<LateHost> {
        #[allow(clippy::disallowed_methods)] // what the hosts' clocks are off by
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let mut ahead = EVENING - i64::try_from(now.as_secs()).unwrap();
        let start = |moments: &[String; 4]| LateHost::start(moments, periods, self, ahead);
        let hosts: Vec<_> = moments.iter().map(start).collect();
        let deadline = Instant::now() + DEADLINE;
        // securities are asked for when no other has come for some seconds
        while !hosts.iter().all(|late| late.host.log().contains("history is joined")) {
            assert!(Instant::now() < deadline, "{}", hosts[0].host.log());
            ahead += 2;
            hosts.iter().for_each(|late| late.clock.put(ahead));
            thread::park_timeout(Duration::from_millis(100));
        }
        hosts
    }
}

impl Default for History {
    fn default() -> Self {
        Self::new()
    }
}

impl LateHost {
    fn start(moments: &[String; 4], periods: &str, history: &History, ahead: i64) -> Self {
        let recorded = sample(DAY.file).display().to_string();
        let arguments: Vec<_> = [&recorded].into_iter().chain(moments).collect();
        let arguments: Vec<_> = arguments.into_iter().map(String::as_str).collect();
        let file = PathBuf::from(python("late_day.py", &arguments).finish().trim());
        let bench = Bench::with_links(&["replay", "bars", "parquet", "hikyuu-server"]);
        let address = format!("tcp://127.0.0.1:{}", free_port());
        // keeps the transform up, and makes no bar
        bench.write(
            "waiting.csv",
            "symbol,time,close\n600000.SH,2022-06-01 08:00:00,1\n600000.SH,2022-06-01 08:04:00,1\n",
        );
        bench.pipeline(&format!(
            "[host]\nhttp = \"127.0.0.1:{}\"\nwatch = false\n{}\n\
             [sources.waiting]\nplugin = \"replay\"\npath = \"waiting.csv\"\n\
             [sources.past]\nplugin = \"parquet\"\npath = \"{}\"\n\
             [transforms.bars]\nplugin = \"bars\"\ninputs = [\"day\", \"waiting\"]\n\
             periods = [{periods}]\nhistory = \"past\"\n\
             [sinks.lake]\nplugin = \"parquet\"\ninputs = [\"bars\"]\npath = \"lake\"\n\
             [sinks.server]\nplugin = \"hikyuu-server\"\ninputs = [\"bars\"]\nlisten = \"{address}\"\n",
            free_port(),
            DAY.source_of(&file.display().to_string()),
            history.0.path("lake").display(),
        ));
        let clock = HostClock::new(&bench.path("clock"));
        clock.put(ahead);
        let host = bench.start_with("", &clock.environment());
        Self { bench, host, clock, address, file }
    }

    /// Where its `hikyuu-server` answers.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its lake.
    pub fn lake(&self) -> PathBuf {
        self.bench.path("lake")
    }

    /// Ends it; what it wrote stays for whoever holds the folder.
    pub fn end(self) -> (Run, Bench) {
        self.host.signal("TERM");
        remove(&self.file);
        (self.host.wait(), self.bench)
    }
}

/// Removes a file that is alone in its folder, with that.
fn remove(file: &Path) {
    fs::remove_dir_all(file.parent().unwrap()).unwrap();
}
