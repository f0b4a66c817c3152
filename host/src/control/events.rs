//! `GET /api/events`: what happens, as server-sent events.
//!
//! Nothing is kept for a client: it follows what is kept anyway, at the pace at which it reads. One
//! that falls behind is given the newest quotes and the newest state of the pipeline, and is told how
//! many other events are gone.

use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::{
        Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::get,
};
use dataserver_engine::{
    clock::{Clock, SystemClock},
    observer::{Key, Watch},
    telemetry::{ComponentStatus, State as ComponentState},
    topology::Topology,
};
use futures_util::stream;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep_until},
};

use super::{
    parameters::Parameters,
    pipeline,
    quotes::Shown,
    refusal::refuse,
    streams::{MAX_EVENT_STREAMS, Places, going_on},
};
use crate::{log, recent::Recent, reload::Reloader};

/// How often a client's stream looks for what is new.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often it is told of the whole pipeline.
const PIPELINE_EVERY: Duration = Duration::from_secs(1);
/// States that were looked at longer ago say nothing about when they changed.
const STALE: Duration = Duration::from_secs(2);
/// Most changes of states that are kept.
const MAX_CHANGES: usize = 256;
/// Most securities that one client watches.
const MAX_WATCHED: usize = 1_000;

/// What all streams share.
struct Shared {
    reloader: Arc<Reloader>,
    places: Places,
    states: Mutex<States>,
    /// The pipeline as it was told last, and when that was.
    pipeline: tokio::sync::Mutex<Option<(Instant, Arc<Value>)>>,
}

/// States of components, and how they changed.
struct States {
    looked_at: Instant,
    by_id: HashMap<String, ComponentState>,
    changes: Recent<Arc<Change>>,
}

/// A component is in another state than before.
#[derive(Debug, Serialize)]
struct Change {
    time_us: i64,
    id: String,
    from: &'static str,
    to: &'static str,
}

/// The route.
pub fn routes<S>(reloader: &Arc<Reloader>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let shared = Shared {
        reloader: Arc::clone(reloader),
        places: Places::new(MAX_EVENT_STREAMS),
        states: Mutex::new(States::new()),
        pipeline: tokio::sync::Mutex::default(),
    };
    Router::new().route("/api/events", get(events)).with_state(Arc::new(shared))
}

async fn events(State(shared): State<Arc<Shared>>, parameters: Parameters) -> Response {
    let watched = parameters.list("watch");
    if watched.len() > MAX_WATCHED {
        let error = format!("{} securities; watch {MAX_WATCHED} at most", watched.len());
        return refuse(StatusCode::BAD_REQUEST, error);
    }
    // who watches one that there is not yet hears of it when there is
    let watched = watched.into_iter().filter_map(Key::parse).collect();
    match shared.places.take() {
        Ok(place) => {
            let follower = Follower::new(shared, Watch::new(watched), place);
            let events = Sse::new(stream::unfold(follower, Follower::next));
            going_on(events.keep_alive(KeepAlive::new()))
        }
        Err((code, error)) => refuse(code, error),
    }
}

/// One client's place in everything.
struct Follower {
    shared: Arc<Shared>,
    watch: Watch,
    /// Numbers of what comes next.
    warnings: u64,
    reloads: u64,
    changes: u64,
    look_at: Instant,
    pipeline_at: Instant,
    /// Found and not yet sent.
    ready: VecDeque<Event>,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    fn new(shared: Arc<Shared>, watch: Watch, place: OwnedSemaphorePermit) -> Self {
        let now = Instant::now();
        let changes = {
            let mut states = lock(&shared.states);
            states.look(&shared.topology().components(), now);
            states.changes.next()
        };
        Self {
            watch,
            warnings: log::next_warning(),
            reloads: shared.reloader.history().next(),
            changes,
            look_at: now,
            pipeline_at: now,
            ready: VecDeque::new(),
            shared,
            _place: place,
        }
    }

    /// The next event. The stream ends with the host.
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some((Ok(event), self));
            }
            sleep_until(self.look_at).await;
            let now = Instant::now();
            self.look_at = now + LOOK_EVERY;
            self.look(now);
            if now >= self.pipeline_at {
                self.pipeline_at = now + PIPELINE_EVERY;
                let pipeline = self.shared.pipeline().await;
                self.add("pipeline", &*pipeline);
            }
        }
    }

    /// Gathers what is new.
    fn look(&mut self, now: Instant) {
        let (warnings, gone) = log::warnings_since(&mut self.warnings);
        let (reloads, gone_reloads) = self.shared.reloader.history().since(&mut self.reloads);
        let (changes, gone_changes) = {
            let mut states = lock(&self.shared.states);
            states.look(&self.shared.topology().components(), now);
            states.changes.since(&mut self.changes)
        };
        let gone = gone + gone_reloads + gone_changes;
        if gone > 0 {
            self.add("missed", &json!({ "events": gone }));
        }
        warnings.iter().for_each(|line| self.add("log", &**line));
        reloads.iter().for_each(|reload| self.add("reload", reload));
        changes.iter().for_each(|change| self.add("component", &**change));
        let quotes = match self.shared.topology().observer() {
            Some(observer) => observer.changed(&mut self.watch),
            None => Vec::new(),
        };
        if !quotes.is_empty() {
            let now_us = SystemClock.now_us();
            let quotes: Vec<_> = quotes.iter().map(|it| Shown::new(it, now_us)).collect();
            self.add("quotes", &json!({ "quotes": quotes }));
        }
    }

    fn add(&mut self, name: &str, data: &impl Serialize) {
        // none of these can fail to become JSON
        self.ready.extend(Event::default().event(name).json_data(data));
    }
}

impl Shared {
    fn topology(&self) -> &Arc<Topology> {
        self.reloader.topology()
    }

    /// What runs; found out once for all who ask within the same second.
    async fn pipeline(&self) -> Arc<Value> {
        let mut told = self.pipeline.lock().await;
        let is_fresh = |told: &&(Instant, Arc<Value>)| told.0.elapsed() < PIPELINE_EVERY / 2;
        if let Some((_, pipeline)) = told.as_ref().filter(is_fresh) {
            return Arc::clone(pipeline);
        }
        let topology = Arc::clone(self.topology());
        // it may look into folders
        let found = tokio::task::spawn_blocking(move || pipeline::report(&topology, false)).await;
        let pipeline = Arc::new(found.unwrap_or_default());
        *told = Some((Instant::now(), Arc::clone(&pipeline)));
        pipeline
    }
}

impl States {
    fn new() -> Self {
        Self { looked_at: Instant::now(), by_id: HashMap::new(), changes: Recent::new(MAX_CHANGES) }
    }

    /// Notes which components are in another state than when they were looked at last.
    fn look(&mut self, components: &[Arc<ComponentStatus>], now: Instant) {
        if now.saturating_duration_since(self.looked_at) > STALE {
            self.by_id.clear();
        }
        self.looked_at = now;
        self.by_id.retain(|id, _| components.iter().any(|it| it.id == *id));
        for component in components {
            self.note(&component.id, component.state());
        }
    }

    fn note(&mut self, id: &str, state: ComponentState) {
        let before = self.by_id.insert(id.to_owned(), state);
        if let Some(before) = before.filter(|before| *before != state) {
            self.changes.push(Arc::new(Change {
                time_us: SystemClock.now_us(),
                id: id.to_owned(),
                from: before.as_str(),
                to: state.as_str(),
            }));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_a_state_is_noted_once() {
        let mut states = States::new();
        for state in [
            ComponentState::Starting,
            ComponentState::Running,
            ComponentState::Running,
            ComponentState::Failed,
        ] {
            states.note("qq", state);
        }
        let changes = states.changes.newest(9);
        let shown: Vec<_> = changes.iter().map(|it| (it.id.as_str(), it.from, it.to)).collect();
        assert_eq!(shown, [("qq", "starting", "running"), ("qq", "running", "failed")]);
    }

    #[test]
    fn states_of_which_nobody_knew_when_they_changed_make_no_event() {
        let mut states = States::new();
        states.note("qq", ComponentState::Starting);
        states.look(&[], states.looked_at + 2 * STALE);
        states.note("qq", ComponentState::Failed);
        assert!(states.changes.newest(9).is_empty());
    }
}
