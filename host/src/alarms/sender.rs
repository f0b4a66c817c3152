//! A thread for each target: one that hangs holds no other up.

use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use dataserver_config::AlarmTarget;
use dataserver_engine::{clock::Clock, retry::Backoff};

use super::{book::Notice, message, outbox::Outbox, robot::Robot, vendor::Verdict};

/// What comes within this time becomes one message.
const JOINED: Duration = Duration::from_secs(2);
/// Pause between two messages: DingTalk and WeCom take 20 a minute.
const SPACING: Duration = Duration::from_millis(3_200);
/// First and longest pause between attempts.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The threads of all targets.
#[derive(Default)]
pub struct Senders {
    senders: Vec<Sender>,
    /// Of targets that are gone, as long as they have something to send.
    leaving: Vec<JoinHandle<()>>,
}

struct Sender {
    target: AlarmTarget,
    outbox: Arc<Outbox>,
    thread: JoinHandle<()>,
}

impl Senders {
    /// Sends to those targets from now on. Those that stay keep what waits for them.
    pub fn set(&mut self, targets: &[AlarmTarget], clock: &Arc<dyn Clock>) {
        let mut before = std::mem::take(&mut self.senders);
        for target in targets {
            if let Some(at) = before.iter().position(|sender| sender.target == *target) {
                self.senders.push(before.swap_remove(at));
                continue;
            }
            match start(target, Arc::clone(clock)) {
                Ok(sender) => self.senders.push(sender),
                Err(error) => tracing::error!(
                    to = Robot::new(target).name(),
                    "no alarms are sent there: cannot start a thread: {error}; reload"
                ),
            }
        }
        self.leaving.retain(|thread| !thread.is_finished());
        for gone in before {
            gone.outbox.close();
            self.leaving.push(gone.thread);
        }
    }

    /// Whether nobody is told.
    pub fn is_empty(&self) -> bool {
        self.senders.is_empty()
    }

    /// Has notices sent; never blocks.
    pub fn put(&self, notices: &[Notice]) {
        self.senders.iter().for_each(|sender| sender.outbox.put(notices));
    }

    /// Waits until all is sent, or the time for it is over.
    pub fn end(self) {
        self.senders.iter().for_each(|sender| sender.outbox.close());
        let threads = self.senders.into_iter().map(|sender| sender.thread);
        for thread in threads.chain(self.leaving) {
            let _ = thread.join();
        }
    }
}

fn start(target: &AlarmTarget, clock: Arc<dyn Clock>) -> io::Result<Sender> {
    let (robot, outbox) = (Robot::new(target), Arc::new(Outbox::default()));
    let shared = Arc::clone(&outbox);
    let name = format!("alarms {}", target.kind.as_str());
    let thread =
        thread::Builder::new().name(name).spawn(move || run(&robot, &shared, clock.as_ref()))?;
    Ok(Sender { target: target.clone(), outbox, thread })
}

/// Sends what waits until nothing more comes.
fn run(robot: &Robot, outbox: &Outbox, clock: &dyn Clock) {
    let machine = message::machine();
    let mut backoff = Backoff::new(BACKOFF.0, BACKOFF.1);
    while outbox.wait() {
        // the first attempt waits for what comes at the same time; the pause before a next one does
        if backoff.attempts() == 0 && !outbox.pause(JOINED) {
            return lost(robot, outbox);
        }
        let (waiting, left_out) = outbox.waiting();
        let message = message::compose(&machine, &waiting, left_out);
        let sent = &waiting[..message.alarms.len()];
        let pause = match robot.send(&message, clock.now_us()) {
            Verdict::Delivered(answer) => {
                tracing::info!(to = robot.name(), alarms = sent.len(), answer, "alarms sent");
                outbox.done(sent, left_out);
                backoff.reset();
                SPACING
            }
            Verdict::Later(text, pause) => {
                if backoff.attempts() == 0 {
                    let to = robot.name();
                    tracing::warn!(to, "alarms wait, and are sent again and again: {text}");
                }
                backoff.next_pause().max(pause.unwrap_or_default())
            }
            Verdict::Refused(text) => {
                let (to, alarms) = (robot.name(), sent.len());
                tracing::error!(to, alarms, "alarms are refused, and lost there: {text}");
                outbox.done(sent, left_out);
                backoff.reset();
                SPACING
            }
        };
        if !outbox.pause(pause) {
            return lost(robot, outbox);
        }
    }
}

fn lost(robot: &Robot, outbox: &Outbox) {
    let alarms = outbox.waiting().0.len();
    if alarms > 0 {
        tracing::error!(to = robot.name(), alarms, "the host ends, and alarms were not sent");
    }
}
