//! A subscriber of the bus, whose rounds become columns.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bus::{NngSub, Options};
use plugin_api::{ErrorKind, PluginError, Polled, RecordKind, Source, serde_json};
use pyo3::prelude::*;

use crate::{
    columns::{Chosen, Columns},
    errors::exception,
    frame::Frame,
    host::Host,
};

/// A round of more quotes is given in parts: a publisher that never ends one must not fill the memory.
const MOST_QUOTES: usize = 1 << 20;

/// A subscriber, with the round that is not complete yet.
#[pyclass(frozen, module = "dataserver._native")]
pub struct Subscription {
    state: Mutex<State>,
    host: Arc<Host>,
}

struct State {
    /// None once it is closed.
    source: Option<NngSub>,
    chosen: Chosen,
    columns: Columns,
}

/// Its quotes, their latest time, how many are missing, and whether all its marks came.
type Round = (Frame, i64, u64, bool);

#[pymethods]
impl Subscription {
    /// A subscriber by the options of `nng-sub`, as JSON, that takes those securities or all. It dials
    /// when it is asked for the first time.
    #[new]
    fn new(py: Python<'_>, options: &str, symbols: Option<Vec<String>>) -> PyResult<Self> {
        let host = Arc::<Host>::default();
        let open = || {
            let chosen = Chosen::new(symbols)?;
            let options: Options = serde_json::from_str(options)
                .map_err(|error| PluginError::config(error.to_string()))?;
            let source = NngSub::open(options, Host::context(&host, "python", Path::new("")))?;
            let columns = Columns::new(RecordKind::Spot);
            Ok(State { source: Some(source), chosen, columns })
        };
        let opened: Result<_, PluginError> = open();
        let state = Mutex::new(opened.map_err(|error| exception(py, &error))?);
        Ok(Self { state, host })
    }

    /// The next round with a quote in it, if it comes within so many seconds.
    fn poll(&self, py: Python<'_>, seconds: f64) -> PyResult<Option<Round>> {
        let wait = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        py.detach(|| self.next(wait)).map_err(|error| exception(py, &error))
    }

    /// Whether a publisher is connected.
    #[getter]
    fn connected(&self) -> bool {
        self.host.told().connected
    }

    /// Messages that are no lists, and quotes that were left out of lists.
    #[getter]
    fn bad(&self) -> (u64, u64) {
        let told = self.host.told();
        (told.bad_messages, told.bad_records)
    }

    /// Log lines since the last call, with their levels.
    fn take_lines(&self) -> Vec<(u8, String)> {
        self.host.take_lines()
    }

    /// Hangs up; nothing comes any more.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let closed = py.detach(|| match self.state().source.take() {
            Some(mut source) => source.close(),
            None => Ok(()),
        });
        closed.map_err(|error| exception(py, &error))
    }
}

impl Subscription {
    fn state(&self) -> MutexGuard<'_, State> {
        // what a panic left undone is at worst a round in two parts
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, wait: Duration) -> Result<Option<Round>, PluginError> {
        let until = Instant::now() + wait;
        let mut state = self.state();
        let State { source, chosen, columns } = &mut *state;
        let Some(source) = source else {
            return Err(PluginError::fatal("the subscription is closed; make another one"));
        };
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match source.next(left) {
                Ok(Polled::Batch(batch)) => {
                    columns.push(&batch, chosen);
                    let is_over = batch.round().last || columns.len() >= MOST_QUOTES;
                    if is_over && columns.len() > 0 {
                        return self.round(columns, batch.round().last).map(Some);
                    }
                }
                Ok(Polled::Idle | Polled::End) => {}
                // it was counted, and is in the log
                Err(error) if error.kind == ErrorKind::BadData => {}
                Err(error) => return Err(error),
            }
            if Instant::now() >= until {
                return Ok(None);
            }
        }
    }

    fn round(&self, columns: &mut Columns, is_whole: bool) -> Result<Round, PluginError> {
        let latest_us = columns.latest_us;
        let frame = columns.finish()?;
        let mut told = self.host.told();
        let (missed, gaps) = (std::mem::take(&mut told.missed), std::mem::take(&mut told.gaps));
        Ok((frame, latest_us, missed, is_whole && gaps == 0))
    }
}
