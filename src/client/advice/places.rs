//! Problems with where requests go.

use super::super::destination::{Redirect, Refusal, Trust};
use super::super::settings::{self, names};
use super::super::source::Source;
use super::{Case, Problems};
use crate::output::one_line;

pub(crate) fn add(case: &Case<'_>, problems: &mut Problems) {
    let destination = case.destination;
    let shown = one_line(&destination.shown);
    let (setter, _) = settings::base_url(case.state);
    let remove = || setter.as_ref().map_or_else(String::new, |source| case.remove(source));
    match case.refusal {
        Some(Refusal::Unusable(why)) => problems.error(
            "base-url-unusable",
            format!("{} cannot be used: {}", name(setter.as_ref()), why.0),
            format!("either set it to an address such as https://gateway.example, or {}", remove()),
        ),
        Some(Refusal::OtherHost(named)) => problems.error(
            "other-host",
            format!("requests go to {shown}, and not to {named}"),
            match &setter {
                Some(source) => case.remove(source),
                None => format!("export ANTHROPIC_BASE_URL=https://{named}"),
            },
        ),
        _ => {}
    }
    let Ok(address) = &destination.address else { return };
    let sends = case.modes.iter().any(|mode| case.decision.outcome(*mode).sends);
    if let Some(redirect) = destination.redirect.as_ref().filter(|_| sends) {
        by_project(case, redirect, &shown, problems);
    }
    if address.loses_path {
        problems.error(
            "base-url-query",
            format!(
                "{} has a query or a fragment: requests go to {shown}, without /v1/messages",
                name(setter.as_ref())
            ),
            format!("either take away what follows ? or #, or {}", remove()),
        );
    } else if address.path().ends_with("/v1") || address.path().contains("/v1/messages") {
        problems.warn(
            "base-url-path",
            format!("requests go to {shown}/v1/messages: the client adds /v1/messages itself"),
            format!("either end {} before /v1, or {}", name(setter.as_ref()), remove()),
        );
    }
    if !address.is_private() && sends {
        problems.warn(
            "unencrypted",
            format!("the credential crosses the network unencrypted, to {shown}"),
            format!("either set {} to an https address, or {}", name(setter.as_ref()), remove()),
        );
    }
    if address.has_user {
        problems.warn(
            "base-url-user",
            format!(
                "{} has a user or a password in it; the client sends them as a Basic credential",
                name(setter.as_ref())
            ),
            "take them out of the address",
        );
    }
}

/// A project that leads the credential somewhere.
fn by_project(case: &Case<'_>, redirect: &Redirect, shown: &str, problems: &mut Problems) {
    let (code, what) = if redirect.is_proxy() {
        ("proxy-set-by-project", format!("has requests go through its {}", redirect.name))
    } else {
        ("host-set-by-project", format!("has the credential sent to {shown}"))
    };
    let file = case.show(&redirect.file);
    if case.destination.trust == Trust::Trusted
        || !matches!(case.refusal, Some(Refusal::Untrusted(_)))
    {
        let message = format!("this project {what} ({file})");
        problems.warn(
            code,
            message,
            format!("if you do not mean that: {}", case.remove(&redirect.source)),
        );
    } else {
        problems.error(
            code,
            format!("this folder, which you have not trusted, {what} ({file})"),
            case.remove(&redirect.source),
        );
    }
}

/// The variable of the address, and where it is set.
fn name(setter: Option<&Source>) -> String {
    setter.map_or_else(|| names::BASE_URL.to_owned(), Source::to_string)
}
