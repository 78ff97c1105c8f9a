//! The two headers, from the sources that count. Pure.

use super::super::decision::{Header, Outcome};
use super::super::federation::Grant;
use super::super::headers::Custom;
use super::super::offers::Offers;
use super::super::reason;
use super::super::settings::{self, names};
use super::super::source::Source;
use super::super::state::{Scopes, Secret, State};
use super::super::version::since;
use super::sendable::{helper_failure, unfit};

/// The header that a source gives: one without a value, where it holds nothing that can be one.
fn header(source: Source, is_nothing: bool) -> Header {
    if is_nothing { Header::Invalid(source) } else { Header::From(source) }
}

/// The two headers, decided separately (1.0.128, 2.0.77, 2.1.330, observed 2026-11). Returns what keeps the client from
/// sending at all.
pub(super) fn headers_of(
    state: &State,
    offers: &Offers<'_>,
    custom: &Custom<'_>,
    custom_source: Option<&Source>,
    outcome: &mut Outcome,
) -> Option<String> {
    let custom_header = |value| custom_header(value, custom_source);
    let helper =
        offers.helper.map(|layer| header(Source::Helper(layer), helper_failure(state).is_some()));
    let token = offers.token.as_ref().map(variable_header);
    let decided = token.is_some() || helper.is_some();

    // `primaryApiKey` goes before federation and profiles, also where those have taken a login out of use.
    let grant = |grant: &Option<Grant>| grant.clone().filter(|_| !offers.primary);
    let (oauth, failure) = if decided || offers.key.is_some() {
        (None, None)
    } else if let Some(source) = &offers.oauth {
        (Some((source.clone(), false)), None)
    } else if let Some(grant) = grant(&offers.grant) {
        (Some((grant.source, true)), grant.failure)
    } else if offers.login {
        let odd = state.login.as_ref().is_some_and(|login| login.scopes == Scopes::Odd);
        let failure =
            odd.then(|| "the client stumbles over the scopes of the stored login".to_owned());
        (Some((Source::Login, false)), failure)
    } else if let Some(grant) = grant(&offers.default_profile) {
        (Some((grant.source, true)), grant.failure)
    } else {
        (None, None)
    };
    if failure.is_some() {
        return failure;
    }
    let oauth_in_use = oauth.is_some();
    let is_granted = oauth.as_ref().is_some_and(|(_, granted)| *granted);
    // A blank login is sent as nothing by all, a blank variable before 2.1.212, where it is a key or token all the same
    // (1.0.128, 2.0.77, 2.1.200, 2.1.211, observed 2026-11-24).
    let unless_blank = |source: Source| {
        let secret = reason::secret(state, &source);
        header(source, secret.is_some_and(|secret| is_blank(&secret)))
    };
    let oauth = oauth.map(|(source, _)| unless_blank(source));
    // What federation or a profile gives is not replaced (2.1.118, 2.1.331, observed 2026-11-24).
    let replacement = custom_header(custom.authorization).filter(|_| !is_granted);
    let hidden_oauth = oauth.clone().filter(|_| replacement.is_some());
    outcome.authorization =
        token.or_else(|| helper.clone()).or(replacement).or(oauth).unwrap_or_default();
    let own_key =
        offers.key.clone().map(unless_blank).or(helper).or_else(|| {
            (offers.primary && !oauth_in_use).then_some(Header::From(Source::PrimaryKey))
        });
    let own_key = own_key.filter(|_| !offers.gateway);
    let custom_key = custom_header(custom.x_api_key);
    // What a custom header replaces is made into a header all the same, or cannot be (2.0.77, 2.1.331, observed 2026-11-24).
    let hidden_key = own_key.as_ref().filter(|_| custom_key.is_some());
    let hidden = hidden_key.into_iter().chain(&hidden_oauth);
    if let Some(failure) = hidden.filter_map(Header::source).find_map(|source| unfit(state, source))
    {
        return Some(failure);
    }
    outcome.x_api_key = custom_key.or(own_key).unwrap_or_default();

    // A token that is set to nothing is sent as an empty Bearer where no other is (1.0.128, 2.0.77; not 2.1.330; observed
    // 2026-11).
    if state.client < since::EMPTY_TOKEN_IS_UNSET
        && outcome.authorization == Header::Absent
        && let Some(setting) = settings::settings_of(state, names::TOKEN).into_iter().next()
    {
        outcome.authorization = Header::Invalid(setting.source);
    }
    None
}

/// The header that a line of ANTHROPIC_CUSTOM_HEADERS gives.
fn custom_header(value: Option<&str>, source: Option<&Source>) -> Option<Header> {
    let source = source?.clone();
    value.map(|value| header(source, value.is_empty()))
}

/// The header that a variable gives. Blanks count as set before 2.1.330, and are sent as nothing (0.2.109, 1.0.128, 2.0.77,
/// observed 2026-11-24).
fn variable_header(setting: &settings::Setting<'_>) -> Header {
    header(setting.source.clone(), is_blank(setting.value))
}

fn is_blank(secret: &Secret) -> bool {
    settings::js_trim(secret.reveal()).is_empty()
}

/// 0.2.109, observed 2026-11: a stored login beats everything, even ANTHROPIC_API_KEY, but no custom header.
pub(super) fn headers_v0_2(
    offers: &Offers<'_>,
    custom: &Custom<'_>,
    custom_source: Option<&Source>,
    outcome: &mut Outcome,
) {
    let own_key = offers.key.clone().or(offers.primary.then_some(Source::PrimaryKey));
    let token = offers.token.as_ref().map(variable_header);
    let authorization = custom_header(custom.authorization, custom_source);
    let x_api_key = custom_header(custom.x_api_key, custom_source);
    outcome.authorization = if offers.login {
        authorization.unwrap_or(Header::From(Source::Login))
    } else {
        token.or(authorization).unwrap_or_default()
    };
    outcome.x_api_key =
        x_api_key.or(own_key.filter(|_| !offers.login).map(Header::From)).unwrap_or_default();
}
