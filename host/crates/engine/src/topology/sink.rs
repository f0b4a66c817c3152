//! The loop of a sink: receive batches, write them until they are delivered, acknowledge them.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use dataserver_loader::SinkInstance;
use plugin_api::{Ack, ErrorKind, PluginError};

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
/// Panics that one group may cause before it is split.
const MAX_PANICS: u32 = 3;
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
            instance = self.answer(instance)?;
            match self.queue.recv(limits) {
                Recv::Batches(deliveries) => {
                    let group = Group::new(deliveries);
                    self.stage.status.metrics.records_in.inc_by(group.size.records);
                    self.pending.push_back(group);
                }
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
        if !self.held.is_empty() {
            let call = self.stage.status.enter("flush");
            let flushed = instance.flush();
            drop(call);
            match flushed {
                Ok(()) => self.ack_held(),
                Err(error) => self.stage.note_failure(&error),
            }
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
        if self.held.is_empty() {
            self.close_instance(instance);
        } else {
            // what it holds is handed off: it must not be made durable here as well
            self.stage.discard(instance);
        }
        self.hand_off(state, worker);
        None
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

    /// Writes pending groups until they are delivered, held or dead-lettered; flushes when that is
    /// due.
    fn process_pending(&mut self, mut instance: Instance) -> Result<Instance, Stopped> {
        loop {
            if self.flush_due && (self.pending.is_empty() || !self.held.is_empty()) {
                instance = self.flush(instance)?;
            } else if let Some(group) = self.pending.pop_front() {
                instance = self.write(instance, group)?;
            } else {
                return Ok(instance);
            }
        }
    }

    fn write(&mut self, mut instance: Instance, mut group: Group) -> Result<Instance, Stopped> {
        let call = self.stage.status.enter("write");
        let written = instance.write(&group.batches);
        drop(call);
        let error = match written {
            Ok(ack) => {
                self.recovered();
                self.acknowledge(ack, group);
                return Ok(instance);
            }
            Err(error) => error,
        };
        match error.kind {
            ErrorKind::BadData => {
                self.recovered();
                self.stage.note_failure(&error);
                let isolated = group.isolated;
                self.split_group(group, &error, isolated)?;
            }
            ErrorKind::Retry => {
                let most = self.stage.component.retry.max_attempts;
                group.attempts += 1;
                if most > 0 && group.attempts >= most {
                    self.stage.note_failure(&error);
                    self.dead_letter(group, &error)?;
                } else {
                    self.pending.push_front(group);
                    self.back_off(&error)?;
                }
            }
            ErrorKind::Config | ErrorKind::Fatal | ErrorKind::Panic => {
                group.panics += u32::from(error.kind == ErrorKind::Panic);
                let is_hopeless = group.panics >= MAX_PANICS;
                self.pending.push_front(group);
                instance = self.stage.replace(instance, &error, OPEN)?;
                if is_hopeless && let Some(group) = self.pending.pop_front() {
                    self.split_group(group, &error, false)?;
                }
                // what the failed instance held was not durable: the next one gets it first
                let held = std::mem::take(&mut self.held);
                if !held.is_empty() {
                    self.pending.push_front(held);
                }
            }
        }
        Ok(instance)
    }

    fn acknowledge(&mut self, ack: Ack, group: Group) {
        match ack {
            Ack::Delivered => {
                self.ack_held();
                self.ack_group(group);
            }
            Ack::Held => {
                self.flush_due |= group.isolated;
                self.held.append(group);
                self.flush_due |= self.held.size.bytes > self.queue.max_memory() / 2;
            }
        }
    }

    /// Isolates bad data: first the batches of a group one by one, then the records of a batch by
    /// halves; what remains is dead-lettered.
    fn split_group(
        &mut self,
        mut group: Group,
        error: &PluginError,
        isolated: bool,
    ) -> Result<(), Stopped> {
        if group.batches.len() > 1 {
            for single in group.split_each(isolated).rev() {
                self.pending.push_front(single);
            }
            return Ok(());
        }
        group.isolated = isolated;
        // no bisection after a panic, because each attempt costs an instance
        if error.kind != ErrorKind::BadData {
            return self.dead_letter(group, error);
        }
        match group.halves() {
            Ok([first, second]) => {
                first.numbers().into_iter().for_each(|number| self.queue.split(number));
                self.pending.push_front(second);
                self.pending.push_front(first);
                Ok(())
            }
            Err(group) => self.dead_letter(group, error),
        }
    }

    /// Answers what was asked about the instance's readers.
    fn answer(&mut self, mut instance: Instance) -> Result<Instance, Stopped> {
        match self.stage.answer(instance.as_mut()) {
            Ok(()) => Ok(instance),
            Err(error) => self.recover(instance, &error),
        }
    }

    fn tick(&mut self, mut instance: Instance) -> Result<Instance, Stopped> {
        self.stage.last_tick = Instant::now();
        let call = self.stage.status.enter("tick");
        let ticked = instance.tick();
        drop(call);
        match ticked {
            Ok(ack) => {
                self.recovered();
                self.acknowledge(ack, Group::default());
                Ok(instance)
            }
            Err(error) => self.recover(instance, &error),
        }
    }

    /// Flushes what the instance holds.
    fn flush(&mut self, mut instance: Instance) -> Result<Instance, Stopped> {
        let call = self.stage.status.enter("flush");
        let flushed = instance.flush();
        drop(call);
        match flushed {
            Ok(()) => {
                self.recovered();
                self.flush_due = false;
                self.ack_held();
                Ok(instance)
            }
            Err(error) => self.recover(instance, &error),
        }
    }

    /// Handles the failure of a call without batches: what is held may be the cause.
    fn recover(&mut self, instance: Instance, error: &PluginError) -> Result<Instance, Stopped> {
        if error.kind == ErrorKind::Retry {
            self.back_off(error)?;
            return Ok(instance);
        }
        let is_bad = error.kind == ErrorKind::BadData;
        if is_bad && self.held.is_empty() {
            self.stage.note_failure(error);
            return Ok(instance);
        }
        // the failed instance could write its held batches a second time
        let instance = self.stage.replace(instance, error, OPEN)?;
        let mut held = std::mem::take(&mut self.held);
        held.panics += u32::from(error.kind == ErrorKind::Panic);
        if is_bad || held.panics >= MAX_PANICS {
            self.split_group(held, error, true)?;
        } else if !held.is_empty() {
            self.pending.push_front(held);
        }
        Ok(instance)
    }

    fn back_off(&mut self, error: &PluginError) -> Result<(), Stopped> {
        self.stage.note_failure(error);
        self.stage.status.set_state(State::Retrying);
        self.stage.pause(self.backoff.next_pause())
    }

    fn recovered(&mut self) {
        if self.backoff.attempts() > 0 {
            self.backoff.reset();
            self.stage.status.set_state(State::Running);
        }
    }

    fn close(&mut self, instance: Instance) -> Result<(), Stopped> {
        self.flush_due = true;
        let instance = self.process_pending(instance)?;
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

    fn ack_held(&mut self) {
        let held = std::mem::take(&mut self.held);
        self.ack_group(held);
    }

    fn ack_group(&self, group: Group) {
        let now_us = self.clock.now_us();
        let status = &self.stage.status;
        status.metrics.records_out.inc_by(group.size.records);
        status.metrics.bytes_out.inc_by(group.size.bytes);
        for batch in &group.batches {
            status.note_latency(batch.provenance().received_at_us, now_us);
        }
        // the queue first, then the source, which must not forget what the queue could offer again
        self.queue.ack(&group.numbers(), group.size);
        group.receipts.into_iter().for_each(|(receipt, _)| receipt.ack());
    }

    fn dead_letter(&mut self, group: Group, error: &PluginError) -> Result<(), Stopped> {
        for batch in &group.batches {
            if let Err(Stopped) = self.stage.dead_letter(batch, &error.message) {
                self.pending.push_front(group);
                return Err(Stopped);
            }
        }
        self.queue.ack(&group.numbers(), group.size);
        group.receipts.into_iter().for_each(|(receipt, _)| receipt.ack());
        Ok(())
    }
}
