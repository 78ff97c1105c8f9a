//! `--online`: asks the API whether it takes the credential that would be sent, or the new key.

use zeroize::Zeroizing;

use crate::client::{
    Address, Case, Client, Credential, Header, Launch, Mode, Outcome, Problem, Refusal, Source,
    State, destination, gather, resolve, server, settings,
};
use crate::context::Context;
use crate::error::fail;
use crate::http::{self, Answer, Headers, header};
use crate::key::ApiKey;
use crate::output::one_line;
use crate::report::Online;
use crate::shell;

const OAUTH_BETA: &str = "oauth-2025-04-20";

/// Asks about the first mode that sends something.
pub(crate) fn ask(case: &Case<'_>, context: &Context) -> anyhow::Result<Online> {
    let shown = one_line(&case.destination.shown);
    let (result, status, problem) = match request(case, &shown) {
        Err(problem) => ("not-asked", None, problem),
        Ok((address, headers)) => {
            let url = format!("{address}/v1/models?limit=1");
            match http::send(context, "GET", &url, &headers, "")? {
                Answer::Status { code, .. } => judge(code, &shown, case),
                Answer::Unreachable(why) => {
                    let message = format!("{shown} cannot be reached: {}", one_line(&why));
                    let fix = "check the network, HTTPS_PROXY and SSL_CERT_FILE, then ask again";
                    ("unreachable", None, Some(Problem::error("unreachable", message, fix)))
                }
            }
        }
    };
    Ok(Online { url: shown, result, status, problem })
}

fn request<'a>(case: &Case<'a>, shown: &str) -> Result<(&'a Address, Headers), Option<Problem>> {
    let mut outcomes = case.modes.iter().map(|mode| case.decision.outcome(*mode));
    let outcome = outcomes.find(|outcome| outcome.sends).ok_or(None)?;
    let Some(headers) = headers(outcome, None) else {
        let login = case.state.login.as_ref();
        let fix = if login.is_some_and(|login| login.is_refreshed(case.state.facts.now)) {
            "start claude once: it refreshes the login that has expired"
        } else {
            "add --run-helper, so that the helper's output can be asked about"
        };
        let message = "the credential is not known here, so the API was not asked";
        return Err(Some(Problem::error("online-not-asked", message, fix)));
    };
    let destination = case.destination;
    // The address as the client takes it, whatever its text looks like to another parser.
    let address = destination.address.as_ref();
    if let Some(refusal) = case.refusal {
        let reason = refusal.reason(destination);
        let message = format!("the credential would {reason}; the API was not asked");
        let fix = match (refusal, address) {
            (Refusal::Untrusted(_), Ok(address)) => {
                let host = shell::word(address.host());
                let verify = case.cck(&format!("verify --online --expect-host {host}"));
                format!("if you mean that host: {verify}")
            }
            _ => "fix ANTHROPIC_BASE_URL, then ask again".to_owned(),
        };
        return Err(Some(Problem::error("online-refused", message, fix)));
    }
    let address = address.map_err(|_| None)?;
    if !address.is_private() && destination.redirect.is_some() {
        let message = format!("{shown} is not encrypted, and not set by you; it was not asked");
        let fix = "set ANTHROPIC_BASE_URL yourself, if you mean that host";
        return Err(Some(Problem::error("online-refused", message, fix)));
    }
    Ok((address, headers))
}

fn judge(code: u16, shown: &str, case: &Case<'_>) -> (&'static str, Option<u16>, Option<Problem>) {
    let set_key = case.cck("set-key");
    let (result, problem, says, fix) = match code {
        200..=299 => return ("valid", Some(code), None),
        401 | 403 => ("rejected", "credential-rejected", "rejects the credential", &*set_key),
        429 => ("rate-limited", "rate-limited", "limits the rate", "wait a minute, then ask again"),
        _ => ("unexpected", "unexpected-answer", "gave an odd answer", "check ANTHROPIC_BASE_URL"),
    };
    // The API took the credential that it asks to wait.
    let make = if code == 429 { Problem::warning } else { Problem::error };
    (result, Some(code), Some(make(problem, format!("{shown} {says} (HTTP {code})"), fix)))
}

/// `rotate --online`: asks the API that the client would ask whether it takes the new key, before anything is changed.
pub(crate) fn check_new(new: &ApiKey, context: &mut Context) -> anyhow::Result<()> {
    let refuse = |problem: String, advice: &str| {
        Err(fail(format!("{problem}; nothing was changed"), format!("{advice}leave --online out")))
    };
    let state = gather::gather(context, Client::V2, &Launch::default(), None, None)?;
    destination::take_network(&state, context);
    let destination = destination::destination(&state);
    let shown = one_line(&destination.shown);
    if let Err(refusal) = destination::may_send(&destination, None) {
        let reason = refusal.reason(&destination);
        let problem = format!("the new key was not checked, it would {reason}");
        return refuse(problem, "run it in another directory, or ");
    }
    let Some(address) = destination.address.as_ref().ok().filter(|it| it.is_private()) else {
        let problem = format!("{shown} is not an https host, so the new key was not sent there");
        return refuse(problem, "fix ANTHROPIC_BASE_URL, or ");
    };
    let url = format!("{address}/v1/models?limit=1");
    // As the client would send it, with what goes along; alone where the client would send another credential.
    let decision = resolve::resolve(&state);
    let mut outcomes = Mode::ALL.into_iter().map(|mode| decision.outcome(mode));
    let outcome = outcomes.find(|outcome| outcome.sources().contains(&&Source::PrimaryKey));
    let headers = outcome.and_then(|outcome| headers(outcome, Some(new))).unwrap_or_else(|| {
        vec![header("x-api-key", new.reveal()), header("anthropic-version", http::API_VERSION)]
    });
    match http::send(context, "GET", &url, &headers, "")? {
        Answer::Status { code: 200..=299, .. } => Ok(()),
        Answer::Status { code: code @ (401 | 403), .. } => {
            let problem = format!("{shown} rejects the new key (HTTP {code}); nothing was changed");
            Err(fail(problem, "check the new key, and that it is active"))
        }
        Answer::Status { code, .. } => {
            let problem = format!("{shown} does not say that the new key works (HTTP {code})");
            refuse(problem, "try again, or ")
        }
        Answer::Unreachable(why) => {
            refuse(format!("{shown} cannot be reached: {}", one_line(&why)), "try again, or ")
        }
    }
}

/// The headers that the client would send, with `new` for the key of the config; none where a value is not known.
fn headers(outcome: &Outcome, new: Option<&ApiKey>) -> Option<Headers> {
    let mut headers = vec![header("anthropic-version", http::API_VERSION)];
    for (name, value) in outcome.headers() {
        let Header::From(source, value) = value else { continue };
        let value = match new.filter(|_| *source == Source::PrimaryKey) {
            Some(new) => new.reveal(),
            None => value.as_ref()?.reveal(),
        };
        headers.push(header(name, value));
        if name == "authorization" && source.is_oauth() {
            headers.push(header("anthropic-beta", OAUTH_BETA));
        }
    }
    Some(headers)
}

/// Asks for server-managed settings as the client does before its first request. Without an answer, the cached ones count.
pub(crate) fn fetch_settings(state: &mut State, context: &Context) -> anyhow::Result<()> {
    // Whether the client asks, and with what, is not up to the settings of the last answer, except for their helper: where it
    // keeps the client from asking again, they stay in force (2.1.332, observed 2026-11-26).
    let has_helper = settings::helper(state).is_some();
    if !state.hears_server() {
        return Ok(());
    }
    let mut cached = None;
    state.update(|facts| cached = facts.server_settings.take());
    let credential = server::asks_with(state, Mode::Print, has_helper);
    let fetched = credential.as_ref().map_or(Ok(None), |asks| fetch(asks, &cached, context));
    state.update(|facts| match &fetched {
        Ok(Some(settings)) => {
            (facts.server_settings, facts.last_settings) = (settings.clone(), cached);
        }
        _ => (facts.server_settings, facts.server_fails) = (cached, credential.is_some()),
    });
    fetched.map(drop)
}

fn fetch(
    credential: &Credential,
    cached: &Option<Zeroizing<Vec<u8>>>,
    context: &Context,
) -> anyhow::Result<Option<Option<Zeroizing<Vec<u8>>>>> {
    let Some(secret) = credential.sent() else { return Ok(None) };
    let secret = settings::js_trim(secret.reveal());
    if !secret.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        // The client cannot ask with it either.
        return Ok(None);
    }
    let headers = if credential.source.is_oauth() {
        let bearer = Zeroizing::new(format!("Bearer {secret}"));
        vec![header("authorization", &bearer), header("anthropic-beta", OAUTH_BETA)]
    } else {
        vec![header("x-api-key", secret)]
    };
    let url = format!("{}/api/claude_code/settings", settings::DEFAULT_BASE_URL);
    Ok(match http::send(context, "GET", &url, &headers, "")? {
        Answer::Status { code: 200, body } => server::settings_in(&body),
        Answer::Status { code: 204 | 404, .. } => Some(None),
        Answer::Status { code: 304, .. } => Some(cached.clone()),
        _ => None,
    })
}
