//! What the `hikyuu-server` sink can be told.

use std::{path::PathBuf, sync::Arc, time};

use kit::{Faults, Texts, count, endpoints};
use plugin_api::{ByteSize, Context, Duration, PluginError, options};
use sp::{Address, tls};

const DAY: time::Duration = time::Duration::from_secs(86_400);
/// Longest `keep`, days.
const MOST_DAYS: u64 = 366;
/// Smallest `max_memory`, bytes.
const LEAST_MEMORY: ByteSize = ByteSize(16 << 20);
/// Smallest `max_request` and `transfer_memory`, bytes: a request for every listed share.
const LEAST_TRANSFER: ByteSize = ByteSize(1 << 20);
/// Largest `max_request`, bytes.
const MOST_REQUEST: ByteSize = ByteSize(1 << 30);
/// Shortest time after which a client counts as stalled.
const SHORTEST_STALL: Duration = Duration(time::Duration::from_millis(100));
/// Longest, so that the end of the host does not wait for ever.
const LONGEST_STALL: Duration = Duration(time::Duration::from_secs(600));
/// Most clients that can be allowed; each costs a thread.
const MOST_CLIENTS: usize = 16_384;
/// Most answers that can be made at a time.
const MOST_THREADS: usize = 1_024;

options! {
    /// Options of the `hikyuu-server` sink.
    #[serde(default)]
    pub struct Options {
        /// Address to listen on, or a list of them: `tcp://127.0.0.1:9201`, `tcp://*:9201` (every
        /// IPv4 address), `tcp://[::]:9201` (IPv6 and IPv4), `tcp4://…`, `tcp6://…`,
        /// `ipc:///path` or `unix:///path` (a socket file), `abstract://name`; `tls+tcp://*:9201` in
        /// TLS, with `tls`. Port 0 picks a free one, which the log names. Default
        /// `tcp://127.0.0.1:9201`.
        pub listen: Texts,
        /// Certificates for the addresses that begin with `tls+tcp://`, e.g. `{ cert = "server.pem",
        /// key = "server.key" }`. Hikyuu's own client speaks no TLS. Default: none.
        pub tls: Option<tls::ServerFiles>,
        /// Answers that are made at a time, 1 to 1024; 0: as many as there are processors.
        /// Default 0.
        pub threads: usize,
        /// How many days of ticks, and of bars within a day, are kept: `1d` to `366d`. Days without
        /// records do not count. Of bars of days and longer the last 1024 are kept. Default `1d`.
        pub keep: Duration,
        /// Keep ticks, for the `tick` query. Without them it is answered with an error.
        /// Default true.
        pub ticks: bool,
        /// Memory that what is kept may take; the oldest days go first, then the oldest ticks of the
        /// last, which the log says. A day of 5,500 securities with a quote every 3 seconds, 50 bytes
        /// each, takes about 1.5GiB with its bars. At least 16MiB. Default 2GiB.
        pub max_memory: ByteSize,
        /// Write what is kept into `data_dir` at the end, and read it at the next start.
        /// Default true.
        pub remember: bool,
        /// A lake of the `parquet` sink (its `path`) from which the last `keep` days are read at
        /// the start, e.g. after a crash. Default: none.
        pub warm_start: Option<PathBuf>,
        /// Largest request; a larger one is answered with an error. Up to four of that size are read
        /// at a time, more wait. 1MiB to 1GiB. Default 16MiB.
        pub max_request: ByteSize,
        /// Memory that answers under way may take together; more wait for their turn, and one that is
        /// larger is refused. At least 1MiB. Default 512MiB.
        pub transfer_memory: ByteSize,
        /// Most clients at a time, 1 to 16384, and no more than half the files that the process may
        /// have open. Of more, the one that has been idle longest gives way. Default 1024.
        pub max_clients: usize,
        /// Disconnect a client that asks nothing for so long: 100ms to 1d; 0s for never. NNG's own
        /// clients connect again by themselves. Default 60s.
        pub idle_timeout: Duration,
        /// Disconnect a client that takes nothing of its answer, or sends nothing more of its
        /// request, for so long, or that is slower than 1MiB a second beyond it. 100ms to 10m.
        /// Default 10s, as long as Hikyuu waits.
        pub stall_timeout: Duration,
        /// Permissions of socket files, in octal; who may write may ask. Default 0660: the host's
        /// user and group.
        pub ipc_mode: String,
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: "tcp://127.0.0.1:9201".into(),
            tls: None,
            threads: 0,
            keep: Duration(DAY),
            ticks: true,
            max_memory: ByteSize(2 << 30),
            remember: true,
            warm_start: None,
            max_request: ByteSize(16 << 20),
            transfer_memory: ByteSize(512 << 20),
            max_clients: 1_024,
            idle_timeout: Duration(time::Duration::from_secs(60)),
            stall_timeout: Duration(time::Duration::from_secs(10)),
            ipc_mode: "0660".to_owned(),
        }
    }
}

/// The options, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen; at least one address, none twice.
    pub listen: Vec<Address>,
    /// Certificates for those with TLS.
    pub tls: Option<Arc<tls::Server>>,
    /// Answers that are made at a time, at least one.
    pub threads: usize,
    /// Days that are kept, at least one.
    pub keep_days: usize,
    /// Whether ticks are kept.
    pub ticks: bool,
    /// Memory that what is kept may take, bytes.
    pub max_memory: usize,
    /// Whether what is kept outlives a restart.
    pub remember: bool,
    /// Lake to start from.
    pub warm_start: Option<PathBuf>,
    /// Largest request, bytes.
    pub max_request: usize,
    /// Memory of requests and answers under way, bytes.
    pub transfer_memory: usize,
    /// Most clients.
    pub max_clients: usize,
    /// Longest time between two requests of a client.
    pub idle_timeout: Option<time::Duration>,
    /// Longest time without progress of a client within a message.
    pub stall_timeout: time::Duration,
    /// Permissions of socket files.
    pub ipc_mode: u32,
}

impl Settings {
    /// Checks the options.
    ///
    /// # Errors
    /// `Config` that names every fault.
    pub fn new(options: &Options, context: &Context) -> Result<Self, PluginError> {
        let mut faults = Faults::default();
        let (texts, files) = (options.listen.as_slice(), options.tls.as_ref());
        let example = "tcp://127.0.0.1:9201";
        let (listen, tls) = endpoints::listen(texts, files, example, context, &mut faults);
        let days = options.keep.as_secs() / DAY.as_secs();
        if *options.keep != DAY * u32::try_from(days).unwrap_or(0)
            || !(1..=MOST_DAYS).contains(&days)
        {
            faults
                .push(format!("keep is {}; use whole days from 1d to {MOST_DAYS}d", options.keep));
        }
        faults.at_most("max_request", options.max_request, MOST_REQUEST, "use at most");
        let sizes = [
            ("max_memory", options.max_memory, LEAST_MEMORY),
            ("max_request", options.max_request, LEAST_TRANSFER),
            ("transfer_memory", options.transfer_memory, LEAST_TRANSFER),
        ];
        for (name, given, least) in sizes {
            faults.at_least(name, given, least, "use at least");
        }
        let stall = options.stall_timeout;
        faults.within("stall_timeout", stall, SHORTEST_STALL..=LONGEST_STALL, "use");
        let idle = options.idle_timeout;
        if !idle.is_zero() && !(SHORTEST_STALL..=Duration(DAY)).contains(&idle) {
            faults.push(format!("idle_timeout is {idle}; use 100ms to 1d, or 0s for never"));
        }
        let (clients, threads) = (options.max_clients, options.threads);
        faults.within("max_clients", clients, 1..=MOST_CLIENTS, "use");
        faults.at_most("threads", threads, MOST_THREADS, "use at most");
        let ipc_mode = endpoints::ipc_mode(&options.ipc_mode, &mut faults);
        faults.check()?;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            listen,
            tls,
            threads: if threads == 0 { processors } else { threads },
            keep_days: usize::try_from(days).unwrap_or(1),
            ticks: options.ticks,
            max_memory: count::bytes(options.max_memory),
            remember: options.remember,
            warm_start: options.warm_start.as_deref().map(|path| context.resolve(path)),
            max_request: count::bytes(options.max_request),
            transfer_memory: count::bytes(options.transfer_memory),
            max_clients: clients,
            idle_timeout: (!idle.is_zero()).then_some(*idle),
            stall_timeout: *stall,
            ipc_mode,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Arc};

    use plugin_api::{ErrorKind, serde_json::json, testing};

    use super::*;

    fn settings(options: plugin_api::serde_json::Value) -> Result<Settings, PluginError> {
        let context = testing::context(&Arc::default(), Path::new("/base"));
        Settings::new(&testing::options(options)?, &context)
    }

    #[test]
    fn one_address_or_several_are_listened_at() {
        let shown = |options| {
            let settings = settings(options).unwrap();
            settings.listen.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(shown(json!({})), ["tcp://127.0.0.1:9201"]);
        assert_eq!(shown(json!({ "listen": "tcp://*:1" })), ["tcp://0.0.0.0:1"]);
        assert_eq!(
            shown(json!({ "listen": ["tcp://*:1", "ipc://a"] })),
            ["tcp://0.0.0.0:1", "ipc:///base/a"]
        );
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let error = settings(json!({
            "listen": ["tcp://127.0.0.1", "ipc://a", "unix:///base/a"],
            "threads": 2000,
            "keep": "36h",
            "max_memory": "1KiB",
            "max_request": "1KiB",
            "transfer_memory": "2KiB",
            "max_clients": 0,
            "stall_timeout": "0s",
            "idle_timeout": "1ms",
            "tls": { "cert": "absent.pem", "key": "absent.key" },
            "ipc_mode": "rw",
        }))
        .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Config);
        let expected = [
            "\"tcp://127.0.0.1\"",
            "\"unix:///base/a\" twice",
            "threads is 2000",
            "keep is 36h",
            "max_memory is 1KiB",
            "max_request is 1KiB",
            "transfer_memory is 2KiB",
            "max_clients is 0",
            "stall_timeout is 0ms",
            "idle_timeout is 1ms",
            "`tls.cert` /base/absent.pem cannot be read",
            "\"rw\"",
        ];
        for text in expected {
            assert!(error.message.contains(text), "{text} is missing in: {error}");
        }
        for keep in ["0s", "367d"] {
            assert!(settings(json!({ "keep": keep })).is_err(), "{keep}");
        }
        assert_eq!(settings(json!({ "keep": "7d" })).unwrap().keep_days, 7);
        assert!(settings(json!({ "listen": [] })).is_err());
    }
}
