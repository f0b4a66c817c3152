//! The loop of a transform: receive a batch, apply the plugin, forward its outputs.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use dataserver_loader::TransformInstance;
use plugin_api::{Batch, ErrorKind, PluginError};

use super::{
    fanout::Fanout,
    handoff::{Handoff, StopReason, WorkerEnd},
    stage::{ExitDecision, Open, Stage, Stopped},
};
use crate::{
    ack::Receipt,
    queue::{Delivery, Queue, ReadLimits, Recv, total_size},
    retry::Backoff,
    telemetry::State,
};

/// Interval at which an idle transform gets `tick`.
const TICK: Duration = Duration::from_secs(1);
const READ_LIMITS: ReadLimits =
    ReadLimits { max_records: 0, max_wait: Duration::ZERO, timeout: TICK };
/// Panics that one batch may cause before it is dead-lettered.
const MAX_PANICS: u32 = 3;
const OPEN: Open<Instance> = |plugin, opening| plugin.open_transform(opening);

const IMPORT: fn(&mut Instance, &[u8]) -> Result<(), PluginError> =
    |instance, state| instance.import_state(state);

type Instance = Box<dyn TransformInstance>;

/// A running transform.
pub struct TransformLoop {
    /// The component.
    pub stage: Stage,
    /// Its input.
    pub queue: Arc<Queue>,
    /// Its outputs.
    pub fanout: Arc<Fanout>,
    /// The batch that it is working on.
    pub in_flight: Option<Delivery>,
}

impl TransformLoop {
    /// Opens the transform and runs it until its inputs have ended, or it has handed off.
    pub fn run(mut self, worker: &WorkerEnd) {
        let mut opened = match self.stage.open_first(OPEN, worker) {
            Ok(mut instance) => match self.stage.start(worker, &mut instance, IMPORT) {
                Some(handoff) => {
                    self.in_flight = handoff.input;
                    Ok(instance)
                }
                None => return self.stage.discard(instance),
            },
            Err(Stopped) => {
                let Some(handoff) = worker.start_unopened() else { return };
                self.in_flight = handoff.input;
                self.stage.inherited_state = handoff.state;
                Err(Stopped)
            }
        };
        loop {
            match opened.and_then(|instance| self.take_all(instance)) {
                Ok((instance, StopReason::HandoffRequested)) => {
                    let Some(instance) = self.try_hand_off(instance, worker) else { return };
                    opened = Ok(instance);
                }
                Ok((instance, StopReason::InputClosed)) => return self.end(instance),
                Ok((instance, StopReason::LeavesPaused)) => {
                    // what it took before is forwarded; its queue goes with it
                    self.end(instance);
                    return self.give_up();
                }
                Err(Stopped) => match self.stage.exit_decision() {
                    ExitDecision::Handoff => {
                        let state = self.stage.inherited_state.take();
                        return self.hand_off(state, worker);
                    }
                    ExitDecision::Stop => return self.give_up(),
                    ExitDecision::Retry => opened = self.stage.reopen_with_state(OPEN, IMPORT),
                },
            }
        }
    }

    /// Receives batches until the input is closed or a handoff is requested.
    fn take_all(&mut self, mut instance: Instance) -> Result<(Instance, StopReason), Stopped> {
        loop {
            if self.stage.rests() {
                if self.stage.pause(Duration::ZERO).is_err() {
                    return Ok((instance, self.stage.reason_to_leave()));
                }
                continue;
            }
            if let Some(batch) = self.in_flight.as_ref().map(|it| it.batch.clone()) {
                instance = self.apply(instance, &batch)?;
                self.ack_in_flight();
            }
            if self.stage.shutdown.stop_requested() {
                return Ok((instance, StopReason::HandoffRequested));
            }
            if let Err(error) = self.stage.answer(instance.as_mut()) {
                instance = self.stage.replace(instance, &error, OPEN)?;
            }
            match self.queue.recv(READ_LIMITS) {
                // it was paused while it waited for them
                Recv::Batches(deliveries) if self.stage.rests() => self.queue.requeue(deliveries),
                // one batch at a time, because of `READ_LIMITS`
                Recv::Batches(deliveries) => {
                    let records = total_size(&deliveries).records;
                    self.stage.status.metrics.records_in.inc_by(records);
                    self.in_flight = deliveries.into_iter().next();
                }
                Recv::Empty | Recv::FlushRequested | Recv::Interrupted if self.stage.rests() => {}
                // nothing is held: writers get room as soon as a batch is forwarded
                Recv::Empty | Recv::FlushRequested => instance = self.tick(instance)?,
                // who is asked often has its ticks all the same
                Recv::Interrupted if self.stage.last_tick.elapsed() >= TICK => {
                    instance = self.tick(instance)?;
                }
                Recv::Interrupted => {}
                Recv::Closed => return Ok((instance, StopReason::InputClosed)),
                Recv::Detached => return Ok((instance, StopReason::HandoffRequested)),
            }
        }
    }

    /// Hands off to a successor; returns the instance when it goes on.
    fn try_hand_off(&mut self, mut instance: Instance, worker: &WorkerEnd) -> Option<Instance> {
        // the request was withdrawn, but the reader is still detached
        if !self.stage.shutdown.stop_requested() {
            return Some(instance);
        }
        let state = match self.stage.export(&mut instance, |it| it.export_state()) {
            Ok(state) => state,
            Err(error) => {
                if self.stage.shutdown.decline_stop() {
                    worker.decline(error);
                }
                return Some(instance);
            }
        };
        if !self.stage.shutdown.commit_stop() {
            return Some(instance);
        }
        if state.is_some() {
            self.stage.discard(instance);
        } else if self.close(instance).is_err() {
            self.stage.note_failure(&PluginError::retry("what it held back is lost"));
        }
        self.hand_off(state, worker);
        None
    }

    fn hand_off(&mut self, state: Option<Vec<u8>>, worker: &WorkerEnd) {
        let handoff = Handoff { input: self.in_flight.take(), state, ..Handoff::default() };
        if let Some(late) = worker.hand_off(handoff) {
            self.queue.requeue(late.input.into_iter().collect());
        }
    }

    /// The batch in flight is lost; a cancelled component counts and acknowledges it.
    fn give_up(&mut self) {
        if self.stage.shutdown.is_cancelled() {
            let records = self.in_flight.as_ref().map_or(0, |it| u64::from(it.batch.records()));
            self.stage.status.note_dropped("removed", records);
            self.ack_in_flight();
        }
        self.fanout.close();
    }

    fn end(&mut self, instance: Instance) {
        if self.close(instance).is_ok() {
            self.stage.status.set_state(State::Ended);
        }
        self.fanout.close();
    }

    /// Applies the plugin to the batch in flight and forwards its outputs; until then it stays in
    /// flight.
    fn apply(&mut self, mut instance: Instance, batch: &Batch) -> Result<Instance, Stopped> {
        let retry = self.stage.component.retry;
        let mut backoff = Backoff::new(retry.min_backoff, retry.max_backoff);
        let mut panics = 0;
        loop {
            let call = self.stage.status.enter("apply");
            let applied = instance.apply(batch);
            drop(call);
            let error = match applied {
                Ok(outputs) => {
                    self.send(outputs, Some(batch));
                    return Ok(instance);
                }
                Err(error) => error,
            };
            let is_hopeless = match error.kind {
                ErrorKind::BadData => {
                    self.stage.note_failure(&error);
                    true
                }
                ErrorKind::Retry => {
                    let is_last = backoff.attempts() + 1 == retry.max_attempts;
                    if is_last {
                        self.stage.note_failure(&error);
                    } else {
                        self.back_off(&error, &mut backoff)?;
                    }
                    is_last
                }
                ErrorKind::Config | ErrorKind::Fatal | ErrorKind::Panic => {
                    instance = self.stage.replace(instance, &error, OPEN)?;
                    panics += 1;
                    panics >= MAX_PANICS
                }
            };
            if is_hopeless {
                self.stage.dead_letter(batch, &error.message)?;
                return Ok(instance);
            }
        }
    }

    fn back_off(&self, error: &PluginError, backoff: &mut Backoff) -> Result<(), Stopped> {
        self.stage.note_failure(error);
        self.stage.status.set_state(State::Retrying);
        self.stage.pause(backoff.next_pause())?;
        self.stage.status.set_state(State::Running);
        Ok(())
    }

    /// Forwards what `tick` returns, which belongs to no input.
    fn tick(&mut self, mut instance: Instance) -> Result<Instance, Stopped> {
        self.stage.last_tick = Instant::now();
        let call = self.stage.status.enter("tick");
        let made = instance.tick();
        drop(call);
        match made {
            Ok(outputs) => self.send(outputs, None),
            Err(error) if matches!(error.kind, ErrorKind::Retry | ErrorKind::BadData) => {
                self.stage.note_failure(&error);
            }
            Err(error) => return self.stage.replace(instance, &error, OPEN),
        }
        Ok(instance)
    }

    /// Forwards what the transform holds back; no new instance could return it.
    fn close(&mut self, mut instance: Instance) -> Result<(), Stopped> {
        let retry = self.stage.component.retry;
        let mut backoff = Backoff::new(retry.min_backoff, retry.max_backoff);
        loop {
            let call = self.stage.status.enter("close");
            let made = instance.close();
            drop(call);
            match made {
                Ok(outputs) => self.send(outputs, None),
                Err(error)
                    if error.kind == ErrorKind::Retry
                        && backoff.attempts() + 1 != retry.max_attempts =>
                {
                    self.back_off(&error, &mut backoff)?;
                    continue;
                }
                Err(error) => self.stage.note_failure(&error),
            }
            self.stage.discard(instance);
            return Ok(());
        }
    }

    /// Acknowledges the batch in flight.
    fn ack_in_flight(&mut self) {
        if let Some(delivery) = self.in_flight.take() {
            let size = delivery.size();
            delivery.receipt.ack();
            self.queue.ack(&[], size);
        }
    }

    fn send(&self, mut outputs: Vec<Batch>, input: Option<&Batch>) {
        if let Some(input) = input {
            let mut part = input.provenance().part;
            for output in &mut outputs {
                if output.provenance().sequence == 0 || output.provenance().part < part {
                    let mut provenance = input.provenance().clone();
                    provenance.part = part;
                    *output = output.clone().with_provenance(provenance);
                }
                part = output.provenance().part + u64::from(output.records()).max(1);
            }
        }
        for batch in outputs {
            let receipt = match (&self.in_flight, input) {
                (Some(delivery), Some(_)) => delivery.receipt.clone(),
                _ => Receipt::none(),
            };
            self.fanout.send(&self.stage.status, Delivery { batch, receipt });
        }
    }
}
