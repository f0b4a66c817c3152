//! The loop of a sink: take batches, write them until they are delivered, settle them.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use plugin_api::{Ack, Batch, ErrorKind, PluginError};

use super::stage::{Ended, Open, Stage, Started};
use crate::{
    ack::Receipt,
    clock::Clock,
    plugin::SinkInstance,
    queue::{Appetite, Delivery, Fill, Queue, Taken},
    retry::Backoff,
    telemetry::State,
};

/// How often an idle sink is asked whether its clock makes it do something.
const TICK: Duration = Duration::from_secs(1);
/// Instances that one group of batches may break by a panic before it is taken apart.
const MOST_PANICS: u32 = 3;
const OPEN: Open<Instance> = |plugin, opening| plugin.open_sink(opening);

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

/// Batches that are written in one call.
#[derive(Debug, Default)]
struct Group {
    batches: Vec<Batch>,
    /// The duties of each batch: its receipt, and its share of the queue's bound.
    duties: Vec<(Receipt, Fill)>,
    fill: Fill,
    attempts: u32,
    panics: u32,
    /// To be made safe before anything else is written, because it is under suspicion.
    alone: bool,
}

impl Group {
    fn new(deliveries: Vec<Delivery>) -> Self {
        let parts = deliveries.into_iter().map(|delivery| {
            let fill = delivery.fill();
            (delivery.batch, (delivery.receipt, fill))
        });
        Self::of_parts(parts)
    }

    fn of_parts(parts: impl Iterator<Item = (Batch, (Receipt, Fill))>) -> Self {
        let (batches, duties): (Vec<_>, Vec<_>) = parts.unzip();
        let fill = duties.iter().fold(Fill::default(), |sum, (_, fill)| sum + *fill);
        Self { batches, duties, fill, ..Self::default() }
    }

    fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    fn append(&mut self, mut other: Self) {
        self.batches.append(&mut other.batches);
        self.duties.append(&mut other.duties);
        self.fill = self.fill + other.fill;
        self.panics = self.panics.max(other.panics);
    }

    /// One group a batch.
    fn apart(self, alone: bool) -> impl DoubleEndedIterator<Item = Self> {
        let parts = self.batches.into_iter().zip(self.duties);
        parts.map(move |part| Self { alone, ..Self::of_parts(std::iter::once(part)) })
    }

    /// The records of the only batch in two groups; the group itself when it has no two.
    fn halves(mut self) -> Result<[Self; 2], Self> {
        let Some(Ok(Some((first, second)))) = self.batches.first().map(Batch::halves) else {
            return Err(self);
        };
        let Some((receipt, whole)) = self.duties.pop() else { return Err(self) };
        let half = Fill { records: u64::from(first.records()), bytes: whole.bytes / 2 };
        let duties = [(receipt.clone(), half), (receipt, whole - half)];
        let mut halves = [first, second].into_iter().zip(duties);
        let mut next = || Self { alone: self.alone, ..Self::of_parts(halves.by_ref().take(1)) };
        Ok([next(), next()])
    }

    fn numbers(&self) -> Vec<u64> {
        self.batches.iter().map(Batch::delivery).collect()
    }
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

    /// Opens the sink and runs it until its inputs have ended.
    pub fn run(mut self, started: Started) {
        let opened = self.stage.open_first(OPEN, started);
        let taken = opened.and_then(|instance| self.take_all(instance));
        let result = taken.and_then(|instance| self.close(instance));
        // what it leaves on disk waits there for the next start
        let is_kept = self.queue.is_on_disk() && self.stage.shutdown.is_stopping();
        if result.is_ok() || (is_kept && self.stage.status.state() != State::Failed) {
            self.stage.status.set_state(State::Ended);
        }
    }

    fn take_all(&mut self, mut instance: Instance) -> Result<Instance, Ended> {
        let batch = self.stage.component.batch;
        let appetite =
            Appetite { max_records: batch.max_records, max_wait: batch.max_wait, timeout: TICK };
        loop {
            match self.queue.take(appetite) {
                Taken::Batches(deliveries) => {
                    let group = Group::new(deliveries);
                    self.stage.status.metrics.records_in.inc_by(group.fill.records);
                    self.work.push_back(group);
                }
                Taken::Nothing => instance = self.tick(instance)?,
                Taken::Wanted => self.flush_due = true,
                Taken::Closed => return Ok(instance),
            }
            instance = self.work_off(instance)?;
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
                instance = self.stage.replace(instance, &error, OPEN)?;
                group.panics += u32::from(error.kind == ErrorKind::Panic);
                if group.panics >= MOST_PANICS {
                    self.take_apart(group, &error, false)?;
                } else {
                    self.work.push_front(group);
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
        let mut instance = self.work_off(instance)?;
        let call = self.stage.status.enter("close");
        let closed = instance.close();
        drop(call);
        if let Err(error) = closed {
            self.stage.note_failure(&error);
        }
        self.stage.discard(instance);
        Ok(())
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

    fn set_aside(&self, group: Group, error: &PluginError) -> Result<(), Ended> {
        let numbers = group.numbers();
        for batch in &group.batches {
            self.stage.set_aside(batch, &error.message)?;
        }
        self.queue.release(&numbers, group.fill);
        group.duties.into_iter().for_each(|(receipt, _)| receipt.settle());
        Ok(())
    }
}
