//! `POST /api/reload`: applies the pipeline file anew and tells how that went; with `?check=true` tells
//! what it would do.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use dataserver_engine::{shutdown::Phase, topology::ChangeError};
use tokio::sync::Mutex;

use super::{audit::ChangedNothing, parameters::Parameters, refusal::refuse};
use crate::reload::{
    ReloadHandle, Reloader,
    report::{Outcome, Report},
};

/// How often a request that waits looks whether the host ends.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Who reloads, and how it is called.
struct Asking {
    reloader: Arc<Reloader>,
    reload_handle: ReloadHandle,
    /// Held by who looks what a reload would do: one at a time, whoever else asks costs no thread.
    checking: Mutex<()>,
}

/// The route.
pub fn routes<S>(reloader: &Arc<Reloader>, reload_handle: ReloadHandle) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let (reloader, checking) = (Arc::clone(reloader), Mutex::default());
    let asking = Asking { reloader, reload_handle, checking };
    Router::new().route("/api/reload", post(reload)).with_state(Arc::new(asking))
}

async fn reload(State(asking): State<Arc<Asking>>, parameters: Parameters) -> Response {
    match parameters.get("check") {
        None | Some("false") => apply(&asking).await,
        Some("true") => check(&asking).await,
        Some(_) => refuse(StatusCode::BAD_REQUEST, "`check` is true or false"),
    }
}

/// Tells what a reload would do.
async fn check(asking: &Asking) -> Response {
    let _one_at_a_time = asking.checking.lock().await;
    let reloader = Arc::clone(&asking.reloader);
    let mut response = match tokio::task::spawn_blocking(move || reloader.check()).await {
        Ok(report) => (code(&report), Json(report)).into_response(),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    };
    response.extensions_mut().insert(ChangedNothing);
    response
}

/// Waits for a reload together with all who ask meanwhile.
async fn apply(asking: &Asking) -> Response {
    let shutdown = asking.reloader.topology().shutdown();
    let mut answer = asking.reloader.ask(&asking.reload_handle);
    while shutdown.phase() == Phase::Running {
        match tokio::time::timeout(POLL_INTERVAL, &mut answer).await {
            Err(_still_waits) => {}
            Ok(Ok(report)) => return (code(&report), Json(report)).into_response(),
            // nobody reloads any more
            Ok(Err(_)) => break,
        }
    }
    let report = answer.try_recv().unwrap_or_else(|_| Report::failed(&ChangeError::Ending));
    (StatusCode::SERVICE_UNAVAILABLE, Json(report)).into_response()
}

fn code(report: &Report) -> StatusCode {
    match report.outcome {
        Outcome::Done | Outcome::Unchanged => StatusCode::OK,
        Outcome::Refused => StatusCode::UNPROCESSABLE_ENTITY,
        Outcome::Failed => StatusCode::CONFLICT,
    }
}
