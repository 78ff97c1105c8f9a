//! Workload identity federation and Anthropic profiles, known to 2.1.330 and not to 2.0.77 (observed 2026-11). Pure.

use super::credentials::{Credential, Standings};
use super::json::{Json, decode};
use super::settings::{self, names};
use super::source::Source;
use super::state::{Reading, Secret, State};

/// An Anthropic profile as its files say: `configs/NAME.json` and `credentials/NAME.json`.
#[derive(Clone, Debug, Default)]
pub struct AnthropicProfile {
    pub name: String,
    /// `authentication.type` of its config; none where there is no usable config.
    pub kind: Option<String>,
    /// Whether it has a file of credentials.
    pub has_credentials: bool,
    pub token: Option<Secret>,
    /// `expires_at` of its credentials, in seconds since 1970.
    pub expires_at: Option<f64>,
    /// Whether its credentials hold a refresh token.
    pub refreshable: bool,
    /// The mode of its credentials, if others than the owner may read them.
    pub loose_mode: Option<u32>,
}

impl AnthropicProfile {
    /// The profile of that name, from the bytes of its files; `mode` is that of the credentials.
    pub fn parse(
        name: &str,
        config: &[u8],
        credentials: Option<&[u8]>,
        mode: Option<u32>,
    ) -> AnthropicProfile {
        let mut profile = AnthropicProfile {
            name: name.to_owned(),
            has_credentials: credentials.is_some(),
            ..AnthropicProfile::default()
        };
        if let Ok([Some(authentication)]) = Json::pick(&decode(config), ["authentication"]) {
            profile.kind = authentication.get("type").and_then(Json::string);
        }
        let names = ["access_token", "expires_at", "refresh_token"];
        if let Ok([token, expires_at, refresh_token]) =
            Json::pick(&decode(credentials.unwrap_or_default()), names)
        {
            let token = token.and_then(Json::string).filter(|token| !token.is_empty());
            profile.token = token.map(Secret::new);
            profile.expires_at = expires_at.and_then(Json::number);
            profile.refreshable = refresh_token.is_some_and(Json::is_truthy);
            profile.loose_mode = mode.filter(|mode| mode & 0o077 != 0);
        }
        profile
    }

    /// The token it gives, or why it gives none; `Err` where the profile counts as unset.
    fn grant(&self, source: &Source, now: f64) -> Result<Credential, String> {
        let name = &self.name;
        let grant = |secret: Option<&Secret>, failure| {
            Ok(Credential { failure, ..Credential::new(source.clone(), secret.cloned()) })
        };
        match (self.kind.as_deref(), &self.token) {
            (Some("oidc_federation"), _) => grant(None, None),
            // The client tries and tries (2.1.330, observed 2026-11-24).
            (Some("user_oauth"), None) if self.has_credentials => {
                grant(None, Some("its credentials hold no token".to_owned()))
            }
            (Some("user_oauth"), None) => Err(format!("profile {name} has no credentials")),
            (Some("user_oauth"), token) => {
                let expired = self.expires_at.is_some_and(|at| at < now) && !self.refreshable;
                let loose = self
                    .loose_mode
                    .map(|mode| format!("its credentials are open to others (mode {mode:04o})"));
                let expired = expired.then(|| "its token has expired".to_owned());
                grant(token.as_ref(), loose.or(expired))
            }
            (Some(other), _) => Err(format!("profile {name} has the unknown type {other}")),
            (None, _) => Err(format!("profile {name} has no usable config")),
        }
    }
}

/// What federation or an explicit profile gives, and what the default profile gives. `explicit` is where ANTHROPIC_PROFILE
/// is set, `rule` where ANTHROPIC_FEDERATION_RULE_ID is.
pub(crate) fn judge(
    state: &State,
    explicit: Option<Source>,
    rule: Option<Source>,
    standings: &mut Standings,
) -> (Option<Credential>, Option<Credential>) {
    let profile = state.profile();
    let mut of_profile = |source: &Source| {
        let missing = || Err("the profile does not exist".to_owned());
        let grant = profile.as_ref().map_or_else(missing, |found| found.grant(source, state.now));
        grant.map_err(|reason| standings.ignore(source, reason)).ok()
    };
    match (&explicit, &profile) {
        (Some(source), _) => {
            let grant = of_profile(source);
            if let Some(rule) = rule {
                // Even one that does not count keeps federation from being used.
                let reason = "ANTHROPIC_PROFILE is set, and keeps federation from being used";
                standings.ignore(&rule, reason);
            }
            (grant, None)
        }
        (None, Some(profile)) => {
            let default = of_profile(&Source::Profile(profile.name.clone()));
            (rule.and_then(|rule| by_federation(state, rule, standings)), default)
        }
        (None, None) => (rule.and_then(|rule| by_federation(state, rule, standings)), None),
    }
}

/// What federation gives by this rule, unless that counts as unset.
fn by_federation(state: &State, rule: Source, standings: &mut Standings) -> Option<Credential> {
    if settings::effective(state, names::ORGANIZATION).is_none() {
        let reason = "ANTHROPIC_ORGANIZATION_ID is not set, so it counts as unset";
        standings.ignore(&rule, reason);
        return None;
    }
    let failure = (!has_identity(state)).then(|| "there is no identity token".to_owned());
    Some(Credential { failure, ..Credential::new(rule, None) })
}

/// Whether there is an identity token to exchange: the file's, else the variable's.
fn has_identity(state: &State) -> bool {
    match settings::effective(state, names::IDENTITY_FILE) {
        Some(place) => {
            let path = state.paths.project.join(place.value.reveal());
            state.facts.file(&path).0.reading == Reading::Read
        }
        None => settings::effective(state, names::IDENTITY).is_some(),
    }
}

/// Whether a profile may have that name; it is part of a path.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}
