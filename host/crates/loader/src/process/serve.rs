//! The child's side: serves one plugin over the socket that it was given.

use std::{
    collections::VecDeque,
    io,
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use plugin_api::{
    Ack, ActRequest, Batch, Context, HostServices, Level, PluginError, Polled, RoleKind,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Deserialize;
use serde_json::Value;

use super::{
    channel::{Channel, Received},
    hello,
    memory::Memory,
    wire::{Body, Broken, Frame, Kind, error_number, put_blob, put_made},
};
use crate::{AnyInstance, Opening, Plugin, SinkInstance, SourceInstance, TransformInstance};

/// Serves until the host closes its end.
///
/// # Errors
/// When the host is gone in the middle of something, or what it says is not understood.
pub(crate) fn serve(
    plugin: &dyn Plugin,
    socket: UnixStream,
    now_us: fn() -> i64,
) -> io::Result<()> {
    let outgoing = Mutex::new(Channel::new(socket.try_clone()?));
    let incoming = Incoming { channel: Channel::new(socket), calls: VecDeque::new() };
    let is_stopping = AtomicBool::new(false);
    let wire = Arc::new(Wire { incoming: Mutex::new(incoming), outgoing, is_stopping, now_us });
    let greeting = serde_json::to_string(&hello::of_manifest(plugin.manifest()))?;
    wire.tell(Kind::Hello, |body, _| {
        body.extend(greeting.as_bytes());
        Ok(())
    })?;
    let mut server = Server { plugin, wire: Arc::clone(&wire), open: Open::Nothing };
    while let Some(call) = wire.next_call()? {
        wire.outgoing().memory.begin();
        match server.answer(&call).map_err(|broken| io::Error::other(broken.0))? {
            Ok(answer) => wire.tell(answer.kind, |body, memory| {
                body.extend(&answer.body);
                match &answer.state {
                    Some(state) => put_blob(body, "", state.as_deref(), memory),
                    None => Ok(()),
                }
            })?,
            Err(error) => wire.tell(Kind::Failed, |body, _| {
                body.push(error_number(error.kind));
                body.extend(error.message.as_bytes());
                Ok(())
            })?,
        }
    }
    Ok(())
}

/// Both directions of the socket. A plugin's own threads may tell things at any time.
struct Wire {
    incoming: Mutex<Incoming>,
    outgoing: Mutex<Channel>,
    is_stopping: AtomicBool,
    now_us: fn() -> i64,
}

struct Incoming {
    channel: Channel,
    /// Calls that came while somebody looked for something else.
    calls: VecDeque<Frame>,
}

impl Wire {
    fn outgoing(&self) -> MutexGuard<'_, Channel> {
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn incoming(&self) -> MutexGuard<'_, Incoming> {
        self.incoming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(
        &self,
        kind: Kind,
        fill: impl FnOnce(&mut Vec<u8>, &mut Memory) -> Result<(), PluginError>,
    ) -> io::Result<()> {
        let mut channel = self.outgoing();
        channel.put(kind, fill).map_err(io::Error::other)?;
        channel.send()
    }

    /// The next call, waiting for it; `None` when the host has closed its end.
    fn next_call(&self) -> io::Result<Option<Frame>> {
        let mut incoming = self.incoming();
        loop {
            self.sort(&mut incoming)?;
            if let Some(call) = incoming.calls.pop_front() {
                return Ok(Some(call));
            }
            if incoming.channel.receive()? == Received::End {
                return Ok(None);
            }
        }
    }

    fn sort(&self, incoming: &mut Incoming) -> io::Result<()> {
        while let Some(frame) =
            incoming.channel.next().map_err(|broken| io::Error::other(broken.0))?
        {
            if frame.kind == Kind::Stopping {
                self.is_stopping.store(frame.body != [0], Ordering::Relaxed);
            } else {
                incoming.calls.push_back(frame);
            }
        }
        Ok(())
    }

    /// Looks at what has come during a call. Between calls somebody waits for it anyway.
    fn look(&self) {
        let mut incoming = match self.incoming.try_lock() {
            Ok(incoming) => incoming,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut polled = [PollFd::new(incoming.channel.socket(), PollFlags::IN)];
        // the end is seen by whoever waits for the next call
        if poll(&mut polled, Some(&now)).is_ok_and(|ready| ready > 0)
            && incoming.channel.receive().is_ok()
        {
            let _ = self.sort(&mut incoming);
        }
    }
}

/// The host as the plugin sees it. What cannot be told is told to nobody: the host is gone.
impl HostServices for Wire {
    fn log(&self, level: Level, message: &str) {
        let _ = self.tell(Kind::Log, |body, _| {
            body.push(level as u8);
            body.extend(message.as_bytes());
            Ok(())
        });
    }

    fn dropped(&self, reason: &str, records: u64) {
        self.number(Kind::Dropped, records.to_le_bytes(), reason);
    }

    fn count(&self, metric: &str, by: u64) {
        self.number(Kind::Count, by.to_le_bytes(), metric);
    }

    fn gauge(&self, metric: &str, value: f64) {
        self.number(Kind::Gauge, value.to_le_bytes(), metric);
    }

    fn now_us(&self) -> i64 {
        (self.now_us)()
    }

    fn is_stopping(&self) -> bool {
        self.look();
        self.is_stopping.load(Ordering::Relaxed)
    }

    fn expect_records(&self, within: Option<Duration>) {
        let micros = |it: Duration| u64::try_from(it.as_micros()).unwrap_or(u64::MAX - 1);
        self.number(Kind::Expect, within.map_or(u64::MAX, micros).to_le_bytes(), "");
    }

    fn dead_letter(&self, reason: &str, payload: &[u8]) {
        let _ = self
            .tell(Kind::DeadLetter, |body, memory| put_blob(body, reason, Some(payload), memory));
    }
}

impl Wire {
    fn number(&self, kind: Kind, number: [u8; 8], text: &str) {
        let _ = self.tell(kind, |body, _| {
            body.extend(number);
            body.extend(text.as_bytes());
            Ok(())
        });
    }
}

/// What a call ends with.
struct Answer {
    kind: Kind,
    body: Vec<u8>,
    /// Of `ExportState`, also when there is none.
    state: Option<Option<Vec<u8>>>,
}

impl Answer {
    fn done(number: u8) -> Self {
        Self { kind: Kind::Done, body: vec![number], state: None }
    }

    fn of(text: String) -> Self {
        Self { kind: Kind::Answer, body: text.into_bytes(), state: None }
    }

    fn acked(ack: Ack) -> Self {
        Self::done(u8::from(ack == Ack::Held))
    }
}

/// What a call about a component says.
#[derive(Deserialize)]
struct Question {
    role: String,
    options: Value,
    instance: String,
    base_dir: PathBuf,
    state_dir: Option<PathBuf>,
    #[serde(default)]
    request: Value,
}

enum Open {
    Nothing,
    Source(Box<dyn SourceInstance>),
    Transform(Box<dyn TransformInstance>),
    Sink(Box<dyn SinkInstance>),
}

struct Server<'p> {
    plugin: &'p dyn Plugin,
    wire: Arc<Wire>,
    open: Open,
}

type Answered = Result<Answer, PluginError>;

impl Server<'_> {
    /// Does what a call asks for.
    fn answer(&mut self, call: &Frame) -> Result<Answered, Broken> {
        let mut body = Body(&call.body);
        Ok(match call.kind {
            Kind::Open | Kind::Check | Kind::Command => self.about_component(call.kind, &mut body),
            Kind::ExportState => self.any().and_then(|it| it.export_state()).map(|state| Answer {
                kind: Kind::State,
                body: Vec::new(),
                state: Some(state),
            }),
            Kind::ImportState => {
                let state = body.blob(&self.wire.incoming().channel.theirs)?.bytes;
                let state = state.unwrap_or_default();
                self.any().and_then(|it| it.import_state(&state)).map(|()| Answer::done(0))
            }
            Kind::Readers => self
                .any()
                .and_then(|it| it.readers())
                .map(|readers| Answer::of(serde_json::json!(readers).to_string())),
            Kind::Act => self.act(&body.rest()),
            _ => return self.of_role(call.kind, &mut body),
        })
    }

    fn of_role(&mut self, kind: Kind, body: &mut Body<'_>) -> Result<Answered, Broken> {
        let wire = &self.wire;
        Ok(match (&mut self.open, kind) {
            (Open::Source(source), Kind::Next) => {
                match source.next(Duration::from_micros(body.u64()?)) {
                    Ok(Polled::Batch(batch)) => wire.push(&[batch], None).map(|()| Answer::done(0)),
                    Ok(Polled::Idle) => Ok(Answer::done(1)),
                    Ok(Polled::End) => Ok(Answer::done(2)),
                    Err(error) => Err(error),
                }
            }
            (Open::Source(source), Kind::Confirm) => {
                source.confirm(body.u64()?).map(|()| Answer::done(0))
            }
            (Open::Source(source), Kind::Close) => source.close().map(|()| Answer::done(0)),
            (Open::Transform(transform), Kind::Apply) => {
                let given = body.given(&wire.incoming().channel.theirs)?;
                given.into_batch().and_then(|batch| {
                    wire.push(&transform.apply(&batch)?, Some(&batch)).map(|()| Answer::done(0))
                })
            }
            (Open::Transform(transform), Kind::Tick) => {
                transform.tick().and_then(|made| wire.push(&made, None)).map(|()| Answer::done(0))
            }
            (Open::Transform(transform), Kind::Close) => {
                transform.close().and_then(|made| wire.push(&made, None)).map(|()| Answer::done(0))
            }
            (Open::Sink(sink), Kind::Write) => {
                let mut batches = Vec::new();
                let number = body.u32()?;
                for _ in 0..number {
                    let given = body.given(&wire.incoming().channel.theirs)?;
                    batches.push(given.into_batch());
                }
                let batches: Result<Vec<_>, _> = batches.into_iter().collect();
                batches.and_then(|batches| sink.write(&batches)).map(Answer::acked)
            }
            (Open::Sink(sink), Kind::Tick) => sink.tick().map(Answer::acked),
            (Open::Sink(sink), Kind::Flush) => sink.flush().map(|()| Answer::done(0)),
            (Open::Sink(sink), Kind::Close) => sink.close().map(|()| Answer::done(0)),
            (_, kind) => return Err(Broken(format!("the host calls {kind:?} of another role"))),
        })
    }

    fn about_component(&mut self, kind: Kind, body: &mut Body<'_>) -> Answered {
        let question: Question = serde_json::from_str(&body.rest())
            .map_err(|error| PluginError::fatal(format!("a call of the host: {error}")))?;
        let role = hello::role_named(&question.role)
            .ok_or_else(|| PluginError::fatal(format!("the host asks for a {}", question.role)))?;
        let state_dir = question.state_dir.unwrap_or_default();
        let host = Arc::clone(&self.wire) as Arc<dyn HostServices>;
        let context = Context::new(question.instance, question.base_dir, state_dir, host);
        let opening = Opening::plain(&question.options.to_string(), context);
        match kind {
            Kind::Check => self.plugin.check(role, opening).map(|()| Answer::done(0)),
            Kind::Command => {
                let answer = self.plugin.command(role, opening, &question.request)?;
                Ok(Answer::of(answer.to_string()))
            }
            _ => {
                self.open = match role {
                    RoleKind::Source => Open::Source(self.plugin.open_source(opening)?),
                    RoleKind::Transform => Open::Transform(self.plugin.open_transform(opening)?),
                    RoleKind::Sink => Open::Sink(self.plugin.open_sink(opening)?),
                };
                Ok(Answer::done(0))
            }
        }
    }

    fn act(&mut self, request: &str) -> Answered {
        let request: ActRequest = serde_json::from_str(request)
            .map_err(|error| PluginError::config(format!("a request about a reader: {error}")))?;
        let ActRequest { reader, action, preview } = request;
        let outcome = self.any()?.act(&reader, &action, preview)?;
        Ok(Answer::of(serde_json::json!(outcome).to_string()))
    }

    fn any(&mut self) -> Result<&mut dyn AnyInstance, PluginError> {
        match &mut self.open {
            Open::Nothing => Err(PluginError::fatal("no instance is open")),
            Open::Source(it) => Ok(it.as_mut()),
            Open::Transform(it) => Ok(it.as_mut()),
            Open::Sink(it) => Ok(it.as_mut()),
        }
    }
}

impl Wire {
    /// Passes batches on; one with the payload of the input has none of its own.
    fn push(&self, made: &[Batch], input: Option<&Batch>) -> Result<(), PluginError> {
        for batch in made {
            let told = self.tell(Kind::Push, |body, memory| put_made(body, batch, input, memory));
            told.map_err(|error| PluginError::fatal(format!("a batch is lost: {error}")))?;
        }
        Ok(())
    }
}
