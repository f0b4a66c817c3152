//! `GET /api/days` and `GET /api/days/2026-01-05`: which days are whole, and what is missing of one.

use std::sync::Arc;

use ::days::{Day, LedgerError};
use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use dataserver_engine::{
    clock::{Clock, SystemClock},
    topology::Topology,
};
use serde::Serialize;

use super::{parameters::Parameters, refusal::refuse};
use crate::days::{
    place::Place,
    range::Range,
    report::{self, Calendar},
};

/// The routes.
pub fn routes<S>(topology: &Arc<Topology>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let routes =
        Router::new().route("/api/days", get(calendar)).route("/api/days/{date}", get(day));
    routes.with_state(Arc::clone(topology))
}

async fn calendar(State(topology): State<Arc<Topology>>, parameters: Parameters) -> Response {
    let now_us = SystemClock.now_us();
    let named = |name| parameters.get(name).map(str::parse::<Day>).transpose();
    let range = named("from").and_then(|from| Range::new(from, named("to")?, now_us));
    let range = match range {
        Ok(range) => range,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, error),
    };
    read(&topology, move |place| match place.read() {
        Ok(ledger) => Ok(Calendar { days: report::calendar(&ledger, range, now_us)? }),
        // its sink is being opened for the first time
        Err(LedgerError::Absent(_)) => Ok(Calendar { days: Vec::new() }),
        Err(error) => Err(error),
    })
    .await
}

async fn day(
    State(topology): State<Arc<Topology>>,
    Path(date): Path<String>,
    parameters: Parameters,
) -> Response {
    let day = match date.parse::<Day>() {
        Ok(day) => day,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, error),
    };
    let symbol = match parameters.get("symbol").map(report::parse_symbol).transpose() {
        Ok(symbol) => symbol,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, error),
    };
    let now_us = SystemClock.now_us();
    read(&topology, move |place| report::day(&place.read()?, day, symbol.as_deref(), now_us)).await
}

/// Answers with what is read of the ledger of the pipeline that runs, keys in the order of the fields.
async fn read<T: Serialize + Send + 'static>(
    topology: &Topology,
    work: impl FnOnce(&Place) -> Result<T, LedgerError> + Send + 'static,
) -> Response {
    let place = match Place::of(&topology.pipeline()) {
        Ok(place) => place,
        Err(none) => return refuse(StatusCode::NOT_FOUND, none.to_string()),
    };
    // it reads a file
    match tokio::task::spawn_blocking(move || work(&place)).await {
        Ok(Ok(answer)) => Json(answer).into_response(),
        Ok(Err(error @ LedgerError::Absent(_))) => refuse(StatusCode::NOT_FOUND, error.to_string()),
        Ok(Err(error)) => refuse(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}
