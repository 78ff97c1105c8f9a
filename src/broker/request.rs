//! A request of the child: its body, and what of it decides whether it is sent on.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::{Body as _, Incoming};
use tokio::time::timeout;
use wildmatch::WildMatch;

use super::guard::MAX_BODY;
use super::log::{self, Call};
use super::prices::Terms;
use super::refusal::Refusal;
use crate::json;

/// So long a child may take to send a body.
const BODY_TIME: Duration = Duration::from_secs(60);

/// So much of a body has room made for it before it comes.
const MAX_AHEAD: usize = 1 << 20;

/// The whole body of a request, within the bounds of size and time.
pub(crate) async fn read(mut body: Incoming) -> Result<Bytes, Refusal> {
    let refusal = |status, message| Err(Refusal::new(status, message));
    let too_large = || refusal(StatusCode::PAYLOAD_TOO_LARGE, "the request is larger than 32 MB");
    if body.size_hint().lower() > MAX_BODY as u64 {
        return too_large();
    }
    let announced = body.size_hint().exact().and_then(|length| usize::try_from(length).ok());
    let mut whole = BytesMut::new();
    let all = async {
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                return refusal(StatusCode::BAD_REQUEST, "the request's body is cut short");
            };
            let data = frame.into_data().unwrap_or_default();
            if Some(data.len()) == announced {
                return Ok(data);
            }
            if whole.len() + data.len() > MAX_BODY {
                return too_large();
            }
            // Copied piece by piece, so that hyper reads each into the same memory.
            if whole.is_empty() {
                whole.reserve(announced.unwrap_or_default().min(MAX_AHEAD));
            }
            whole.extend_from_slice(&data);
        }
        Ok(whole.freeze())
    };
    let late = |_| refusal(StatusCode::REQUEST_TIMEOUT, "the request's body does not end");
    timeout(BODY_TIME, all).await.unwrap_or_else(late)
}

/// Notes in the call what a request for a message asks for, and refuses a model that none of the patterns of a list allows.
pub(crate) fn check(body: &[u8], lists: &[Vec<String>], call: &mut Call) -> Result<(), Refusal> {
    let body = json::without_bom(body);
    let (mut model, mut stream, mut terms) = (None, false, Terms::default());
    // What is not JSON is for the API to refuse.
    for (name, value) in json::spans(body).unwrap_or_default() {
        let name = json::bare(&body[name.start + 1..name.end - 1]);
        let text = || serde_json::from_slice::<String>(&body[value.clone()]).ok();
        match &*name {
            // Which of two counts, two parsers may see in two ways.
            "model" if model.is_some() => {
                let message = "the request names two models";
                return Err(Refusal::new(StatusCode::BAD_REQUEST, message));
            }
            "model" => model = text(),
            "stream" => stream = &body[value] == b"true",
            "speed" => terms.fast = text().as_deref() == Some("fast"),
            "inference_geo" => terms.us_only = text().as_deref() == Some("us"),
            _ => {}
        }
    }
    call.model = model.as_deref().map(log::text);
    (call.stream, call.terms) = (stream, terms);
    let model = model.unwrap_or_default();
    let allows = |patterns: &&Vec<String>| {
        patterns.is_empty()
            || patterns.iter().any(|pattern| WildMatch::new(pattern).matches(&model))
    };
    let Some(patterns) = lists.iter().find(|patterns| !allows(patterns)) else { return Ok(()) };
    let (model, patterns) = (log::text(&model), patterns.join(", "));
    let message = format!(
        "the model {model} is not allowed in this run ({patterns}). To allow it, start the run with --allow-model {model}."
    );
    Err(Refusal::billing("model", message))
}
