//! `/api/dead-letter/SINK/replay`: POST sends a sink its dead letters again, GET tells how far
//! that is.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use dataserver_engine::{
    clock::{Clock, SystemClock},
    dead_letter::{self, Progress},
    telemetry::ComponentStatus,
    topology::{Feed, Topology},
};
use plugin_api::RoleKind;
use serde::{Deserialize, Serialize};

use super::refusal::refuse;

/// How far a replay is, and how its sink does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Answer {
    /// How far it is.
    #[serde(flatten)]
    pub progress: Progress,
    /// What the sink is doing.
    pub sink: String,
    /// The last error of the sink.
    pub sink_error: Option<String>,
}

/// The replays of a pipeline since it started, by their sinks.
struct Replays {
    topology: Arc<Topology>,
    by_sink: Mutex<HashMap<String, Arc<Mutex<Progress>>>>,
}

/// The routes.
pub fn routes<S>(topology: &Arc<Topology>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let replays = Replays { topology: Arc::clone(topology), by_sink: Mutex::default() };
    Router::new()
        .route("/api/dead-letter/{sink}/replay", post(start).get(tell))
        .with_state(Arc::new(replays))
}

/// Starts a replay; joins one that runs.
async fn start(State(replays): State<Arc<Replays>>, Path(sink): Path<String>) -> Response {
    match replays.start(&sink) {
        Ok(()) => replays.answer(&sink),
        Err((code, error)) => refuse(code, error),
    }
}

async fn tell(State(replays): State<Arc<Replays>>, Path(sink): Path<String>) -> Response {
    replays.answer(&sink)
}

impl Replays {
    fn start(&self, sink: &str) -> Result<(), (StatusCode, String)> {
        let mut by_sink = lock(&self.by_sink);
        let runs =
            |progress: &Arc<Mutex<Progress>>| lock(progress).state == dead_letter::State::Running;
        if by_sink.get(sink).is_some_and(runs) {
            return Ok(());
        }
        let feed = self.feed(sink)?;
        let progress = Arc::<Mutex<Progress>>::default();
        by_sink.insert(sink.to_owned(), Arc::clone(&progress));
        let active = self.topology.shutdown().active_guard();
        let id = sink.to_owned();
        let replay = move || {
            let last =
                feed.replay_letters(SystemClock.now_us(), &|now| lock(&progress).clone_from(now));
            tracing::info!(
                component = id,
                sent = last.sent.records,
                refused = last.refused.records,
                error = last.error.as_deref(),
                "dead letters were sent again"
            );
            // the host may end once the letters are in order
            drop((feed, active));
        };
        std::thread::Builder::new().name(format!("{sink} replay")).spawn(replay).map_err(
            |error| {
                by_sink.remove(sink);
                (StatusCode::INTERNAL_SERVER_ERROR, format!("cannot start a thread: {error}"))
            },
        )?;
        Ok(())
    }

    /// A way into a sink that loses nothing.
    fn feed(&self, sink: &str) -> Result<Feed, (StatusCode, String)> {
        let pipeline = self.topology.pipeline();
        let found =
            pipeline.components.iter().find(|it| it.id == sink && it.kind == RoleKind::Sink);
        let not_found =
            || (StatusCode::NOT_FOUND, format!("the host that runs has no sink `{sink}`"));
        let (component, feed) = found.zip(self.topology.feed(sink)).ok_or_else(not_found)?;
        if self.topology.shutdown().is_stopping() {
            let text = "the host ends; replay when it has ended, or when it runs again";
            return Err((StatusCode::SERVICE_UNAVAILABLE, text.to_owned()));
        }
        let is_paused = |status: &Arc<ComponentStatus>| status.id == sink && status.is_paused();
        if self.topology.components().iter().any(is_paused) {
            let text = format!("sink {sink} is paused; resume it, then replay");
            return Err((StatusCode::CONFLICT, text));
        }
        let keeps = if !component.retry.dead_letter {
            "`retry.dead_letter` is false, so what it refuses again would be lost"
        } else if !feed.keeps_all() {
            "its buffer drops batches when it is full (`when_full`), also letters"
        } else {
            return Ok(feed);
        };
        let text = format!("sink {sink}: {keeps}; stop the host and replay without it");
        Err((StatusCode::CONFLICT, text))
    }

    fn answer(&self, sink: &str) -> Response {
        let Some(progress) = lock(&self.by_sink).get(sink).map(|it| lock(it).clone()) else {
            let text = format!("sink `{sink}` had no replay since the host started");
            return refuse(StatusCode::NOT_FOUND, text);
        };
        let components = self.topology.components();
        let status = components.iter().find(|status| status.id == sink);
        Json(Answer {
            progress,
            sink: status.map_or("", |status| status.state().as_str()).to_owned(),
            sink_error: status.and_then(|status| status.last_error()),
        })
        .into_response()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
