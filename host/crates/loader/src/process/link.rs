//! Calls to a child: one at a time, each until it is answered, the child has ended, or its time is up.

use std::{
    io::Read,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use dataserver_config::Limits;
use plugin_api::{HostServices, Level, PluginError};

use super::{
    channel::{Channel, Received},
    child::{Child, Ready},
    fault,
    launch::Launch,
    memory::Memory,
    printed::Printed,
    wire::{Body, Broken, Frame, Kind, error_kind},
};
use crate::{
    at_fault::at_fault,
    guest_output::GuestOutput,
    rate_limit::{self, LineLimiter, NameLimiter},
};

/// How often a call that runs looks whether the host wants the component to end.
const STOP_INTERVAL: Duration = Duration::from_millis(100);
/// Metric of lines that came too fast.
const LEFT_OUT: &str = "process_log_lines_left_out";
/// Largest single increment, so that sums do not overflow.
const MAX_AT_ONCE: u64 = 1 << 40;
/// Longest `within` of `expect_records`.
const MAX_SILENCE: Duration = Duration::from_secs(366 * 86_400);
/// A child may hand over so many bytes in one call, however much memory it has.
const MAX_OUTPUT: u64 = 1 << 30;

/// What ends a call.
#[derive(Debug)]
pub(super) enum Reply {
    /// What it says it is: JSON.
    Hello(String),
    /// Done; the number says how.
    Done(u8),
    /// An answer in JSON.
    Answer(String),
    /// The state for a successor.
    State(Option<Vec<u8>>),
}

/// A child and what it is given of the host.
pub(super) struct Link {
    child: Child,
    channel: Channel,
    host: Arc<dyn HostServices>,
    lines: LineLimiter,
    names: Arc<Mutex<NameLimiter>>,
    printed: Printed,
    limits: Limits,
    knows_of_stop: bool,
    is_python: bool,
    /// Output of the current call.
    pub output: GuestOutput,
}

impl Link {
    /// Starts a child; its greeting is the reply to the first call.
    pub fn start(
        launch: &Launch,
        limits: Limits,
        host: Arc<dyn HostServices>,
        names: Arc<Mutex<NameLimiter>>,
    ) -> std::io::Result<Self> {
        let (child, socket) = Child::start(launch, &limits)?;
        Ok(Self {
            child,
            channel: Channel::new(socket),
            host,
            lines: LineLimiter::new(Instant::now()),
            names,
            printed: Printed::default(),
            limits,
            knows_of_stop: false,
            is_python: launch.is_python,
            output: GuestOutput::new(limits.memory.saturating_mul(4).min(MAX_OUTPUT)),
        })
    }

    /// Begins a call.
    pub fn put(
        &mut self,
        kind: Kind,
        fill: impl FnOnce(&mut Vec<u8>, &mut Memory) -> Result<(), PluginError>,
    ) -> Result<(), PluginError> {
        self.channel.memory.begin();
        self.tell_of_stop()?;
        self.channel.put(kind, fill)
    }

    /// Waits for what ends the call, and does meanwhile what the child asks for.
    ///
    /// # Errors
    /// What the child says (the inner one), or why it is of no more use.
    pub fn reply(
        &mut self,
        call: &str,
        allowed: Duration,
    ) -> Result<Result<Reply, PluginError>, PluginError> {
        let until = Instant::now() + allowed;
        // what it has used of the processors, from when it first kept the host waiting
        let mut since: Option<(Instant, u64)> = None;
        loop {
            while let Some(frame) = self.channel.next().map_err(|it| broken(call, &it))? {
                if let Some(reply) = self.take(frame).map_err(|it| broken(call, &it))? {
                    return Ok(reply);
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let computed = since.zip(self.child.work()).is_none_or(|((since, then), now)| {
                    now.runs || fault::is_much(now.ticks.saturating_sub(then), since.elapsed())
                });
                return Err(fault::overdue(call, allowed, computed));
            }
            self.tell_of_stop()?;
            // what cannot be sent is answered by nobody: its end is seen below
            let sent = self.channel.send();
            let ready = self
                .child
                .wait(self.channel.socket(), self.channel.has_outgoing(), left.min(STOP_INTERVAL))
                .map_err(|error| PluginError::fatal(format!("the plugin's process: {error}")))?;
            self.pass(call, ready, sent.is_err())?;
            if since.is_none() && !ready.reads {
                since = self.child.work().map(|work| (Instant::now(), work.ticks));
            }
        }
    }

    /// Takes what is ready.
    fn pass(&mut self, call: &str, ready: Ready, is_cut: bool) -> Result<(), PluginError> {
        if ready.prints {
            self.read_printed();
        }
        let received = if ready.reads {
            self.channel.receive().unwrap_or(Received::End)
        } else {
            Received::Nothing
        };
        match received {
            Received::Some => Ok(()),
            Received::Nothing if !ready.ended && !is_cut => Ok(()),
            Received::Nothing | Received::End => Err(self.explain_end(call)),
        }
    }

    fn explain_end(&mut self, call: &str) -> PluginError {
        // one that closed its socket may go on, or print why it ends
        self.child.wait_end(Duration::from_millis(500));
        let ended_itself = self.child.wait_end(Duration::ZERO);
        let status = self.child.end();
        self.read_printed();
        let status = status.filter(|_| ended_itself);
        fault::ended(call, status, &self.printed.last_line(), self.is_python, &self.limits)
    }

    /// Does what a frame asks for; what ends the call is given back.
    fn take(&mut self, frame: Frame) -> Result<Option<Result<Reply, PluginError>>, Broken> {
        let mut body = Body(&frame.body);
        let reply = match frame.kind {
            Kind::Hello => Reply::Hello(body.rest()),
            Kind::Done => Reply::Done(body.u8()?),
            Kind::Answer => Reply::Answer(body.rest()),
            Kind::State => Reply::State(body.blob(&self.channel.theirs)?.bytes),
            Kind::Failed => {
                let (kind, text) = (error_kind(body.u8()?)?, body.rest());
                let message = rate_limit::line(&text);
                return Ok(Some(Err(PluginError { kind, message })));
            }
            kind => {
                self.serve(kind, &mut body)?;
                return Ok(None);
            }
        };
        Ok(Some(Ok(reply)))
    }

    fn serve(&mut self, kind: Kind, body: &mut Body<'_>) -> Result<(), Broken> {
        match kind {
            Kind::Push => {
                let made = body.made(&self.channel.theirs)?;
                self.output.push(made).map_err(|it| Broken(it.0))?;
            }
            Kind::DeadLetter => {
                let letter = body.blob(&self.channel.theirs)?;
                let payload = letter.bytes.unwrap_or_default();
                self.output.admit(payload.len() as u64).map_err(|it| Broken(it.0))?;
                self.host.dead_letter(&rate_limit::line(&letter.text), &payload);
            }
            Kind::Log => {
                let level = match body.u8()? {
                    0 => Level::Error,
                    1 => Level::Warn,
                    2 => Level::Info,
                    _ => Level::Debug,
                };
                self.log(level, &body.rest());
            }
            Kind::Dropped => {
                let (records, reason) = (body.u64()?, body.rest());
                let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
                self.host.dropped(names.reason(&reason), records.min(MAX_AT_ONCE));
            }
            Kind::Count => {
                let (by, metric) = (body.u64()?, body.rest());
                if self.admits_metric(&metric) {
                    self.host.count(&metric, by.min(MAX_AT_ONCE));
                }
            }
            Kind::Gauge => {
                let (value, metric) = (body.f64()?, body.rest());
                if self.admits_metric(&metric) {
                    self.host.gauge(&metric, value);
                }
            }
            Kind::Expect => {
                let within = body.u64()?;
                let is_given = within != u64::MAX;
                let within = Duration::from_micros(within).min(MAX_SILENCE);
                self.host.expect_records(is_given.then_some(within));
            }
            other => return Err(Broken(format!("a frame {other:?} is none of a child"))),
        }
        Ok(())
    }

    fn admits_metric(&self, metric: &str) -> bool {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).admit_metric(metric)
    }

    fn log(&mut self, level: Level, text: &str) {
        let Some(left_out) = self.lines.admit(Instant::now()) else {
            self.host.count(LEFT_OUT, 1);
            return;
        };
        if left_out > 0 {
            let text = format!("the plugin logs too fast: {left_out} lines were left out");
            self.host.log(Level::Warn, &text);
        }
        self.host.log(level, &rate_limit::line(text));
    }

    /// Puts what was printed into the host's log, a line each; as much as one pipe holds.
    fn read_printed(&mut self) {
        let mut buffer = [0; 64 << 10];
        if let Ok(read) = (&self.child.printed).read(&mut buffer) {
            for line in self.printed.take(&buffer[..read]) {
                self.log(Level::Info, &line);
            }
        }
    }

    /// Tells the child whether the host wants the component to end, when that has changed.
    fn tell_of_stop(&mut self) -> Result<(), PluginError> {
        let is_stopping = self.host.is_stopping();
        if is_stopping == self.knows_of_stop {
            return Ok(());
        }
        self.knows_of_stop = is_stopping;
        self.channel.put(Kind::Stopping, |body, _| {
            body.push(u8::from(is_stopping));
            Ok(())
        })
    }

    /// Lets a child that was closed end by itself, for a moment.
    pub fn finish(mut self, longest: Duration) {
        let _ = self.channel.socket().shutdown(std::net::Shutdown::Both);
        self.child.wait_end(longest);
        self.read_printed();
    }
}

fn broken(call: &str, why: &Broken) -> PluginError {
    at_fault(format!(
        "the plugin's process broke the protocol in {call}: {why}; report this to its author"
    ))
}
