//! The child's side: serves one plugin over the socket that it was given.

use std::{io, os::unix::net::UnixStream, path::PathBuf, sync::Arc, time::Duration};

use plugin_api::{Ack, ActRequest, Context, HostServices, PluginError, Polled, RoleKind};
use serde::Deserialize;
use serde_json::Value;

use super::{
    hello,
    host_end::Wire,
    layout::put_blob,
    wire::{Body, Broken, Frame, Kind, error_number},
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
    let wire = Arc::new(Wire::new(socket, now_us)?);
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
