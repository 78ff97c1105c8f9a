//! `cck verify --online`: asks the API whether it takes the credential that would be sent.

use serde::Serialize;
use zeroize::Zeroizing;

use crate::client::advice::{Problem, Severity};
use crate::client::decision::{Decision, Mode, Outcome};
use crate::client::destination::{Destination, Refusal};
use crate::client::reason;
use crate::client::settings::{self, names};
use crate::client::source::Source;
use crate::client::state::State;
use crate::context::Context;
use crate::online::{self, Answer, Request};
use crate::output::one_line;

/// What the API said.
#[derive(Debug, Serialize)]
pub struct Online {
    /// Who was asked.
    pub url: String,
    /// What came of it.
    pub result: &'static str,
    /// The HTTP status, if there was one.
    pub status: Option<u16>,
    /// The problem that it is, if it is one.
    #[serde(skip)]
    pub problem: Option<Problem>,
}

impl Online {
    /// Why the answer is not a yes; none where the API takes the credential.
    pub(crate) fn doubt(&self) -> Option<String> {
        let url = &self.url;
        Some(match self.result {
            "rejected" => format!("{url} rejects the credential"),
            "unreachable" => format!("{url} could not be reached"),
            "not-asked" => format!("{url} was not asked"),
            _ => return None,
        })
    }
}

/// Asks about the first of `modes` that sends something.
pub(crate) fn ask(
    state: &State,
    decision: &Decision,
    modes: &[Mode],
    destination: &Destination,
    refusal: Option<&Refusal>,
    context: &Context,
) -> anyhow::Result<Online> {
    let shown = one_line(&destination.shown);
    let answer =
        |result, status, problem| Ok(Online { url: shown.clone(), result, status, problem });
    let mut outcomes = modes.iter().map(|mode| decision.outcome(*mode));
    let Some(outcome) = outcomes.find(|outcome| outcome.sends) else {
        return answer("not-asked", None, None);
    };
    let Some(headers) = headers(state, outcome) else {
        let message = "the credential is not known here, so the API was not asked".to_owned();
        let fix = "add --run-helper, so that the helper's output can be asked about".to_owned();
        return answer("not-asked", None, problem("online-not-asked", message, fix));
    };
    if let Some(refusal) = refusal {
        let message =
            format!("the credential would {}; the API was not asked", refusal.reason(destination));
        let fix = match refusal {
            Refusal::Untrusted(_) => format!(
                "if you mean that host: cck verify --online --expect-host {}",
                destination.address.as_ref().map_or("HOST", |address| &address.host)
            ),
            _ => "fix ANTHROPIC_BASE_URL, then ask again".to_owned(),
        };
        return answer("not-asked", None, problem("online-refused", message, fix));
    }
    // The address as the client takes it, whatever its text looks like to another parser.
    let Ok(address) = &destination.address else { return answer("not-asked", None, None) };
    if !address.is_private() && destination.redirect.is_some() {
        let message = format!(
            "{shown} was not set by you, and a credential would cross the network unencrypted; the API was not asked"
        );
        let fix = "set ANTHROPIC_BASE_URL yourself, if you mean that host".to_owned();
        return answer("not-asked", None, problem("online-refused", message, fix));
    }
    let url = format!("{address}/v1/models?limit=1");
    let request = Request { method: "GET", url: &url, headers, body: None };
    match online::send(context, &request)? {
        Answer::Unreachable(why) => {
            let message = format!("{shown} cannot be reached: {}", one_line(&why));
            let fix = "check the network, HTTPS_PROXY and SSL_CERT_FILE, then ask again".to_owned();
            answer("unreachable", None, problem("unreachable", message, fix))
        }
        Answer::Status { code, .. } => match code {
            200..=299 => answer("valid", Some(code), None),
            401 | 403 => {
                let message = format!("{shown} rejects the credential (HTTP {code})");
                let fix = "set another key: cck set-key".to_owned();
                answer("rejected", Some(code), problem("credential-rejected", message, fix))
            }
            429 => {
                let message = format!("{shown} limits the rate of this credential (HTTP 429)");
                let fix = "wait a minute, then ask again".to_owned();
                answer("rate-limited", Some(code), problem("rate-limited", message, fix))
            }
            _ => {
                let message = format!(
                    "{shown} gave the answer HTTP {code}, which says nothing of the credential"
                );
                let fix = "check ANTHROPIC_BASE_URL: the API answers at its /v1/models".to_owned();
                answer("unexpected", Some(code), problem("unexpected-answer", message, fix))
            }
        },
    }
}

/// The headers that the client would send; none where a credential is not known.
fn headers<'a>(state: &State, outcome: &Outcome) -> Option<Vec<(&'a str, Zeroizing<String>)>> {
    let mut headers = vec![("anthropic-version", Zeroizing::new(online::API_VERSION.to_owned()))];
    let value = |source| {
        let secret = reason::secret(state, source)?;
        Some(settings::js_trim(secret.reveal()).to_owned())
    };
    let is_custom =
        |source: &Source| matches!(source, Source::Variable(_, name) if name == names::HEADERS);
    let custom = settings::effective(state, names::HEADERS);
    let custom = custom
        .as_ref()
        .map(|setting| crate::client::headers::parse(state.client, setting.value.reveal()))
        .unwrap_or_default();
    if let Some(source) = outcome.x_api_key.source() {
        let key = match custom.x_api_key.filter(|_| is_custom(source)) {
            Some(custom) => custom.to_owned(),
            None => value(source)?,
        };
        headers.push(("x-api-key", Zeroizing::new(key)));
    }
    if let Some(source) = outcome.authorization.source() {
        let text = match custom.authorization.filter(|_| is_custom(source)) {
            Some(custom) => custom.to_owned(),
            None => format!("Bearer {}", value(source)?),
        };
        headers.push(("authorization", Zeroizing::new(text)));
        let is_oauth = matches!(source, Source::Login | Source::Profile(_))
            || matches!(source, Source::Variable(_, name) if name == names::OAUTH || name == names::PROFILE);
        if is_oauth {
            headers.push(("anthropic-beta", Zeroizing::new("oauth-2025-04-20".to_owned())));
        }
    }
    Some(headers)
}

fn problem(code: &'static str, message: String, fix: String) -> Option<Problem> {
    Some(Problem { code, severity: Severity::Error, message, fix })
}
