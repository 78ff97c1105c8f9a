//! Server-managed settings: when the client asks for them, and what the server answers. Pure.

use zeroize::Zeroizing;

use super::credentials::{self, Credential, Standings};
use super::decision::{Mode, Provider};
use super::json::Json;
use super::resolve;
use super::rules::Rule;
use super::settings::{self, names};
use super::state::State;

/// The credential with which the client asks Anthropic's server for settings, if it does. It asks the default host only,
/// with an API key, an OAuth token or a login of an organization, and not where a helper is set (2.1.7 to 2.1.332, observed
/// 2026-11-25).
pub(crate) fn asks_with(state: &State) -> Option<Credential> {
    let found = credentials::find(state, Mode::Print, &mut Standings::default());
    let has = |rule| state.client.has(rule);
    let is_default_host = settings::effective(state, names::BASE_URL).is_none()
        && resolve::provider(state) == Provider::Anthropic
        && found.gateway_login.is_none();
    if !is_default_host || found.helper.is_some() || state.entrypoint() == "local-agent" {
        return None;
    }
    let login_asks = match state.login.as_ref().and_then(|login| login.plan.as_deref()) {
        Some("team") => has(Rule::ServerIsAskedForTeams),
        Some("enterprise") => has(Rule::ServerIsAskedForEnterprises),
        _ => false,
    };
    let asks = [
        found.key.filter(|_| has(Rule::ServerIsAskedWithKey)),
        found.primary.filter(|_| has(Rule::ServerIsAskedWithPrimaryKey)),
        found.oauth.filter(|_| has(Rule::ServerIsAskedWithOauth)),
        found.login.filter(|_| login_asks),
    ];
    asks.into_iter().flatten().next()
}

/// The settings in the server's answer; none if it is not one that the client takes.
pub(crate) fn settings_in(body: &str) -> Option<Option<Zeroizing<Vec<u8>>>> {
    let [settings] = Json::pick(body, ["settings"]).ok()?;
    let settings = settings.filter(|settings| settings.is_object())?;
    Some(Some(Zeroizing::new(settings.text().as_bytes().to_vec())))
}
