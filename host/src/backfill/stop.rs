//! Why a job has to stop.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use dataserver_backfill::Halt;
use dataserver_engine::shutdown::{Phase, Shutdown};

/// How often somebody who waits looks whether the job was cancelled.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Stops a job with the host, or when somebody cancels it.
#[derive(Debug)]
pub struct Stop {
    shutdown: Arc<Shutdown>,
    is_cancelled: AtomicBool,
}

impl Stop {
    /// Stops with that host.
    pub fn new(shutdown: &Arc<Shutdown>) -> Arc<Self> {
        Arc::new(Self { shutdown: Arc::clone(shutdown), is_cancelled: AtomicBool::new(false) })
    }

    /// Cancels the job.
    pub fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Release);
    }

    /// Why it has to stop, if it has.
    pub fn halt(&self) -> Option<Halt> {
        if self.is_cancelled.load(Ordering::Acquire) {
            Some(Halt::Cancelled)
        } else if self.shutdown.phase() > Phase::Running {
            Some(Halt::Stopping)
        } else {
            None
        }
    }

    /// Waits so long.
    ///
    /// # Errors
    /// When the job has to stop.
    pub fn pause(&self, mut pause: Duration) -> Result<(), Halt> {
        loop {
            if let Some(halt) = self.halt() {
                return Err(halt);
            }
            if pause.is_zero() {
                return Ok(());
            }
            let part = pause.min(LOOK_EVERY);
            self.shutdown.wait_for(Phase::Draining, part);
            pause -= part;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_stops_with_the_host_and_when_it_is_cancelled() {
        let shutdown = Arc::<Shutdown>::default();
        let stop = Stop::new(&shutdown);
        assert_eq!(stop.pause(Duration::from_millis(1)), Ok(()));
        shutdown.advance(Phase::Draining);
        assert_eq!(stop.pause(Duration::MAX), Err(Halt::Stopping));
        stop.cancel();
        assert_eq!(stop.pause(Duration::ZERO), Err(Halt::Cancelled));
    }
}
