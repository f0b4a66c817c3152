//! The `redis-stream` plugin against real servers: what is in the streams, and what comes out again.

mod cluster;
mod command;
mod docs;
mod faults;
mod groups;
mod round_trip;
mod tls;

use harness::{Bench, Host, free_port, wait_until};

/// A host that is asked how far it is.
struct Running {
    host: Host,
    http: u16,
}

impl Running {
    /// Starts the pipeline, which gets a control interface.
    fn start(bench: &Bench, pipeline: &str) -> Self {
        let http = free_port();
        bench.pipeline(&format!("[host]\nhttp = \"127.0.0.1:{http}\"\n{pipeline}"));
        let host = bench.start();
        host.wait_for("the pipeline runs");
        Self { host, http }
    }

    /// Records that a component has delivered.
    fn delivered(&self, component: &str) -> u64 {
        let labels = format!("component=\"{component}\"");
        let out = self.host.metric(self.http, "dataserver_records_out_total", &labels);
        // a count of records is exact
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let out = out as u64;
        out
    }

    /// Ends it in order.
    #[track_caller]
    fn end(self) {
        self.host.signal("TERM");
        self.host.wait().assert(0, &[]);
    }
}

/// A source of records that are numbered from 1, as fast as they are taken; each has a code of its
/// own, which counts with them.
fn numbers(batches: u64, records: u64) -> String {
    format!(
        "[sources.numbers]\nplugin = \"faulty\"\nbatches = {batches}\nrecords = {records}\n\
         symbols = 1000000000\n"
    )
}

/// A sink that writes what `input` gives to a Redis.
fn to_redis(input: &str, url: &str, more: &str) -> String {
    format!(
        "[sinks.out]\nplugin = \"redis-stream\"\ninputs = [\"{input}\"]\nurl = \"{url}\"\n{more}\n"
    )
}

/// A source that reads quotes from a Redis.
fn from_redis(url: &str, more: &str) -> String {
    format!(
        "[sources.stream]\nplugin = \"redis-stream\"\nurl = \"{url}\"\nstream = \"spot_stream\"\n\
         {more}\n"
    )
}

/// A sink that writes the numbers of the records down.
const LOG: &str = "[sinks.log]\nplugin = \"faulty\"\ninputs = [\"stream\"]\nlog = \"log\"\n";
