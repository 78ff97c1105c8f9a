//! Every source of a credential, what became of it, and why. Pure.

use super::credentials::{Credentials, Note, Standings};
use super::decision::{Candidate, Header, Outcome, Standing};
use super::headers::{self, Custom, helper_failure};
use super::settings::{self, names};
use super::source::Source;
use super::state::{HelperRun, Secret, State};

/// A source that may be named in the report.
pub(crate) struct Known {
    pub source: Source,
    /// Its credential, where it is known.
    secret: Option<Secret>,
    /// Whether something is there.
    pub is_set: bool,
}

/// Every source that may be named in the report, in order of precedence: the usual places always, the others where something
/// is.
pub(crate) fn sources(state: &State) -> Vec<Known> {
    let mut all = List { state, all: Vec::new() };
    all.add_if_set(Source::Gateway, state.gateway.as_ref().map(|login| login.token.clone()));
    for place in state.variables.places(names::HEADERS) {
        let custom = headers::parse(state.client, place.value.reveal());
        let value = custom.x_api_key.or(custom.authorization);
        all.add_if_set(place.source.clone(), value.map(|value| Secret::new(value.to_owned())));
    }
    all.usual_variable(names::TOKEN);
    all.usual_variable(names::KEY);
    all.variable(names::KEY_DESCRIPTOR);
    all.add_if_set(Source::WellKnownKey, state.well_known(&Source::WellKnownKey));
    all.helpers();
    all.usual_variable(names::OAUTH);
    all.variable(names::OAUTH_DESCRIPTOR);
    all.add_if_set(Source::WellKnownToken, state.well_known(&Source::WellKnownToken));
    all.variable(names::PROFILE);
    all.variable(names::FEDERATION_RULE);
    let token = state.login.as_ref().map(|login| login.token.clone());
    all.add(state.login_source.clone(), token.is_some(), token);
    if state.login_source != Source::Login {
        let token = state.hidden_login.as_ref().map(|login| login.token.clone());
        all.add(Source::Login, token.is_some(), token);
    }
    all.add_if_set(Source::KeychainKey, state.keychain_key());
    let config = &state.config;
    let primary = config.primary_key.as_ref().is_some_and(|key| !key.is_empty());
    let is_set = primary || config.odd_primary.is_some();
    all.add(Source::PrimaryKey, is_set, config.primary_key.clone());
    if let Some(profile) = state.profile()
        && settings::effective(state, names::PROFILE).is_none()
    {
        all.add(Source::Profile(profile.name), true, profile.token);
    }
    all.all
}

struct List<'a> {
    state: &'a State,
    all: Vec<Known>,
}

impl List<'_> {
    fn add(&mut self, source: Source, is_set: bool, secret: Option<Secret>) {
        self.all.push(Known { source, secret, is_set });
    }

    fn add_if_set(&mut self, source: Source, secret: Option<Secret>) {
        if secret.is_some() {
            self.add(source, true, secret);
        }
    }

    fn variable(&mut self, name: &str) {
        let state = self.state;
        for place in state.variables.places(name) {
            let secret = match name {
                names::KEY | names::TOKEN | names::OAUTH => Some(place.value.clone()),
                names::PROFILE => state.profile().and_then(|profile| profile.token),
                _ => None,
            };
            self.add(place.source.clone(), !place.value.is_empty(), secret);
        }
    }

    /// A variable that is named even if nothing sets it.
    fn usual_variable(&mut self, name: &str) {
        self.variable(name);
        if self.all.iter().all(|known| known.source != Source::env(name)) {
            self.add(Source::env(name), false, None);
        }
    }

    fn helpers(&mut self) {
        let state = self.state;
        let in_force = settings::helper(state).map(|(layer, _)| layer);
        for settings in &state.layers {
            let Some(helper) = &settings.helper else { continue };
            let printed = match &state.helper {
                HelperRun::Printed(secret, _) => Some(secret.clone()),
                _ => None,
            };
            let secret = printed.filter(|_| in_force == Some(settings.layer));
            self.add(Source::Helper(settings.layer), !helper.is_empty(), secret);
        }
    }
}

/// The report's candidates, from the notes of both modes.
pub(crate) fn candidates(
    state: &State,
    in_print: &Standings,
    in_interactive: &Standings,
) -> Vec<Candidate> {
    let candidate = |Known { source, secret, .. }| {
        let (print, interactive) = (in_print.of(&source), in_interactive.of(&source));
        Candidate {
            secret: secret.filter(|secret| !secret.reveal().trim().is_empty()),
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
    sources(state).into_iter().map(candidate).collect()
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
    let custom = custom.source.iter().filter(|_| has_credential);
    for source in custom.chain(found.all().map(|credential| &credential.source)) {
        standings.note(source, standing(state, found, source, outcome));
    }
}

fn standing(state: &State, found: &Credentials, source: &Source, outcome: &Outcome) -> Note {
    let headers = [("x-api-key", &outcome.x_api_key), ("authorization", &outcome.authorization)];
    let of = |wanted: &dyn Fn(&Header) -> bool| {
        let headers = headers.iter().filter(|(_, header)| wanted(header));
        headers.map(|(name, _)| *name).collect::<Vec<_>>().join(" and ")
    };
    let sent_as = of(&|header| header.source() == Some(source));
    if !sent_as.is_empty() {
        return Note::new(Standing::Used, format!("sent as {sent_as}"));
    }
    let empty = of(&|header| *header == Header::Invalid(source.clone()));
    let failure = match source {
        Source::Helper(_) => helper_failure(state),
        _ => None,
    };
    let failure = failure.or_else(|| (!empty.is_empty()).then(|| "is blank".to_owned()));
    if let Some(failure) = failure {
        let then = if empty.is_empty() {
            String::new()
        } else {
            format!("; {empty} is sent without a credential")
        };
        return Note::new(Standing::Ignored, format!("it {failure}{then}"));
    }
    let is_key = match source {
        Source::PrimaryKey | Source::KeychainKey | Source::WellKnownKey => true,
        Source::Variable(_, name) => matches!(name.as_str(), names::KEY | names::KEY_DESCRIPTOR),
        _ => false,
    };
    if is_key && found.gateway {
        let reason = "CLAUDE_CODE_USE_GATEWAY is on: only ANTHROPIC_AUTH_TOKEN is sent";
        return Note::new(Standing::Ignored, reason);
    }
    let (key, token) = (outcome.x_api_key.taken_by(), outcome.authorization.taken_by());
    let first = if found.gateway_login.is_some() {
        token
    } else if is_key {
        key.or(token)
    } else if let Source::Helper(_) = source {
        None
    } else {
        token.or(key)
    };
    match (first, key, token) {
        (None, Some(key), Some(token)) if key != token => {
            let because = format!("{key} comes first as x-api-key, {token} as authorization");
            Note::shadowed(token, because)
        }
        _ => match first.or(key).or(token) {
            Some(first) => Note::shadowed(first, format!("{first} comes first")),
            None => Note::new(Standing::Shadowed, "the client sends nothing"),
        },
    }
}
