//! The threads of a component, and the reins that hold them.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use plugin_api::{Context, HostServices, PluginError, Provenance};

use super::{
    fanout::Fanout,
    handover::{Cue, Left, NotBegun, Reins, line},
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
    shutdown::{Farewell, Phase, Shutdown},
    telemetry::WorkerStatus,
};

/// Longest wait for an instance to take over; one whose server is away does so later.
const TAKE_OVER: Duration = Duration::from_secs(2);
/// How often a wait looks whether the host ends.
const POLL: Duration = Duration::from_millis(20);

/// Threads of a component that work with one plugin and one set of options.
#[derive(Debug)]
pub struct Runner {
    /// Ends them, with the pipeline or alone.
    pub lever: Arc<Shutdown>,
    /// One for each thread.
    reins: Mutex<Vec<Reins>>,
}

/// Why a component does not make room.
#[derive(Debug)]
pub enum Stays {
    /// Its plugin cannot give its state.
    Refused(PluginError),
    /// It does not come back from a call.
    Busy,
    /// It has ended by itself meanwhile.
    Ended,
}

impl Runner {
    /// Starts the threads of a component. `is_proven` ones do not give up when they do not open.
    pub fn start(slot: &Slot, around: &Surrounds, is_proven: bool) -> std::io::Result<Self> {
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
        Ok(Self { lever, reins: Mutex::new(reins) })
    }

    /// Waits until every thread has opened its plugin, or told why it cannot.
    ///
    /// `None` when that takes longer than `until`, or the host ends meanwhile.
    pub fn opened(&self, until: Instant) -> Option<Result<(), PluginError>> {
        for rein in self.reins().iter() {
            match self.wait(until, |pause| rein.opened(pause))? {
                Ok(()) => {}
                Err(error) => return Some(Err(error)),
            }
        }
        Some(Ok(()))
    }

    /// Lets those threads that still open do so for as long as it takes; one whose plugin cannot
    /// start no longer gives up.
    ///
    /// # Errors
    /// Why one has given up already.
    pub fn let_open_later(&self) -> Result<(), PluginError> {
        let gave_up = |rein: &Reins| match rein.opened(Duration::ZERO) {
            // it says why next
            None if !rein.forbid_to_refuse() => rein.opened(Duration::MAX)?.err(),
            opened => opened?.err(),
        };
        let gave_up = self.reins().iter().find_map(gave_up);
        gave_up.map_or(Ok(()), Err)
    }

    /// Lets the threads begin with what was left by those before them.
    ///
    /// # Errors
    /// Why they do not, with what was left.
    pub fn begin(&self, left: Left, until: Instant) -> Result<(), NotBegun> {
        let reins = self.reins();
        let Some((first, others)) = reins.split_first() else { return Ok(()) };
        if let Some(left) = first.go(left) {
            return Err((PluginError::fatal("the component has ended"), Box::new(left)));
        }
        let until = until.min(Instant::now() + TAKE_OVER);
        match self.wait(until, |pause| first.began(pause)) {
            Some(began) => began?,
            None => first.insist()?,
        }
        for rein in others {
            rein.go(Left::default());
        }
        Ok(())
    }

    /// Lets the threads begin, for the first time; false when one of them has ended already.
    pub fn begin_first(&self) -> bool {
        let begin = |rein: &Reins| rein.go(Left::default()).is_none();
        self.reins().iter().map(begin).fold(true, |all, begins| all & begins)
    }

    /// Asks the threads to make room, and waits for what they leave.
    ///
    /// # Errors
    /// When they stay: then they go on as before.
    pub fn leave(
        &self,
        queue: Option<&Queue>,
        farewell: Farewell,
        until: Instant,
    ) -> Result<Left, Stays> {
        self.reins().iter().for_each(Reins::forget_answer);
        self.lever.ask_to_leave(farewell);
        if let Some(queue) = queue {
            queue.call_reader();
        }
        let left = self.gather(until);
        if let Some(queue) = queue {
            queue.welcome_reader();
        }
        left
    }

    fn gather(&self, until: Instant) -> Result<Left, Stays> {
        let mut all = Left::default();
        let mut answers = 0;
        for rein in self.reins().iter() {
            match self.wait(until, |pause| rein.left(pause)) {
                Some(Ok(left)) => {
                    answers += 1;
                    all.join(left);
                }
                Some(Err(error)) => return Err(Stays::Refused(error)),
                None if self.has_ended() => {}
                None if self.lever.let_stay() => return Err(Stays::Busy),
                // another thread has gone already, so this one goes too as soon as it can, and
                // gives back to the queue what it has
                None => {
                    let late = rein.left(super::LAST_WAIT).or_else(|| rein.give_up());
                    match late {
                        Some(Ok(left)) => all.join(left),
                        Some(Err(_)) | None => {
                            tracing::error!(
                                "a worker does not come back from a call; it goes later"
                            );
                        }
                    }
                }
            }
        }
        if answers == 0 { Err(Stays::Ended) } else { Ok(all) }
    }

    /// Whether all threads have ended.
    pub fn has_ended(&self) -> bool {
        self.lever.wait_last(Duration::ZERO)
    }

    /// Waits until all threads have ended; tells whether they did.
    pub fn wait_ended(&self, until: Instant) -> bool {
        self.lever.wait_last(until.saturating_duration_since(Instant::now()))
    }

    fn reins(&self) -> MutexGuard<'_, Vec<Reins>> {
        self.reins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks again and again, until there is an answer, time is up, or the host ends.
    fn wait<T>(&self, until: Instant, ask: impl Fn(Duration) -> Option<T>) -> Option<T> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if let Some(answer) = ask(left.min(POLL)) {
                return Some(answer);
            }
            if left.is_zero() || self.lever.phase() > Phase::Running || self.has_ended() {
                // it may have come in the last moment
                return ask(Duration::ZERO);
            }
        }
    }
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
