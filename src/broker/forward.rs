//! One call: checked, sent on with the key, and recorded however it ends.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use chrono::Local;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Setup;
use super::answer::{self, Answer};
use super::guard::{self, Route, Token};
use super::lend::Lender;
use super::log::{self, Call};
use super::meter::Meter;
use super::prices::Terms;
use super::record::Entry;
use super::refusal::Refusal;
use super::request::{self, Asked};
use crate::http::reason;

/// What every call of a run is handled with.
pub(crate) struct Shared {
    pub(crate) setup: Arc<Setup>,
    pub(crate) token: Token,
    pub(crate) lender: Arc<Lender>,
    pub(crate) entries: Sender<Entry>,
}

/// The body of an answer: the broker's own, or the API's.
pub(crate) type Reply = Either<Full<Bytes>, Answer>;

/// A call on its way. It is recorded when this is dropped: whatever happens, once.
pub(crate) struct Tracked {
    pub(crate) shared: Arc<Shared>,
    pub(crate) call: Box<Call>,
    pub(crate) started: Instant,
    pub(crate) meter: Option<Meter>,
    terms: Terms,
}

impl Tracked {
    fn new(shared: Arc<Shared>, parts: &Parts) -> Tracked {
        let header = |name: &str| parts.headers.get(name)?.to_str().ok().map(log::text);
        let call = Box::new(Call {
            time: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            session: header("x-claude-code-session-id"),
            agent: header("x-claude-code-agent-id"),
            method: parts.method.clone(),
            path: log::text(parts.uri.path()),
            decision: "aborted",
            ..Call::default()
        });
        Tracked { shared, call, started: Instant::now(), meter: None, terms: Terms::default() }
    }

    /// Ends the call with an answer of the broker's own.
    fn end(mut self, decision: &'static str, refusal: &Refusal) -> Response<Reply> {
        self.call.decision = decision;
        self.call.reason = Some(log::text(refusal.reason.unwrap_or(&refusal.message)));
        self.call.status = Some(refusal.status.as_u16());
        refusal.answer().map(Either::Left)
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        let mut call = std::mem::take(&mut *self.call);
        call.duration_ms = millis(self.started);
        if let Some(meter) = &mut self.meter {
            let prices = &self.shared.setup.prices;
            let (usage, model) = meter.finish();
            let models = [model.as_deref(), call.model.as_deref()];
            call.cost_usd = prices.cost(models, &usage, self.terms);
            call.usage = usage;
            call.prices = Arc::clone(&prices.date);
            if call.decision == "passed" && !meter.is_seen {
                call.reason = Some("the answer reports no usage".to_owned());
            }
            self.shared.setup.ledger().run.add(call.amount());
        }
        _ = self.shared.entries.send(Entry { call, answer: None });
    }
}

pub(crate) fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

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
        let mut tracked = Tracked::new(Arc::clone(&shared), &parts);
        match admit(&shared, &parts, route, body, &mut tracked).await {
            Ok(body) => forward(&shared, parts, body, tracked).await,
            Err(refusal) => tracked.end("refused", &refusal),
        }
    };
    if is_last {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// Checks a request, and returns its body.
async fn admit(
    shared: &Shared,
    parts: &Parts,
    route: Option<Route>,
    body: Incoming,
    tracked: &mut Tracked,
) -> Result<Bytes, Refusal> {
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
        let asked = Asked::read(&body)?;
        tracked.call.model = asked.model.as_deref().map(log::text);
        tracked.call.stream = asked.stream;
        tracked.terms = asked.terms;
        asked.check_model(&shared.setup.models)?;
        if let Some(sentence) = shared.setup.ledger().refusal(Local::now().naive_local()) {
            return Err(Refusal::billing("budget", sentence));
        }
    }
    if shared.setup.require_log {
        let (answer, written) = oneshot::channel();
        let call = Call { decision: "started", ..(*tracked.call).clone() };
        _ = shared.entries.send(Entry { call, answer: Some(answer) });
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
async fn forward(
    shared: &Shared,
    parts: Parts,
    body: Bytes,
    mut tracked: Tracked,
) -> Response<Reply> {
    let (setup, mut request) = (&shared.setup, Request::from_parts(parts, Full::new(body)));
    *request.uri_mut() = upstream(setup.connector.path(), request.uri());
    *request.version_mut() = Version::HTTP_11;
    request.extensions_mut().clear();
    let headers = request.headers_mut();
    guard::clean(headers);
    headers.insert(header::HOST, setup.connector.host.clone());
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let mut lent = shared.lender.lend();
    let mut is_second = false;
    loop {
        tracked.call.key = Some(Arc::clone(&lent.fingerprint));
        request.headers_mut().insert(lent.name.clone(), lent.value.clone());
        let sent = timeout(setup.patience, setup.connector.send(request.clone())).await;
        let (response, connection) = match sent.unwrap_or_else(|_| Err(answer::stalled(setup))) {
            Ok(sent) => sent,
            Err(error) => {
                let api = setup.connector.authority();
                let message = format!("{api} cannot be reached: {}", reason(&error));
                return tracked.end("failed", &Refusal::new(StatusCode::BAD_GATEWAY, message));
            }
        };
        if response.status() == StatusCode::UNAUTHORIZED
            && !is_second
            && let Some(newer) = shared.lender.newer_than(&lent).await
        {
            (lent, is_second) = (newer, true);
            continue;
        }
        return answer::pass(response, connection, tracked).map(Either::Right);
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
