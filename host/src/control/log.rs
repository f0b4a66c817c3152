//! `GET /api/log`: the newest lines of the log.

use axum::{
    Json, Router,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;

use super::{parameters::Parameters, refusal::refuse};
use crate::log;

/// The route.
pub fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new().route("/api/log", get(lines))
}

async fn lines(parameters: Parameters) -> Response {
    let limit = match parameters.count("limit") {
        Ok(limit) => limit.map_or(log::MAX_LINES, |it| usize::try_from(it).unwrap_or(usize::MAX)),
        Err(error) => return refuse(StatusCode::BAD_REQUEST, error),
    };
    let lines = log::newest(limit);
    let lines: Vec<&log::Line> = lines.iter().map(|line| &**line).collect();
    Json(json!({ "lines": lines })).into_response()
}
