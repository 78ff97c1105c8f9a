//! Every source of a credential, what became of it, and why. Pure.

use super::decision::{Candidate, Header, Outcome, Standing};
use super::headers::{self, Custom};
use super::offers::{Ledger, Offers};
use super::resolve::helper_failure;
use super::settings::{self, names};
use super::source::Source;
use super::state::{HelperRun, Secret, State};

/// Every source that may be named in the report, in order of precedence, and whether something is there: the usual places
/// always, the others where something is.
pub(crate) fn sources(state: &State) -> Vec<(Source, bool)> {
    let mut all = Vec::new();
    for (setting, _) in settings::places(state, names::HEADERS) {
        let custom = headers::parse(state.client, setting.value.reveal());
        if custom.x_api_key.is_some() || custom.authorization.is_some() {
            all.push((setting.source, true));
        }
    }
    let variable = |name: &str, always: bool, all: &mut Vec<(Source, bool)>| {
        let places = settings::places(state, name);
        let in_process = places.iter().any(|(setting, _)| setting.source == Source::env(name));
        all.extend(
            places.into_iter().map(|(setting, _)| (setting.source, !setting.value.is_empty())),
        );
        if always && !in_process {
            all.push((Source::env(name), false));
        }
    };
    variable(names::TOKEN, true, &mut all);
    variable(names::KEY, true, &mut all);
    variable(names::KEY_DESCRIPTOR, false, &mut all);
    for settings in &state.layers {
        if let Some(helper) = &settings.helper {
            all.push((Source::Helper(settings.layer), !helper.is_empty()));
        }
    }
    variable(names::OAUTH, true, &mut all);
    variable(names::OAUTH_DESCRIPTOR, false, &mut all);
    variable(names::PROFILE, false, &mut all);
    variable(names::FEDERATION_RULE, false, &mut all);
    all.push((Source::Login, state.login.is_some()));
    let config = &state.config;
    let primary = config.primary_key.as_ref().is_some_and(|key| !key.is_empty());
    all.push((Source::PrimaryKey, primary || config.odd_primary.is_some()));
    if let Some(profile) = &state.profile
        && settings::effective(state, names::PROFILE).is_none()
    {
        all.push((Source::Profile(profile.name.clone()), true));
    }
    all
}

/// The credential of a source, where it is known.
pub(crate) fn secret(state: &State, source: &Source) -> Option<Secret> {
    let secret = match source {
        Source::Variable(_, name) => {
            let mut places = settings::places(state, name).into_iter();
            let (setting, _) = places.find(|(setting, _)| setting.source == *source)?;
            match name.as_str() {
                names::KEY | names::TOKEN | names::OAUTH => setting.value.clone(),
                names::HEADERS => {
                    let custom = headers::parse(state.client, setting.value.reveal());
                    Secret::new(custom.x_api_key.or(custom.authorization)?.to_owned())
                }
                names::PROFILE => state.profile.as_ref()?.token.clone()?,
                _ => return None,
            }
        }
        Source::Helper(layer) => match &state.helper {
            HelperRun::Printed(secret) if settings::helper(state)?.0 == *layer => secret.clone(),
            _ => return None,
        },
        Source::PrimaryKey => state.config.primary_key.clone()?,
        Source::Login => state.login.as_ref()?.token.clone(),
        Source::Profile(_) => state.profile.as_ref()?.token.clone()?,
    };
    Some(secret)
}

/// The report's candidates, from the notes of both modes.
pub(crate) fn candidates(state: &State, print: &Ledger, interactive: &Ledger) -> Vec<Candidate> {
    let candidate = |source: Source| {
        let (print, print_reason) = print.standing(&source);
        let (interactive, interactive_reason) = interactive.standing(&source);
        Candidate {
            secret: secret(state, &source).filter(|secret| !secret.reveal().trim().is_empty()),
            source,
            print,
            interactive,
            because: if print_reason == interactive_reason {
                print_reason
            } else {
                format!("print: {print_reason}; interactive: {interactive_reason}")
            },
        }
    };
    sources(state).into_iter().map(|(source, _)| candidate(source)).collect()
}

/// Notes what became of every source that counts.
pub(crate) fn mark(
    state: &State,
    offers: &Offers<'_>,
    custom: Option<&Source>,
    headers: &Custom<'_>,
    outcome: &Outcome,
    ledger: &mut Ledger,
) {
    let has_credential = headers.x_api_key.is_some() || headers.authorization.is_some();
    let sources = [
        custom.filter(|_| has_credential).cloned(),
        offers.token.as_ref().map(|setting| setting.source.clone()),
        offers.key.clone(),
        offers.helper.map(Source::Helper),
        offers.oauth.clone(),
        offers.grant.as_ref().map(|grant| grant.source.clone()),
        offers.login.then_some(Source::Login),
        offers.primary.then_some(Source::PrimaryKey),
        offers.default_profile.as_ref().map(|grant| grant.source.clone()),
    ];
    for source in sources.into_iter().flatten() {
        let (standing, reason) = standing(state, offers, &source, outcome);
        ledger.mark(&source, standing, reason);
    }
}

fn standing(
    state: &State,
    offers: &Offers<'_>,
    source: &Source,
    outcome: &Outcome,
) -> (Standing, String) {
    let headers = [("x-api-key", &outcome.x_api_key), ("authorization", &outcome.authorization)];
    let of = |wanted: &dyn Fn(&Header) -> bool| -> Vec<&str> {
        let headers = headers.iter().filter(|(_, header)| wanted(header));
        headers.map(|(name, _)| *name).collect()
    };
    let sent_as = of(&|header| header.source() == Some(source));
    if !sent_as.is_empty() {
        return (Standing::Used, format!("sent as {}", sent_as.join(" and ")));
    }
    let empty = of(&|header| *header == Header::Invalid(source.clone()));
    let then = if empty.is_empty() {
        String::new()
    } else {
        format!("; {} is sent without a credential", empty.join(" and "))
    };
    if let Source::Helper(_) = source
        && let Some(failure) = helper_failure(state)
    {
        return (Standing::Ignored, format!("it {failure}{then}"));
    }
    if !empty.is_empty() {
        return (Standing::Ignored, format!("it is blank{then}"));
    }
    let (key, token) = (outcome.x_api_key.taken_by(), outcome.authorization.taken_by());
    let is_key = |source: &Source| match source {
        Source::PrimaryKey => true,
        Source::Variable(_, name) => matches!(name.as_str(), names::KEY | names::KEY_DESCRIPTOR),
        _ => false,
    };
    if is_key(source) && offers.gateway {
        let reason = "CLAUDE_CODE_USE_GATEWAY is on: only ANTHROPIC_AUTH_TOKEN is sent";
        return (Standing::Ignored, reason.into());
    }
    let first = if is_key(source) {
        key.or(token)
    } else if let Source::Helper(_) = source {
        None
    } else {
        token.or(key)
    };
    let reason = match (first, key, token) {
        (Some(first), ..) | (None, Some(first), None) | (None, None, Some(first)) => {
            format!("{first} comes first")
        }
        (None, Some(key), Some(token)) if key == token => format!("{key} comes first"),
        (None, Some(key), Some(token)) => {
            format!("{key} comes first as x-api-key, {token} as authorization")
        }
        (None, None, None) => "the client sends nothing".into(),
    };
    (Standing::Shadowed, reason)
}
