//! `POST /api/reload`: applies the pipeline file anew and tells how that went.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};

use crate::reload::{
    Reloader, Trigger,
    report::{Outcome, Report},
};

/// The route.
pub fn routes<S>(reloader: &Arc<Reloader>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new().route("/api/reload", post(reload)).with_state(Arc::clone(reloader))
}

async fn reload(State(reloader): State<Arc<Reloader>>) -> Response {
    let work = tokio::task::spawn_blocking(move || reloader.reload(Trigger::Request));
    match work.await {
        Ok(report) => (code(&report), Json(report)).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn code(report: &Report) -> StatusCode {
    match report.outcome {
        Outcome::Done | Outcome::Unchanged => StatusCode::OK,
        Outcome::Refused => StatusCode::UNPROCESSABLE_ENTITY,
        Outcome::Failed => StatusCode::CONFLICT,
    }
}
