//! The API's answer, passed back as it comes: read along by a meter, and given up when nothing comes for too long.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use hyper::Response;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};

use super::call::{Tracked, millis};
use super::meter::Meter;
use super::{Setup, guard, log};
use crate::http::Connection;

pub(crate) struct Answer {
    body: Incoming,
    tracked: Tracked,
    /// Waits for the next call once the body has ended.
    connection: Option<Connection>,
    /// When something came last.
    seen: Instant,
    /// Goes off when nothing has come for too long. Set anew only when it goes off too early: not for each event.
    alarm: Option<Pin<Box<Sleep>>>,
}

/// The API's answer as it goes to the child.
pub(crate) fn pass(
    response: Response<Incoming>,
    connection: Connection,
    mut tracked: Tracked,
) -> Response<Answer> {
    let (mut parts, body) = response.into_parts();
    guard::remove(&mut parts.headers, |_| false);
    let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let call = &mut tracked.call;
    call.ttfb_ms = Some(millis(tracked.started));
    call.status = Some(parts.status.as_u16());
    call.request_id = header("request-id").map(log::text);
    if call.path == "/v1/messages" && parts.status.is_success() {
        let kind = header("content-type").unwrap_or_default();
        tracked.meter = Some(Meter::new(kind.starts_with("text/event-stream")));
    }
    let (connection, seen) = (Some(connection), Instant::now());
    let mut answer = Answer { body, tracked, connection, seen, alarm: None };
    if answer.body.is_end_stream() {
        answer.end();
    }
    Response::from_parts(parts, answer)
}

pub(crate) fn stalled(setup: &Setup) -> io::Error {
    io::Error::other(format!("nothing came for {:?}", setup.patience))
}

impl Answer {
    fn end(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.tracked.call.decision = "passed";
            self.tracked.shared.setup.connector.keep(connection);
        }
    }

    /// Ready once nothing has come for too long.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let setup = &self.tracked.shared.setup;
        loop {
            let left = setup.patience.saturating_sub(self.seen.elapsed());
            if left.is_zero() {
                return Poll::Ready(stalled(setup));
            }
            let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep(left)));
            ready!(alarm.as_mut().poll(cx));
            self.alarm = None;
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        let frame = match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(frame) => frame.map(|frame| frame.map_err(io::Error::other)),
            Poll::Pending => Some(Err(ready!(this.poll_stalled(cx)))),
        };
        this.seen = Instant::now();
        match &frame {
            Some(Ok(frame)) => {
                if let (Some(data), Some(meter)) = (frame.data_ref(), &mut this.tracked.meter) {
                    meter.feed(data);
                }
            }
            Some(Err(error)) => {
                this.tracked.call.decision = "failed";
                this.tracked.call.reason = Some(format!("the answer was cut: {error}"));
                this.connection = None;
            }
            None => {}
        }
        // The end of chunks shows only when they are asked for once more.
        if frame.is_none() || this.body.is_end_stream() {
            this.end();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
