//! One call: checked, sent on with the key, and its answer passed back as it comes.

use std::convert::Infallible;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use chrono::Local;
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep, timeout};

use super::budget::Ledger;
use super::guard::{self, MAX_BODY, Route, Token};
use super::lend::Lender;
use super::log::{self, Call};
use super::meter::Meter;
use super::prices::Terms;
use super::record::Entry;
use super::{Setup, glob};
use crate::http::{Connection, reason};
use crate::json::{self, Scan};

/// So long a child may take to send a body.
const BODY_TIME: Duration = Duration::from_secs(60);

/// So much of a body has room made for it before it comes.
const MAX_AHEAD: usize = 1 << 20;

/// So many connections to the API wait for the next call.
const MAX_IDLE: usize = 64;

/// A connection that waited longer may be closed at its other end.
const MAX_IDLE_TIME: Duration = Duration::from_secs(30);

/// What every call of a run is handled with.
pub(crate) struct Shared {
    pub(crate) setup: Arc<Setup>,
    pub(crate) token: Token,
    /// The value of the header `host`.
    pub(crate) host: HeaderValue,
    pub(crate) idle: Mutex<Vec<(Connection, Instant)>>,
    pub(crate) lender: Arc<Lender>,
    pub(crate) ledger: Arc<Mutex<Ledger>>,
    pub(crate) entries: Sender<Entry>,
}

/// The body of an answer: the broker's own, or the API's.
pub(crate) type Reply = Either<Full<Bytes>, Metered>;

/// Why a call goes no further.
struct Refusal {
    status: StatusCode,
    /// For the log and alerts; none if the message is short enough for them.
    reason: Option<&'static str>,
    /// For the one who called.
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, message: impl Into<String>) -> Refusal {
        Refusal { status, reason: None, message: message.into() }
    }

    /// A spent budget, or a model that is not allowed: of all answers, this one makes the client ask once and show the
    /// sentence (2.1.120 to 2.1.332, observed 2026-11).
    fn billing(reason: &'static str, message: String) -> Refusal {
        Refusal { status: StatusCode::TOO_MANY_REQUESTS, reason: Some(reason), message }
    }

    /// The answer, worded as the API's errors are.
    fn answer(&self) -> Response<Reply> {
        let kind = match self.status.as_u16() {
            400 => "invalid_request_error",
            401 => "authentication_error",
            404 => "not_found_error",
            408 => "timeout_error",
            413 => "request_too_large",
            429 => "billing_error",
            _ => "api_error",
        };
        let error = json!({"type": kind, "message": format!("cck: {}", self.message)});
        let body = json!({"type": "error", "error": error}).to_string();
        let mut response = Response::new(Either::Left(Full::from(body)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // The network may be back in a moment: that is the client's to decide.
        if self.status != StatusCode::BAD_GATEWAY {
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        }
        response
    }
}

/// A call on its way. It is recorded when this is dropped: whatever happens, once.
pub(crate) struct Tracked {
    shared: Arc<Shared>,
    call: Box<Call>,
    started: Instant,
    meter: Option<Meter>,
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
        refusal.answer()
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        let mut call = std::mem::take(&mut *self.call);
        call.duration_ms = millis(self.started);
        if let Some(meter) = &mut self.meter {
            let prices = &self.shared.setup.prices;
            let (usage, model) = meter.finish();
            let answered = model.filter(|model| prices.knows(model));
            let priced = answered.or_else(|| call.model.clone()).unwrap_or_default();
            call.usage = usage;
            call.cost_usd = prices.cost(&priced, &usage, self.terms);
            call.prices = Arc::clone(&prices.date);
            if call.decision == "passed" && !meter.is_seen() {
                call.reason = Some("the answer reports no usage".to_owned());
            }
            lock(&self.shared.ledger).run.add(call.amount());
        }
        _ = self.shared.entries.send(Entry { call, answer: None });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Handles a request of the child.
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
    let body = read(body).await?;
    if route == Route::Messages {
        let asked = Asked::read(&body)?;
        tracked.call.model = asked.model.as_deref().map(log::text);
        tracked.call.stream = asked.stream;
        tracked.terms = asked.terms;
        allow(&shared.setup.models, asked.model.as_deref().unwrap_or_default())?;
        if let Some(sentence) = lock(&shared.ledger).refusal(Local::now().naive_local()) {
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

/// Refuses a model that none of the patterns of a list allows.
fn allow(lists: &[Vec<String>], model: &str) -> Result<(), Refusal> {
    let allows = |patterns: &&Vec<String>| {
        patterns.is_empty() || patterns.iter().any(|pattern| glob(pattern, model))
    };
    let Some(patterns) = lists.iter().find(|patterns| !allows(patterns)) else { return Ok(()) };
    let (model, patterns) = (log::text(model), patterns.join(", "));
    let message = format!(
        "the model {model} is not allowed in this run ({patterns}). To allow it, start the run with --allow-model {model}."
    );
    Err(Refusal::billing("model", message))
}

/// The whole body of a request, within the bounds of size and time.
async fn read(mut body: Incoming) -> Result<Bytes, Refusal> {
    let too_large =
        || Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "the request is larger than 32 MB");
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(too_large());
    }
    let announced = body.size_hint().exact().and_then(|length| usize::try_from(length).ok());
    let mut whole = BytesMut::new();
    let all = async {
        while let Some(frame) = body.frame().await {
            let data = frame
                .map_err(|_| {
                    Refusal::new(StatusCode::BAD_REQUEST, "the request's body is cut short")
                })?
                .into_data()
                .unwrap_or_default();
            if Some(data.len()) == announced {
                return Ok(data);
            }
            if whole.len() + data.len() > MAX_BODY {
                return Err(too_large());
            }
            // Copied piece by piece, so that hyper reads each into the same memory.
            if whole.is_empty() {
                whole.reserve(announced.unwrap_or_default().min(MAX_AHEAD));
            }
            whole.extend_from_slice(&data);
        }
        Ok(whole.freeze())
    };
    let late = |_| Refusal::new(StatusCode::REQUEST_TIMEOUT, "the request's body does not end");
    timeout(BODY_TIME, all).await.map_err(late)?
}

/// What a request for a message asks for.
#[derive(Debug, Default, PartialEq)]
struct Asked {
    model: Option<String>,
    /// Which of two counts, two parsers may see in two ways.
    names_two_models: bool,
    stream: bool,
    terms: Terms,
    /// The member whose value is on its way.
    member: &'static str,
}

impl Asked {
    fn read(body: &[u8]) -> Result<Asked, Refusal> {
        // What is not JSON is for the API to refuse.
        let asked = Scan::of(json::without_bom(body), Asked::default()).unwrap_or_default();
        if asked.names_two_models {
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "the request names two models"));
        }
        Ok(asked)
    }
}

impl json::Visitor for Asked {
    fn depth(&self) -> usize {
        1
    }

    fn name(&mut self, _: usize, name: &[u8], _: Range<usize>) -> bool {
        let name = json::bare(name);
        let known =
            ["model", "stream", "speed", "inference_geo"].into_iter().find(|known| *known == name);
        self.member = known.unwrap_or_default();
        known.is_some()
    }

    fn value(&mut self, _: usize, _: Range<usize>, value: &[u8]) {
        let text = || serde_json::from_slice::<String>(value).ok();
        match self.member {
            "model" => {
                self.names_two_models |= self.model.is_some();
                self.model = text();
            }
            "stream" => self.stream = value == b"true",
            "speed" => self.terms.fast = text().as_deref() == Some("fast"),
            "inference_geo" => self.terms.us_only = text().as_deref() == Some("us"),
            _ => {}
        }
    }
}

/// Sends a request on, a second time if the API refused the key and the source has another by now.
async fn forward(
    shared: &Arc<Shared>,
    mut parts: Parts,
    body: Bytes,
    mut tracked: Tracked,
) -> Response<Reply> {
    guard::clean(&mut parts.headers);
    parts.headers.insert(header::HOST, shared.host.clone());
    parts.headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let mut lent = shared.lender.lend();
    let mut is_second = false;
    loop {
        tracked.call.key = Some(Arc::clone(&lent.fingerprint));
        parts.headers.insert(lent.name.clone(), lent.value.clone());
        let request = upstream_request(shared, &parts, body.clone());
        let sent = timeout(shared.setup.patience, send(shared, request)).await;
        let (response, connection) = match sent.unwrap_or_else(|_| Err(stalled(&shared.setup))) {
            Ok(sent) => sent,
            Err(error) => {
                let api = shared.setup.connector.authority();
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
        return pass(response, connection, tracked);
    }
}

fn stalled(setup: &Setup) -> io::Error {
    io::Error::other(format!("nothing came for {:?}", setup.patience))
}

fn upstream_request(shared: &Shared, parts: &Parts, body: Bytes) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = match (shared.setup.connector.path(), parts.uri.path_and_query()) {
        ("", Some(target)) => target.clone().into(),
        (path, target) => format!("{path}{}", target.map_or("/", |target| target.as_str()))
            .parse()
            .unwrap_or_default(),
    };
    *request.headers_mut() = parts.headers.clone();
    request
}

/// Sends a request over a connection that waits, or a new one.
async fn send(
    shared: &Shared,
    mut request: Request<Full<Bytes>>,
) -> io::Result<(Response<Incoming>, Connection)> {
    loop {
        let waiting = take_idle(shared).await;
        let is_new = waiting.is_none();
        let mut connection = match waiting {
            Some(connection) => connection,
            // Seldom, and large: not in the state of each call.
            None => Box::pin(shared.setup.connector.connect()).await?,
        };
        match connection.try_send_request(request).await {
            Ok(response) => return Ok((response, connection)),
            Err(mut error) => match error.take_message() {
                // Not a byte of it was sent: the connection had been closed while it waited.
                Some(unsent) if !is_new => request = unsent,
                _ => return Err(io::Error::other(error.into_error())),
            },
        }
    }
}

async fn take_idle(shared: &Shared) -> Option<Connection> {
    loop {
        let (mut connection, since) = lock(&shared.idle).pop()?;
        if since.elapsed() < MAX_IDLE_TIME && connection.ready().await.is_ok() {
            return Some(connection);
        }
    }
}

/// The API's answer as it comes.
fn pass(
    response: Response<Incoming>,
    connection: Connection,
    mut tracked: Tracked,
) -> Response<Reply> {
    let (mut parts, body) = response.into_parts();
    guard::remove_hop_by_hop(&mut parts.headers);
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
    let mut metered = Metered { body, tracked, connection, seen, alarm: None };
    metered.end_if_over();
    Response::from_parts(parts, Either::Right(metered))
}

/// The body of an answer, read along while it passes.
pub(crate) struct Metered {
    body: Incoming,
    tracked: Tracked,
    /// Waits for the next call once the body has ended.
    connection: Option<Connection>,
    /// When something came last.
    seen: Instant,
    /// Goes off when nothing has come for too long. Set anew only when it goes off too early: not for each event.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Metered {
    fn end_if_over(&mut self) {
        if self.body.is_end_stream() {
            self.end();
        }
    }

    fn end(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        self.tracked.call.decision = "passed";
        let mut idle = lock(&self.tracked.shared.idle);
        if idle.len() < MAX_IDLE && !connection.is_closed() {
            idle.push((connection, Instant::now()));
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
            std::task::ready!(alarm.as_mut().poll(cx));
            self.alarm = None;
        }
    }
}

impl hyper::body::Body for Metered {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        let frame = match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(frame) => frame.map(|frame| frame.map_err(io::Error::other)),
            Poll::Pending => Some(Err(std::task::ready!(this.poll_stalled(cx)))),
        };
        this.seen = Instant::now();
        match &frame {
            Some(Ok(frame)) => {
                if let (Some(data), Some(meter)) = (frame.data_ref(), &mut this.tracked.meter) {
                    meter.feed(data);
                }
                this.end_if_over();
            }
            Some(Err(error)) => {
                this.tracked.call.decision = "failed";
                this.tracked.call.reason = Some(format!("the answer was cut: {error}"));
                this.connection = None;
            }
            None => this.end(),
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
