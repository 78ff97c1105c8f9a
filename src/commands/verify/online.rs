//! `cck verify --online`: asks the API whether it takes the credential that would be sent.

use zeroize::Zeroizing;

use crate::client::advice::{Problem, Severity};
use crate::client::decision::{Decision, Header, Mode, Outcome};
use crate::client::destination::{Destination, Refusal};
use crate::client::server;
use crate::client::settings;
use crate::client::source::Source;
use crate::client::state::State;
use crate::context::Context;
use crate::http::{self, Answer, Request};
use crate::key::ApiKey;
use crate::output::one_line;
use crate::report::json::Online;
use crate::shell;

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
    let Some(headers) = headers(outcome, None) else {
        let message = "the credential is not known here, so the API was not asked".to_owned();
        let refreshed = state.login.as_ref().is_some_and(|login| login.is_refreshed(state.now));
        let fix = if refreshed {
            "start claude once: it refreshes the login that has expired"
        } else {
            "add --run-helper, so that the helper's output can be asked about"
        }
        .to_owned();
        return answer("not-asked", None, problem("online-not-asked", message, fix));
    };
    if let Some(refusal) = refusal {
        let message =
            format!("the credential would {}; the API was not asked", refusal.reason(destination));
        let fix = match refusal {
            Refusal::Untrusted(_) => format!(
                "if you mean that host: cck verify --online --expect-host {}",
                destination
                    .address
                    .as_ref()
                    .map_or("HOST".into(), |address| shell::word(address.host()))
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
    match http::send(context, &request)? {
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

/// The headers that the client would send, with `new` for the key of the config; none where a value is not known.
pub(crate) fn headers(
    outcome: &Outcome,
    new: Option<&ApiKey>,
) -> Option<Vec<(&'static str, Zeroizing<String>)>> {
    let mut headers = vec![("anthropic-version", Zeroizing::new(http::API_VERSION.to_owned()))];
    for (name, header) in
        [("x-api-key", &outcome.x_api_key), ("authorization", &outcome.authorization)]
    {
        let Header::From(sent) = header else { continue };
        let value = match new.filter(|_| sent.source == Source::PrimaryKey) {
            Some(new) => new.reveal(),
            None => sent.value.as_ref()?.reveal(),
        };
        headers.push((name, Zeroizing::new(value.to_owned())));
        if name == "authorization" && sent.source.is_oauth() {
            headers.push(oauth_beta());
        }
    }
    Some(headers)
}

/// What goes along with an OAuth token.
fn oauth_beta() -> (&'static str, Zeroizing<String>) {
    ("anthropic-beta", Zeroizing::new("oauth-2025-04-20".to_owned()))
}

/// Asks for server-managed settings, as the client does before its first request, and lays them over the others. Where the
/// server cannot be reached, what is cached counts, as with the client.
pub(crate) fn fetch_settings(state: &mut State, context: &Context) -> anyhow::Result<()> {
    let Some(credential) = server::asks_with(state) else { return Ok(()) };
    let Some(secret) = credential.secret else { return Ok(()) };
    let secret = settings::js_trim(secret.reveal());
    if !secret.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        // The client cannot ask with it either.
        return Ok(());
    }
    let headers = if credential.source.is_oauth() {
        vec![("authorization", Zeroizing::new(format!("Bearer {secret}"))), oauth_beta()]
    } else {
        vec![("x-api-key", Zeroizing::new(secret.to_owned()))]
    };
    let url = format!("{}/api/claude_code/settings", settings::DEFAULT_BASE_URL);
    let request = Request { method: "GET", url: &url, headers, body: None };
    let fetched = match http::send(context, &request)? {
        Answer::Status { code: 200, body } => server::settings_in(&body),
        Answer::Status { code: 204 | 404, .. } => Some(None),
        _ => None,
    };
    if let Some(settings) = fetched {
        state.update(|facts| facts.server_settings = settings);
    }
    Ok(())
}

fn problem(code: &'static str, message: String, fix: String) -> Option<Problem> {
    Some(Problem { code, severity: Severity::Error, message, fix })
}
