//! The loop of a transform: take a batch, change it, pass on what becomes of it.

use std::{sync::Arc, time::Duration};

use dataserver_loader::TransformInstance;
use plugin_api::{Batch, ErrorKind, PluginError};

use super::{
    fanout::Fanout,
    handover::{Cue, Left, Rest},
    stage::{Ended, Fate, Open, Stage},
};
use crate::{
    ack::Receipt,
    queue::{Appetite, Delivery, Queue, Taken, fill_of},
    retry::Backoff,
    telemetry::State,
};

const APPETITE: Appetite =
    Appetite { max_records: 0, max_wait: Duration::ZERO, timeout: Duration::from_secs(1) };
/// Instances that one batch may break before it is set aside.
const MOST_PANICS: u32 = 3;
const OPEN: Open<Instance> = |plugin, opening| plugin.open_transform(opening);

const IMPORT: fn(&mut Instance, &[u8]) -> Result<(), PluginError> =
    |instance, state| instance.import_state(state);

type Instance = Box<dyn TransformInstance>;

/// A transform at work.
pub struct TransformLoop {
    /// The component.
    pub stage: Stage,
    /// Where its batches come from.
    pub queue: Arc<Queue>,
    /// Where they go.
    pub fanout: Arc<Fanout>,
    /// A batch that it did not get done with.
    pub in_hand: Option<Delivery>,
}

impl TransformLoop {
    /// Opens the transform and runs it until its inputs have ended, or until it leaves.
    pub fn run(mut self, cue: &Cue) {
        let mut opened = match self.stage.open_first(OPEN, cue) {
            Ok(mut instance) => match self.stage.begin(cue, &mut instance, IMPORT) {
                Some(left) => {
                    self.in_hand = left.input;
                    Ok(instance)
                }
                None => return self.stage.discard(instance),
            },
            Err(Ended) => {
                let Some(left) = cue.given() else { return };
                self.in_hand = left.input;
                self.stage.inherited = left.state;
                Err(Ended)
            }
        };
        loop {
            match opened.and_then(|instance| self.take_all(instance)) {
                Ok((called, Rest::ForAnother)) => {
                    let Some(stays) = self.leave(called, cue) else { return };
                    opened = Ok(stays);
                }
                Ok((closing, Rest::Nothing)) => return self.end(closing),
                Err(Ended) => match self.stage.fate() {
                    Fate::Leaves => {
                        let state = self.stage.inherited.take();
                        return self.hand_over(state, cue);
                    }
                    Fate::Ends => return self.give_up(),
                    Fate::Stays => opened = self.stage.open_again(OPEN, IMPORT),
                },
            }
        }
    }

    /// Takes batches until all have come, or until it is called away.
    fn take_all(&mut self, mut instance: Instance) -> Result<(Instance, Rest), Ended> {
        loop {
            if let Some(batch) = self.in_hand.as_ref().map(|it| it.batch.clone()) {
                instance = self.apply(instance, &batch)?;
                self.done();
            }
            if self.stage.shutdown.should_leave() {
                return Ok((instance, Rest::ForAnother));
            }
            match self.queue.take(APPETITE) {
                // one batch at a time, as the appetite says
                Taken::Batches(deliveries) => {
                    let records = fill_of(&deliveries).records;
                    self.stage.status.metrics.records_in.inc_by(records);
                    self.in_hand = deliveries.into_iter().next();
                }
                // nothing is held, so a writer gets room as soon as a batch is passed on
                Taken::Nothing | Taken::Wanted => instance = self.tick(instance)?,
                Taken::Closed => return Ok((instance, Rest::Nothing)),
                Taken::Called => return Ok((instance, Rest::ForAnother)),
            }
        }
    }

    /// Makes room for a successor; gives the instance back when it stays.
    fn leave(&mut self, mut instance: Instance, cue: &Cue) -> Option<Instance> {
        // it was let stay, and the queue calls still
        if !self.stage.shutdown.should_leave() {
            return Some(instance);
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
        if state.is_some() {
            self.stage.discard(instance);
        } else if self.close(instance).is_err() {
            self.stage.note_failure(&PluginError::retry("what it held back is lost"));
        }
        self.hand_over(state, cue);
        None
    }

    fn hand_over(&mut self, state: Option<Vec<u8>>, cue: &Cue) {
        let left = Left { input: self.in_hand.take(), state, ..Left::default() };
        if let Some(late) = cue.leave(left) {
            self.queue.give_back(late.input.into_iter().collect());
        }
    }

    /// What it had in hand is lost, unless nobody wants it any more.
    fn give_up(&mut self) {
        if self.stage.shutdown.is_dismissed() {
            let records = self.in_hand.as_ref().map_or(0, |it| u64::from(it.batch.records()));
            self.stage.status.note_dropped("removed", records);
            self.done();
        }
        self.fanout.close();
    }

    fn end(&mut self, instance: Instance) {
        if self.close(instance).is_ok() {
            self.stage.status.set_state(State::Ended);
        }
        self.fanout.close();
    }

    /// Changes the batch in hand and passes on what becomes of it; until then it stays in hand.
    fn apply(&mut self, mut instance: Instance, batch: &Batch) -> Result<Instance, Ended> {
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
                self.stage.set_aside(batch, &error.message)?;
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
            Ok(outputs) => self.send(outputs, None),
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
                Ok(outputs) => self.send(outputs, None),
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

    /// Lets go of the batch in hand.
    fn done(&mut self) {
        if let Some(delivery) = self.in_hand.take() {
            let fill = delivery.fill();
            delivery.receipt.settle();
            self.queue.release(&[], fill);
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
            let receipt = match (&self.in_hand, input) {
                (Some(delivery), Some(_)) => delivery.receipt.clone(),
                _ => Receipt::none(),
            };
            self.fanout.send(&self.stage.status, Delivery { batch, receipt });
        }
    }
}
