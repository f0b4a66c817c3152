//! The threads of a component, and the reins that hold them.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use plugin_api::PluginError;

use super::handover::{Left, NotBegun, Reins};
use crate::{
    queue::Queue,
    shutdown::{Farewell, Phase, Shutdown},
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
    /// Of threads that were started with that lever.
    pub fn new(lever: Arc<Shutdown>, reins: Vec<Reins>) -> Self {
        Self { lever, reins: Mutex::new(reins) }
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
