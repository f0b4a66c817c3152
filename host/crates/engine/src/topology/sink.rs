//! The loop of a sink: take batches, write them until they are delivered, settle them.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use dataserver_loader::SinkInstance;
use plugin_api::{Ack, ErrorKind, PluginError};

use super::{
    group::Group,
    handover::{Cue, Left, Rest},
    stage::{Ended, Fate, Open, Stage},
};
use crate::{
    clock::Clock,
    queue::{Appetite, Queue, Taken},
    retry::Backoff,
    telemetry::State,
};

/// How often an idle sink is asked whether its clock makes it do something.
const TICK: Duration = Duration::from_secs(1);
/// Instances that one group of batches may break by a panic before it is taken apart.
const MOST_PANICS: u32 = 3;
const OPEN: Open<Instance> = |plugin, opening| plugin.open_sink(opening);

const IMPORT: fn(&mut Instance, &[u8]) -> Result<(), PluginError> =
    |instance, state| instance.import_state(state);

type Instance = Box<dyn SinkInstance>;

/// A sink at work.
pub struct SinkLoop {
    stage: Stage,
    queue: Arc<Queue>,
    clock: Arc<dyn Clock>,
    /// Groups that are to be written, oldest first.
    work: VecDeque<Group>,
    /// Batches that the instance has taken but not made safe, oldest first.
    held: Group,
    /// What is held must be made safe before more is taken.
    flush_due: bool,
    /// Pauses while what the sink needs is away.
    backoff: Backoff,
}

impl SinkLoop {
    /// A sink that is to be opened.
    pub fn new(stage: Stage, queue: Arc<Queue>, clock: Arc<dyn Clock>) -> Self {
        let retry = stage.component.retry;
        Self {
            stage,
            queue,
            clock,
            work: VecDeque::new(),
            held: Group::default(),
            flush_due: false,
            backoff: Backoff::new(retry.min_backoff, retry.max_backoff),
        }
    }

    /// Opens the sink and runs it until its inputs have ended, or until it leaves.
    pub fn run(mut self, cue: &Cue) {
        let mut opened = match self.stage.open_first(OPEN, cue) {
            Ok(mut instance) => match self.stage.begin(cue, &mut instance, IMPORT) {
                Some(left) => {
                    self.work = left.groups;
                    Ok(instance)
                }
                None => return self.stage.discard(instance),
            },
            Err(Ended) => {
                let Some(left) = cue.given() else { return };
                self.work = left.groups;
                self.stage.inherited = left.state;
                Err(Ended)
            }
        };
        loop {
            let ended = match opened.and_then(|instance| self.take_all(instance)) {
                Ok((called, Rest::ForAnother)) => {
                    let Some(stays) = self.leave(called, cue) else { return };
                    opened = Ok(stays);
                    continue;
                }
                Ok((closing, Rest::Nothing)) => self.close(closing),
                Err(Ended) => Err(Ended),
            };
            if ended.is_ok() {
                return self.stage.status.set_state(State::Ended);
            }
            match self.stage.fate() {
                Fate::Leaves => {
                    let state = self.stage.inherited.take();
                    return self.hand_over(state, cue);
                }
                Fate::Ends => return self.give_up(),
                Fate::Stays => {
                    // the instance that held something is gone
                    self.work = self.rest();
                    opened = self.stage.open_again(OPEN, IMPORT);
                }
            }
        }
    }

    /// Takes batches until all have come, or until it is called away.
    fn take_all(&mut self, mut instance: Instance) -> Result<(Instance, Rest), Ended> {
        let batch = self.stage.component.batch;
        let appetite =
            Appetite { max_records: batch.max_records, max_wait: batch.max_wait, timeout: TICK };
        loop {
            instance = self.work_off(instance)?;
            if self.stage.shutdown.should_leave() {
                return Ok((instance, Rest::ForAnother));
            }
            match self.queue.take(appetite) {
                Taken::Batches(deliveries) => {
                    let group = Group::new(deliveries);
                    self.stage.status.metrics.records_in.inc_by(group.fill.records);
                    self.work.push_back(group);
                }
                Taken::Nothing => instance = self.tick(instance)?,
                Taken::Wanted => self.flush_due = true,
                Taken::Closed => return Ok((instance, Rest::Nothing)),
                Taken::Called => return Ok((instance, Rest::ForAnother)),
            }
        }
    }

    /// Makes room for a successor; gives the instance back when it stays.
    ///
    /// What cannot be made safe now is left to the successor.
    fn leave(&mut self, mut instance: Instance, cue: &Cue) -> Option<Instance> {
        // it was let stay, and the queue calls still
        if !self.stage.shutdown.should_leave() {
            return Some(instance);
        }
        if !self.held.is_empty() {
            let call = self.stage.status.enter("flush");
            let flushed = instance.flush();
            drop(call);
            match flushed {
                Ok(()) => self.settle_held(),
                Err(error) => self.stage.note_failure(&error),
            }
        }
        let state = match self.stage.export(&mut instance, |it| it.export_state()) {
            Ok(state) => state,
            Err(error) => {
                if self.stage.shutdown.refuse_to_leave() {
                    cue.stay(error);
                }
                return Some(instance);
            }
        };
        if !self.stage.shutdown.go() {
            return Some(instance);
        }
        if self.held.is_empty() {
            self.close_instance(instance);
        } else {
            // what it holds is the successor's: it must not be made safe here as well
            self.stage.discard(instance);
        }
        self.hand_over(state, cue);
        None
    }

    fn hand_over(&mut self, state: Option<Vec<u8>>, cue: &Cue) {
        let left = Left { groups: self.rest(), state, ..Left::default() };
        if let Some(late) = cue.leave(left) {
            let deliveries = late.groups.into_iter().flat_map(Group::into_deliveries);
            self.queue.give_back(deliveries.collect());
        }
    }

    /// What is not delivered, oldest first.
    fn rest(&mut self) -> VecDeque<Group> {
        let mut groups = std::mem::take(&mut self.work);
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            groups.push_front(held);
        }
        groups
    }

    /// What is not delivered is lost or waits on disk; no source waits for it when nobody wants it
    /// any more.
    fn give_up(&mut self) {
        let dismissed = self.stage.shutdown.is_dismissed();
        if dismissed {
            for group in self.rest() {
                if !self.queue.is_on_disk() {
                    self.stage.status.note_dropped("removed", group.fill.records);
                }
                group.duties.into_iter().for_each(|(receipt, _)| receipt.settle());
            }
        }
        // what it leaves on disk waits there for the next start
        let is_kept = self.queue.is_on_disk() && self.stage.shutdown.is_stopping();
        if (is_kept || dismissed) && self.stage.status.state() != State::Failed {
            self.stage.status.set_state(State::Ended);
        }
    }

    /// Writes what is in hand until it is delivered, held or set aside; flushes when that is due.
    fn work_off(&mut self, mut instance: Instance) -> Result<Instance, Ended> {
        loop {
            if self.flush_due && (self.work.is_empty() || !self.held.is_empty()) {
                instance = self.flush(instance)?;
            } else if let Some(group) = self.work.pop_front() {
                instance = self.write(instance, group)?;
            } else {
                return Ok(instance);
            }
        }
    }

    fn write(&mut self, mut instance: Instance, mut group: Group) -> Result<Instance, Ended> {
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
                let alone = group.alone;
                self.take_apart(group, &error, alone)?;
            }
            ErrorKind::Retry => {
                let most = self.stage.component.retry.max_attempts;
                group.attempts += 1;
                if most > 0 && group.attempts >= most {
                    self.stage.note_failure(&error);
                    self.set_aside(group, &error)?;
                } else {
                    self.work.push_front(group);
                    self.wait_out(&error)?;
                }
            }
            ErrorKind::Config | ErrorKind::Fatal | ErrorKind::Panic => {
                group.panics += u32::from(error.kind == ErrorKind::Panic);
                let is_hopeless = group.panics >= MOST_PANICS;
                self.work.push_front(group);
                instance = self.stage.replace(instance, &error, OPEN)?;
                if is_hopeless && let Some(group) = self.work.pop_front() {
                    self.take_apart(group, &error, false)?;
                }
                // what the failed instance held was never safe: the next one gets it first
                let held = std::mem::take(&mut self.held);
                if !held.is_empty() {
                    self.work.push_front(held);
                }
            }
        }
        Ok(instance)
    }

    fn acknowledge(&mut self, ack: Ack, group: Group) {
        match ack {
            Ack::Delivered => {
                self.settle_held();
                self.settle(group);
            }
            Ack::Held => {
                self.flush_due |= group.alone;
                self.held.append(group);
                self.flush_due |= self.held.fill.bytes > self.queue.max_memory() / 2;
            }
        }
    }

    /// One by one the good batches of a group get through, then half by half the good records of
    /// a bad batch; what is left is set aside.
    fn take_apart(
        &mut self,
        mut group: Group,
        error: &PluginError,
        alone: bool,
    ) -> Result<(), Ended> {
        if group.batches.len() > 1 {
            for single in group.apart(alone).rev() {
                self.work.push_front(single);
            }
            return Ok(());
        }
        group.alone = alone;
        // a panic costs an instance each time: too dear for a search
        if error.kind != ErrorKind::BadData {
            return self.set_aside(group, error);
        }
        match group.halves() {
            Ok([first, second]) => {
                first.numbers().into_iter().for_each(|number| self.queue.split(number));
                self.work.push_front(second);
                self.work.push_front(first);
                Ok(())
            }
            Err(group) => self.set_aside(group, error),
        }
    }

    fn tick(&mut self, mut instance: Instance) -> Result<Instance, Ended> {
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

    /// Tries to make everything held safe.
    fn flush(&mut self, mut instance: Instance) -> Result<Instance, Ended> {
        let call = self.stage.status.enter("flush");
        let flushed = instance.flush();
        drop(call);
        match flushed {
            Ok(()) => {
                self.recovered();
                self.flush_due = false;
                self.settle_held();
                Ok(instance)
            }
            Err(error) => self.recover(instance, &error),
        }
    }

    /// After a failed call that had no batches of its own: what is held may be to blame.
    fn recover(&mut self, instance: Instance, error: &PluginError) -> Result<Instance, Ended> {
        if error.kind == ErrorKind::Retry {
            self.wait_out(error)?;
            return Ok(instance);
        }
        let is_bad = error.kind == ErrorKind::BadData;
        if is_bad && self.held.is_empty() {
            self.stage.note_failure(error);
            return Ok(instance);
        }
        // the failed instance would write what it holds beside what is offered again
        let instance = self.stage.replace(instance, error, OPEN)?;
        let mut held = std::mem::take(&mut self.held);
        held.panics += u32::from(error.kind == ErrorKind::Panic);
        if is_bad || held.panics >= MOST_PANICS {
            self.take_apart(held, error, true)?;
        } else if !held.is_empty() {
            self.work.push_front(held);
        }
        Ok(instance)
    }

    fn wait_out(&mut self, error: &PluginError) -> Result<(), Ended> {
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

    fn close(&mut self, instance: Instance) -> Result<(), Ended> {
        self.flush_due = true;
        let instance = self.work_off(instance)?;
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

    fn settle_held(&mut self) {
        let held = std::mem::take(&mut self.held);
        self.settle(held);
    }

    fn settle(&self, group: Group) {
        let now_us = self.clock.now_us();
        let status = &self.stage.status;
        status.metrics.records_out.inc_by(group.fill.records);
        status.metrics.bytes_out.inc_by(group.fill.bytes);
        for batch in &group.batches {
            status.note_latency(batch.provenance().received_at_us, now_us);
        }
        // first here, then at the source: it must not forget what would be offered again
        self.queue.release(&group.numbers(), group.fill);
        group.duties.into_iter().for_each(|(receipt, _)| receipt.settle());
    }

    fn set_aside(&mut self, group: Group, error: &PluginError) -> Result<(), Ended> {
        for batch in &group.batches {
            if let Err(Ended) = self.stage.set_aside(batch, &error.message) {
                self.work.push_front(group);
                return Err(Ended);
            }
        }
        self.queue.release(&group.numbers(), group.fill);
        group.duties.into_iter().for_each(|(receipt, _)| receipt.settle());
        Ok(())
    }
}
