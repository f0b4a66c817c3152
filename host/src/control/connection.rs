//! Takes connections, and serves each for as long as it behaves.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, response::Response};
use dataserver_engine::topology::Topology;
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

use super::{
    caller::{Refused, whole},
    places::{Place, Places},
};

/// Pause after a connection could not be taken, because the process has no file left.
const PAUSE: Duration = Duration::from_millis(100);
/// Bytes of the longest head.
const LONGEST_HEAD: usize = 64 << 10;

/// What answers.
#[derive(Clone)]
pub struct Desk {
    topology: Arc<Topology>,
    router: TowerToHyperService<Router>,
}

impl Desk {
    /// For that pipeline.
    pub fn new(topology: Arc<Topology>, router: Router) -> Self {
        Self { topology, router: TowerToHyperService::new(router) }
    }
}

/// Takes connections for ever.
pub async fn accept(listener: TcpListener, places: Arc<Places>, desk: Desk) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        // answers are small, and whoever asks waits for them
        let _ = stream.set_nodelay(true);
        if let Some(place) = places.enter() {
            tokio::spawn(attend(stream, Arc::new(place), desk.clone()));
        }
        // a flood of connections must not keep those that are there from being served
        tokio::task::yield_now().await;
    }
}

async fn attend(stream: TcpStream, place: Arc<Place>, desk: Desk) {
    let io = TokioIo::new(Watched { stream, place: Arc::clone(&place) });
    let service = service_fn(|request| answer(request, &place, &desk));
    let mut builder = http1::Builder::new();
    let connection = builder.max_buf_size(LONGEST_HEAD).serve_connection(io, service);
    tokio::select! {
        // whatever a client does wrong, it is gone with its connection
        _ = connection => {}
        () = place.over() => {}
    }
}

async fn answer(request: Request<Incoming>, place: &Place, desk: &Desk) -> io::Result<Response> {
    let pipeline = desk.topology.pipeline();
    let answer = match whole(request, &pipeline.host.allowed_hosts).await {
        Ok(request) => work(request, place, desk).await,
        Err(refused) => refused.into(),
    };
    place.answered();
    Ok(answer)
}

async fn work(request: Request<Body>, place: &Place, desk: &Desk) -> Response {
    let is_about_health = request.uri().path() == super::HEALTH;
    if place.work(is_about_health).is_err() {
        return Refused::busy().into();
    }
    if !is_about_health {
        // one that asks on and on takes turns with the others
        tokio::task::yield_now().await;
    }
    match desk.router.call(request).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    }
}

/// A connection whose place knows what comes and goes.
struct Watched {
    stream: TcpStream,
    place: Arc<Place>,
}

impl AsyncRead for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            this.place.heard();
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_flush(cx);
        // whoever flushes has written all it had
        if matches!(polled, Poll::Ready(Ok(()))) {
            this.place.sent();
        }
        polled
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
