//! Threads that fetch answers, each one request at a time.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use plugin_api::{Context, PluginError};

use crate::client::{Client, Fault};

/// A request to be made.
pub struct Job {
    /// Number of the round, from 1.
    pub round: u64,
    /// Number of the request in its round.
    pub request: usize,
    /// What to ask for, joined by commas.
    pub symbols: String,
    /// Longest time for it.
    pub timeout: Duration,
    /// Not asked at all when its turn comes only then.
    pub until: Instant,
}

/// What came of a job.
pub struct Outcome {
    /// Number of the round.
    pub round: u64,
    /// Number of the request in its round.
    pub request: usize,
    /// The bytes of the answer; `None` when its turn came too late.
    pub answer: Option<Result<Vec<u8>, Fault>>,
    /// When its last byte was there, microseconds since 1970 UTC.
    pub received_us: i64,
}

/// The threads, and both ends of what goes to them and comes back.
pub struct Workers {
    jobs: SyncSender<Job>,
    outcomes: Receiver<Outcome>,
    stopped: Arc<AtomicBool>,
}

impl Workers {
    /// Starts as many threads as there may be requests at a time.
    ///
    /// # Errors
    /// `Fatal` when the system gives no thread.
    pub fn start(
        client: &Client,
        threads: usize,
        most_jobs: usize,
        context: &Context,
    ) -> Result<Self, PluginError> {
        let (jobs, to_do) = sync_channel(most_jobs);
        // a worker whose outcome is not taken waits with it, so a slow pipeline asks less
        let (done, outcomes) = sync_channel(threads);
        let to_do = Arc::new(Mutex::new(to_do));
        let stopped = Arc::new(AtomicBool::new(false));
        for number in 0..threads {
            let worker = Worker {
                client: client.clone(),
                context: context.clone(),
                to_do: Arc::clone(&to_do),
                done: done.clone(),
                stopped: Arc::clone(&stopped),
            };
            thread::Builder::new()
                .name(format!("qq-{number}"))
                .spawn(move || worker.run())
                .map_err(|error| {
                    PluginError::fatal(format!(
                        "no thread for a request: {error}; lower `concurrency`"
                    ))
                })?;
        }
        Ok(Self { jobs, outcomes, stopped })
    }

    /// Hands a job over; false when as many wait already as there are requests in a round.
    pub fn ask(&self, job: Job) -> bool {
        self.jobs.try_send(job).is_ok()
    }

    /// The next outcome, waiting at most until then.
    ///
    /// # Errors
    /// `Disconnected` when all threads have ended, which they do not by themselves.
    pub fn outcome(&self, until: Instant) -> Result<Outcome, RecvTimeoutError> {
        self.outcomes.recv_timeout(until.saturating_duration_since(Instant::now()))
    }
}

impl Drop for Workers {
    /// Threads end with their request; they are not joined, as that may take as long as `timeout`.
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

struct Worker {
    client: Client,
    context: Context,
    to_do: Arc<Mutex<Receiver<Job>>>,
    done: SyncSender<Outcome>,
    stopped: Arc<AtomicBool>,
}

impl Worker {
    fn run(self) {
        while let Some(job) = self.next_job() {
            let in_time = job.until.saturating_duration_since(Instant::now()).min(job.timeout);
            let answer = (!in_time.is_zero()).then(|| self.client.ask(&job.symbols, in_time));
            let received_us = self.context.now_us();
            let Job { round, request, .. } = job;
            if self.done.send(Outcome { round, request, answer, received_us }).is_err() {
                return;
            }
        }
    }

    /// Waits for a job; `None` when there will be none any more.
    fn next_job(&self) -> Option<Job> {
        let job = self.to_do.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()?;
        (!self.stopped.load(Ordering::Relaxed)).then_some(job)
    }
}
