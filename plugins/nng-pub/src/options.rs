//! What the `nng-pub` sink can be told.

use std::{sync::Arc, time};

use kit::{Faults, count, endpoints};
use plugin_api::{ByteSize, Context, Duration, PluginError, options};
use sp::{Address, tls};

/// Smallest queue of a subscriber, in bytes: room for a round of a few hundred quotes.
const SMALLEST_SEND_BUFFER: ByteSize = ByteSize(64 << 10);
/// Shortest time after which a subscriber counts as stalled.
const SHORTEST_STALL: Duration = Duration(time::Duration::from_millis(100));
/// Most subscribers that can be allowed; each costs two threads.
const MOST_SUBSCRIBERS: usize = 4096;
/// How long a new connection may take to say what it is.
const HANDSHAKE_TIMEOUT: time::Duration = time::Duration::from_secs(5);
/// Longest wait for subscribers within one call; the host reports calls of 30 seconds as stuck.
const SUBSCRIBERS_TIMEOUT: time::Duration = time::Duration::from_secs(20);

options! {
    /// Options of the `nng-pub` sink.
    #[serde(default)]
    pub struct Options {
        /// Addresses to listen on: `tcp://127.0.0.1:9200`, `tcp://*:9200` (every IPv4 address),
        /// `tcp://[::]:9200` (IPv6 and IPv4), `tcp4://…`, `tcp6://…`, `ipc:///path` or
        /// `unix:///path` (a socket file), `abstract://name`; `tls+tcp://*:9200` in TLS, with `tls`.
        /// Port 0 picks a free one, which the log names. Default: `ipc:///tmp/hikyuu_real.ipc` and
        /// `tcp://127.0.0.1:9200`.
        pub listen: Vec<String>,
        /// Certificates for the addresses that begin with `tls+tcp://`, e.g. `{ cert = "server.pem",
        /// key = "server.key" }`. Default: none.
        pub tls: Option<tls::ServerFiles>,
        /// First bytes of every message, by which subscribers choose. Hikyuu wants the default,
        /// `:spot:`.
        pub topic: String,
        /// Hold the first batch until so many subscribers are there; meant for replays that must
        /// not begin without their reader. A wait of more than 20s shows as a retry, with the
        /// pauses of `retry.backoff`. Default 0: do not wait.
        pub wait_subscribers: usize,
        /// Bound of each subscriber's queue. At least 64KiB. Default 64MiB.
        pub send_buffer: ByteSize,
        /// Most messages a second to each subscriber, after a burst of 100; 0 does not spread them.
        /// NNG subscribers keep 128 messages (8192 at most) and silently drop what comes faster
        /// than they read, as it does from a replay at full speed. Default 10000.
        pub max_rate: u32,
        /// What happens when a subscriber's queue is full: `drop` the rest of the round for it
        /// alone, or `wait` for it and so slow the pipeline down. Default `drop`.
        pub slow_subscriber: SlowSubscriber,
        /// Disconnect a subscriber that takes nothing for so long while its queue is not empty. At
        /// least 100ms. Default 10s.
        pub stall_timeout: Duration,
        /// How long a flush or the end of the sink waits for the queues to empty. Default 30s.
        pub drain_timeout: Duration,
        /// Most subscribers at a time, 1 to 4096, and no more than half the files that the process may
        /// have open; more are refused. Default 64.
        pub max_subscribers: usize,
        /// Permissions of socket files, in octal; who may write may subscribe. Default 0660: the
        /// host's user and group.
        pub ipc_mode: String,
    }
}

options! {
    /// What happens when a subscriber's queue is full.
    pub enum SlowSubscriber {
        /// It loses the rest of the round and goes on with a later one; nobody waits.
        Drop,
        /// Everybody waits for it, until it counts as stalled.
        Wait,
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: ["ipc:///tmp/hikyuu_real.ipc", "tcp://127.0.0.1:9200"]
                .map(str::to_owned)
                .into(),
            tls: None,
            topic: ":spot:".to_owned(),
            wait_subscribers: 0,
            send_buffer: ByteSize(64 << 20),
            max_rate: 10_000,
            slow_subscriber: SlowSubscriber::Drop,
            stall_timeout: Duration(time::Duration::from_secs(10)),
            drain_timeout: Duration(time::Duration::from_secs(30)),
            max_subscribers: 64,
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
    /// First bytes of every message.
    pub topic: String,
    /// Subscribers that the first batch waits for.
    pub wait_subscribers: usize,
    /// Bound of a subscriber's queue, bytes.
    pub send_buffer: usize,
    /// Most messages a second to a subscriber; 0 for no limit.
    pub max_rate: u32,
    /// What happens when a queue is full.
    pub slow_subscriber: SlowSubscriber,
    /// Longest time without progress of a subscriber.
    pub stall_timeout: time::Duration,
    /// Longest wait for the queues to empty.
    pub drain_timeout: time::Duration,
    /// Most subscribers.
    pub max_subscribers: usize,
    /// Permissions of socket files.
    pub ipc_mode: u32,
    /// Longest handshake.
    pub handshake_timeout: time::Duration,
    /// Longest wait for subscribers within one call.
    pub subscribers_timeout: time::Duration,
}

impl Settings {
    /// Checks the options.
    ///
    /// # Errors
    /// `Config` that names every fault.
    pub fn new(options: &Options, context: &Context) -> Result<Self, PluginError> {
        let mut faults = Faults::default();
        let (example, files) = ("tcp://127.0.0.1:9200", options.tls.as_ref());
        let (listen, tls) =
            endpoints::listen(&options.listen, files, example, context, &mut faults);
        endpoints::check_topic(&options.topic, &mut faults);
        let (buffer, stall) = (options.send_buffer, options.stall_timeout);
        faults.at_least("send_buffer", buffer, SMALLEST_SEND_BUFFER, "use at least");
        faults.at_least("stall_timeout", stall, SHORTEST_STALL, "use at least");
        let most = options.max_subscribers;
        faults.within("max_subscribers", most, 1..=MOST_SUBSCRIBERS, "use");
        if options.wait_subscribers > most {
            faults.push(format!(
                "wait_subscribers is {} but max_subscribers is {most}, so the first batch would \
                 wait for ever; raise max_subscribers",
                options.wait_subscribers
            ));
        }
        let ipc_mode = endpoints::ipc_mode(&options.ipc_mode, &mut faults);
        faults.check()?;
        Ok(Self {
            listen,
            tls,
            topic: options.topic.clone(),
            wait_subscribers: options.wait_subscribers,
            send_buffer: count::bytes(options.send_buffer),
            max_rate: options.max_rate,
            slow_subscriber: options.slow_subscriber,
            stall_timeout: *stall,
            drain_timeout: *options.drain_timeout,
            max_subscribers: most,
            ipc_mode,
            handshake_timeout: HANDSHAKE_TIMEOUT,
            subscribers_timeout: SUBSCRIBERS_TIMEOUT,
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
    fn defaults_are_hikyuus_addresses() {
        let settings = settings(json!({})).unwrap();
        let listen: Vec<_> = settings.listen.iter().map(ToString::to_string).collect();
        assert_eq!(listen, ["ipc:///tmp/hikyuu_real.ipc", "tcp://127.0.0.1:9200"]);
        assert_eq!((settings.topic.as_str(), settings.send_buffer), (":spot:", 64 << 20));
        assert_eq!(settings.ipc_mode, 0o660);
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let error = settings(json!({
            "listen": ["tcp://127.0.0.1", "ws://x:1", "ipc://a", "unix:///base/a", "tls+tcp://:1"],
            "tls": { "cert": "absent.pem", "key": "absent.key" },
            "topic": "x".repeat(256),
            "send_buffer": "1KiB",
            "stall_timeout": "0s",
            "max_subscribers": 0,
            "wait_subscribers": 1,
            "ipc_mode": "rw",
        }))
        .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Config);
        let expected = [
            "\"tcp://127.0.0.1\"",
            "ws://x:1",
            "\"unix:///base/a\" twice",
            "`tls.cert` /base/absent.pem cannot be read",
            "topic",
            "1KiB",
            "stall_timeout is 0ms",
            "max_subscribers is 0",
            "wait_subscribers is 1",
            "\"rw\"",
        ];
        for text in expected {
            assert!(error.message.contains(text), "{text} is missing in: {error}");
        }
        assert!(settings(json!({ "listen": [] })).is_err());
        let error = settings(json!({ "listen": ["tls+tcp://:1"] })).unwrap_err();
        assert!(error.message.contains("tls+tcp://0.0.0.0:1 needs certificates"), "{error}");
        let files = json!({ "cert": "a", "key": "b" });
        let error = settings(json!({ "listen": ["tcp://:1"], "tls": files })).unwrap_err();
        assert!(error.message.contains("no address of `listen` begins with tls+tcp"), "{error}");
        assert!(settings(json!({ "listen": ["tcp://:0", "tcp://:0"] })).is_ok(), "two free ports");
    }
}
