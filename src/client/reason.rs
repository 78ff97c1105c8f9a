//! Every source of a credential, what became of it, and why. Pure.

use super::credentials::{Credentials, Note, Standings};
use super::decision::{Candidate, Header, Outcome, Standing};
use super::headers::{self, Custom, helper_failure};
use super::settings::{self, names};
use super::source::Source;
use super::state::{HelperRun, Secret, State};

/// Every source that may be named in the report, in order of precedence, and whether something is there: the usual places
/// always, the others where something is.
pub(crate) fn sources(state: &State) -> Vec<(Source, bool)> {
    let mut all = Vec::new();
    if state.gateway.is_some() {
        all.push((Source::Gateway, true));
    }
    for place in state.variables.places(names::HEADERS) {
        let custom = headers::parse(state.client, place.value.reveal());
        if custom.x_api_key.is_some() || custom.authorization.is_some() {
            all.push((place.source.clone(), true));
        }
    }
    let variable = |name: &str, always: bool, all: &mut Vec<(Source, bool)>| {
        let places = state.variables.places(name);
        all.extend(places.iter().map(|place| (place.source.clone(), !place.value.is_empty())));
        if always && places.iter().all(|place| place.source != Source::env(name)) {
            all.push((Source::env(name), false));
        }
    };
    let well_known = |source: Source, all: &mut Vec<(Source, bool)>| {
        if secret(state, &source).is_some() {
            all.push((source, true));
        }
    };
    variable(names::TOKEN, true, &mut all);
    variable(names::KEY, true, &mut all);
    variable(names::KEY_DESCRIPTOR, false, &mut all);
    well_known(Source::WellKnownKey, &mut all);
    for settings in &state.layers {
        if let Some(helper) = &settings.helper {
            all.push((Source::Helper(settings.layer), !helper.is_empty()));
        }
    }
    variable(names::OAUTH, true, &mut all);
    variable(names::OAUTH_DESCRIPTOR, false, &mut all);
    well_known(Source::WellKnownToken, &mut all);
    variable(names::PROFILE, false, &mut all);
    variable(names::FEDERATION_RULE, false, &mut all);
    if state.login_source == Source::KeychainLogin {
        all.push((Source::KeychainLogin, state.login.is_some()));
        all.push((Source::Login, state.hidden_login.is_some()));
    } else {
        all.push((Source::Login, state.login.is_some()));
    }
    if state.keychain_key.is_some() {
        all.push((Source::KeychainKey, true));
    }
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
            let mut places = state.variables.places(name).iter();
            let place = places.find(|place| place.source == *source)?;
            match name.as_str() {
                names::KEY | names::TOKEN | names::OAUTH => place.value.clone(),
                names::HEADERS => {
                    let custom = headers::parse(state.client, place.value.reveal());
                    Secret::new(custom.x_api_key.or(custom.authorization)?.to_owned())
                }
                names::PROFILE => state.profile.as_ref()?.token.clone()?,
                _ => return None,
            }
        }
        Source::Helper(layer) => match &state.helper {
            HelperRun::Printed(secret, _) if settings::helper(state)?.0 == *layer => secret.clone(),
            _ => return None,
        },
        Source::Gateway => state.gateway.as_ref()?.token.clone(),
        Source::WellKnownKey => {
            Secret::new(state.facts.text(&state.paths.well_known.join(".api_key"))?)
        }
        Source::WellKnownToken => {
            Secret::new(state.facts.text(&state.paths.well_known.join(".oauth_token"))?)
        }
        Source::PrimaryKey => state.config.primary_key.clone()?,
        Source::Login if state.login_source != Source::Login => {
            state.hidden_login.as_ref()?.token.clone()
        }
        Source::Login | Source::KeychainLogin => state.login.as_ref()?.token.clone(),
        Source::KeychainKey => state.keychain_key.clone()?,
        Source::Profile(_) => state.profile.as_ref()?.token.clone()?,
    };
    Some(secret)
}

/// The report's candidates, from the notes of both modes.
pub(crate) fn candidates(
    state: &State,
    in_print: &Standings,
    in_interactive: &Standings,
) -> Vec<Candidate> {
    let candidate = |source: Source| {
        let (print, interactive) = (in_print.of(&source), in_interactive.of(&source));
        Candidate {
            secret: secret(state, &source).filter(|secret| !secret.reveal().trim().is_empty()),
            source,
            print: print.standing,
            interactive: interactive.standing,
            shadowed_by: print.by.or(interactive.by),
            because: if print.because == interactive.because {
                print.because
            } else {
                format!("print: {}; interactive: {}", print.because, interactive.because)
            },
        }
    };
    sources(state).into_iter().map(|(source, _)| candidate(source)).collect()
}

/// Notes what became of every source that counts.
pub(crate) fn note(
    state: &State,
    found: &Credentials,
    custom: &Custom<'_>,
    outcome: &Outcome,
    standings: &mut Standings,
) {
    let has_credential = custom.x_api_key.is_some() || custom.authorization.is_some();
    let own = [
        &found.gateway_login,
        &found.token,
        &found.key,
        &found.helper,
        &found.oauth,
        &found.login,
        &found.primary,
    ];
    let grants = [&found.grant, &found.default_profile];
    let sources = custom
        .source
        .iter()
        .filter(|_| has_credential)
        .chain(own.into_iter().flatten().map(|credential| &credential.source))
        .chain(grants.into_iter().flatten().map(|grant| &grant.source));
    for source in sources {
        standings.note(source, standing(state, found, source, outcome));
    }
}

fn standing(state: &State, found: &Credentials, source: &Source, outcome: &Outcome) -> Note {
    let headers = [("x-api-key", &outcome.x_api_key), ("authorization", &outcome.authorization)];
    let of = |wanted: &dyn Fn(&Header) -> bool| -> Vec<&str> {
        let headers = headers.iter().filter(|(_, header)| wanted(header));
        headers.map(|(name, _)| *name).collect()
    };
    let sent_as = of(&|header| header.source() == Some(source));
    if !sent_as.is_empty() {
        return Note::new(Standing::Used, format!("sent as {}", sent_as.join(" and ")));
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
        return Note::new(Standing::Ignored, format!("it {failure}{then}"));
    }
    if !empty.is_empty() {
        return Note::new(Standing::Ignored, format!("it is blank{then}"));
    }
    let (key, token) = (outcome.x_api_key.taken_by(), outcome.authorization.taken_by());
    let is_key = |source: &Source| match source {
        Source::PrimaryKey | Source::KeychainKey | Source::WellKnownKey => true,
        Source::Variable(_, name) => matches!(name.as_str(), names::KEY | names::KEY_DESCRIPTOR),
        _ => false,
    };
    if is_key(source) && found.gateway {
        let reason = "CLAUDE_CODE_USE_GATEWAY is on: only ANTHROPIC_AUTH_TOKEN is sent";
        return Note::new(Standing::Ignored, reason);
    }
    let first = if found.gateway_login.is_some() {
        token
    } else if is_key(source) {
        key.or(token)
    } else if let Source::Helper(_) = source {
        None
    } else {
        token.or(key)
    };
    match (first, key, token) {
        (Some(first), ..) | (None, Some(first), None) | (None, None, Some(first)) => {
            Note::shadowed(first, format!("{first} comes first"))
        }
        (None, Some(key), Some(token)) if key == token => {
            Note::shadowed(key, format!("{key} comes first"))
        }
        (None, Some(key), Some(token)) => {
            let because = format!("{key} comes first as x-api-key, {token} as authorization");
            Note::shadowed(token, because)
        }
        (None, None, None) => Note::new(Standing::Shadowed, "the client sends nothing"),
    }
}
