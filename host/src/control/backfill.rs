//! `/api/backfill`: POST begins a backfill, GET tells how far it is; `POST /api/backfill/cancel`.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use serde::{Deserialize, Serialize};

use super::{parameters::Parameters, refusal::refuse};
use crate::backfill::{
    hub::{Hub, Refused, Status},
    request::Request,
};

/// What is answered to who asks, begins or cancels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Backfilling {
    /// The job that was begun or cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What there is to tell.
    #[serde(flatten)]
    pub status: Status,
}

/// The routes.
pub fn routes<S>(hub: &Arc<Hub>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new()
        .route("/api/backfill", post(begin).get(tell))
        .route("/api/backfill/cancel", post(cancel))
        .with_state(Arc::clone(hub))
}

async fn begin(State(hub): State<Arc<Hub>>, parameters: Parameters) -> Response {
    let request = Request::of(|name| parameters.get(name), parameters.list("symbols"));
    let request = match request {
        Ok(request) => request,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, error),
    };
    let working = Arc::clone(&hub);
    // it reads the ledger
    match tokio::task::spawn_blocking(move || working.begin(&request)).await {
        Ok(Ok(name)) => answer(&hub, Some(name)),
        Ok(Err(error)) => {
            let code = match error {
                Refused::Busy(_) => StatusCode::CONFLICT,
                Refused::Ending => StatusCode::SERVICE_UNAVAILABLE,
                Refused::Impossible(_) => StatusCode::UNPROCESSABLE_ENTITY,
            };
            refuse(code, error.to_string())
        }
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

async fn tell(State(hub): State<Arc<Hub>>) -> Response {
    answer(&hub, None)
}

async fn cancel(State(hub): State<Arc<Hub>>) -> Response {
    match hub.cancel() {
        Some(name) => answer(&hub, Some(name)),
        None => refuse(StatusCode::NOT_FOUND, "no backfill runs"),
    }
}

fn answer(hub: &Hub, name: Option<String>) -> Response {
    Json(Backfilling { name, status: hub.status() }).into_response()
}
