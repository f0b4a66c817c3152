//! What sources, transforms and sinks share: opening a plugin, and reopening it after failures.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use dataserver_config::{BufferKind, Component, OnFailure};
use dataserver_loader::{AnyInstance, Opening, Plugin};
use plugin_api::{Batch, Context, ErrorKind, PluginError, RoleKind};

use super::{
    handoff::{Handoff, StopReason, WorkerEnd},
    questions::Questions,
};
use crate::{
    dead_letter::DeadLetters,
    queue::Queue,
    retry::Backoff,
    shutdown::{Phase, Shutdown},
    telemetry::{State, WorkerStatus},
};

/// Shortest and longest pause before a failed instance is replaced.
const RESTART_BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// An instance that ran so long has recovered: the back-off starts over.
const RECOVERED_AFTER: Duration = Duration::from_secs(60);

/// Interval at which a component that waits, or is paused, checks whether that is over.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// The component has to stop: its phase has come, its input has ended, or it failed for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

/// A component with its plugin.
pub struct Stage {
    /// Its settings.
    pub component: Component,
    /// Its plugin.
    pub plugin: Arc<dyn Plugin>,
    /// Host services of the plugin.
    pub context: Context,
    /// Its input queue; `None` for a source.
    pub inlet: Option<Arc<Queue>>,
    /// Its status.
    pub status: WorkerStatus,
    /// Tells it to end, or to hand off.
    pub shutdown: Arc<Shutdown>,
    /// Where records that it cannot use are written.
    pub dead_letters: Arc<DeadLetters>,
    /// Phase from which on it stops waiting unless it is paused; sources stop before sinks.
    stops_at: Phase,
    /// Back-off between failed instances.
    pub restarts: Backoff,
    /// What is asked of its instance.
    pub questions: Arc<Questions>,
    /// When its instance got `tick` last, or was opened.
    pub last_tick: Instant,
    opened_at: Option<Instant>,
    /// State from the handoff, for an instance that is not open yet.
    pub inherited_state: Option<Vec<u8>>,
    /// It failed for good, or its input has ended.
    is_over: bool,
}

/// What a component does that can no longer wait for its plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitDecision {
    /// Hand off to a successor.
    Handoff,
    /// Stop.
    Stop,
    /// Retry: the stop request was withdrawn.
    Retry,
}

/// How an instance is opened.
pub type Open<Instance> = fn(&dyn Plugin, Opening) -> Result<Instance, PluginError>;

impl Stage {
    /// A component that is to be opened.
    pub fn new(
        component: Component,
        plugin: Arc<dyn Plugin>,
        context: Context,
        inlet: Option<Arc<Queue>>,
        status: WorkerStatus,
        shutdown: Arc<Shutdown>,
        dead_letters: Arc<DeadLetters>,
    ) -> Self {
        let stops_at = match component.kind {
            RoleKind::Source => Phase::Draining,
            // what is on disk need not wait for a server that is away
            RoleKind::Sink if component.buffer.kind == BufferKind::Disk => Phase::Draining,
            RoleKind::Transform | RoleKind::Sink => Phase::Aborting,
        };
        let restarts = Backoff::new(RESTART_BACKOFF.0, RESTART_BACKOFF.1);
        let opened_at = None;
        Self {
            component,
            plugin,
            context,
            inlet,
            status,
            shutdown,
            dead_letters,
            stops_at,
            restarts,
            questions: Arc::default(),
            last_tick: Instant::now(),
            opened_at,
            inherited_state: None,
            is_over: false,
        }
    }

    /// Opens the first instance and reports how that went.
    ///
    /// A `Retry` error counts as a successful start: the component keeps trying while records wait
    /// in its queue. So does any error once the start can no longer be rejected.
    pub fn open_first<I>(&mut self, open: Open<I>, worker: &WorkerEnd) -> Result<I, Stopped> {
        match self.try_open(open) {
            Ok(instance) => {
                worker.report_opened(Ok(()));
                Ok(instance)
            }
            Err(error) if error.kind == ErrorKind::Retry || worker.known_good => {
                worker.report_opened(Ok(()));
                self.note_failure(&error);
                self.reopen(open)
            }
            Err(error) if worker.try_reject() => {
                self.status.note_error(&error);
                worker.report_opened(Err(error));
                Err(Stopped)
            }
            Err(error) => {
                worker.report_opened(Ok(()));
                self.note_failure(&error);
                self.fail_if_configured()?;
                self.reopen(open)
            }
        }
    }

    /// Waits for the start signal, and imports the state of the handoff.
    ///
    /// Returns the rest of the handoff; `None` when the instance must not start.
    pub fn start<I>(
        &self,
        worker: &WorkerEnd,
        instance: &mut I,
        import: impl FnOnce(&mut I, &[u8]) -> Result<(), PluginError>,
    ) -> Option<Handoff> {
        let mut handoff = worker.wait_start()?;
        if let Some(state) = handoff.state.take() {
            let call = self.status.enter("import_state");
            let imported = import(instance, &state);
            drop(call);
            if let Err(error) = imported {
                handoff.state = Some(state);
                if worker.try_reject() {
                    worker.report_started(Err((error, Box::new(handoff))));
                    return None;
                }
                self.note_failure(&error);
            }
        }
        worker.report_started(Ok(()));
        Some(handoff)
    }

    /// Reopens an instance after a withdrawn stop request, with the inherited state.
    pub fn reopen_with_state<I>(
        &mut self,
        open: Open<I>,
        import: impl FnOnce(&mut I, &[u8]) -> Result<(), PluginError>,
    ) -> Result<I, Stopped> {
        let mut instance = self.reopen(open)?;
        if let Some(state) = self.inherited_state.take()
            && let Err(error) = import(&mut instance, &state)
        {
            self.note_failure(&error);
        }
        Ok(instance)
    }

    /// Exports the instance's state, if its successor takes state.
    pub fn export<I>(
        &self,
        instance: &mut I,
        export: impl FnOnce(&mut I) -> Result<Option<Vec<u8>>, PluginError>,
    ) -> Result<Option<Vec<u8>>, PluginError> {
        if !self.shutdown.stop_request().transfer_state {
            return Ok(None);
        }
        let call = self.status.enter("export_state");
        let exported = export(instance);
        drop(call);
        exported
    }

    /// Answers what was asked of the instance meanwhile.
    ///
    /// # Errors
    /// When the instance is of no more use.
    pub fn answer(&self, instance: &mut dyn AnyInstance) -> Result<(), PluginError> {
        while let Some(question) = self.questions.next() {
            let call = self.status.enter(question.call());
            let answered = self.questions.answer(question, instance);
            drop(call);
            answered?;
        }
        Ok(())
    }

    /// Replaces a failed instance after a pause, however long that takes.
    ///
    /// The failed one is dropped first: it may hold a port or lock that the next one needs.
    pub fn replace<I>(
        &mut self,
        failed: I,
        error: &PluginError,
        open: Open<I>,
    ) -> Result<I, Stopped> {
        self.note_failure(error);
        self.discard(failed);
        self.fail_if_configured()?;
        if self.opened_at.is_some_and(|opened_at| opened_at.elapsed() > RECOVERED_AFTER) {
            self.restarts.reset();
        }
        self.status.metrics.restarts.inc();
        self.reopen(open)
    }

    /// Whether the component takes nothing for now: it is paused, and its input has not ended.
    pub fn rests(&self) -> bool {
        self.status.is_paused() && !self.inlet.as_ref().is_some_and(|inlet| inlet.is_finished())
    }

    /// Why a component that [rests](Self::rests) stops, after [`Stopped`].
    pub fn reason_to_leave(&self) -> StopReason {
        if self.shutdown.phase() < self.stops_at() {
            return StopReason::HandoffRequested;
        }
        self.tell_undelivered();
        StopReason::LeavesPaused
    }

    /// Says what a component that is paused leaves behind in memory.
    fn tell_undelivered(&self) {
        let in_memory = self.inlet.as_ref().filter(|inlet| !inlet.is_on_disk());
        let records = in_memory.map_or(0, |inlet| inlet.size().records);
        if records > 0 && !self.shutdown.is_cancelled() {
            tracing::warn!(
                component = self.component.id,
                records,
                "the host ends while it is paused: what waits for it in memory is not delivered"
            );
        }
    }

    /// What the component does after [`Stopped`].
    pub fn exit_decision(&self) -> ExitDecision {
        if self.is_over || self.shutdown.phase() >= self.stops_at {
            ExitDecision::Stop
        } else if self.shutdown.phase() >= self.stops_at() {
            self.tell_undelivered();
            ExitDecision::Stop
        } else if self.shutdown.commit_stop() {
            ExitDecision::Handoff
        } else {
            ExitDecision::Retry
        }
    }

    /// Drops an instance; that calls into its plugin.
    pub fn discard<I>(&self, instance: I) {
        let call = self.status.enter("drop");
        drop(instance);
        drop(call);
    }

    /// Waits before a failed call is tried again, and for as long as the component is paused.
    pub fn pause(&self, pause: Duration) -> Result<(), Stopped> {
        let until = Instant::now() + pause;
        loop {
            let remaining = until.saturating_duration_since(Instant::now());
            let rests = self.rests();
            let part = if rests { POLL_INTERVAL } else { remaining.min(POLL_INTERVAL) };
            if self.shutdown.wait_for(self.stops_at(), part) {
                return Err(Stopped);
            }
            if remaining.is_zero() && !rests {
                return Ok(());
            }
            if let Some(inlet) = self.inlet.as_ref().filter(|_| rests) {
                inlet.sync();
            }
        }
    }

    /// The phase from which on it stops waiting. One that is paused delivers nothing more, so it
    /// need not wait for those before it.
    fn stops_at(&self) -> Phase {
        if self.status.is_paused() { Phase::Draining } else { self.stops_at }
    }

    /// Counts a failed call, and logs it unless the log is throttled.
    pub fn note_failure(&self, error: &PluginError) {
        self.status.note_error(error);
        let Some(left_out) = self.status.admit_to_log(&error.message) else { return };
        let (component, plugin) = (self.component.id.as_str(), self.component.plugin.as_str());
        match error.kind {
            ErrorKind::Retry => tracing::warn!(component, plugin, left_out, "{error}"),
            ErrorKind::BadData => tracing::warn!(component, plugin, left_out, "bad data: {error}"),
            _ => tracing::error!(component, plugin, left_out, "{error}"),
        }
    }

    /// Writes a batch that will never be accepted to the dead letters; retries while the disk
    /// fails, so that it is not lost.
    pub fn dead_letter(&self, batch: &Batch, reason: &str) -> Result<(), Stopped> {
        let retry = self.component.retry;
        let mut backoff = Backoff::new(retry.min_backoff, retry.max_backoff);
        while retry.dead_letter
            && let Err(error) = self.dead_letters.write_batch(reason, batch)
        {
            let text = format!("cannot set records aside: {error}; free space or mend the folder");
            self.note_failure(&PluginError::retry(text));
            self.pause(backoff.next_pause())?;
        }
        let rule = if retry.dead_letter { "dead_letter" } else { "gave_up" };
        self.status.note_dropped(rule, u64::from(batch.records()));
        Ok(())
    }

    /// Opens a new instance after a pause, until that succeeds.
    pub fn reopen<I>(&mut self, open: Open<I>) -> Result<I, Stopped> {
        loop {
            self.status.set_state(State::Restarting);
            let pause = self.restarts.next_pause();
            self.pause_while_needed(pause)?;
            match self.try_open(open) {
                Ok(instance) => return Ok(instance),
                Err(error) => {
                    self.note_failure(&error);
                    if error.kind != ErrorKind::Retry {
                        self.fail_if_configured()?;
                    }
                }
            }
        }
    }

    /// Waits before an instance is opened, and while the component is paused; stops when the input
    /// has ended.
    fn pause_while_needed(&mut self, mut pause: Duration) -> Result<(), Stopped> {
        while !pause.is_zero() {
            if self.inlet.as_ref().is_some_and(|inlet| inlet.is_finished()) {
                self.status.set_state(State::Ended);
                self.is_over = true;
                return Err(Stopped);
            }
            let part = pause.min(POLL_INTERVAL);
            self.pause(part)?;
            pause -= part;
        }
        Ok(())
    }

    fn fail_if_configured(&mut self) -> Result<(), Stopped> {
        if self.component.on_failure == OnFailure::Restart {
            return Ok(());
        }
        self.status.set_state(State::Failed);
        self.is_over = true;
        let component = self.component.id.as_str();
        tracing::error!(component, "the host ends because on_failure = \"stop\"");
        self.shutdown.advance_pipeline(Phase::Draining);
        Err(Stopped)
    }

    fn try_open<I>(&mut self, open: Open<I>) -> Result<I, PluginError> {
        let opening = Opening::of(&self.component, self.context.clone());
        let call = self.status.enter("open");
        let opened = open(self.plugin.as_ref(), opening);
        drop(call);
        if opened.is_ok() {
            self.last_tick = Instant::now();
            self.opened_at = Some(self.last_tick);
            self.questions.begin();
            self.status.set_state(State::Running);
        }
        opened
    }
}
