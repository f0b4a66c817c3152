//! `GET /api/readers`: who reads from this host; `POST /api/readers/ID`: does something with one.
//!
//! Components are asked when somebody looks, at most so often, and never waited for longer than a
//! moment: then what they told last is shown, marked as old.

mod book;
mod request;
mod rules;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use dataserver_engine::{
    clock::{Clock, SystemClock},
    topology::{NoAnswer, Told, Topology},
};
use plugin_api::{Action, ErrorKind, Outcome, ReaderKind};
use serde::Serialize;
use serde_json::{Value, json};

use super::{audit::ChangedNothing, refusal::refuse, watchers::Watching};
use book::{Book, Listing, Row};
use request::Request;

/// Longest wait for what components tell.
const TELL_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest wait for an action.
const ACT_TIMEOUT: Duration = Duration::from_secs(30);
/// Who asks within this time is given the same answer.
const FRESH: Duration = Duration::from_millis(500);

/// Who answers.
struct Desk {
    topology: Arc<Topology>,
    watchers: Arc<Watching>,
    collected: Mutex<Collected>,
}

#[derive(Default)]
struct Collected {
    book: Book,
    /// The last listing, and when it was made.
    last: Option<(Instant, Arc<Listing>)>,
}

/// What an action did, or would do.
#[derive(Debug, Serialize)]
struct Done {
    before: Value,
    after: Value,
    done: bool,
}

/// Status and text of a request that was not carried out.
type Refused = (StatusCode, String);

/// The routes.
pub fn routes<S>(topology: &Arc<Topology>, watchers: Arc<Watching>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let desk = Desk { topology: Arc::clone(topology), watchers, collected: Mutex::default() };
    Router::new()
        .route("/api/readers", get(list))
        .route("/api/readers/{*id}", post(act))
        .with_state(Arc::new(desk))
}

async fn list(State(desk): State<Arc<Desk>>) -> Response {
    // it waits for components
    match tokio::task::spawn_blocking(move || desk.list()).await {
        Ok(listing) => Json(&*listing).into_response(),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

async fn act(State(desk): State<Arc<Desk>>, Path(id): Path<String>, body: Bytes) -> Response {
    match tokio::task::spawn_blocking(move || desk.act(&id, &body)).await {
        Ok(Ok(done)) => {
            let mut response = Json(&done).into_response();
            if !done.done {
                response.extensions_mut().insert(ChangedNothing);
            }
            response
        }
        Ok(Err((code, error))) => refuse(code, error),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

impl Desk {
    fn list(&self) -> Arc<Listing> {
        // whoever comes meanwhile waits here and is given the same answer
        let mut collected = self.lock();
        if let Some((at, last)) = &collected.last
            && at.elapsed() < FRESH
        {
            return Arc::clone(last);
        }
        let told = self.collect();
        let listing = Arc::new(collected.book.take(told, SystemClock.now_us()));
        collected.last = Some((Instant::now(), Arc::clone(&listing)));
        listing
    }

    fn collect(&self) -> Vec<book::Told> {
        let told = self.topology.ask_readers(TELL_TIMEOUT).into_iter();
        let mut told: Vec<_> =
            told.map(|Told { component, readers }| (component, readers.map_err(why_not))).collect();
        for (component, watcher) in self.watchers.list() {
            match told.iter_mut().find(|(of, readers)| *of == component && readers.is_ok()) {
                Some((_, Ok(readers))) => readers.push(watcher),
                _ => told.push((component, Ok(vec![watcher]))),
            }
        }
        told
    }

    fn act(&self, id: &str, body: &[u8]) -> Result<Done, Refused> {
        let bad = |text| (StatusCode::BAD_REQUEST, text);
        let request = Request::read(body).map_err(bad)?;
        let preview = request.preview;
        let action = request.action().map_err(bad)?;
        let listing = self.list();
        let row = listing.readers.iter().find(|row| row.id == id);
        let row = row.ok_or_else(|| {
            let text = format!("there is no reader `{id}`; GET /api/readers lists them");
            (StatusCode::NOT_FOUND, text)
        })?;
        check_offered(row, &action)?;
        let outcome = match row.kind {
            ReaderKind::Watcher => self.disconnect_watcher(row, preview)?,
            _ => self.ask(row, action.clone(), preview)?,
        };
        if !preview {
            let (component, action) = (row.component.as_str(), action.kind().as_str());
            tracing::info!(component, reader = id, action, "done with a reader");
            // the next listing shows it
            self.lock().last = None;
        }
        Ok(Done { before: outcome.before, after: outcome.after, done: !preview })
    }

    fn ask(&self, row: &Row, action: Action, preview: bool) -> Result<Outcome, Refused> {
        let component = &row.component;
        let asked =
            self.topology.act_on_reader(component, reader_id(row), action, preview, ACT_TIMEOUT);
        let gone =
            || (StatusCode::NOT_FOUND, format!("`{component}` tells of no readers any more"));
        asked.ok_or_else(gone)?.map_err(|none| {
            let code = match &none {
                NoAnswer::Busy | NoAnswer::Unfinished => StatusCode::SERVICE_UNAVAILABLE,
                NoAnswer::Refused(error) => match error.kind {
                    ErrorKind::Config => StatusCode::BAD_REQUEST,
                    ErrorKind::BadData => StatusCode::CONFLICT,
                    ErrorKind::Retry => StatusCode::SERVICE_UNAVAILABLE,
                    ErrorKind::Fatal | ErrorKind::Panic => StatusCode::INTERNAL_SERVER_ERROR,
                },
            };
            (code, format!("{component}: {}", why_not(none)))
        })
    }

    fn disconnect_watcher(&self, row: &Row, preview: bool) -> Result<Outcome, Refused> {
        if !preview && !self.watchers.disconnect(&row.component, reader_id(row)) {
            return Err((StatusCode::CONFLICT, format!("`{}` has gone", row.id)));
        }
        Ok(Outcome { before: json!({ "connected": true }), after: json!({ "connected": false }) })
    }

    fn lock(&self) -> MutexGuard<'_, Collected> {
        self.collected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The id by which its component knows a reader.
fn reader_id(row: &Row) -> &str {
    row.id.get(row.component.len() + 1..).unwrap_or_default()
}

/// Whether the reader takes that action, as it was told.
fn check_offered(row: &Row, action: &Action) -> Result<(), Refused> {
    let name = action.kind().as_str();
    let why = match row.actions.get(&action.kind()) {
        Some(Value::String(why)) => why.clone(),
        Some(_) => return Ok(()),
        None if row.actions.is_empty() => "it has gone, or takes no actions".to_owned(),
        None => "no such reader takes that".to_owned(),
    };
    Err((StatusCode::CONFLICT, format!("{name} of `{}` cannot be done: {why}", row.id)))
}

fn why_not(none: NoAnswer) -> String {
    match none {
        NoAnswer::Busy => "it does not answer now; ask again when it is well".to_owned(),
        NoAnswer::Unfinished => {
            "it was begun and has not ended yet; list the readers again to see".to_owned()
        }
        NoAnswer::Refused(error) => error.message,
    }
}
