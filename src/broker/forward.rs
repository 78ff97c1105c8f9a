//! One call from its request to its answer: checked, sent on with the key, and passed back.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use chrono::Local;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::answer::{self, Answer};
use super::call::{Shared, Tracked};
use super::guard::{self, Route};
use super::log::{self, Call};
use super::refusal::Refusal;
use super::request;
use crate::http::reason;

/// The body of an answer: the broker's own, or the API's.
pub(crate) type Reply = Either<Full<Bytes>, Answer>;

pub(crate) async fn handle(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Reply>, Infallible> {
    let (parts, body) = request.into_parts();
    // What follows chunks on the same connection was not checked.
    let is_last = parts.headers.contains_key(header::TRANSFER_ENCODING);
    let route = guard::route(&parts.method, &parts.uri);
    let mut response = if route == Some(Route::Hello) {
        let body = if parts.method == Method::HEAD { "" } else { "{}" };
        Response::new(Either::Left(Full::from(body)))
    } else {
        let mut call = Tracked::new(shared, &parts);
        match call.admit(&parts, route, body).await {
            Ok(body) => call.forward(parts, body).await,
            Err(refusal) => call.end("refused", &refusal),
        }
    };
    if is_last {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

impl Tracked {
    /// Checks a request, and returns its body.
    async fn admit(
        &mut self,
        parts: &Parts,
        route: Option<Route>,
        body: Incoming,
    ) -> Result<Bytes, Refusal> {
        let (shared, call) = (&self.shared, &mut self.call);
        let route = route.ok_or_else(|| {
            let message = "this is not a path of the API that the broker serves";
            Refusal::new(StatusCode::NOT_FOUND, message)
        })?;
        if !shared.token.is_in(&parts.headers) {
            let message = "this is not the session token of this run";
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, message));
        }
        let body = request::read(body).await?;
        if route == Route::Messages {
            request::check(&body, &shared.setup.models, call)?;
            if let Some(sentence) = shared.setup.budgets().refusal(Local::now().naive_local()) {
                return Err(Refusal::billing("budget", sentence));
            }
        }
        if shared.setup.require_log {
            let (answer, written) = oneshot::channel();
            let call = Call { decision: "started", ..(**call).clone() };
            _ = shared.entries.send((call, Some(answer)));
            if let Err(problem) = written.await.unwrap_or_else(|_| Err("it has ended".to_owned())) {
                let message = format!(
                    "the call log cannot be written ({problem}), and this run requires it. Free some space, or run without --require-log."
                );
                return Err(Refusal::billing("log", message));
            }
        }
        Ok(body)
    }

    /// Sends a request on, a second time if the API refused the key and the source has another by now.
    async fn forward(mut self, parts: Parts, body: Bytes) -> Response<Reply> {
        let (setup, lender) = (&self.shared.setup, &self.shared.lender);
        let mut request = Request::from_parts(parts, Full::new(body));
        *request.uri_mut() = upstream(setup.connector.path(), request.uri());
        *request.version_mut() = Version::HTTP_11;
        request.extensions_mut().clear();
        let headers = request.headers_mut();
        guard::remove(headers, guard::is_dropped);
        headers.insert(header::HOST, setup.connector.host.clone());
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let mut lent = lender.lend();
        let mut is_second = false;
        loop {
            self.call.key = Some(Arc::clone(&lent.fingerprint));
            request.headers_mut().insert(lent.name.clone(), lent.value.clone());
            let sent = timeout(setup.patience, setup.connector.send(request.clone())).await;
            let (response, connection) = match sent.unwrap_or_else(|_| Err(answer::stalled(setup)))
            {
                Ok(sent) => sent,
                Err(error) => {
                    let api = setup.connector.authority();
                    let message = format!("{api} cannot be reached: {}", reason(&error));
                    return self.end("failed", &Refusal::new(StatusCode::BAD_GATEWAY, message));
                }
            };
            if response.status() == StatusCode::UNAUTHORIZED
                && !is_second
                && let Some(newer) = lender.newer_than(&lent).await
            {
                (lent, is_second) = (newer, true);
                continue;
            }
            return answer::pass(response, connection, self).map(Either::Right);
        }
    }

    /// Ends the call with an answer of the broker's own.
    fn end(mut self, decision: &'static str, refusal: &Refusal) -> Response<Reply> {
        self.call.decision = decision;
        self.call.reason = Some(log::text(refusal.reason.unwrap_or(&refusal.message)));
        self.call.status = Some(refusal.status.as_u16());
        refusal.answer().map(Either::Left)
    }
}

/// What a request for this URI asks the API for, whose base URL has this path.
fn upstream(path: &str, asked: &Uri) -> Uri {
    match (path, asked.path_and_query()) {
        ("", Some(target)) => target.clone().into(),
        (path, target) => format!("{path}{}", target.map_or("/", |target| target.as_str()))
            .parse()
            .unwrap_or_default(),
    }
}
