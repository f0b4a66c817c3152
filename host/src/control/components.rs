//! `POST /api/components/ID/pause` and `…/resume`.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use dataserver_engine::topology::{PauseError, Topology};
use serde_json::json;

use super::refusal::refuse;

/// The routes.
pub fn routes<S>(topology: &Arc<Topology>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let routes = Router::new()
        .route("/api/components/{id}/pause", post(pause))
        .route("/api/components/{id}/resume", post(resume));
    routes.with_state(Arc::clone(topology))
}

async fn pause(State(topology): State<Arc<Topology>>, Path(id): Path<String>) -> Response {
    set_paused(topology, id, true).await
}

async fn resume(State(topology): State<Arc<Topology>>, Path(id): Path<String>) -> Response {
    set_paused(topology, id, false).await
}

async fn set_paused(topology: Arc<Topology>, id: String, paused: bool) -> Response {
    let asked = id.clone();
    // it writes a file
    let work = tokio::task::spawn_blocking(move || {
        if paused { topology.pause(&asked) } else { topology.resume(&asked) }
    });
    let (code, error) = match work.await {
        Ok(Ok(())) => return Json(json!({ "id": id, "paused": paused })).into_response(),
        Ok(Err(error)) => {
            let code = match error {
                PauseError::Unknown(_) => StatusCode::NOT_FOUND,
                PauseError::Ending => StatusCode::SERVICE_UNAVAILABLE,
                PauseError::NotKept { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            };
            (code, error.to_string())
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    };
    refuse(code, error)
}
