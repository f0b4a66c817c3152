//! The control interface over HTTP: health, metrics, what runs.
//!
//! It has a small runtime of its own, apart from the components' threads.

mod caller;
mod connection;
mod connections;
mod dead_letter;
mod events;
mod log;
mod parameters;
mod quotes;
mod reload;
mod spool;
mod streams;
mod tap;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use dataserver_config::Secret;
use dataserver_engine::{shutdown::Phase, telemetry, topology::Topology};
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Runtime};

pub use dead_letter::{Answer, Refusal};

use crate::reload::{ReloadHandle, Reloader};
use connection::{Handler, accept};
use connections::Connections;

/// The address, taken; nobody answers there yet.
#[derive(Debug)]
pub struct Listening {
    listener: TcpListener,
    address: SocketAddr,
    token: Option<Secret>,
    runtime: Runtime,
}

/// Concurrent connections, streams among them.
pub const MAX_CONNECTIONS: usize = connections::MAX_CONNECTIONS + streams::MAX_STREAMS;
/// Where everybody may ask how the host is.
const HEALTH: &str = "/health";
/// How a token is shown.
const SCHEME: &[u8] = b"Bearer";
/// Longest wait, when the interface closes, for answers that are under way.
const LAST_ANSWERS: Duration = Duration::from_millis(500);
/// Longest wait for its thread to end.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// The interface while it is open. Dropping it closes it.
#[derive(Debug)]
pub struct Control {
    address: SocketAddr,
    connections: Arc<Connections>,
    /// There until the interface is dropped.
    runtime: Option<Runtime>,
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
    /// Answers for the pipeline of that reloader; reloads are requested by that handle.
    pub fn serve(self, reloader: &Arc<Reloader>, reload_handle: ReloadHandle) -> Control {
        let Self { listener, address, token, runtime } = self;
        let connections = Arc::<Connections>::default();
        let handler =
            Handler::new(Arc::clone(reloader.topology()), router(reloader, reload_handle, token));
        // ends with the runtime
        runtime.spawn(accept(listener, Arc::clone(&connections), handler));
        Control { address, connections, runtime: Some(runtime) }
    }
}

impl Control {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Control {
    /// Lets who was told that the host ends hear it, and no request hold the end up.
    fn drop(&mut self) {
        self.connections.wait_quiet(LAST_ANSWERS);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(LAST_WAIT);
        }
    }
}

fn router(reloader: &Arc<Reloader>, reload_handle: ReloadHandle, token: Option<Secret>) -> Router {
    let topology = Arc::clone(reloader.topology());
    let is_open = token.is_none();
    let closed = Router::new()
        .route("/metrics", get(metrics))
        .route("/api/pipeline", get(pipeline))
        .merge(dead_letter::routes(&topology))
        .merge(events::routes(reloader))
        .merge(log::routes())
        .merge(quotes::routes(&topology))
        .merge(reload::routes(reloader, reload_handle))
        .merge(spool::routes(&topology))
        .merge(tap::routes(&topology))
        .layer(middleware::from_fn_with_state(token, authorize));
    // everybody may ask for health, so it says no more than names and states when a token is set
    let health = if is_open { get(health) } else { get(health_in_short) };
    Router::new().route(HEALTH, health).merge(closed).with_state(topology)
}

async fn authorize(State(token): State<Option<Secret>>, request: Request, next: Next) -> Response {
    if token.is_none_or(|token| shows(request.headers(), &token)) {
        return next.run(request).await;
    }
    (StatusCode::UNAUTHORIZED, "this host wants `Authorization: Bearer` with its token\n")
        .into_response()
}

/// Whether a request shows the token; the name of the scheme has no case.
fn shows(headers: &HeaderMap, token: &Secret) -> bool {
    let mut shown = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(shown), None) = (shown.next(), shown.next()) else { return false };
    let Some((scheme, rest)) = shown.as_bytes().split_at_checked(SCHEME.len()) else {
        return false;
    };
    let shown = rest.trim_ascii_start();
    scheme.eq_ignore_ascii_case(SCHEME)
        && shown.len() < rest.len()
        && is_same(shown, token.0.as_bytes())
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
    let (code, text) = if draining {
        (StatusCode::SERVICE_UNAVAILABLE, "draining")
    } else if sick {
        (StatusCode::SERVICE_UNAVAILABLE, "failing")
    } else if topology.is_starting() {
        (StatusCode::SERVICE_UNAVAILABLE, "starting")
    } else {
        (StatusCode::OK, "healthy")
    };
    (code, Json(json!({ "status": text, "components": components }))).into_response()
}

async fn metrics(State(topology): State<Arc<Topology>>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], topology.metrics_text()).into_response()
}

async fn pipeline(State(topology): State<Arc<Topology>>) -> Json<Value> {
    Json(pipeline_in_short(&topology))
}

/// What runs, without what does not change by itself.
fn pipeline_in_short(topology: &Topology) -> Value {
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
    json!({ "components": components, "edges": edges })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_shown_as_bearer_in_any_case_and_in_no_other_way() {
        let token = Secret("secret".to_owned());
        for (shown, expected) in [
            (vec!["Bearer secret"], true),
            (vec!["bearer secret"], true),
            (vec!["BEARER   secret"], true),
            (vec![], false),
            (vec!["secret"], false),
            (vec!["Bearersecret"], false),
            (vec!["Bearer"], false),
            (vec!["Bearer "], false),
            (vec!["Bearer Secret"], false),
            (vec!["Bearer secret "], false),
            (vec!["Bearer secrets"], false),
            (vec!["Basic secret"], false),
            (vec!["Bearer secret", "Bearer secret"], false),
        ] {
            let mut headers = HeaderMap::new();
            for value in &shown {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            assert_eq!(shows(&headers, &token), expected, "{shown:?}");
        }
    }
}
