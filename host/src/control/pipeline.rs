//! `GET /api/pipeline`: what runs, and how it does.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use dataserver_engine::{
    telemetry::{ComponentStatus, Latency},
    topology::{Described, QueueFigures, Topology},
};
use serde_json::{Value, json};

use super::{condition, refusal::refuse};

/// The route.
pub fn routes<S>(topology: &Arc<Topology>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new().route("/api/pipeline", get(pipeline)).with_state(Arc::clone(topology))
}

async fn pipeline(State(topology): State<Arc<Topology>>) -> Response {
    // it looks into folders
    match tokio::task::spawn_blocking(move || report(&topology, true)).await {
        Ok(report) => Json(report).into_response(),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// What runs, and how it does; `in_full` with what does not change by itself: options and plugin
/// files. It may wait for a disk.
pub fn report(topology: &Topology, in_full: bool) -> Value {
    let pipeline = topology.pipeline();
    let described = topology.describe();
    let rate_of = |id: &str| {
        let writer = described.iter().find(|it| it.component.id == id);
        writer.map_or(0.0, |it| rounded(it.status.rates().records_out))
    };
    let edges: Vec<_> = described
        .iter()
        .flat_map(|it| it.component.inputs.iter().map(move |input| (input, &it.component.id)))
        .map(|(from, to)| json!({ "from": from, "to": to, "rate": rate_of(from) }))
        .collect();
    json!({
        "now_us": topology.now_us(),
        "started_us": topology.started_us(),
        "version": env!("CARGO_PKG_VERSION"),
        "status": condition(topology),
        "read_only": pipeline.host.read_only,
        "file": pipeline.file.display().to_string(),
        "components": described.iter().map(|it| component(it, in_full)).collect::<Vec<_>>(),
        "edges": edges,
    })
}

/// What `/health` says of a component.
pub fn in_short(status: &ComponentStatus) -> Value {
    let mut component = json!({
        "id": status.id,
        "kind": status.kind.as_str(),
        "plugin": status.plugin,
        "state": status.state().as_str(),
        "last_error": status.last_error(),
    });
    if let Some(reason) = status.degraded() {
        component["degraded"] = reason.into();
    }
    let damage = status.damage();
    if damage.places > 0 {
        component["damage"] = json!(damage);
    }
    component
}

fn component(described: &Described, in_full: bool) -> Value {
    let Described { component, status, plugin_file, queue, dead_letters } = described;
    let (state, since_us) = status.state_since();
    let rates = status.rates();
    let mut value = in_short(status);
    value["state"] = state.as_str().into();
    value["since_us"] = since_us.into();
    value["last_error_us"] = status.last_error_us().into();
    value["restarts"] = status.metrics.restarts.get().into();
    value["paused"] = status.is_paused().into();
    value["records_in"] = status.metrics.records_in.get().into();
    value["records_out"] = status.metrics.records_out.get().into();
    value["dropped"] = status.dropped().into();
    value["errors"] = status.errors().into();
    value["dropped_by"] = json!(status.metrics.dropped_by());
    value["errors_by"] = json!(status.metrics.errors_by());
    value["rate"] = json!({
        "in": rounded(rates.records_in),
        "out": rounded(rates.records_out),
        "dropped": rounded(rates.dropped),
        "errors": rounded(rates.errors),
    });
    value["queue"] = queue.as_ref().map(queue_json).into();
    value["latency"] = status.latency().as_ref().map(latency_json).into();
    value["last_commit_us"] = status.last_commit_us().into();
    value["dead_letters"] = (*dead_letters).into();
    value["blocked_by"] = status.blocked_by().into();
    value["cpu"] = rounded(rates.cpu).into();
    if in_full {
        value["plugin_file"] = json!(plugin_file);
        value["options"] = json!(component.shown_options);
    }
    value
}

fn queue_json(queue: &QueueFigures) -> Value {
    #[allow(clippy::cast_precision_loss)]
    let fill = queue.size.bytes as f64 / queue.max_bytes.max(1) as f64;
    json!({
        "records": queue.size.records,
        "bytes": queue.size.bytes,
        "limit_bytes": queue.max_bytes,
        "fill": rounded(fill),
        "kind": if queue.is_on_disk { "disk" } else { "memory" },
        "when_full": queue.when_full,
        "oldest_us": queue.oldest_us,
    })
}

fn latency_json(latency: &Latency) -> Value {
    #[allow(clippy::cast_precision_loss)]
    let ms = |us: u64| us as f64 / 1000.0;
    json!({
        "p50_ms": ms(latency.p50_us), "p99_ms": ms(latency.p99_us), "max_ms": ms(latency.max_us),
    })
}

/// To a thousandth: more digits would only take room.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
