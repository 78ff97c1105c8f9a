//! Server-managed settings: when the client asks for them. Pure.

use super::credentials::{self, Standings};
use super::decision::{Mode, Provider};
use super::resolve;
use super::rules::Rule;
use super::settings::{self, names};
use super::state::State;

/// Whether the client asks Anthropic's server for settings, and lays them over its own. It asks the default host only, with
/// an API key, an OAuth token or a login of an organization, and not where a helper is set (2.0.77, 2.1.332, observed
/// 2026-11-25).
pub(crate) fn is_asked(state: &State) -> bool {
    let found = credentials::find(state, Mode::Print, &mut Standings::default());
    let by_organization = state.login.as_ref().is_some_and(|login| login.is_of_organization);
    let has = |rule| state.client.has(rule);
    settings::effective(state, names::BASE_URL).is_none()
        && resolve::provider(state) == Provider::Anthropic
        && found.gateway_login.is_none()
        && found.helper.is_none()
        && state.entrypoint() != "local-agent"
        && ((found.key.is_some() && has(Rule::ServerIsAskedWithKey))
            || (found.primary.is_some() && has(Rule::ServerIsAskedWithPrimaryKey))
            || (has(Rule::ServerIsAskedWithLogin)
                && (found.oauth.is_some() || (found.login.is_some() && by_organization))))
}
