//! Tells people when something is wrong, and when it is over; and the log how it goes.
//!
//! A thread of its own [looks] at the components once a second. What is [wrong](watch) with them, or
//! with the days that are [over](crate::days::judging), is taken down in a [book], which says what of it is to be told, and each target has a thread that
//! [sends] it. Nothing of this is on the data's way, and nothing waits for it.
//!
//! [looks]: look
//! [sends]: sender

mod book;
mod look;
mod message;
mod outbox;
mod report;
mod robot;
mod sender;
mod vendor;
mod watch;

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use dataserver_config::{AlarmTarget, Alarms};
use dataserver_engine::{clock::Clock, shutdown::Phase, topology::Topology};

use crate::days::judging::Judged;

use self::{
    book::{Book, Notice},
    report::Reporter,
    robot::Robot,
    sender::Senders,
    vendor::Verdict,
    watch::Watch,
};

/// How often the components are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the end of a host waits for the last alarms to be sent.
const LAST_WAIT: Duration = Duration::from_secs(6);

/// Looks at a pipeline for as long as it runs.
pub struct Alarming {
    ending: Arc<Ending>,
    thread: JoinHandle<()>,
}

/// Tells the thread to end, and whoever waits that it has.
#[derive(Debug, Default)]
struct Ending {
    state: Mutex<Progress>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Progress {
    is_asked_for: bool,
    is_done: bool,
}

/// Looks at a pipeline, and at its days that are judged, from now on; which alarms it wants is read
/// from it each time.
///
/// # Errors
/// When the system gives no thread.
pub fn start(
    topology: Arc<Topology>,
    clock: Arc<dyn Clock>,
    judged: Judged,
) -> io::Result<Alarming> {
    let ending = Arc::<Ending>::default();
    let reporter = Reporter::new(clock.now_us());
    let mut looking = Looking {
        topology,
        clock,
        judged,
        alarms: Alarms::default(),
        watch: Watch::default(),
        book: Book::default(),
        senders: Senders::default(),
        reporter,
    };
    looking.set_alarms();
    let shared = Arc::clone(&ending);
    let thread = thread::Builder::new().name("alarms".to_owned()).spawn(move || {
        looking.run(&shared);
        shared.done();
    })?;
    Ok(Alarming { ending, thread })
}

impl Alarming {
    /// Looks once more and sends what is to be told; waits some seconds for that.
    pub fn finish(&self) {
        self.ending.ask();
        self.ending.wait_done(LAST_WAIT);
    }

    /// The same, and waits for the end of all threads: of one that is sending, for its time limit.
    pub fn end(self) {
        self.ending.ask();
        let _ = self.thread.join();
    }
}

impl Ending {
    fn ask(&self) {
        self.lock().is_asked_for = true;
        self.changed.notify_all();
    }

    fn done(&self) {
        self.lock().is_done = true;
        self.changed.notify_all();
    }

    /// Waits until the end is asked for; false on timeout.
    fn wait_asked(&self, timeout: Duration) -> bool {
        let goes_on = |progress: &mut Progress| !progress.is_asked_for;
        let waited = self.changed.wait_timeout_while(self.lock(), timeout, goes_on);
        waited.unwrap_or_else(PoisonError::into_inner).0.is_asked_for
    }

    fn wait_done(&self, timeout: Duration) {
        let goes_on = |progress: &mut Progress| !progress.is_done;
        let _ = self.changed.wait_timeout_while(self.lock(), timeout, goes_on);
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread that looks.
struct Looking {
    topology: Arc<Topology>,
    clock: Arc<dyn Clock>,
    judged: Judged,
    /// What was last asked for.
    alarms: Alarms,
    watch: Watch,
    book: Book,
    senders: Senders,
    reporter: Reporter,
}

impl Looking {
    fn run(mut self, ending: &Ending) {
        loop {
            let is_asked_for = ending.wait_asked(LOOK_EVERY);
            // what ends in order is no failure, but what ended the host may be one
            let is_last = is_asked_for || self.topology.shutdown().phase() > Phase::Running;
            self.look();
            if is_last {
                return self.senders.end();
            }
        }
    }

    fn look(&mut self) {
        if self.topology.pipeline().alarms != self.alarms {
            self.set_alarms();
            let (targets, rules) = (self.alarms.to.len(), self.alarms.rules.len());
            tracing::info!(targets, rules, "alarms are as the changed file says");
        }
        let now_us = self.clock.now_us();
        if let Some(every) = self.topology.pipeline().host.report {
            self.reporter.tell(every, now_us, &self.topology);
        }
        let mut wrong = self.watch.look(now_us, &look::look(&self.topology));
        wrong.extend(self.judged.incomplete().iter().map(watch::day));
        if self.senders.is_empty() {
            self.book = Book::default();
            return;
        }
        let notices = self.book.update(now_us, wrong, &self.alarms);
        if !notices.is_empty() {
            notices.iter().for_each(log);
            self.senders.put(&notices);
        }
    }

    fn set_alarms(&mut self) {
        self.alarms = self.topology.pipeline().alarms.clone();
        self.senders.set(&self.alarms.to, &self.clock);
    }
}

fn log(notice: &Notice) {
    let (component, rule) = (notice.component.as_str(), notice.rule.as_str());
    if notice.until_us.is_some() {
        tracing::info!(component, rule, "the alarm is over");
    } else {
        tracing::warn!(component, rule, "alarm");
    }
}

/// What became of a message that tries a target.
#[derive(Debug)]
pub struct Tried {
    /// Kind and host of the target.
    pub name: String,
    /// What it answered, or why it did not take the message and what to do about it.
    pub answer: Result<String, String>,
}

/// Sends a message to a target to try it; blocks for ten seconds at most.
pub fn try_target(target: &AlarmTarget, clock: &dyn Clock) -> Tried {
    let robot = Robot::new(target);
    let message = message::test(&message::machine());
    let answer = match robot.send(&message, clock.now_us()) {
        Verdict::Delivered(answer) => Ok(answer),
        Verdict::Later(text, _) | Verdict::Refused(text) => Err(text),
    };
    Tried { name: robot.name(), answer }
}
