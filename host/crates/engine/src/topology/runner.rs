//! The worker threads of a component, and their handles.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use plugin_api::PluginError;

use super::handoff::{Handoff, StartRejected, WorkerHandle};
use crate::{
    queue::Queue,
    shutdown::{Phase, Shutdown, StopRequest},
};

/// Longest wait for an instance to take over; one whose server is away does so later.
const TAKEOVER_TIMEOUT: Duration = Duration::from_secs(2);
/// Interval at which a wait checks for the end of the host.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Worker threads that run one plugin with one set of options.
#[derive(Debug)]
pub struct Runner {
    /// Stops these threads, with the pipeline or alone.
    pub shutdown: Arc<Shutdown>,
    /// One for each thread.
    handles: Mutex<Vec<WorkerHandle>>,
}

/// Why a component did not hand off.
#[derive(Debug)]
pub enum HandoffError {
    /// Its plugin cannot give its state.
    Refused(PluginError),
    /// A call into its plugin does not return.
    Busy,
    /// It ended by itself meanwhile.
    Ended,
}

impl Runner {
    /// A runner of threads that were spawned with that shutdown.
    pub fn new(shutdown: Arc<Shutdown>, handles: Vec<WorkerHandle>) -> Self {
        Self { shutdown, handles: Mutex::new(handles) }
    }

    /// Waits until every thread has opened its plugin or reported why it cannot.
    ///
    /// `None` when the deadline passes or the host ends first.
    pub fn opened(&self, deadline: Instant) -> Option<Result<(), PluginError>> {
        for handle in self.handles().iter() {
            match self.wait(deadline, |pause| handle.opened(pause))? {
                Ok(()) => {}
                Err(error) => return Some(Err(error)),
            }
        }
        Some(Ok(()))
    }

    /// Lets threads that are still opening go on in the background; from now on they retry instead
    /// of rejecting the start.
    ///
    /// # Errors
    /// Why one has rejected it already.
    pub fn open_in_background(&self) -> Result<(), PluginError> {
        let gave_up = |handle: &WorkerHandle| match handle.opened(Duration::ZERO) {
            // the reason is sent next
            None if !handle.forbid_reject() => handle.opened(Duration::MAX)?.err(),
            opened => opened?.err(),
        };
        let gave_up = self.handles().iter().find_map(gave_up);
        gave_up.map_or(Ok(()), Err)
    }

    /// Starts the threads with the handoff of those before them.
    ///
    /// # Errors
    /// Why they do not start, with the handoff.
    pub fn start(&self, handoff: Handoff, deadline: Instant) -> Result<(), StartRejected> {
        let handles = self.handles();
        let Some((first, others)) = handles.split_first() else { return Ok(()) };
        if let Some(handoff) = first.start(handoff) {
            return Err((PluginError::fatal("the component has ended"), Box::new(handoff)));
        }
        let deadline = deadline.min(Instant::now() + TAKEOVER_TIMEOUT);
        match self.wait(deadline, |pause| first.started(pause)) {
            Some(started) => started?,
            None => first.force_start()?,
        }
        for handle in others {
            handle.start(Handoff::default());
        }
        Ok(())
    }

    /// Starts the threads without a handoff; false when one of them has ended already.
    pub fn start_first(&self) -> bool {
        let start = |handle: &WorkerHandle| handle.start(Handoff::default()).is_none();
        self.handles().iter().map(start).fold(true, |all, starts| all & starts)
    }

    /// Asks the threads to hand off, and collects what they return.
    ///
    /// # Errors
    /// When they decline or do not answer; they go on as before.
    pub fn hand_off(
        &self,
        queue: Option<&Queue>,
        request: StopRequest,
        deadline: Instant,
    ) -> Result<Handoff, HandoffError> {
        self.handles().iter().for_each(WorkerHandle::clear_reply);
        self.shutdown.request_stop(request);
        if let Some(queue) = queue {
            queue.detach_reader();
        }
        let handoff = self.collect_handoffs(deadline);
        if let Some(queue) = queue {
            queue.attach_reader();
        }
        handoff
    }

    fn collect_handoffs(&self, deadline: Instant) -> Result<Handoff, HandoffError> {
        let mut all = Handoff::default();
        let mut answers = 0;
        for handle in self.handles().iter() {
            match self.wait(deadline, |pause| handle.wait_handoff(pause)) {
                Some(Ok(handoff)) => {
                    answers += 1;
                    all.join(handoff);
                }
                Some(Err(error)) => return Err(HandoffError::Refused(error)),
                None if self.has_ended() => {}
                None if self.shutdown.withdraw_stop() => return Err(HandoffError::Busy),
                // another thread has handed off already: this one follows when its call returns,
                // and requeues its batches
                None => {
                    let late =
                        handle.wait_handoff(super::LAST_WAIT).or_else(|| handle.close_handoff());
                    match late {
                        Some(Ok(handoff)) => all.join(handoff),
                        Some(Err(_)) | None => {
                            tracing::error!(
                                "a worker does not come back from a call; it goes later"
                            );
                        }
                    }
                }
            }
        }
        if answers == 0 { Err(HandoffError::Ended) } else { Ok(all) }
    }

    /// Whether all threads have ended.
    pub fn has_ended(&self) -> bool {
        self.shutdown.wait_last(Duration::ZERO)
    }

    /// Waits until all threads have ended; tells whether they did.
    pub fn wait_ended(&self, deadline: Instant) -> bool {
        self.shutdown.wait_last(deadline.saturating_duration_since(Instant::now()))
    }

    fn handles(&self) -> MutexGuard<'_, Vec<WorkerHandle>> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Polls until there is an answer, the deadline passes, or the host ends.
    fn wait<T>(&self, deadline: Instant, ask: impl Fn(Duration) -> Option<T>) -> Option<T> {
        loop {
            let remaining = deadline.saturating_duration_since(Instant::now());
            if let Some(answer) = ask(remaining.min(POLL_INTERVAL)) {
                return Some(answer);
            }
            if remaining.is_zero() || self.shutdown.phase() > Phase::Running || self.has_ended() {
                // the answer may have arrived after the last poll
                return ask(Duration::ZERO);
            }
        }
    }
}
