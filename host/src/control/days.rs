//! `GET /api/days`: which days are whole, of which nobody keeps account so far.

use axum::{Json, Router, http::StatusCode, routing::get};

use super::Refusal;

/// The route.
pub fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new().route("/api/days", get(days))
}

async fn days() -> (StatusCode, Json<Refusal>) {
    let error = "no completeness yet: this host keeps no account of whole days".to_owned();
    (StatusCode::NOT_FOUND, Json(Refusal { error }))
}
