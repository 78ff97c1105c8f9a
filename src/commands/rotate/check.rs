//! `--online`: whether the API takes the new key, before anything is changed.

use zeroize::Zeroizing;

use crate::client::Client;
use crate::client::decision::Mode;
use crate::client::destination;
use crate::client::gather;
use crate::client::launch::Launch;
use crate::client::resolve;
use crate::client::source::Source;
use crate::commands::verify::online::headers;
use crate::context::Context;
use crate::error::fail;
use crate::http::{self, Answer, Request};
use crate::key::ApiKey;
use crate::output::one_line;

/// Asks the API that the client would ask whether it takes the new key.
pub(crate) fn check(new: &ApiKey, context: &mut Context) -> anyhow::Result<()> {
    let refuse = |problem: String, advice: &str| {
        Err(fail(format!("{problem}; nothing was changed"), format!("{advice}leave --online out")))
    };
    let state = gather::gather(context, Client::V2, &Launch::default(), None, None)?;
    destination::take_network(&state, context);
    let destination = destination::destination(&state, context.home().as_deref());
    let shown = one_line(&destination.shown);
    if let Err(refusal) = destination::may_send(&destination, None) {
        let reason = refusal.reason(&destination);
        let problem = format!("the new key was not checked, it would {reason}");
        return refuse(problem, "run it in another directory, or ");
    }
    let Some(address) = destination.address.as_ref().ok().filter(|it| it.is_private()) else {
        let problem =
            format!("{shown} is not an https host, so the new key was not sent there to check it");
        return refuse(problem, "fix ANTHROPIC_BASE_URL, or ");
    };
    let url = format!("{address}/v1/models?limit=1");
    // As the client would send it, with what goes along; alone where the client would send another credential.
    let decision = resolve::resolve(&state);
    let mut outcomes = Mode::ALL.into_iter().map(|mode| decision.outcome(mode));
    let outcome = outcomes.find(|outcome| outcome.sources().contains(&&Source::PrimaryKey));
    let headers = outcome.and_then(|outcome| headers(outcome, Some(new))).unwrap_or_else(|| {
        vec![
            ("x-api-key", Zeroizing::new(new.reveal().to_owned())),
            ("anthropic-version", Zeroizing::new(http::API_VERSION.to_owned())),
        ]
    });
    match http::send(context, &Request { method: "GET", url: &url, headers, body: None })? {
        Answer::Status { code: 200..=299, .. } => Ok(()),
        Answer::Status { code: code @ (401 | 403), .. } => Err(fail(
            format!("{shown} rejects the new key (HTTP {code}); nothing was changed"),
            "check the new key, and that it is active",
        )),
        Answer::Status { code, .. } => {
            let problem = format!("{shown} does not say that the new key works (HTTP {code})");
            refuse(problem, "try again, or ")
        }
        Answer::Unreachable(why) => {
            refuse(format!("{shown} cannot be reached: {}", one_line(&why)), "try again, or ")
        }
    }
}
