//! Server-managed settings: when the client asks for them, and what the server answers. Pure.

use zeroize::Zeroizing;

use super::settings::DEFAULT_BASE_URL;
use super::{
    ANTHROPIC, Address, Credential, Json, Kind, Mode, Rule, Source, State, destination, federation,
    js_trim, names, ranking::rank, resolve,
};

/// The credential with which the client asks Anthropic's server for settings, if it does. It asks the default host only,
/// with an API key, an OAuth token or a login of an organization. A helper, be it one of the last answer (`has_helper`), keeps
/// `primaryApiKey` from being used for it, and nothing else (2.1.112, 2.1.200, 2.1.332, observed 2026-11-26).
pub(crate) fn asks_with(state: &State, mode: Mode, has_helper: bool) -> Option<Credential> {
    let found = rank(state, mode, true);
    let has = |rule| state.client.has(rule);
    let is_default_host = is_default_host(state)
        && resolve::provider(state).is_none()
        && !found.has(Kind::Gateway)
        // An address for logins that it does not approve stops it first.
        && destination::unusable(state).is_none();
    let entrypoint = state.variables.entrypoint();
    let is_sandbox = entrypoint == "local-agent" && has(Rule::AgentAsksNoServer)
        || entrypoint.starts_with("claude-coworker") && has(Rule::CoworkerAsksNoServer);
    if !is_default_host || is_sandbox || !has(Rule::ServerIsAsked) {
        return None;
    }
    let plan = state.login.as_ref().and_then(|login| login.plan.as_deref());
    let login_asks = match plan {
        Some("enterprise") => true,
        Some("team") => has(Rule::ServerIsAskedForTeams),
        Some("null") => has(Rule::ServerIsAskedWithOauth),
        None => has(Rule::ServerIsAskedForAnyLogin),
        Some(_) => false,
    };
    // It asks with a key also where a login goes before it (2.1.332, observed 2026-11-26).
    let [passed_key, passed_primary] = &found.passed_over;
    let has_primary = !has(Rule::PrimaryKeyAsksLate) && !found.has(Kind::Helper);
    let primary = found.get(Kind::Primary).or(passed_primary.as_ref()).filter(|_| has_primary);
    // A login asks for a `primaryApiKey` that only the last answer keeps from asking (2.1.170 to 2.1.332, observed 2026-11-26).
    let login_asks = login_asks || (has_helper && primary.is_some());
    let primary = primary.filter(|_| !has_helper);
    let login_asks = login_asks && !found.has(Kind::Oauth);
    let login = found.get(Kind::Login).filter(|_| login_asks);
    // An Anthropic profile that is in use asks, too.
    let default = found.get(Kind::Profile).filter(|_| !found.has(Kind::Login));
    let is_used = has(Rule::ServerIsAskedWithProfile) && !found.has(Kind::Token);
    // A login of any plan asks for one that managed settings take away (2.1.257 to 2.1.332, observed 2026-11-26).
    let is_lost = |_: &&Credential| federation::early(state, true) == Some(names::PROFILE);
    let instead = || found.get(Kind::Login).filter(is_lost);
    let profile = found.get(Kind::Grant).or(default).or_else(instead).filter(|_| is_used);
    let asks = [
        found.get(Kind::Key),
        // Up to 2.1.200 it came after `primaryApiKey`.
        login.filter(|_| plan.is_some_and(|plan| plan != "null")),
        passed_key.as_ref(),
        primary,
        found.get(Kind::Oauth).filter(|_| has(Rule::ServerIsAskedWithOauth)),
        login,
        profile,
    ];
    // Whether it asks is decided before managed variables are there, with what is decided after (2.1.332, observed 2026-11-26).
    let is_early = |found: &Credential| !found.source.is_of_managed();
    let asks_at_all = asks.into_iter().flatten().any(is_early)
        || early(state, names::KEY).is_some()
        || !state.is_simple() && (early(state, names::OAUTH).is_some() || found.has_file_key());
    asks.into_iter().flatten().next().filter(|_| asks_at_all).cloned()
}

/// Whether the client sends to Anthropic's own host, as far as it knows before managed and project settings are read.
pub(super) fn is_default_host(state: &State) -> bool {
    let base = early(state, names::BASE_URL).unwrap_or(DEFAULT_BASE_URL);
    Address::parse(base, state.client).is_ok_and(|address| address.host() == ANTHROPIC)
}

/// The value of a variable before managed and project settings are read (2.1.332, observed 2026-11-26).
pub(super) fn early<'a>(state: &'a State, name: &str) -> Option<&'a str> {
    let is_early = |source: &Source| !source.is_of_managed() && !source.is_of_project();
    let place = state.variables.read(name).find(|place| is_early(&place.source))?;
    Some(js_trim(place.value.reveal())).filter(|value| !value.is_empty())
}

/// The settings in the server's answer; none if it is not one that the client takes.
pub(crate) fn settings_in(body: &str) -> Option<Option<Zeroizing<Vec<u8>>>> {
    let [settings] = Json::pick(body, ["settings"]).ok()?;
    let settings = settings.filter(|settings| settings.is_object())?;
    Some(Some(Zeroizing::new(settings.0.as_bytes().to_vec())))
}
