//! The loop of a source: pull a batch, stamp it, forward it, confirm what was delivered.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use dataserver_loader::SourceInstance;
use plugin_api::{Batch, ErrorKind, PluginError, Polled, Provenance};

use super::{
    fanout::Fanout,
    handoff::{Handoff, WorkerEnd},
    stage::{ExitDecision, Open, Stage, Stopped},
};
use crate::{
    ack::AckTracker, clock::Clock, queue::Delivery, retry::Backoff, shutdown::Phase,
    telemetry::State,
};

/// Longest wait within one call to `next`, so that a shutdown is noticed.
const WAIT: Duration = Duration::from_millis(100);
const RETRY_BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));
/// Bad-data errors in a row before each further one costs a pause.
const MAX_BAD_IN_A_ROW: u32 = 100;
const BAD_DATA_PAUSE: Duration = Duration::from_millis(10);
/// A source that had no error for so long has recovered, even without a record.
const RECOVERED_AFTER: Duration = Duration::from_secs(60);
const OPEN: Open<Instance> = |plugin, opening| plugin.open_source(opening);

const IMPORT: fn(&mut Instance, &[u8]) -> Result<(), PluginError> =
    |instance, state| instance.import_state(state);

type Instance = Box<dyn SourceInstance>;

/// Why the pull loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// The source is exhausted.
    Exhausted,
    /// Shutdown, or a successor waits.
    Requested,
}

/// A running source.
pub struct SourceLoop {
    /// The component.
    pub stage: Stage,
    /// Where its batches go.
    pub fanout: Arc<Fanout>,
    /// The time of receipt.
    pub clock: Arc<dyn Clock>,
    /// Stamp of every batch, but for sequence and time.
    pub provenance: Provenance,
}

/// Errors since the last batch.
struct Faults {
    backoff: Backoff,
    bad_in_a_row: u32,
    /// Time of the last `Retry` error.
    last: Option<Instant>,
}

impl Default for Faults {
    fn default() -> Self {
        let backoff = Backoff::new(RETRY_BACKOFF.0, RETRY_BACKOFF.1);
        Self { backoff, bad_in_a_row: 0, last: None }
    }
}

impl SourceLoop {
    /// Opens the source and runs it to its end, or until it has handed off.
    pub fn run(mut self, worker: &WorkerEnd) {
        let mut instance = match self.stage.open_first(OPEN, worker) {
            Ok(mut instance) => {
                if self.stage.start(worker, &mut instance, IMPORT).is_none() {
                    return self.stage.discard(instance);
                }
                instance
            }
            Err(Stopped) => {
                let Some(handoff) = worker.start_unopened() else { return };
                self.stage.inherited_state = handoff.state;
                let Some(instance) = self.resume(Err(Stopped), worker) else { return };
                instance
            }
        };
        // an instance counts its own batches, so each gets a tracker of its own
        let mut acks = Arc::new(AckTracker::default());
        let mut sequence = 0;
        loop {
            match self.pull(instance.as_mut(), &acks, &mut sequence) {
                Ok(Stop::Exhausted) => return self.end(instance, &acks, Stop::Exhausted),
                Ok(Stop::Requested) if self.stage.shutdown.phase() >= Phase::Draining => {
                    return self.end(instance, &acks, Stop::Requested);
                }
                Ok(Stop::Requested) => {
                    if self.try_hand_off(&mut instance, worker) {
                        let _ = self.close(instance, &acks);
                        return;
                    }
                }
                Err(error) => {
                    let opened = self.stage.replace(instance, &error, OPEN);
                    let Some(next) = self.resume(opened, worker) else { return };
                    instance = next;
                    acks = Arc::default();
                }
            }
        }
    }

    /// Returns an open instance; `None` when the source hands off or ends without one.
    fn resume(
        &mut self,
        mut opened: Result<Instance, Stopped>,
        worker: &WorkerEnd,
    ) -> Option<Instance> {
        loop {
            match opened {
                Ok(instance) => return Some(instance),
                Err(Stopped) => match self.stage.exit_decision() {
                    ExitDecision::Handoff => {
                        let state = self.stage.inherited_state.take();
                        worker.hand_off(Handoff { state, ..Handoff::default() });
                        return None;
                    }
                    ExitDecision::Stop => {
                        self.fanout.close();
                        return None;
                    }
                    ExitDecision::Retry => opened = self.stage.reopen_with_state(OPEN, IMPORT),
                },
            }
        }
    }

    /// Hands off to a successor; false when it goes on.
    fn try_hand_off(&self, instance: &mut Instance, worker: &WorkerEnd) -> bool {
        match self.stage.export(instance, |it| it.export_state()) {
            Ok(state) => {
                let handed_off = self.stage.shutdown.commit_stop();
                if handed_off {
                    worker.hand_off(Handoff { state, ..Handoff::default() });
                }
                handed_off
            }
            Err(error) => {
                if self.stage.shutdown.decline_stop() {
                    worker.decline(error);
                }
                false
            }
        }
    }

    /// Pulls until the source is exhausted or a stop is requested; an error means that a new
    /// instance is needed.
    fn pull(
        &mut self,
        instance: &mut dyn SourceInstance,
        acks: &Arc<AckTracker>,
        sequence: &mut u64,
    ) -> Result<Stop, PluginError> {
        let mut faults = Faults::default();
        let mut confirmed = 0;
        while !self.stage.shutdown.is_stopping() {
            self.confirm(instance, acks, &mut confirmed);
            if self.stage.status.is_paused() {
                self.stage.shutdown.wait_for(Phase::Draining, WAIT);
                continue;
            }
            self.stage.answer(instance)?;
            let call = self.stage.status.enter("next");
            let polled = instance.next(WAIT);
            drop(call);
            match polled {
                Ok(Polled::Batch(batch)) => {
                    *sequence += 1;
                    self.forward(batch, *sequence, acks);
                    self.recovered(&mut faults);
                }
                Ok(Polled::Idle) => {
                    if faults.last.is_some_and(|last| last.elapsed() > RECOVERED_AFTER) {
                        self.recovered(&mut faults);
                    }
                }
                Ok(Polled::End) => return Ok(Stop::Exhausted),
                Err(error) if matches!(error.kind, ErrorKind::BadData | ErrorKind::Retry) => {
                    if self.back_off(&error, &mut faults).is_err() {
                        return Ok(Stop::Requested);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Stop::Requested)
    }

    fn forward(&self, batch: Batch, sequence: u64, acks: &Arc<AckTracker>) {
        let mut provenance = self.provenance.clone();
        let own = batch.provenance();
        if own.sequence == 0 {
            provenance.sequence = sequence;
        } else {
            (provenance.epoch, provenance.sequence) = (own.epoch, own.sequence);
            provenance.part = own.part;
        }
        provenance.received_at_us = self.clock.now_us();
        let metrics = &self.stage.status.metrics;
        metrics.records_in.inc_by(u64::from(batch.records()));
        if batch.records() > 0 {
            self.stage.status.note_record(provenance.received_at_us);
        }
        let delivery = Delivery { batch: batch.with_provenance(provenance), receipt: acks.track() };
        self.fanout.send(&self.stage.status, delivery);
    }

    fn back_off(&self, error: &PluginError, faults: &mut Faults) -> Result<(), Stopped> {
        self.stage.note_failure(error);
        if error.kind == ErrorKind::Retry {
            faults.last = Some(Instant::now());
            self.stage.status.set_state(State::Retrying);
            return self.stage.pause(faults.backoff.next_pause());
        }
        faults.bad_in_a_row = faults.bad_in_a_row.saturating_add(1);
        let pauses = faults.bad_in_a_row > MAX_BAD_IN_A_ROW;
        if pauses { self.stage.pause(BAD_DATA_PAUSE) } else { Ok(()) }
    }

    fn recovered(&self, faults: &mut Faults) {
        if faults.last.is_some() {
            self.stage.status.set_state(State::Running);
        }
        *faults = Faults::default();
    }

    fn confirm(&self, instance: &mut dyn SourceInstance, acks: &AckTracker, confirmed: &mut u64) {
        let now_confirmed = acks.confirmed();
        if now_confirmed == *confirmed {
            return;
        }
        *confirmed = now_confirmed;
        let call = self.stage.status.enter("confirm");
        let result = instance.confirm(now_confirmed);
        drop(call);
        if let Err(error) = result {
            self.stage.note_failure(&error);
        }
    }

    /// Ends the source: readers drain their queues and see the end of input.
    fn end(&self, instance: Instance, acks: &AckTracker, stop: Stop) {
        self.fanout.close();
        let closed = self.close(instance, acks);
        let lacks = closed.is_err_and(|error| error.kind == ErrorKind::Fatal);
        let has_failed = stop == Stop::Exhausted && lacks;
        self.stage.status.set_state(if has_failed { State::Failed } else { State::Ended });
    }

    /// Waits for acknowledgements, confirms the last batches, and closes the source.
    fn close(&self, mut instance: Instance, acks: &AckTracker) -> Result<(), PluginError> {
        let shutdown = &self.stage.shutdown;
        let since = Instant::now();
        let waits = || {
            let in_grace =
                !shutdown.stop_requested() || since.elapsed() < shutdown.stop_request().grace;
            in_grace && shutdown.phase() < Phase::Aborting
        };
        while !acks.wait_acked(WAIT) && waits() {}
        self.confirm(instance.as_mut(), acks, &mut 0);
        let call = self.stage.status.enter("close");
        let closed = instance.close();
        drop(call);
        if let Err(error) = &closed {
            self.stage.note_failure(error);
        }
        self.stage.discard(instance);
        closed
    }
}
