//! A consumer of a group of Redis Streams.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use plugin_api::{PluginError, Polled, Source, serde_json};
use pyo3::{prelude::*, types::PyBytes};
use streams::{Options, RedisSource};

use crate::{errors::exception, host::Host};

/// A consumer of a group.
#[pyclass(frozen, module = "dataserver._native")]
pub struct Consumer {
    /// None once it is closed.
    source: Mutex<Option<RedisSource>>,
    host: Arc<Host>,
}

#[pymethods]
impl Consumer {
    /// A consumer by the options of the `redis-stream` source, as JSON, that keeps what it must know
    /// from one connection to the next in that folder. Blocks until it is connected.
    #[new]
    fn new(py: Python<'_>, options: &str, folder: PathBuf) -> PyResult<Self> {
        let host = Arc::<Host>::default();
        let open = || -> Result<RedisSource, PluginError> {
            let options: Options = serde_json::from_str(options)
                .map_err(|error| PluginError::config(error.to_string()))?;
            RedisSource::open(options, Host::context(&host, "python", &folder))
        };
        let source = py.detach(open).map_err(|error| exception(py, &error))?;
        Ok(Self { source: Mutex::new(Some(source)), host })
    }

    /// The next batch, as its kind and payload, if it comes within so many seconds.
    fn poll<'py>(
        &self,
        py: Python<'py>,
        seconds: f64,
    ) -> PyResult<Option<(&'static str, Bound<'py, PyBytes>)>> {
        let wait = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let polled = py.detach(|| -> Result<Polled, PluginError> {
            let until = Instant::now() + wait;
            let mut source = self.source();
            let source = source.as_mut().ok_or_else(closed)?;
            loop {
                let polled = source.next(until.saturating_duration_since(Instant::now()))?;
                if matches!(polled, Polled::Batch(_)) || Instant::now() >= until {
                    return Ok(polled);
                }
            }
        });
        match polled.map_err(|error| exception(py, &error))? {
            Polled::Batch(batch) => {
                Ok(Some((batch.kind().as_str(), PyBytes::new(py, batch.payload()))))
            }
            Polled::Idle | Polled::End => Ok(None),
        }
    }

    /// Acknowledges the first so many batches.
    fn confirm(&self, py: Python<'_>, batches: u64) -> PyResult<()> {
        let confirmed = py.detach(|| self.source().as_mut().ok_or_else(closed)?.confirm(batches));
        confirmed.map_err(|error| exception(py, &error))
    }

    /// Log lines since the last call, with their levels.
    fn take_lines(&self) -> Vec<(u8, String)> {
        self.host.take_lines()
    }

    /// Acknowledges what was confirmed, and hangs up.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let closed = py.detach(|| match self.source().take() {
            Some(mut source) => source.close(),
            None => Ok(()),
        });
        closed.map_err(|error| exception(py, &error))
    }
}

impl Consumer {
    fn source(&self) -> MutexGuard<'_, Option<RedisSource>> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn closed() -> PluginError {
    PluginError::fatal("the consumer is closed; make another one")
}
