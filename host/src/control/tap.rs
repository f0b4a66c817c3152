//! `/api/tap/ID`, by GET or POST: the records of a component as they pass, one a line.

use std::{collections::HashSet, convert::Infallible, future::poll_fn, sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{StatusCode, header},
    response::Response,
    routing::get,
};
use dataserver_config::{Pipeline, closest};
use dataserver_engine::{
    observer::{Key, Tap, TapRequest},
    topology::Topology,
};
use futures_util::stream;
use plugin_api::{RecordKind, RoleKind};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout},
};

use super::{
    asker::Caller,
    parameters::Parameters,
    quotes::{MAX_SYMBOLS, no_observer},
    refusal::refuse,
    streams::{MAX_TAPS, Places, going_on},
    watchers::{Watcher, Watching},
};

/// How often a watcher looks whether the pipeline is another one.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);
/// An empty line is sent after so long a silence, so that either side notices when the other is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Why nothing is watched.
type Refused = (StatusCode, String);

/// What answers.
struct Taps {
    topology: Arc<Topology>,
    places: Places,
    watching: Arc<Watching>,
}

/// The route; who asks is added to those who watch.
pub fn routes<S>(topology: &Arc<Topology>, watching: &Arc<Watching>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let (topology, watching) = (Arc::clone(topology), Arc::clone(watching));
    let taps = Taps { topology, places: Places::new(MAX_TAPS), watching };
    Router::new().route("/api/tap/{id}", get(tap).post(tap)).with_state(Arc::new(taps))
}

async fn tap(
    State(taps): State<Arc<Taps>>,
    Path(id): Path<String>,
    Extension(caller): Extension<Caller>,
    parameters: Parameters,
) -> Response {
    let Some(observer) = taps.topology.observer() else { return no_observer() };
    let of_inputs = parameters.flag("inputs");
    let pipeline = taps.topology.pipeline();
    let asked = components(&pipeline, &id, of_inputs)
        .and_then(|components| request(components, &parameters))
        .and_then(|request| Ok((request, taps.places.take()?)));
    let (request, place) = match asked {
        Ok(asked) => asked,
        Err((code, error)) => return refuse(code, error),
    };
    let topology = Arc::clone(&taps.topology);
    let (tap, watcher) = (observer.tap(request), taps.watching.add(&id, caller.to_string()));
    let stream = Stream { tap, watcher, topology, pipeline, id, of_inputs, _place: place };
    let lines = Body::from_stream(stream::unfold(stream, Stream::next));
    let kind = [
        (header::CONTENT_TYPE, "application/x-ndjson; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    going_on((kind, lines))
}

/// What a watcher of a component is sent.
struct Stream {
    tap: Tap,
    watcher: Watcher,
    topology: Arc<Topology>,
    /// The pipeline that it is up to date with.
    pipeline: Arc<Pipeline>,
    id: String,
    of_inputs: bool,
    _place: OwnedSemaphorePermit,
}

impl Stream {
    /// The next lines; `None` at the limit, when the component is no more, and when it is ended.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        let silent_until = Instant::now() + KEEP_ALIVE;
        while self.follow() {
            let waited = timeout(FOLLOW_EVERY, poll_fn(|cx| self.tap.poll_next(cx))).await;
            match waited {
                Ok(lines) => {
                    let lines = lines?;
                    self.watcher.note(&lines);
                    return Some((Ok(lines.into()), self));
                }
                Err(_) if Instant::now() >= silent_until => {
                    return Some((Ok(Bytes::from_static(b"\n")), self));
                }
                Err(_) => {}
            }
        }
        None
    }

    /// Goes along with a reload; false when there is nothing left to watch.
    fn follow(&mut self) -> bool {
        if self.watcher.is_ended() {
            return false;
        }
        let pipeline = self.topology.pipeline();
        if Arc::ptr_eq(&pipeline, &self.pipeline) {
            return true;
        }
        let components = components(&pipeline, &self.id, self.of_inputs);
        self.pipeline = pipeline;
        components.map(|components| self.tap.set_components(components)).is_ok()
    }
}

/// The components whose output is watched.
fn components(pipeline: &Pipeline, id: &str, of_inputs: bool) -> Result<Vec<String>, Refused> {
    let ids = pipeline.components.iter().map(|it| it.id.as_str());
    let Some(component) = pipeline.components.iter().find(|it| it.id == id) else {
        let meant = closest(id, ids).map(|meant| format!("; did you mean `{meant}`?"));
        let meant = meant.unwrap_or_default();
        let error = format!("the host that runs has no component `{id}`{meant}");
        return Err((StatusCode::NOT_FOUND, error));
    };
    match (component.kind, of_inputs) {
        (RoleKind::Source, true) => {
            let error = format!("`{id}` is a source and has no inputs; watch itself");
            Err((StatusCode::BAD_REQUEST, error))
        }
        (RoleKind::Sink, false) => {
            let error = format!(
                "`{id}` is a sink and has no output; watch its inputs: `inputs=true`, or \
                 `dataserver tap --inputs-of {id}`"
            );
            Err((StatusCode::BAD_REQUEST, error))
        }
        (_, true) => Ok(component.inputs.clone()),
        (_, false) => Ok(vec![id.to_owned()]),
    }
}

/// What of those components is wanted.
fn request(components: Vec<String>, parameters: &Parameters) -> Result<TapRequest, Refused> {
    let bad = |error: String| (StatusCode::BAD_REQUEST, error);
    let kind = parameters.get("kind").map(|name| {
        RecordKind::named(name).ok_or_else(|| bad(format!("`kind` is spot or bar, not `{name}`")))
    });
    let kind = kind.transpose()?;
    let symbols = parameters.list("symbols");
    if symbols.len() > MAX_SYMBOLS {
        return Err(bad(format!("{} symbols; watch {MAX_SYMBOLS} at most", symbols.len())));
    }
    let key = |symbol: &str| {
        let error = || bad(format!("`{symbol}` is no security; write 600000.SH"));
        Key::parse(symbol).ok_or_else(error)
    };
    let symbols = symbols.into_iter().map(key).collect::<Result<HashSet<_>, _>>()?;
    let fields: Vec<_> = parameters.list("fields").into_iter().map(str::to_owned).collect();
    let kinds = RecordKind::ALL.into_iter().filter(|it| kind.is_none_or(|kind| kind == *it));
    let columns: Vec<_> = kinds.flat_map(|it| it.columns()).map(|column| column.name).collect();
    if let Some(field) = fields.iter().find(|field| !columns.contains(&field.as_str())) {
        let meant = closest(field, columns.iter().copied());
        let meant = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
        return Err(bad(format!("no record has a field `{field}`{meant}")));
    }
    let limit = parameters.count("limit").map_err(bad)?;
    Ok(TapRequest { components, kind, symbols, fields, limit })
}
