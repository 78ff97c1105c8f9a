//! Server-managed settings: when the client asks for them, and what the server answers. Pure.

use zeroize::Zeroizing;

use super::{Credential, Json, Kind, Mode, Rule, State, destination, ranking::rank, resolve};

/// The credential with which the client asks Anthropic's server for settings, if it does. It asks the default host only,
/// with an API key, an OAuth token or a login of an organization. A helper keeps `primaryApiKey` from being used for it,
/// and nothing else (2.1.112, 2.1.200, 2.1.332, observed 2026-11-26).
pub(crate) fn asks_with(state: &State, mode: Mode) -> Option<Credential> {
    let found = rank(state, mode);
    let has = |rule| state.client.has(rule);
    let is_default_host = destination::is_default_host(state)
        && resolve::provider(state).is_none()
        && !found.has(Kind::Gateway)
        // An address for logins that it does not approve stops it first.
        && destination::unusable(state).is_none();
    let entrypoint = state.entrypoint();
    let is_sandbox = entrypoint == "local-agent" || entrypoint.starts_with("claude-coworker");
    if !is_default_host || is_sandbox {
        return None;
    }
    let plan = state.login.as_ref().and_then(|login| login.plan.as_deref());
    let login_asks = match plan {
        Some("enterprise") => has(Rule::ServerIsAskedForEnterprises),
        // A login that does not say is asked about too.
        Some("team") | None => has(Rule::ServerIsAskedForTeams),
        Some(_) => false,
    };
    let login_asks = login_asks && !found.has(Kind::Oauth);
    // It asks with a key also where a login goes before it (2.1.332, observed 2026-11-26).
    let [passed_key, passed_primary] = &found.passed_over;
    let primary = found.get(Kind::Primary).filter(|_| !found.has(Kind::Helper));
    let login = found.get(Kind::Login).filter(|_| login_asks);
    // A project's key is not there yet (2.1.332, observed 2026-11-26).
    let asks = |key: &&Credential| has(Rule::ServerIsAskedWithKey) && !key.source.is_of_project();
    let asks = [
        found.get(Kind::Key).filter(asks),
        // Up to 2.1.200 it came after `primaryApiKey`.
        login.filter(|_| plan.is_some()),
        passed_key.as_ref().filter(asks),
        primary.or(passed_primary.as_ref()).filter(|_| has(Rule::ServerIsAskedWithPrimaryKey)),
        found.get(Kind::Oauth).filter(|_| has(Rule::ServerIsAskedWithOauth)),
        login,
    ];
    asks.into_iter().flatten().next().cloned()
}

/// The settings in the server's answer; none if it is not one that the client takes.
pub(crate) fn settings_in(body: &str) -> Option<Option<Zeroizing<Vec<u8>>>> {
    let [settings] = Json::pick(body, ["settings"]).ok()?;
    let settings = settings.filter(|settings| settings.is_object())?;
    Some(Some(Zeroizing::new(settings.0.as_bytes().to_vec())))
}
