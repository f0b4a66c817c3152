//! The `clickhouse` plugin against real servers: Debian's 18.16, and the engine of a current one.

mod cluster;
mod days;
mod engine;
mod faults;
mod reading;
mod retention;
mod setup;
mod tables;
mod tls;

use std::sync::Arc;

use dataserver::loader::{Opening, Plugin, PluginCatalog, SinkInstance, SourceInstance};
use harness::Bench;
use plugin_api::{
    Ack, Batch, PluginError, RoleKind,
    testing::{self, TestHost},
};
use serde_json::{Value, json};

/// A folder with the plugin, which is opened there without a host.
struct Desk {
    bench: Bench,
    host: Arc<TestHost>,
    url: String,
}

impl Desk {
    fn new(url: &str) -> Self {
        Self { bench: Bench::new(&["clickhouse"]), host: Arc::default(), url: url.to_owned() }
    }

    /// A sink for the database `market` with further options.
    fn open(&self, more: Value) -> Result<Box<dyn SinkInstance>, PluginError> {
        self.plugin(RoleKind::Sink).open_sink(self.opening(more))
    }

    /// A source that reads from the database `market` what it is asked for.
    fn source(&self, more: Value) -> Result<Box<dyn SourceInstance>, PluginError> {
        self.plugin(RoleKind::Source).open_source(self.opening(more))
    }

    fn plugin(&self, role: RoleKind) -> Arc<dyn Plugin> {
        let folder = self.bench.path("plugins");
        let catalog = PluginCatalog::scan(&[folder], &self.bench.path("data"));
        catalog.plugin("clickhouse", role, None).unwrap().plugin
    }

    fn opening(&self, more: Value) -> Opening {
        let mut options = json!({ "url": self.url, "database": "market" });
        options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let context = testing::context(&self.host, &self.bench.path("data"));
        Opening::plain(&options.to_string(), context)
    }

    /// What is wrong with such options.
    #[track_caller]
    fn refused(&self, more: Value) -> PluginError {
        match self.open(more) {
            Ok(_) => panic!("it opened"),
            Err(error) => error,
        }
    }
}

#[track_caller]
fn write(sink: &mut Box<dyn SinkInstance>, batches: &[Batch]) {
    match sink.write(batches) {
        Ok(ack) => assert_eq!(ack, Ack::Delivered),
        Err(error) => panic!("{error}"),
    }
}
