//! `GET /api/plugins`: the plugin files that the host found, as `dataserver plugins list` tells them.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};

use super::refusal::refuse;
use crate::{plugin_list, reload::Reloader};

/// The route.
pub fn routes<S>(reloader: &Arc<Reloader>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new().route("/api/plugins", get(list)).with_state(Arc::clone(reloader))
}

async fn list(State(reloader): State<Arc<Reloader>>) -> Response {
    // files that nobody has loaded are tried in child processes, once
    let work = tokio::task::spawn_blocking(move || plugin_list::to_json(&reloader.catalog()));
    match work.await {
        Ok(plugins) => Json(plugins).into_response(),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}
