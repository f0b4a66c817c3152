//! The loop of a sink: receive batches, write them until they are delivered, acknowledge them.

mod deliver;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use dataserver_loader::SinkInstance;
use plugin_api::PluginError;

use super::{
    group::Group,
    handoff::{Handoff, StopReason, WorkerEnd},
    stage::{ExitDecision, Open, Stage, Stopped},
};
use crate::{
    clock::Clock,
    queue::{Queue, ReadLimits, Recv},
    retry::Backoff,
    telemetry::State,
};

/// Interval at which an idle sink gets `tick`.
const TICK: Duration = Duration::from_secs(1);
const OPEN: Open<Instance> = |plugin, opening| plugin.open_sink(opening);

const IMPORT: fn(&mut Instance, &[u8]) -> Result<(), PluginError> =
    |instance, state| instance.import_state(state);

type Instance = Box<dyn SinkInstance>;

/// A running sink.
pub struct SinkLoop {
    stage: Stage,
    queue: Arc<Queue>,
    clock: Arc<dyn Clock>,
    /// Groups to write, oldest first.
    pending: VecDeque<Group>,
    /// Batches that the instance holds and has not made durable, oldest first.
    held: Group,
    /// Flush what is held before more is received.
    flush_due: bool,
    /// Back-off after `Retry` errors.
    backoff: Backoff,
}

impl SinkLoop {
    /// A sink that is not open yet.
    pub fn new(stage: Stage, queue: Arc<Queue>, clock: Arc<dyn Clock>) -> Self {
        let retry = stage.component.retry;
        Self {
            stage,
            queue,
            clock,
            pending: VecDeque::new(),
            held: Group::default(),
            flush_due: false,
            backoff: Backoff::new(retry.min_backoff, retry.max_backoff),
        }
    }

    /// Opens the sink and runs it until its inputs have ended, or it has handed off.
    pub fn run(mut self, worker: &WorkerEnd) {
        let mut opened = match self.stage.open_first(OPEN, worker) {
            Ok(mut instance) => match self.stage.start(worker, &mut instance, IMPORT) {
                Some(handoff) => {
                    self.pending = handoff.groups;
                    Ok(instance)
                }
                None => return self.stage.discard(instance),
            },
            Err(Stopped) => {
                let Some(handoff) = worker.start_unopened() else { return };
                self.pending = handoff.groups;
                self.stage.inherited_state = handoff.state;
                Err(Stopped)
            }
        };
        loop {
            let ended = match opened.and_then(|instance| self.take_all(instance)) {
                Ok((instance, StopReason::HandoffRequested)) => {
                    let Some(instance) = self.try_hand_off(instance, worker) else { return };
                    opened = Ok(instance);
                    continue;
                }
                Ok((instance, StopReason::InputClosed)) => self.close(instance),
                Ok((instance, StopReason::LeavesPaused)) => {
                    self.leave(instance);
                    return self.give_up();
                }
                Err(Stopped) => Err(Stopped),
            };
            if ended.is_ok() {
                return self.stage.status.set_state(State::Ended);
            }
            match self.stage.exit_decision() {
                ExitDecision::Handoff => {
                    let state = self.stage.inherited_state.take();
                    return self.hand_off(state, worker);
                }
                ExitDecision::Stop => return self.give_up(),
                ExitDecision::Retry => {
                    // the instance that held batches is gone
                    self.pending = self.undelivered();
                    opened = self.stage.reopen_with_state(OPEN, IMPORT);
                }
            }
        }
    }

    /// Receives batches until the input is closed or a handoff is requested.
    fn take_all(&mut self, mut instance: Instance) -> Result<(Instance, StopReason), Stopped> {
        let batch = self.stage.component.batch;
        let limits =
            ReadLimits { max_records: batch.max_records, max_wait: batch.max_wait, timeout: TICK };
        loop {
            instance = self.process_pending(instance)?;
            if self.stage.shutdown.stop_requested() {
                return Ok((instance, StopReason::HandoffRequested));
            }
            if self.stage.rests() {
                self.try_flush(&mut instance);
                if self.stage.pause(Duration::ZERO).is_err() {
                    return Ok((instance, self.stage.reason_to_leave()));
                }
                continue;
            }
            instance = self.answer(instance)?;
            match self.queue.recv(limits) {
                // it was paused while it waited for them
                Recv::Batches(deliveries) if self.stage.rests() => self.queue.requeue(deliveries),
                Recv::Batches(deliveries) => {
                    let group = Group::new(deliveries);
                    self.stage.status.metrics.records_in.inc_by(group.size.records);
                    self.pending.push_back(group);
                }
                Recv::Empty | Recv::Interrupted if self.stage.rests() => {}
                Recv::Empty => instance = self.tick(instance)?,
                // who is asked often has its ticks all the same
                Recv::Interrupted if self.stage.last_tick.elapsed() >= TICK => {
                    instance = self.tick(instance)?;
                }
                Recv::Interrupted => {}
                Recv::FlushRequested => self.flush_due = true,
                Recv::Closed => return Ok((instance, StopReason::InputClosed)),
                Recv::Detached => return Ok((instance, StopReason::HandoffRequested)),
            }
        }
    }

    /// Hands off to a successor; returns the instance when it goes on.
    ///
    /// What cannot be flushed now goes to the successor.
    fn try_hand_off(&mut self, mut instance: Instance, worker: &WorkerEnd) -> Option<Instance> {
        // the request was withdrawn, but the reader is still detached
        if !self.stage.shutdown.stop_requested() {
            return Some(instance);
        }
        self.try_flush(&mut instance);
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
        self.leave(instance);
        self.hand_off(state, worker);
        None
    }

    /// Flushes what the instance holds; what it cannot, it goes on holding.
    fn try_flush(&mut self, instance: &mut Instance) {
        if self.held.is_empty() {
            return;
        }
        let call = self.stage.status.enter("flush");
        let flushed = instance.flush();
        drop(call);
        match flushed {
            Ok(()) => self.ack_held(),
            Err(error) => self.stage.note_failure(&error),
        }
    }

    /// Closes an instance that others go on after.
    fn leave(&self, instance: Instance) {
        if self.held.is_empty() {
            self.close_instance(instance);
        } else {
            // what it holds is handed off, or kept: it must not be made durable here as well
            self.stage.discard(instance);
        }
    }

    fn hand_off(&mut self, state: Option<Vec<u8>>, worker: &WorkerEnd) {
        let handoff = Handoff { groups: self.undelivered(), state, ..Handoff::default() };
        if let Some(late) = worker.hand_off(handoff) {
            let deliveries = late.groups.into_iter().flat_map(Group::into_deliveries);
            self.queue.requeue(deliveries.collect());
        }
    }

    /// Takes all groups that are not delivered, oldest first.
    fn undelivered(&mut self) -> VecDeque<Group> {
        let mut groups = std::mem::take(&mut self.pending);
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            groups.push_front(held);
        }
        groups
    }

    /// Undelivered batches are lost or stay on disk; a cancelled component acknowledges them, so
    /// that no source waits.
    fn give_up(&mut self) {
        let cancelled = self.stage.shutdown.is_cancelled();
        if cancelled {
            for group in self.undelivered() {
                if !self.queue.is_on_disk() {
                    self.stage.status.note_dropped("removed", group.size.records);
                }
                group.receipts.into_iter().for_each(|(receipt, _)| receipt.ack());
            }
        }
        // what stays on disk is delivered after the next start
        let is_kept = self.queue.is_on_disk() && self.stage.shutdown.is_stopping();
        if (is_kept || cancelled) && self.stage.status.state() != State::Failed {
            self.stage.status.set_state(State::Ended);
        }
    }

    fn close(&mut self, mut instance: Instance) -> Result<(), Stopped> {
        loop {
            self.flush_due = true;
            instance = self.process_pending(instance)?;
            if self.pending.is_empty() && self.held.is_empty() {
                break;
            }
            // it was paused just now
            self.stage.pause(Duration::ZERO)?;
        }
        self.close_instance(instance);
        Ok(())
    }

    fn close_instance(&self, mut instance: Instance) {
        let call = self.stage.status.enter("close");
        let closed = instance.close();
        drop(call);
        if let Err(error) = closed {
            self.stage.note_failure(&error);
        }
        self.stage.discard(instance);
    }
}
