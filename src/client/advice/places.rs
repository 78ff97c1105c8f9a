//! Problems with where requests go.

use super::Problems;
use crate::client::{Case, Refusal, Source, names, settings};
use crate::output::one_line;

pub(super) fn add(case: &Case<'_>, found: &mut Problems) {
    let shown = one_line(&case.destination.shown);
    let (setter, _) = settings::base_url(case.state);
    let name = setter.as_ref().map_or_else(|| names::BASE_URL.to_owned(), Source::to_string);
    let remove = setter.as_ref().map(|source| case.remove(source));
    let or_remove = format!("or {}", remove.as_deref().unwrap_or_default());
    match case.refusal {
        Some(Refusal::Unusable(why)) => {
            let message = format!("{name} cannot be used: {why}");
            let fix = "either set it to an address such as https://gateway.example";
            found.error("base-url-unusable", message, format!("{fix}, {or_remove}"));
        }
        Some(Refusal::OtherHost(named)) => {
            let message = format!("requests go to {shown}, and not to {named}");
            let set = || format!("export ANTHROPIC_BASE_URL=https://{named}");
            found.error("other-host", message, remove.unwrap_or_else(set));
        }
        _ => {}
    }
    let Ok(address) = &case.destination.address else { return };
    let sends = case.outcomes().any(|outcome| outcome.sends);
    if sends {
        by_project(case, &shown, found);
    }
    if address.loses_path {
        let message = format!(
            "{name} has a query or a fragment: requests go to {shown}, without /v1/messages"
        );
        let fix = format!("either take away what follows ? or #, {or_remove}");
        found.error("base-url-query", message, fix);
    } else if address.path().ends_with("/v1") || address.path().contains("/v1/messages") {
        let message = format!("requests go to {shown}/v1/messages: the client adds that itself");
        let fix = format!("either end {name} before /v1, {or_remove}");
        found.warning("base-url-path", message, fix);
    }
    if sends && !address.is_private() {
        let message = format!("the credential crosses the network unencrypted, to {shown}");
        let fix = format!("either set {name} to an https address, {or_remove}");
        found.warning("unencrypted", message, fix);
    }
    if address.has_user {
        let message = format!("{name} has a user or a password, sent as a Basic credential");
        found.warning("base-url-user", message, "remove them from the address");
    }
}

fn by_project(case: &Case<'_>, shown: &str, found: &mut Problems) {
    let Some(redirect) = &case.destination.redirect else { return };
    let (code, what) = if redirect.is_proxy() {
        ("proxy-set-by-project", format!("has requests go through its {}", redirect.name))
    } else {
        ("host-set-by-project", format!("has the credential sent to {shown}"))
    };
    let (file, remove) = (case.show(&redirect.file), case.remove(&redirect.source));
    if !case.destination.is_trusted && matches!(case.refusal, Some(Refusal::Untrusted(_))) {
        let message = format!("this folder, which you have not trusted, {what} ({file})");
        found.error(code, message, remove);
    } else {
        let fix = format!("if you do not mean that: {remove}");
        found.warning(code, format!("this project {what} ({file})"), fix);
    }
}
