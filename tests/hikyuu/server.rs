//! A host that serves Hikyuu's buffer-server clients what another host publishes.

use std::{
    thread,
    time::{Duration, Instant},
};

use harness::{Bench, Host, Run, free_port};

use super::feed::{self, Recorded};

/// Two hosts: `replay` to `nng-pub`, and `nng-sub` to `bars` to `hikyuu-server`, which stays.
pub struct Server {
    bench: Bench,
    host: Option<Host>,
    port: u16,
    publisher: Bench,
    /// Where the quotes are published.
    pub feed: String,
    /// Where clients ask.
    pub address: String,
}

impl Server {
    /// Starts the one that serves.
    pub fn start() -> Self {
        let bench = Bench::with_links(&["bars", "hikyuu-server", "nng-sub"]);
        let port = free_port();
        let [feed, address] = [(); 2].map(|()| format!("tcp://127.0.0.1:{}", free_port()));
        bench.pipeline(&format!(
            "[host]\nhttp = \"127.0.0.1:{port}\"\nwatch = false\n[sources.bus]\n\
             plugin = \"nng-sub\"\ndial = \"{feed}\"\nslow_pipeline = \"wait\"\n{}\
             [sinks.server]\nplugin = \"hikyuu-server\"\ninputs = [\"bus\", \"bars\"]\n\
             listen = \"{address}\"\n",
            feed::bars("bus"),
        ));
        let publisher = Bench::with_links(&["replay", "nng-pub"]);
        let mut server = Self { bench, host: None, port, publisher, feed, address };
        server.start_again();
        server
    }

    /// Starts it after a stop.
    pub fn start_again(&mut self) {
        let host = self.bench.start();
        host.wait_for("the pipeline runs");
        self.host = Some(host);
    }

    /// Ends it.
    pub fn stop(&mut self) {
        let host = self.host.take().unwrap();
        host.signal("TERM");
        host.wait().assert(0, &[]);
    }

    /// Begins to publish a day, at most so many messages a second.
    pub fn begin(&self, day: &Recorded, max_rate: u32) -> Host {
        let feed = feed::publisher(&self.feed, "day", max_rate);
        self.publisher.pipeline(&format!("{}\n{feed}", day.day.source()));
        self.publisher.start()
    }

    /// Waits until all of it is served.
    pub fn end(&self, publishing: Host, day: &Recorded) -> Run {
        let run = publishing.wait();
        run.assert(0, &[]);
        self.wait_for("sink", "server", day.day.records);
        run
    }

    /// Waits until a component has taken in at least so many records.
    pub fn wait_for(&self, kind: &str, component: &str, records: u64) {
        let labels = format!("component=\"{component}\",kind=\"{kind}\"");
        let host = self.host.as_ref().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        #[allow(clippy::cast_precision_loss)]
        while host.metric(self.port, "dataserver_records_out_total", &labels) < records as f64 {
            assert!(Instant::now() < deadline, "{}", host.log());
            thread::park_timeout(Duration::from_millis(20));
        }
    }
}
