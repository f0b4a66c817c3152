//! The socket of a connection: its table entry hears of what is read and written, a request that is
//! none is told why, and no answer is lost because something behind it was left unread.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::{connections::ConnectionGuard, refusal};

/// Bytes that are read at once and thrown away.
const SCRATCH: usize = 8 << 10;

/// A socket, and the entry of its connection.
pub struct Watched {
    stream: TcpStream,
    guard: Arc<ConnectionGuard>,
    /// What is written in the place of bytes that are given: what is left of it.
    instead: Option<Vec<u8>>,
    is_shut: bool,
}

impl Watched {
    /// The socket of that connection.
    pub fn new(stream: TcpStream, guard: Arc<ConnectionGuard>) -> Self {
        Self { stream, guard, instead: None, is_shut: false }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if matches!(polled, Poll::Ready(Ok(1..))) {
            self.guard.sent();
        }
        polled
    }

    fn poll_send_instead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(left) = self.instead.take_if(|left| !left.is_empty()) {
            let polled = self.poll_send(cx, &left);
            let sent = if let Poll::Ready(Ok(sent)) = polled { sent } else { 0 };
            self.instead = Some(left[sent..].to_vec());
            if ready!(polled)? == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        self.instead = None;
        Poll::Ready(Ok(()))
    }
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
            this.guard.received();
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
        let this = self.get_mut();
        // a request that cannot be read never comes to who answers: hyper refuses it, with no words
        if this.instead.is_none() && !this.guard.is_answered() {
            this.instead = refusal::in_words(bytes);
        }
        if this.instead.is_none() {
            return this.poll_send(cx, bytes);
        }
        ready!(this.poll_send_instead(cx))?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_flush(cx);
        // hyper flushes when all is written
        if matches!(polled, Poll::Ready(Ok(()))) {
            this.guard.response_sent();
        }
        polled
    }

    /// Waits for the other side to close, too, as long as the table lets it: a socket that is closed
    /// with something unread in it takes back what was sent.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.is_shut {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            this.is_shut = true;
        }
        loop {
            let mut scratch = [0; SCRATCH];
            let mut buffer = ReadBuf::new(&mut scratch);
            let read = ready!(Pin::new(&mut this.stream).poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
