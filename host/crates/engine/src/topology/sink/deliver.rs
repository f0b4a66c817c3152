//! What a sink does with what it has received, until that is delivered.

use std::time::Instant;

use plugin_api::{Ack, ErrorKind, PluginError};

use super::{Instance, OPEN, SinkLoop};
use crate::{
    telemetry::State,
    topology::{group::Group, stage::Stopped},
};

/// Panics that one group may cause before it is split.
const MAX_PANICS: u32 = 3;

impl SinkLoop {
    /// Writes pending groups until they are delivered, held or dead-lettered, or the sink is paused;
    /// flushes when that is due.
    pub(super) fn process_pending(&mut self, mut instance: Instance) -> Result<Instance, Stopped> {
        loop {
            if self.stage.rests() {
                return Ok(instance);
            }
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
    pub(super) fn answer(&mut self, mut instance: Instance) -> Result<Instance, Stopped> {
        match self.stage.answer(instance.as_mut()) {
            Ok(()) => Ok(instance),
            Err(error) => self.recover(instance, &error),
        }
    }

    pub(super) fn tick(&mut self, mut instance: Instance) -> Result<Instance, Stopped> {
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

    pub(super) fn ack_held(&mut self) {
        let held = std::mem::take(&mut self.held);
        self.ack_group(held);
    }

    fn ack_group(&self, group: Group) {
        let now_us = self.clock.now_us();
        let status = &self.stage.status;
        status.metrics.records_out.inc_by(group.size.records);
        status.metrics.bytes_out.inc_by(group.size.bytes);
        if !group.is_empty() {
            status.note_commit(now_us);
        }
        for batch in &group.batches {
            status.note_latency(batch.provenance().received_at_us, now_us);
        }
        group.ack(&self.queue);
    }

    fn dead_letter(&mut self, group: Group, error: &PluginError) -> Result<(), Stopped> {
        for batch in &group.batches {
            if let Err(Stopped) = self.stage.dead_letter(batch, &error.message) {
                self.pending.push_front(group);
                return Err(Stopped);
            }
        }
        group.ack(&self.queue);
        Ok(())
    }
}
