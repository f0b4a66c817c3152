//! The threads of a component, from their start to their end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use plugin_api::{Context, HostServices, Provenance};

use super::{
    fanout::Fanout,
    handover::{Cue, line},
    runner::Runner,
    services::Services,
    sink::SinkLoop,
    slot::Slot,
    source::SourceLoop,
    stage::Stage,
    surrounds::Surrounds,
    transform::TransformLoop,
};
use crate::{
    queue::Queue,
    shutdown::{Phase, Shutdown},
    telemetry::WorkerStatus,
};

/// Starts the threads of a component. `is_proven` ones do not give up when they do not open.
pub fn start(slot: &Slot, around: &Surrounds, is_proven: bool) -> std::io::Result<Runner> {
    let lever = around.shutdown.child();
    let exit = Arc::new(Exit {
        lever: Arc::clone(&lever),
        queue: slot.queue.clone(),
        fanout: slot.fanout.clone(),
        stays: AtomicBool::new(true),
    });
    let mut reins = Vec::new();
    for _ in 0..slot.component.workers.max(1) {
        let (cue, rein) = line(is_proven);
        if let Err(error) = spawn(slot, around, &lever, cue, &exit) {
            lever.advance(Phase::Aborting);
            return Err(error);
        }
        reins.push(rein);
    }
    Ok(Runner::new(lever, reins))
}

/// Nobody must wait for a component that is gone, in order or by a panic of the host itself.
struct Exit {
    lever: Arc<Shutdown>,
    queue: Option<Arc<Queue>>,
    fanout: Option<Arc<Fanout>>,
    /// No successor takes the queue over.
    stays: AtomicBool,
}

impl Drop for Exit {
    fn drop(&mut self) {
        if let Some(fanout) = self.fanout.as_ref().filter(|_| thread::panicking()) {
            fanout.close();
        }
        if let Some(queue) = self.queue.as_ref().filter(|_| self.stays.load(Ordering::Acquire)) {
            if self.lever.is_dismissed() {
                queue.discard();
            } else {
                queue.abort();
            }
        }
    }
}

/// A thread that is done, whichever way.
struct Done(WorkerStatus);

impl Drop for Done {
    fn drop(&mut self) {
        self.0.retire();
    }
}

fn spawn(
    slot: &Slot,
    around: &Surrounds,
    lever: &Arc<Shutdown>,
    cue: Cue,
    exit: &Arc<Exit>,
) -> std::io::Result<()> {
    let stage = stage(slot, around, lever);
    let clock = Arc::clone(&around.clock);
    let (queue, fanout, exit) = (slot.queue.clone(), slot.fanout.clone(), Arc::clone(exit));
    let (lever, done) = (Arc::clone(lever), Done(stage.status.clone()));
    let at_work = lever.at_work();
    thread::Builder::new().name(slot.component.id.clone()).spawn(move || {
        match (queue, fanout) {
            (None, Some(fanout)) => {
                let mut provenance = Provenance::of_source(&stage.component.id);
                // numbers of the host's own start anew with every run
                provenance.epoch = u64::try_from(clock.now_us()).unwrap_or_default();
                SourceLoop { stage, fanout, clock, provenance }.run(&cue);
            }
            (Some(queue), Some(fanout)) => {
                TransformLoop { stage, queue, fanout, in_hand: None }.run(&cue);
            }
            (Some(queue), None) => SinkLoop::new(stage, queue, clock).run(&cue),
            (None, None) => {}
        }
        // a queue that it has left, or was never let at, is another one's
        if lever.should_leave() || !cue.has_begun() {
            exit.stays.store(false, Ordering::Release);
        }
        drop((exit, done));
        drop(at_work);
    })?;
    Ok(())
}

fn stage(slot: &Slot, around: &Surrounds, lever: &Arc<Shutdown>) -> Stage {
    let id = &slot.component.id;
    let services = Services {
        status: Arc::clone(&slot.status),
        shutdown: Arc::clone(lever),
        clock: Arc::clone(&around.clock),
        dead_letters: Arc::clone(&slot.letters),
    };
    let services: Arc<dyn HostServices> = Arc::new(services);
    Stage::new(
        slot.component.clone(),
        Arc::clone(&slot.plugin),
        Context::new(id, &around.base_dir, around.state_dir(id), services),
        slot.queue.clone(),
        slot.status.join(),
        Arc::clone(lever),
        Arc::clone(&slot.letters),
    )
}
