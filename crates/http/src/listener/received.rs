//! Noticing when a request is here as a whole.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// A request's body that says once when all of it has come.
pub(super) struct Received<F> {
    body: Incoming,
    whole: Option<F>,
}

impl<F: FnOnce()> Received<F> {
    pub(super) fn new(body: Incoming, whole: F) -> Received<F> {
        let mut received = Received {
            body,
            whole: Some(whole),
        };
        received.look();
        received
    }

    fn look(&mut self) {
        if self.body.is_end_stream()
            && let Some(whole) = self.whole.take()
        {
            whole();
        }
    }
}

impl<F: FnOnce() + Unpin> Body for Received<F> {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if frame.is_ready() {
            self.look();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
