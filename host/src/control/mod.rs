//! The control interface over HTTP: health, metrics, what runs.
//!
//! It has a small runtime of its own, apart from the components' threads.

mod dead_letter;
mod guarded;
mod reload;
mod spool;

use std::{io, net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Runtime};

pub use dead_letter::{Answer, Refusal};
use guarded::Guarded;

use crate::{config::Secret, reload::Reloader, shutdown::Phase, telemetry, topology::Topology};

/// The address, taken; nobody answers there yet.
#[derive(Debug)]
pub struct Listening {
    listener: TcpListener,
    address: SocketAddr,
    token: Option<Secret>,
    runtime: Runtime,
}

/// The interface while it is open. Dropping it closes it.
#[derive(Debug)]
pub struct Control {
    address: SocketAddr,
    // dropped last of all, it ends every connection
    _runtime: Runtime,
}

/// Takes the address.
///
/// # Errors
/// When the address cannot be taken; the text names it and the remedy.
pub fn listen(address: SocketAddr, token: Option<Secret>) -> io::Result<Listening> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("control")
        .enable_all()
        .build()?;
    let listener = runtime.block_on(TcpListener::bind(address)).map_err(|error| {
        let text = format!(
            "[host] http: cannot listen on {address}: {error}; `ss -ltnp` shows who holds the \
             port, another one or no `http` at all avoids it"
        );
        io::Error::new(error.kind(), text)
    })?;
    let address = listener.local_addr()?;
    Ok(Listening { listener, address, token, runtime })
}

impl Listening {
    /// Answers for the pipeline of that reloader.
    pub fn serve(self, reloader: &Arc<Reloader>) -> Control {
        let Self { listener, address, token, runtime } = self;
        let router = router(reloader, token);
        runtime.spawn(async move {
            // ends with the runtime
            let _ = axum::serve(Guarded::new(listener), router).await;
        });
        Control { address, _runtime: runtime }
    }
}

impl Control {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn router(reloader: &Arc<Reloader>, token: Option<Secret>) -> Router {
    let topology = Arc::clone(reloader.topology());
    let is_open = token.is_none();
    let closed = Router::new()
        .route("/metrics", get(metrics))
        .route("/api/pipeline", get(pipeline))
        .merge(dead_letter::routes(&topology))
        .merge(reload::routes(reloader))
        .merge(spool::routes(&topology))
        .layer(middleware::from_fn_with_state(token, authorize));
    // everybody may ask for health, so it says no more than names and states when a token is set
    let health = if is_open { get(health) } else { get(health_in_short) };
    Router::new().route("/health", health).merge(closed).with_state(topology)
}

async fn authorize(State(token): State<Option<Secret>>, request: Request, next: Next) -> Response {
    let shown = request.headers().get(header::AUTHORIZATION).map(|value| value.as_bytes());
    let allowed = token.is_none_or(|token| {
        shown.is_some_and(|shown| is_same(shown, format!("Bearer {}", token.0).as_bytes()))
    });
    if allowed {
        return next.run(request).await;
    }
    (StatusCode::UNAUTHORIZED, "this host wants `Authorization: Bearer` with its token\n")
        .into_response()
}

/// Compares without telling by its duration where texts differ.
fn is_same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

async fn health(State(topology): State<Arc<Topology>>) -> Response {
    let components = topology.components().iter().map(|it| describe(it)).collect();
    tell_health(&topology, components)
}

async fn health_in_short(State(topology): State<Arc<Topology>>) -> Response {
    let short =
        |it: &Arc<telemetry::ComponentStatus>| json!({ "id": it.id, "state": it.state().as_str() });
    let components = topology.components().iter().map(short).collect();
    tell_health(&topology, components)
}

fn tell_health(topology: &Topology, components: Vec<Value>) -> Response {
    let draining = topology.shutdown().phase() > Phase::Running;
    let sick = topology.components().iter().any(|status| !status.state().is_healthy());
    let text = match (draining, sick) {
        (true, _) => "draining",
        (false, true) => "failing",
        (false, false) => "healthy",
    };
    let code = if draining || sick { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (code, Json(json!({ "status": text, "components": components }))).into_response()
}

async fn metrics(State(topology): State<Arc<Topology>>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], topology.metrics_text()).into_response()
}

async fn pipeline(State(topology): State<Arc<Topology>>) -> Json<Value> {
    let components: Vec<_> = topology
        .components()
        .iter()
        .map(|status| {
            let mut component = describe(status);
            component["records_in"] = status.metrics.records_in.get().into();
            component["records_out"] = status.metrics.records_out.get().into();
            component["dropped"] = status.dropped().into();
            component["errors"] = status.errors().into();
            component
        })
        .collect();
    let edges: Vec<_> = topology
        .pipeline()
        .components
        .iter()
        .flat_map(|reader| {
            reader.inputs.iter().map(|input| json!({ "from": input, "to": reader.id }))
        })
        .collect();
    Json(json!({ "components": components, "edges": edges }))
}

fn describe(status: &telemetry::ComponentStatus) -> Value {
    let mut component = json!({
        "id": status.id,
        "kind": status.kind.as_str(),
        "plugin": status.plugin,
        "state": status.state().as_str(),
        "last_error": status.last_error(),
    });
    let damage = status.damage();
    if damage.places > 0 {
        component["damage"] = json!(damage);
    }
    component
}
