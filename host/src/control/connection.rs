//! Accepts connections, and serves each until it is evicted or times out.

use std::{io, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{Method, StatusCode},
    response::Response,
};
use dataserver_engine::topology::Topology;
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::net::{TcpListener, TcpStream};

use super::{
    asker::Caller,
    audit::Audit,
    caller::{Rejection, whole},
    connections::{ConnectionGuard, Connections},
    refusal::{self, MAX_HEAD},
    streams,
    watched::Watched,
};

/// Pause after a failed accept, because the process is out of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Handles requests.
#[derive(Clone)]
pub struct Handler {
    topology: Arc<Topology>,
    audit: Arc<Audit>,
    router: TowerToHyperService<Router>,
}

impl Handler {
    /// A handler for that pipeline.
    pub fn new(topology: Arc<Topology>, audit: Arc<Audit>, router: Router) -> Self {
        Self { topology, audit, router: TowerToHyperService::new(router) }
    }
}

/// Accepts connections for ever.
pub async fn accept(listener: TcpListener, connections: Arc<Connections>, handler: Handler) {
    loop {
        let Ok((stream, address)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        // responses are small, and clients wait for them
        let _ = stream.set_nodelay(true);
        if let Some(guard) = connections.enter() {
            tokio::spawn(attend(stream, Caller::new(address), Arc::new(guard), handler.clone()));
        }
        // a flood of connections must not keep those that are there from being served
        tokio::task::yield_now().await;
    }
}

async fn attend(stream: TcpStream, caller: Caller, guard: Arc<ConnectionGuard>, handler: Handler) {
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&guard)));
    let service = service_fn(|request| answer(request, caller, &guard, &handler));
    let mut builder = http1::Builder::new();
    // who closes after asking has asked all the same, and may still be listening
    builder.half_close(true).max_buf_size(MAX_HEAD);
    let connection = builder.serve_connection(io, service);
    tokio::select! {
        // a client's error ends its own connection only
        _ = connection => {}
        () = guard.expired() => {}
    }
}

async fn answer(
    request: Request<Incoming>,
    caller: Caller,
    guard: &Arc<ConnectionGuard>,
    handler: &Handler,
) -> io::Result<Response> {
    let pipeline = handler.topology.pipeline();
    let acting = (request.method() == Method::POST).then(|| request.uri().path().to_owned());
    let answer = match whole(request, &pipeline.host.allowed_hosts).await {
        Ok(mut request) => {
            request.extensions_mut().insert(caller);
            work(request, guard, handler).await
        }
        Err(refused) => {
            let answer = Response::from(refused);
            if let Some(path) = acting.filter(|_| answer.status() == StatusCode::FORBIDDEN) {
                handler.audit.note_rejected(caller, &path, answer.status()).await;
            }
            answer
        }
    };
    if streams::goes_on(&answer) {
        guard.stream_ready();
    } else {
        guard.response_ready();
    }
    Ok(answer)
}

/// Works on a request, also when its client leaves meanwhile: what acts is done and kept account of to
/// its end, and the request counts until then.
async fn work(request: Request<Body>, guard: &Arc<ConnectionGuard>, handler: &Handler) -> Response {
    let is_about_health = request.uri().path() == super::HEALTH;
    if guard.start_request(is_about_health).is_err() {
        return Rejection::busy().into();
    }
    let (router, guard) = (handler.router.clone(), Arc::clone(guard));
    let working = tokio::spawn(async move {
        if !is_about_health {
            // yield, so that a busy client takes turns with others
            tokio::task::yield_now().await;
        }
        let answer = router.call(request).await;
        drop(guard);
        answer
    });
    match working.await {
        Ok(Ok(answer)) => refusal::told(answer).await,
        Ok(Err(never)) => match never {},
        Err(error) => {
            refusal::refuse(StatusCode::INTERNAL_SERVER_ERROR, format!("no answer: {error}"))
        }
    }
}
