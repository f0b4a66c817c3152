//! What the `nng-sub` source can be told.

use std::{ops::RangeInclusive, path::PathBuf, sync::Arc, time};

use kit::{Faults, Texts, count, endpoints, hours::SessionOptions};
use plugin_api::{ByteSize, Context, Duration, PluginError, options, schemas::session::Sessions};
use sp::{Address, tls};

/// Smallest bound of messages and of the buffer, in bytes.
const SMALLEST_BUFFER: ByteSize = ByteSize(64 << 10);
/// Largest message: what a list of quotes can hold.
const LARGEST_MESSAGE: ByteSize = ByteSize(1 << 30);
/// Bounds of `connect_timeout`.
const CONNECT_TIMEOUT: RangeInclusive<Duration> =
    Duration(time::Duration::from_millis(10))..=Duration(time::Duration::from_secs(60));
/// Bounds of `reconnect_max`.
const RECONNECT_MAX: RangeInclusive<Duration> =
    Duration(time::Duration::from_millis(100))..=Duration(time::Duration::from_secs(300));

options! {
    /// Options of the `nng-sub` source.
    #[serde(default)]
    pub struct Options {
        /// Where the publisher listens: `ipc:///path` or `unix:///path` (a socket file),
        /// `tcp://host:9200`, `tcp4://…`, `tcp6://…`, `abstract://name`; `tls+tcp://host:9200` in
        /// TLS, with `tls`. A list names several places of one feed: the first that answers is read,
        /// and when it is lost the search begins anew at the front. Two feeds are two sources.
        /// Default `ipc:///tmp/hikyuu_real.ipc`.
        pub dial: Texts,
        /// Certificates for the addresses that begin with `tls+tcp://`, e.g. `{ ca = "ca.pem" }`. A
        /// change of this source's options then costs what is sent until the new connection stands.
        /// Default: none.
        pub tls: Option<tls::ClientFiles>,
        /// First bytes of the messages to take; others are ignored. Hikyuu's collectors send the
        /// default, `:spot:`.
        pub topic: String,
        /// Largest message to take, 64KiB to 1GiB and at most `receive_buffer`; a larger one is
        /// passed over and counted. Default 64MiB.
        pub max_message: ByteSize,
        /// Bound of what was received and not taken by the pipeline. At least 64KiB. Default 64MiB.
        pub receive_buffer: ByteSize,
        /// What happens when that is full. Default `drop`; `wait` suits a replay by `nng-pub` with
        /// `slow_subscriber = "wait"`.
        pub slow_pipeline: SlowPipeline,
        /// How long each address has to answer, 10ms to 60s. Default 5s.
        pub connect_timeout: Duration,
        /// Longest pause before dialling again, 100ms to 5m; the first is 100ms, each next one twice
        /// as long until quotes came for longer than the pause. Default 5s.
        pub reconnect_max: Duration,
        /// A silence of so long during `phases` is reported by `/health`; 0s for never. Default 30s:
        /// three rounds of Hikyuu's collector.
        pub stale_after: Duration,
        /// When quotes are expected, on trading days and the exchange's clock; [] = always. Only
        /// the report of silence depends on it: quotes are taken at any time. Default
        /// `["09:00-12:00", "13:00-15:00"]`.
        pub phases: Vec<String>,
        /// Expect nothing on weekends and other days without trading. Default true.
        pub ignore_weekend: bool,
        /// File with further days without trading, one date a line. Default: none besides those of
        /// the calendar that is built in.
        pub holidays_file: Option<PathBuf>,
    }
}

options! {
    /// What happens when more comes than the pipeline takes.
    pub enum SlowPipeline {
        /// The oldest quotes are dropped and counted; NNG's own publishers would drop unseen.
        Drop,
        /// Reading stops until there is room, so that the publisher waits, or drops in its turn.
        Wait,
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dial: "ipc:///tmp/hikyuu_real.ipc".into(),
            tls: None,
            topic: ":spot:".to_owned(),
            max_message: ByteSize(64 << 20),
            receive_buffer: ByteSize(64 << 20),
            slow_pipeline: SlowPipeline::Drop,
            connect_timeout: Duration(time::Duration::from_secs(5)),
            reconnect_max: Duration(time::Duration::from_secs(5)),
            stale_after: Duration(time::Duration::from_secs(30)),
            phases: ["09:00-12:00", "13:00-15:00"].map(str::to_owned).into(),
            ignore_weekend: true,
            holidays_file: None,
        }
    }
}

/// The options, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to dial, best first; at least one address.
    pub dial: Vec<Address>,
    /// Certificates for those with TLS.
    pub tls: Option<Arc<tls::Client>>,
    /// First bytes of every message.
    pub topic: String,
    /// Largest message without its topic, bytes.
    pub max_message: usize,
    /// Bound of the buffer, bytes.
    pub receive_buffer: usize,
    /// What happens when it is full.
    pub slow_pipeline: SlowPipeline,
    /// How long an address has to answer.
    pub connect_timeout: time::Duration,
    /// Longest pause between attempts.
    pub reconnect_max: time::Duration,
    /// Longest silence within `sessions`; `None` when it does not matter.
    pub stale_after: Option<time::Duration>,
    /// When quotes are expected.
    pub sessions: Sessions,
}

impl Settings {
    /// Checks the options.
    ///
    /// # Errors
    /// `Config` that names every fault.
    pub fn new(options: &Options, context: &Context) -> Result<Self, PluginError> {
        let mut faults = Faults::default();
        let (texts, files) = (options.dial.as_slice(), options.tls.as_ref());
        let example = "ipc:///tmp/hikyuu_real.ipc";
        let (dial, tls) = endpoints::dial(texts, files, example, context, &mut faults);
        endpoints::check_topic(&options.topic, &mut faults);
        let (message, buffer) = (options.max_message, options.receive_buffer);
        faults.at_least("receive_buffer", buffer, SMALLEST_BUFFER, "use at least");
        let most = LARGEST_MESSAGE.min(buffer).max(SMALLEST_BUFFER);
        if !(SMALLEST_BUFFER..=most).contains(&message) {
            faults.push(format!(
                "max_message is {message}; use 64KiB to 1GiB, and no more than receive_buffer, \
                 which is {buffer}"
            ));
        }
        faults.within("connect_timeout", options.connect_timeout, CONNECT_TIMEOUT, "use");
        faults.within("reconnect_max", options.reconnect_max, RECONNECT_MAX, "use");
        let sessions = SessionOptions {
            phases: ("phases", &options.phases),
            holidays: ("holidays_file", options.holidays_file.as_deref()),
            ignore_weekend: options.ignore_weekend,
        };
        let sessions = sessions.check(context, &mut faults);
        let sessions = faults.check_made(sessions)?;
        Ok(Self {
            dial,
            tls,
            topic: options.topic.clone(),
            max_message: count::bytes(message),
            receive_buffer: count::bytes(buffer),
            slow_pipeline: options.slow_pipeline,
            connect_timeout: *options.connect_timeout,
            reconnect_max: *options.reconnect_max,
            stale_after: (!options.stale_after.is_zero()).then_some(*options.stale_after),
            sessions,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Arc};

    use plugin_api::{
        ErrorKind,
        serde_json::{Value, json},
        testing,
    };

    use super::*;

    fn settings(options: Value) -> Result<Settings, PluginError> {
        let context = testing::context(&Arc::default(), Path::new("/base"));
        Settings::new(&testing::options(options)?, &context)
    }

    #[test]
    fn defaults_are_those_of_hikyuus_agent() {
        let settings = settings(json!({})).unwrap();
        let dial: Vec<_> = settings.dial.iter().map(ToString::to_string).collect();
        assert_eq!(dial, ["ipc:///tmp/hikyuu_real.ipc"]);
        assert_eq!((settings.topic.as_str(), settings.receive_buffer), (":spot:", 64 << 20));
        assert_eq!(settings.stale_after, Some(time::Duration::from_secs(30)));
    }

    #[test]
    fn one_address_or_several_can_be_dialled() {
        let one = settings(json!({ "dial": "tcp://127.0.0.1:9200" })).unwrap();
        assert_eq!(one.dial.len(), 1);
        let two = settings(json!({ "dial": ["ipc://a", "tcp://[::1]:9200"] })).unwrap();
        assert_eq!(two.dial.len(), 2);
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let error = settings(json!({
            "dial": ["tcp://127.0.0.1", "ws://x:1", "ipc://a", "unix:///base/a", "tls+tcp://a:1"],
            "tls": { "ca": "absent.pem" },
            "topic": "x".repeat(256),
            "max_message": "2GiB",
            "receive_buffer": "1KiB",
            "connect_timeout": "0s",
            "reconnect_max": "1h",
            "phases": ["9-10"],
            "holidays_file": "absent.txt",
        }))
        .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Config);
        let expected = [
            "\"tcp://127.0.0.1\"",
            "ws://x:1",
            "\"unix:///base/a\" twice",
            "`tls.ca` /base/absent.pem cannot be read",
            "topic has 256",
            "max_message is 2GiB",
            "receive_buffer is 1KiB",
            "connect_timeout is 0ms",
            "reconnect_max is 1h; use 100ms to 5m",
            "\"9-10\"",
            "/base/absent.txt",
        ];
        for text in expected {
            assert!(error.message.contains(text), "{text} is missing in: {error}");
        }
        assert!(settings(json!({ "dial": [] })).is_err());
        let error = settings(json!({ "dial": "tls+tcp://a:1" })).unwrap_err();
        assert!(error.message.contains("tls = { ca = \"ca.pem\" }"), "{error}");
        let error = settings(json!({ "dial": "tcp://a:1", "tls": { "ca": "a" } })).unwrap_err();
        assert!(error.message.contains("no address of `dial` begins with tls+tcp"), "{error}");
        assert!(settings(json!({ "max_message": "1MiB", "receive_buffer": "64KiB" })).is_err());
    }
}
