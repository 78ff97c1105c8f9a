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
    let of_organization = state.login.as_ref().is_some_and(|login| login.is_of_organization);
    let key = found.key.filter(|_| has(Rule::ServerIsAskedWithKey));
    let logins = || found.oauth.or(found.login.filter(|_| of_organization));
    key.or_else(|| found.primary.filter(|_| has(Rule::ServerIsAskedWithPrimaryKey)))
        .or_else(|| logins().filter(|_| has(Rule::ServerIsAskedWithLogin)))
}

/// The settings in the server's answer; none if it is not one that the client takes.
pub(crate) fn settings_in(body: &str) -> Option<Option<Zeroizing<Vec<u8>>>> {
    let [settings] = Json::pick(body, ["settings"]).ok()?;
    let settings = settings.filter(|settings| settings.is_object())?;
    Some(Some(Zeroizing::new(settings.text().as_bytes().to_vec())))
}
