//! Why a call goes no further, worded as the API's errors are.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::json;

pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// For the log and alerts; none if the message is short enough for them.
    pub(crate) reason: Option<&'static str>,
    /// For the one who called.
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Refusal {
        Refusal { status, reason: None, message: message.into() }
    }

    /// A spent budget, or a model that is not allowed: of all answers, this one makes the client ask once and show the
    /// sentence (2.1.120 to 2.1.332, observed 2026-11).
    pub(crate) fn billing(reason: &'static str, message: String) -> Refusal {
        Refusal { status: StatusCode::TOO_MANY_REQUESTS, reason: Some(reason), message }
    }

    pub(crate) fn answer(&self) -> Response<Full<Bytes>> {
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
        let mut response = Response::new(Full::from(body));
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
