//! The control interface over HTTP: health, metrics, what runs.
//!
//! It has a small runtime of its own, apart from the components' threads.

mod asker;
mod audit;
mod backfill;
mod browser;
mod caller;
mod components;
mod connection;
mod connections;
mod credentials;
mod days;
mod dead_letter;
mod events;
mod letters;
mod log;
mod page;
mod parameters;
mod pipeline;
mod plugins;
mod quotes;
mod readers;
mod refusal;
mod reload;
mod session;
mod spool;
mod streams;
mod tap;
mod watched;
mod watchers;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use dataserver_config::Secret;
use dataserver_engine::{shutdown::Phase, telemetry, topology::Topology};
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Runtime};

pub use audit::Audit;
pub use backfill::Backfilling;
pub use dead_letter::Answer;
pub use refusal::Refusal;

use crate::{
    backfill::hub::Hub,
    reload::{ReloadHandle, Reloader},
};
use connection::{Handler, accept};
use connections::Connections;
use session::Access;
use watchers::Watching;

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
/// How a host is of which nothing bad is known.
const HEALTHY: &str = "healthy";
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
        .max_blocking_threads(MAX_CONNECTIONS)
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
    /// Answers for the pipeline of that reloader; reloads are requested by that handle, and backfills
    /// of that hub.
    pub fn serve(
        self,
        reloader: &Arc<Reloader>,
        reload_handle: ReloadHandle,
        hub: &Arc<Hub>,
    ) -> Control {
        let Self { listener, address, token, runtime } = self;
        let connections = Arc::<Connections>::default();
        let topology = Arc::clone(reloader.topology());
        // the data folder cannot change while the host runs
        let audit = Arc::new(Audit::new(&topology.pipeline().host.data_dir));
        let router = router(reloader, reload_handle, hub, token, &audit);
        let handler = Handler::new(topology, audit, router);
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

fn router(
    reloader: &Arc<Reloader>,
    reload_handle: ReloadHandle,
    hub: &Arc<Hub>,
    token: Option<Secret>,
    audit: &Arc<Audit>,
) -> Router {
    let topology = Arc::clone(reloader.topology());
    let access = Access::new(token);
    let watching = Arc::<Watching>::default();
    // the last layer is asked first
    let closed = Router::new()
        .route("/metrics", get(metrics))
        .merge(backfill::routes(hub))
        .merge(components::routes(&topology))
        .merge(days::routes(&topology))
        .merge(dead_letter::routes(&topology))
        .merge(events::routes(reloader))
        .merge(letters::routes(&topology))
        .merge(log::routes())
        .merge(pipeline::routes(&topology))
        .merge(plugins::routes(reloader))
        .merge(readers::routes(&topology, watching.clone()))
        .merge(reload::routes(reloader, reload_handle))
        .merge(spool::routes(&topology))
        .layer(middleware::from_fn(parameters::read))
        .layer(middleware::from_fn_with_state(Arc::clone(&topology), refuse_to_act))
        .layer(middleware::from_fn_with_state(Arc::clone(&access), session::authorize))
        .layer(middleware::from_fn_with_state(Arc::clone(audit), audit::note));
    // a POST there reads, too: its body asks for more than an address can
    let read = Router::new()
        .merge(quotes::routes(&topology))
        .merge(tap::routes(&topology, &watching))
        .layer(middleware::from_fn(parameters::read))
        .layer(middleware::from_fn_with_state(Arc::clone(&access), session::authorize_to_read));
    // everybody may ask for health, so it says no more than names and states when a token is set
    let health = if access.is_open() { get(health) } else { get(health_in_short) };
    let open = Router::new().route(HEALTH, health).merge(page::routes());
    open.merge(session::routes(&access)).merge(closed).merge(read).with_state(topology)
}

/// Refuses what acts, as `[host] read_only` asks for.
async fn refuse_to_act(
    State(topology): State<Arc<Topology>>,
    request: Request,
    next: Next,
) -> Response {
    if session::acts(request.method()) && topology.pipeline().host.read_only {
        let error = "`[host] read_only` is true: this host is looked at alone; SIGHUP reloads it";
        return refusal::refuse(StatusCode::FORBIDDEN, error);
    }
    next.run(request).await
}

async fn health(State(topology): State<Arc<Topology>>) -> Response {
    let components = topology.components().iter().map(|it| pipeline::in_short(it)).collect();
    tell_health(&topology, components)
}

async fn health_in_short(State(topology): State<Arc<Topology>>) -> Response {
    let short =
        |it: &Arc<telemetry::ComponentStatus>| json!({ "id": it.id, "state": it.state().as_str() });
    let components = topology.components().iter().map(short).collect();
    tell_health(&topology, components)
}

fn tell_health(topology: &Topology, components: Vec<Value>) -> Response {
    let status = condition(topology);
    let code = if status == HEALTHY { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(json!({ "status": status, "components": components }))).into_response()
}

/// How the host is, in a word.
fn condition(topology: &Topology) -> &'static str {
    if topology.shutdown().phase() > Phase::Running {
        "draining"
    } else if topology.components().iter().any(|status| !status.state().is_healthy()) {
        "failing"
    } else if topology.is_starting() {
        "starting"
    } else {
        HEALTHY
    }
}

async fn metrics(State(topology): State<Arc<Topology>>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], topology.metrics_text()).into_response()
}
