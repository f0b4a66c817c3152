//! The loop of a transform: take a batch, change it, pass on what becomes of it.

use std::{sync::Arc, time::Duration};

use plugin_api::{Batch, ErrorKind, PluginError};

use super::{
    fanout::Fanout,
    stage::{Ended, Open, Stage, Started},
};
use crate::{
    ack::Receipt,
    plugin::TransformInstance,
    queue::{Appetite, Delivery, Queue, Taken, fill_of},
    retry::Backoff,
    telemetry::State,
};

const APPETITE: Appetite =
    Appetite { max_records: 0, max_wait: Duration::ZERO, timeout: Duration::from_secs(1) };
/// Instances that one batch may break before it is set aside.
const MOST_PANICS: u32 = 3;
const OPEN: Open<Instance> = |plugin, opening| plugin.open_transform(opening);

type Instance = Box<dyn TransformInstance>;

/// A transform at work.
pub struct TransformLoop {
    /// The component.
    pub stage: Stage,
    /// Where its batches come from.
    pub queue: Arc<Queue>,
    /// Where they go.
    pub fanout: Fanout,
}

impl TransformLoop {
    /// Opens the transform and runs it until its inputs have ended.
    pub fn run(mut self, started: Started) {
        if let Ok(instance) = self.stage.open_first(OPEN, started) {
            let result = self.take_all(instance).and_then(|instance| self.close(instance));
            if result.is_ok() {
                self.stage.status.set_state(State::Ended);
            }
        }
    }

    fn take_all(&mut self, mut instance: Instance) -> Result<Instance, Ended> {
        loop {
            match self.queue.take(APPETITE) {
                Taken::Batches(deliveries) => {
                    let fill = fill_of(&deliveries);
                    for delivery in deliveries {
                        instance = self.apply(instance, delivery)?;
                    }
                    self.queue.release(&[], fill);
                }
                // nothing is held, so a writer gets room as soon as a batch is passed on
                Taken::Nothing | Taken::Wanted => instance = self.tick(instance)?,
                Taken::Closed => return Ok(instance),
            }
        }
    }

    fn apply(&mut self, mut instance: Instance, delivery: Delivery) -> Result<Instance, Ended> {
        let Delivery { batch, receipt } = delivery;
        self.stage.status.metrics.records_in.inc_by(u64::from(batch.records()));
        let retry = self.stage.component.retry;
        let mut backoff = Backoff::new(retry.min_backoff, retry.max_backoff);
        let mut panics = 0;
        loop {
            let call = self.stage.status.enter("apply");
            let applied = instance.apply(&batch);
            drop(call);
            let error = match applied {
                Ok(outputs) => {
                    self.send(outputs, Some(&batch), receipt);
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
                        self.wait_out(&error, &mut backoff)?;
                    }
                    is_last
                }
                ErrorKind::Config | ErrorKind::Fatal | ErrorKind::Panic => {
                    instance = self.stage.replace(instance, &error, OPEN)?;
                    panics += 1;
                    panics >= MOST_PANICS
                }
            };
            if is_hopeless {
                self.stage.set_aside(&batch, &error.message)?;
                receipt.settle();
                return Ok(instance);
            }
        }
    }

    fn wait_out(&self, error: &PluginError, backoff: &mut Backoff) -> Result<(), Ended> {
        self.stage.note_failure(error);
        self.stage.status.set_state(State::Retrying);
        self.stage.pause(backoff.next_pause())?;
        self.stage.status.set_state(State::Running);
        Ok(())
    }

    /// Passes on what the clock makes, which belongs to no batch.
    fn tick(&mut self, mut instance: Instance) -> Result<Instance, Ended> {
        let call = self.stage.status.enter("tick");
        let made = instance.tick();
        drop(call);
        match made {
            Ok(outputs) => self.send(outputs, None, Receipt::none()),
            Err(error) if matches!(error.kind, ErrorKind::Retry | ErrorKind::BadData) => {
                self.stage.note_failure(&error);
            }
            Err(error) => return self.stage.replace(instance, &error, OPEN),
        }
        Ok(instance)
    }

    /// Passes on what the transform still has; no new instance could give it.
    fn close(&mut self, mut instance: Instance) -> Result<(), Ended> {
        let retry = self.stage.component.retry;
        let mut backoff = Backoff::new(retry.min_backoff, retry.max_backoff);
        loop {
            let call = self.stage.status.enter("close");
            let made = instance.close();
            drop(call);
            match made {
                Ok(outputs) => self.send(outputs, None, Receipt::none()),
                Err(error)
                    if error.kind == ErrorKind::Retry
                        && backoff.attempts() + 1 != retry.max_attempts =>
                {
                    self.wait_out(&error, &mut backoff)?;
                    continue;
                }
                Err(error) => self.stage.note_failure(&error),
            }
            self.stage.discard(instance);
            return Ok(());
        }
    }

    fn send(&self, mut outputs: Vec<Batch>, input: Option<&Batch>, receipt: Receipt) {
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
            self.fanout.send(Delivery { batch, receipt: receipt.clone() });
        }
        receipt.settle();
    }
}
