//! The sources of a job: plugins that are asked for history.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use dataserver_backfill::{Answer, Sources};
use dataserver_config::Pipeline;
use dataserver_engine::clock::{Clock, SystemClock};
use dataserver_loader::PluginCatalog;
use plugin_api::{Ask, Batch, HostServices, Level, PluginError};

use super::stop::Stop;
use crate::days::asking::{self, AskError, History};

/// How the counters of plugins end that count a vendor's fillings.
const PADDING: &str = "padding_total";

/// Sources of a pipeline, opened for each question.
pub struct Past<'t> {
    pipeline: Arc<Pipeline>,
    catalog: Arc<PluginCatalog>,
    stop: Arc<Stop>,
    by_id: HashMap<String, (History, Arc<Lent>)>,
    /// Gets whom a question waits for.
    waits_for: &'t dyn Fn(Option<String>),
}

/// What the host lends to a source that is asked.
#[derive(Debug)]
struct Lent {
    id: String,
    stop: Arc<Stop>,
    padding: AtomicU64,
}

impl<'t> Past<'t> {
    /// Sources of that pipeline, until the job stops; `waits_for` gets who is away meanwhile.
    pub fn new(
        pipeline: Arc<Pipeline>,
        catalog: Arc<PluginCatalog>,
        stop: Arc<Stop>,
        waits_for: &'t dyn Fn(Option<String>),
    ) -> Self {
        Self { pipeline, catalog, stop, by_id: HashMap::new(), waits_for }
    }

    fn of(&mut self, id: &str) -> Result<&(History, Arc<Lent>), AskError> {
        if !self.by_id.contains_key(id) {
            let (id, stop) = (id.to_owned(), Arc::clone(&self.stop));
            let lent = Arc::new(Lent { id: id.clone(), stop, padding: AtomicU64::new(0) });
            let host: Arc<dyn HostServices> = Arc::clone(&lent) as _;
            let history = History::of(&id, &self.pipeline, &self.catalog, host)?;
            self.by_id.insert(id, (history, lent));
        }
        self.by_id.get(id).ok_or_else(|| AskError::Unable(format!("`{id}` cannot be asked")))
    }
}

impl Sources for Past<'_> {
    fn ask(&mut self, source: &str, ask: &Ask) -> Result<Box<dyn Answer + '_>, PluginError> {
        let waits_for = self.waits_for;
        let (history, lent) = self.of(source).map_err(plain)?;
        lent.padding.store(0, Ordering::Relaxed);
        let answer = history.ask_telling(ask, waits_for).map_err(plain)?;
        Ok(Box::new(Asked { answer, lent: Arc::clone(lent) }))
    }
}

/// An answer of a source.
struct Asked<'t> {
    answer: asking::Answer<'t>,
    lent: Arc<Lent>,
}

impl Answer for Asked<'_> {
    fn next(&mut self) -> Result<Option<Batch>, PluginError> {
        self.answer.next_batch().map_err(plain)
    }

    fn padding(&self) -> u64 {
        self.lent.padding.load(Ordering::Relaxed)
    }
}

/// The error of the plugin itself.
fn plain(error: AskError) -> PluginError {
    match error {
        AskError::Failed { error, .. } => error,
        AskError::Unable(text) => PluginError::config(text),
        stopped @ AskError::Stopped { .. } => PluginError::retry(stopped.to_string()),
    }
}

impl HostServices for Lent {
    fn log(&self, level: Level, message: &str) {
        let component = self.id.as_str();
        match level {
            Level::Error | Level::Warn => tracing::warn!(component, "{message}"),
            Level::Info | Level::Debug => tracing::debug!(component, "{message}"),
        }
    }

    fn dropped(&self, _: &str, _: u64) {}

    fn count(&self, metric: &str, by: u64) {
        if metric.ends_with(PADDING) {
            self.padding.fetch_add(by, Ordering::Relaxed);
        }
    }

    fn gauge(&self, _: &str, _: f64) {}

    fn now_us(&self) -> i64 {
        SystemClock.now_us()
    }

    fn is_stopping(&self) -> bool {
        self.stop.halt().is_some()
    }

    fn expect_records(&self, _: Option<Duration>) {}

    fn dead_letter(&self, reason: &str, _: &[u8]) {
        tracing::warn!(component = self.id, "left out: {reason}");
    }
}
