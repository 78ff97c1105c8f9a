//! Server-managed settings: when the client asks for them, and what the server answers. Pure.

use zeroize::Zeroizing;

use super::credentials::{self, Credential, Standings};
use super::decision::{Mode, Provider};
use super::destination;
use super::json::Json;
use super::resolve;
use super::rules::Rule;
use super::state::State;

/// The credential with which the client asks Anthropic's server for settings, if it does. It asks the default host only,
/// with an API key, an OAuth token or a login of an organization. A helper keeps `primaryApiKey` from being used for it,
/// and nothing else (2.1.112, 2.1.200, 2.1.332, observed 2026-11-26).
pub(crate) fn asks_with(state: &State) -> Option<Credential> {
    let found = credentials::find(state, Mode::Print, &mut Standings::default());
    let has = |rule| state.client.has(rule);
    let is_default_host = destination::is_default_host(state)
        && resolve::provider(state) == Provider::Anthropic
        && found.gateway_login.is_none();
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
    let mut login = found.login.filter(|_| login_asks && found.oauth.is_none());
    let asks = [
        found.key.filter(|_| has(Rule::ServerIsAskedWithKey)),
        // Up to 2.1.200 it came after `primaryApiKey`.
        login.take_if(|_| plan.is_some()),
        found.primary.filter(|_| found.helper.is_none() && has(Rule::ServerIsAskedWithPrimaryKey)),
        found.oauth.filter(|_| has(Rule::ServerIsAskedWithOauth)),
        login,
    ];
    asks.into_iter().flatten().next()
}

/// The settings in the server's answer; none if it is not one that the client takes.
pub(crate) fn settings_in(body: &str) -> Option<Option<Zeroizing<Vec<u8>>>> {
    let [settings] = Json::pick(body, ["settings"]).ok()?;
    let settings = settings.filter(|settings| settings.is_object())?;
    Some(Some(Zeroizing::new(settings.text().as_bytes().to_vec())))
}
