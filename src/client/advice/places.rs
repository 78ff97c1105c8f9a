//! Problems with where requests go.

use crate::client::{Case, Problem, Refusal, Source, names, settings};
use crate::output::one_line;

pub(crate) fn add(case: &Case<'_>, problems: &mut Vec<Problem>) {
    let shown = one_line(&case.destination.shown);
    let (setter, _) = settings::base_url(case.state);
    let name = setter.as_ref().map_or_else(|| names::BASE_URL.to_owned(), Source::to_string);
    let remove = setter.as_ref().map_or_else(String::new, |source| case.remove(source));
    problems.extend(match case.refusal {
        Some(Refusal::Unusable(why)) => Some(Problem::error(
            "base-url-unusable",
            format!("{name} cannot be used: {}", why.0),
            format!("either set it to an address such as https://gateway.example, or {remove}"),
        )),
        Some(Refusal::OtherHost(named)) => Some(Problem::error(
            "other-host",
            format!("requests go to {shown}, and not to {named}"),
            match &setter {
                Some(_) => remove.clone(),
                None => format!("export ANTHROPIC_BASE_URL=https://{named}"),
            },
        )),
        _ => None,
    });
    let Ok(address) = &case.destination.address else { return };
    let sends = case.modes.iter().any(|mode| case.decision.outcome(*mode).sends);
    problems.extend(by_project(case, &shown).filter(|_| sends));
    if address.loses_path {
        problems.push(Problem::error(
            "base-url-query",
            format!(
                "{name} has a query or a fragment: requests go to {shown}, without /v1/messages"
            ),
            format!("either take away what follows ? or #, or {remove}"),
        ));
    } else if address.path().ends_with("/v1") || address.path().contains("/v1/messages") {
        problems.push(Problem::warning(
            "base-url-path",
            format!("requests go to {shown}/v1/messages: the client adds /v1/messages itself"),
            format!("either end {name} before /v1, or {remove}"),
        ));
    }
    if sends && !address.is_private() {
        problems.push(Problem::warning(
            "unencrypted",
            format!("the credential crosses the network unencrypted, to {shown}"),
            format!("either set {name} to an https address, or {remove}"),
        ));
    }
    if address.has_user {
        problems.push(Problem::warning(
            "base-url-user",
            format!(
                "{name} has a user or a password in it; the client sends them as a Basic credential"
            ),
            "remove them from the address",
        ));
    }
}

/// A project that leads the credential somewhere.
fn by_project(case: &Case<'_>, shown: &str) -> Option<Problem> {
    let redirect = case.destination.redirect.as_ref()?;
    let (code, what) = if redirect.is_proxy() {
        ("proxy-set-by-project", format!("has requests go through its {}", redirect.name))
    } else {
        ("host-set-by-project", format!("has the credential sent to {shown}"))
    };
    let (file, remove) = (case.show(&redirect.file), case.remove(&redirect.source));
    let is_refused =
        !case.destination.is_trusted && matches!(case.refusal, Some(Refusal::Untrusted(_)));
    Some(if is_refused {
        let message = format!("this folder, which you have not trusted, {what} ({file})");
        Problem::error(code, message, remove)
    } else {
        let fix = format!("if you do not mean that: {remove}");
        Problem::warning(code, format!("this project {what} ({file})"), fix)
    })
}
