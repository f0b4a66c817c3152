//! Faults that pass, waited out for some seconds.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use dataserver_engine::retry::Backoff;
use plugin_api::{ErrorKind, HostServices, PluginError};

use super::{AskError, WAIT};

/// Pauses after a fault that passes.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// Faults that pass, one behind the other, after which it is given up: about 20 s.
const MAX_FAULTS: u32 = 8;

/// Gets who is waited for, and why; `None` when nobody is any more.
pub type Tell<'t> = &'t dyn Fn(Option<String>);

/// Waits out faults that pass.
pub struct Patience<'t> {
    backoff: Backoff,
    host: Arc<dyn HostServices>,
    tell: Tell<'t>,
    is_told: bool,
}

impl<'t> Patience<'t> {
    /// For a question that ends with that host.
    pub fn new(host: &Arc<dyn HostServices>, tell: Tell<'t>) -> Self {
        let (backoff, host) = (Backoff::new(BACKOFF.0, BACKOFF.1), Arc::clone(host));
        Self { backoff, host, tell, is_told: false }
    }

    /// Something came: the pauses start anew.
    pub fn reset(&mut self) {
        self.backoff.reset();
        self.end_wait();
    }

    /// Nobody is waited for.
    pub fn end_wait(&mut self) {
        if std::mem::take(&mut self.is_told) {
            (self.tell)(None);
        }
    }

    /// Whether the question goes on.
    pub fn check(&self, component: &str) -> Result<(), AskError> {
        if self.host.is_stopping() {
            return Err(AskError::Stopped { component: component.to_owned() });
        }
        Ok(())
    }

    /// Returns when it is time for another attempt.
    pub fn wait_out(&mut self, component: &str, error: PluginError) -> Result<(), AskError> {
        if error.kind != ErrorKind::Retry || self.backoff.attempts() >= MAX_FAULTS {
            self.end_wait();
            return Err(AskError::Failed { component: component.to_owned(), error });
        }
        (self.tell)(Some(format!("{component}: {error}")));
        self.is_told = true;
        let until = Instant::now() + self.backoff.next_pause();
        loop {
            self.check(component)?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            thread::park_timeout(left.min(WAIT));
        }
    }
}
