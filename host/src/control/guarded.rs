//! A listener that clients cannot wear out.
//!
//! Few connections at a time, and none that is silent for long: a monitor that hangs, or somebody
//! who opens connections without end, must not take the files and sockets that plugins need.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::serve::Listener;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep, sleep},
};

const MOST_CONNECTIONS: usize = 64;
/// Longest time in which a client neither sends nor takes a byte.
const LONGEST_SILENCE: Duration = Duration::from_secs(30);

/// A listener with those limits.
pub struct Guarded {
    listener: TcpListener,
    free: Arc<Semaphore>,
    longest_silence: Duration,
}

impl Guarded {
    /// Guards a listener.
    pub fn new(listener: TcpListener) -> Self {
        let free = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        Self { listener, free, longest_silence: LONGEST_SILENCE }
    }
}

impl Listener for Guarded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // never closed, so this cannot fail; without a permit the limit would be the system's
        let permit = Arc::clone(&self.free).acquire_owned().await.ok();
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let silence = Box::pin(sleep(self.longest_silence));
        let longest_silence = self.longest_silence;
        (Connection { stream, silence, longest_silence, _permit: permit }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that fails when its client is silent for too long.
pub struct Connection {
    stream: TcpStream,
    silence: Pin<Box<Sleep>>,
    longest_silence: Duration,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Connection {
    /// Passes on what came of a call; what has to wait waits no longer than the silence allowed.
    fn limited<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.silence.as_mut().reset(Instant::now() + self.longest_silence);
            return polled;
        }
        ready!(self.silence.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buffer);
        this.limited(cx, polled)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.limited(cx, polled)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[test]
    fn a_client_that_stays_silent_is_let_go() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut guarded = Guarded::new(listener);
            guarded.longest_silence = Duration::from_millis(20);
            let address = guarded.local_addr().unwrap();
            let _client = TcpStream::connect(address).await.unwrap();
            let (mut connection, _) = guarded.accept().await;
            let mut bytes = [0; 8];
            let mut buffer = ReadBuf::new(&mut bytes);
            let read = poll_fn(|cx| Pin::new(&mut connection).poll_read(cx, &mut buffer)).await;
            assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
            assert_eq!(guarded.free.available_permits(), MOST_CONNECTIONS - 1);
            drop(connection);
            assert_eq!(guarded.free.available_permits(), MOST_CONNECTIONS);
        });
    }
}
