//! `POST /api/spool/SINK/acknowledge`: somebody knows of the damage in a sink's buffer on disk.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use dataserver_engine::topology::Topology;

use super::refusal::refuse;

/// The route.
pub fn routes<S>(topology: &Arc<Topology>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new()
        .route("/api/spool/{sink}/acknowledge", post(acknowledge))
        .with_state(Arc::clone(topology))
}

async fn acknowledge(State(topology): State<Arc<Topology>>, Path(sink): Path<String>) -> Response {
    let asked = sink.clone();
    // it renames files, and waits for the queue
    let work = tokio::task::spawn_blocking(move || topology.acknowledge_damage(&asked));
    match work.await {
        Ok(Some(Ok(damage))) => Json(damage).into_response(),
        Ok(Some(Err(error))) => refuse(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        Ok(None) => {
            let text = format!("the host that runs has no sink `{sink}` with a buffer on disk");
            refuse(StatusCode::NOT_FOUND, text)
        }
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}
