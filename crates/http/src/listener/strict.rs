//! A connection whose incoming bytes are watched over, and which is not closed over the head of a client that still sends.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::framing::Framing;

/// So long and so many bytes a client is listened to that sends on after its answer.
const LINGER: Duration = Duration::from_secs(1);
const MOST_LINGERED: usize = 256 * 1024;

/// The end of a head.
const END: &[u8] = b"\r\n\r\n";

/// A stream whose incoming bytes pass through [`Framing`].
#[derive(Debug)]
pub(super) struct Strict<S> {
    stream: S,
    framing: Framing,
    /// The parser was told of the end of a spoilt head.
    is_ended: bool,
    linger: Option<Pin<Box<Sleep>>>,
    lingered: usize,
}

impl<S> Strict<S> {
    pub(super) fn new(stream: S) -> Strict<S> {
        Strict {
            stream,
            framing: Framing::default(),
            is_ended: false,
            linger: None,
            lingered: 0,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Strict<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.framing.is_spoilt() {
            // The parser looks at a head anew, and refuses it, when its end has come; nothing more does.
            let is_told = std::mem::replace(&mut self.is_ended, true);
            if !is_told && self.framing.is_spoilt_head() && buffer.remaining() >= END.len() {
                buffer.put_slice(END);
            }
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if let Poll::Ready(Ok(())) = read {
            self.framing.look(&mut buffer.filled_mut()[before..]);
        }
        read
    }
}

impl<S: AsyncRead + Unpin> Strict<S> {
    /// Reads and forgets what still comes, for a while.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let until = self.linger.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        if until.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut scratch = [0; 4_096];
        while self.lingered < MOST_LINGERED {
            let mut buffer = ReadBuf::new(&mut scratch);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                break;
            }
            self.lingered += buffer.filled().len();
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Strict<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        // Between requests nothing comes any more. Otherwise the client may still be sending what was answered already, and
        // a socket closed over its head would take the answer from it (RFC 9112, section 9.6).
        match self.framing.is_between_requests() {
            true => Poll::Ready(Ok(())),
            false => self.poll_linger(cx).map(Ok),
        }
    }
}
