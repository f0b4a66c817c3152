//! The one job that a host has at a time.
//!
//! A thread of its own goes on with a job that an earlier host left, takes up what is asked for, and
//! begins jobs by itself when that is due. Whoever asks while there is a job hears its name.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use ::days::Day;
use dataserver_backfill::{
    End, Folder, Halt, Job, Outcome, Progress, Series, State, Tally, latest, unfinished,
};
use dataserver_config::BackfillPrefer;
use dataserver_engine::{shutdown::ActiveGuard, telemetry, topology::Topology};
use serde::{Deserialize, Serialize};

use super::{
    missing,
    request::Request,
    running::{self, Listeners},
    stop::Stop,
    when::{Reason, When},
};
use crate::reload::Reloader;

/// How often it is looked whether something is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Pause before a job that could not go on is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(60);
const DAY_SECONDS: u64 = 86_400;

/// The jobs of a host.
pub struct Hub {
    reloader: Arc<Reloader>,
    /// Held by who makes a job: one at a time.
    making: Mutex<()>,
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Default)]
struct Inner {
    current: Option<Current>,
    stop: Option<Arc<Stop>>,
    /// What the thread takes up next.
    next: Option<(Folder, Job, ActiveGuard)>,
    last: Option<Outcome>,
    ended: bool,
    began: Option<(Instant, u64)>,
}

/// A job that has not ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Current {
    /// Its name.
    pub name: String,
    /// Whether the host began it by itself.
    pub is_automatic: bool,
    /// First day.
    pub from: String,
    /// Last day.
    pub to: String,
    /// What it is doing.
    pub state: State,
    /// How far it is.
    #[serde(flatten)]
    pub progress: Progress,
    /// Records settled a second, since this host works at it.
    pub rate: u64,
    /// Seconds that are left at that rate, when it is known.
    pub left_s: Option<u64>,
    /// The store that it waits for, and how that is.
    pub waits_for: Option<String>,
    /// Why it does not go on for now.
    pub error: Option<String>,
}

/// What there is to tell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The job that has not ended, if there is one.
    pub current: Option<Current>,
    /// What the last one came to that has ended.
    pub last: Option<Outcome>,
}

/// Why a job is not begun.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is another one.
    #[error(
        "backfill {0} runs; wait for its end, or cancel it with `dataserver backfill --cancel`"
    )]
    Busy(String),
    /// The host ends.
    #[error("the host ends; begin it when it runs again")]
    Ending,
    /// It cannot be done.
    #[error("{0}")]
    Impossible(String),
}

/// The thread of a hub.
#[derive(Debug)]
pub struct HubThread {
    hub: Arc<Hub>,
    thread: JoinHandle<()>,
}

impl HubThread {
    /// Ends it, and waits for that.
    pub fn end(self) {
        lock(&self.hub.inner).ended = true;
        self.hub.changed.notify_all();
        let _ = self.thread.join();
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("current", &lock(&self.inner).current).finish_non_exhaustive()
    }
}

impl Hub {
    /// The hub of the pipeline that this reloader keeps; nothing is begun yet.
    pub fn new(reloader: &Arc<Reloader>) -> Arc<Self> {
        Arc::new(Self {
            reloader: Arc::clone(reloader),
            making: Mutex::default(),
            inner: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// Begins to work.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(self: &Arc<Self>) -> std::io::Result<HubThread> {
        let hub = Arc::clone(self);
        let thread =
            thread::Builder::new().name("backfill".to_owned()).spawn(move || hub.work())?;
        Ok(HubThread { hub: Arc::clone(self), thread })
    }

    /// Begins a job; returns its name. One for which nothing is missing has ended by then. Reads the
    /// ledger, so it may block.
    ///
    /// # Errors
    /// Why it is not begun.
    pub fn begin(&self, request: &Request) -> Result<String, Refused> {
        self.make(request, false)
    }

    /// Cancels the job; its name, or `None` without one.
    pub fn cancel(&self) -> Option<String> {
        let inner = lock(&self.inner);
        let name = inner.current.as_ref().map(|current| current.name.clone())?;
        if let Some(stop) = &inner.stop {
            stop.cancel();
        }
        self.changed.notify_all();
        Some(name)
    }

    /// What there is to tell.
    pub fn status(&self) -> Status {
        let inner = lock(&self.inner);
        let mut current = inner.current.clone();
        if let (Some(current), Some((since, before))) = (&mut current, inner.began) {
            let progress = &current.progress;
            let settled = progress.settled.saturating_sub(before);
            let seconds = since.elapsed().as_secs().max(1);
            current.rate = settled / seconds;
            let left = progress.asked.saturating_sub(progress.settled);
            current.left_s = (settled > 0).then(|| left.saturating_mul(seconds) / settled);
        }
        Status { current, last: inner.last.clone() }
    }

    fn topology(&self) -> &Arc<Topology> {
        self.reloader.topology()
    }

    fn make(&self, request: &Request, is_automatic: bool) -> Result<String, Refused> {
        let _one_at_a_time = lock(&self.making);
        if let Some(current) = &lock(&self.inner).current {
            return Err(Refused::Busy(current.name.clone()));
        }
        let topology = self.topology();
        if topology.shutdown().is_stopping() {
            return Err(Refused::Ending);
        }
        // before anything is kept: the host may end once the job has
        let active = topology.shutdown().active_guard();
        let pipeline = topology.pipeline();
        let root = running::root(&pipeline);
        let impossible = |error: &dyn ToString| Refused::Impossible(error.to_string());
        if let Some((_, job)) = unfinished(&root).map_err(|error| impossible(&error))? {
            return Err(Refused::Busy(job.name));
        }
        let mut job = request.job(&pipeline, topology.now_us()).map_err(Refused::Impossible)?;
        job.is_automatic = is_automatic;
        let name = job.name.clone();
        if job.pieces.is_empty() {
            if !is_automatic {
                let outcome = running::outcome(&job, Tally::default(), topology.now_us());
                lock(&self.inner).last = Some(outcome);
            }
            return Ok(name);
        }
        let folder = Folder::create(&root, &job).map_err(|error| impossible(&error))?;
        self.take_up(folder, job, active);
        Ok(name)
    }

    fn take_up(&self, folder: Folder, job: Job, active: ActiveGuard) {
        let mut inner = lock(&self.inner);
        let (from, to) = job.days.clone();
        inner.current = Some(Current {
            name: job.name.clone(),
            is_automatic: job.is_automatic,
            from,
            to,
            progress: Progress {
                pieces: job.pieces.len() as u64,
                asked: job.asked,
                ..Progress::default()
            },
            ..Current::default()
        });
        inner.stop = Some(Stop::new(self.topology().shutdown()));
        inner.began = None;
        inner.next = Some((folder, job, active));
        self.changed.notify_all();
    }

    fn work(&self) {
        let mut when = When::new(self.topology().now_us());
        let mut due: VecDeque<Request> = VecDeque::new();
        self.go_on();
        loop {
            let next = {
                let ready = |inner: &mut Inner| inner.next.is_none() && !inner.ended;
                let waited = self.changed.wait_timeout_while(lock(&self.inner), LOOK_EVERY, ready);
                let mut inner = waited.unwrap_or_else(PoisonError::into_inner).0;
                if inner.ended {
                    return;
                }
                inner.next.take()
            };
            if let Some((folder, job, active)) = next {
                self.carry_out(&folder, &job, active);
            } else if lock(&self.inner).current.is_none() {
                self.look(&mut when, &mut due);
            }
        }
    }

    /// Takes up what an earlier host left, or this one could not finish.
    fn go_on(&self) {
        let root = running::root(&self.topology().pipeline());
        match unfinished(&root) {
            Ok(Some((folder, job))) => {
                tracing::info!(backfill = job.name, "goes on");
                self.take_up(folder, job, self.topology().shutdown().active_guard());
            }
            Ok(None) => match latest(&root) {
                Ok(last) => lock(&self.inner).last = last,
                Err(error) => tracing::warn!("what backfills have done is not known: {error}"),
            },
            Err(error) => tracing::error!("a backfill cannot go on: {error}"),
        }
    }

    fn carry_out(&self, folder: &Folder, job: &Job, active: ActiveGuard) {
        let Some(stop) = lock(&self.inner).stop.clone() else { return };
        let (backfill, asked, pieces) = (job.name.as_str(), job.asked, job.pieces.len());
        tracing::info!(backfill, asked, pieces, "history is asked for");
        let tell = |progress: &Progress| {
            let mut inner = lock(&self.inner);
            let began = (Instant::now(), progress.settled);
            inner.began.get_or_insert(began);
            if let Some(current) = &mut inner.current {
                (current.state, current.error) = (State::Running, None);
                current.progress.clone_from(progress);
            }
        };
        let waits_for = |whom: Option<String>| {
            if let Some(current) = &mut lock(&self.inner).current {
                current.waits_for = whom;
            }
        };
        let listeners = Listeners { tell: &tell, waits_for: &waits_for };
        let catalog = self.reloader.catalog();
        let ended = running::run((folder, job), self.topology(), catalog, &stop, &listeners);
        let failed = match ended {
            Ok(outcome) => return self.end_of(outcome, &active),
            Err(End::Halt(Halt::Stopping)) => return,
            Err(end) => end.to_string(),
        };
        tracing::error!(backfill, "it does not go on for now: {failed}");
        {
            let mut inner = lock(&self.inner);
            if let Some(current) = &mut inner.current {
                (current.state, current.error) = (State::Stopped, Some(failed));
            }
        }
        // the host may end meanwhile
        drop(active);
        let goes_on = |inner: &mut Inner| !inner.ended && stop.halt().is_none();
        let waited = self.changed.wait_timeout_while(lock(&self.inner), TRY_AGAIN, goes_on);
        let mut inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        if !inner.ended {
            let active = self.topology().shutdown().active_guard();
            inner.next = Some((folder.clone(), job.clone(), active));
        }
    }

    fn end_of(&self, outcome: Outcome, _active: &ActiveGuard) {
        let (backfill, text) = (outcome.name.as_str(), running::line(&outcome));
        if outcome.still_missing > 0 {
            let faults = outcome.tally.faults.join("; ");
            tracing::warn!(backfill, faults, "{text}");
        } else {
            tracing::info!(backfill, "{text}");
        }
        let mut inner = lock(&self.inner);
        (inner.current, inner.stop, inner.last) = (None, None, Some(outcome));
    }

    /// Begins what is due by itself.
    fn look(&self, when: &mut When, due: &mut VecDeque<Request>) {
        let topology = self.topology();
        if let Some(request) = due.pop_front() {
            match self.make(&request, true) {
                Ok(_) | Err(Refused::Ending) => {}
                Err(Refused::Busy(_)) => due.push_front(request),
                Err(error) => tracing::warn!("gaps are not filled: {error}"),
            }
            return;
        }
        let (pipeline, now_us) = (topology.pipeline(), topology.now_us());
        let settings = &pipeline.backfill;
        let Some(reason) = when.look(now_us, settings.when, &silent(topology)) else { return };
        if settings.from.is_empty() {
            return;
        }
        let back = settings.within.as_secs().div_ceil(DAY_SECONDS);
        let today = Day::of(now_us).0;
        let days = (today.saturating_sub(i64::try_from(back).unwrap_or(i64::MAX)), today);
        let of = |(from, to), replace| {
            move |series: Series| Request {
                from: Some(from),
                to: Some(to),
                kind: Some(series.kind),
                period: series.period,
                replace: Some(replace),
                ..Request::default()
            }
        };
        match missing::series(&pipeline, days, now_us) {
            Ok(series) => {
                let reason = reason.as_str();
                tracing::info!(reason, series = series.len(), "gaps are looked for");
                due.extend(series.into_iter().map(of(days, false)));
            }
            Err(error) => tracing::warn!("gaps are not looked for: {error}"),
        }
        if reason == Reason::Close && settings.prefer == BackfillPrefer::History {
            match missing::bars_of(&pipeline, today) {
                Ok(series) => due.extend(series.into_iter().map(of((today, today), true))),
                Err(error) => tracing::warn!("bars are not replaced: {error}"),
            }
        }
    }
}

/// Sources that give nothing although they should.
fn silent(topology: &Topology) -> HashSet<String> {
    let components = topology.components();
    let silent = components.iter().filter(|it| it.state() == telemetry::State::Silent);
    silent.map(|status| status.id.clone()).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
