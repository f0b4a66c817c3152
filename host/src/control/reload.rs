//! `POST /api/reload`: applies the pipeline file anew and tells how that went.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use dataserver_engine::{shutdown::Phase, topology::ChangeError};

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
}

/// The route.
pub fn routes<S>(reloader: &Arc<Reloader>, reload_handle: ReloadHandle) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let asking = Asking { reloader: Arc::clone(reloader), reload_handle };
    Router::new().route("/api/reload", post(reload)).with_state(Arc::new(asking))
}

/// Waits for a reload together with all who ask meanwhile.
async fn reload(State(asking): State<Arc<Asking>>) -> Response {
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
