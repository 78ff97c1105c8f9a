//! Workload identity federation and Anthropic profiles, known to 2.1.330 and not to 2.0.77 (observed 2026-11). Pure.

use super::{Credentials, Json, Reading, Secret, Source, State, decode, names, server};

/// An Anthropic profile as its files say: `configs/NAME.json` and `credentials/NAME.json`.
#[derive(Clone, Debug, Default)]
pub struct AnthropicProfile {
    pub name: String,
    /// `authentication.type` of its config; none where there is no usable config.
    pub kind: Option<String>,
    pub has_credentials: bool,
    pub token: Option<Secret>,
    /// `expires_at` of its credentials, in seconds since 1970.
    pub expires_at: Option<f64>,
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

    /// Why the client gets no token from it, if it gets none; `Err` where the profile counts as unset.
    fn failure(&self, now: f64) -> Result<Option<String>, String> {
        let name = &self.name;
        match self.kind.as_deref() {
            Some("oidc_federation") => Ok(None),
            // The client tries and tries (2.1.330, observed 2026-11-24).
            Some("user_oauth") if self.token.is_none() && self.has_credentials => {
                Ok(Some("its credentials hold no token".to_owned()))
            }
            Some("user_oauth") if self.token.is_none() => {
                Err(format!("profile {name} has no credentials"))
            }
            Some("user_oauth") => {
                let loose = |mode| format!("its credentials are open to others (mode {mode:04o})");
                let expired = self.expires_at.is_some_and(|at| at < now) && !self.refreshable;
                let expired = expired.then(|| "its token has expired".to_owned());
                Ok(self.loose_mode.map(loose).or(expired))
            }
            Some(other) => Err(format!("profile {name} has the unknown type {other}")),
            None => Err(format!("profile {name} has no usable config")),
        }
    }
}

/// Notes what federation and profiles give, or why not. `explicit` is where ANTHROPIC_PROFILE is set, `rule` where
/// ANTHROPIC_FEDERATION_RULE_ID is.
pub(crate) fn judge(
    state: &State,
    explicit: Option<&Source>,
    rule: Option<&Source>,
    found: &mut Credentials,
) {
    let profile = state.profile();
    let default = profile.as_ref().map(|profile| Source::Profile(profile.name.clone()));
    let missing = || Err("the profile does not exist".to_owned());
    let failure = profile.as_ref().map_or_else(missing, |profile| profile.failure(state.facts.now));
    // With a rule of federation the token is got by an exchange, and not known here.
    let is_exchanged = profile.is_some_and(|profile| profile.kind.as_deref() != Some("user_oauth"));
    if let Some(source) = explicit.or(default.as_ref()) {
        note(found, source, failure, is_exchanged);
    }
    let Some(rule) = rule else { return };
    let failure = if explicit.is_some() {
        // Even one that does not count keeps federation from being used.
        Err("ANTHROPIC_PROFILE is set, and keeps federation from being used".to_owned())
    } else if state.variables.effective(names::ORGANIZATION).is_none() {
        Err("ANTHROPIC_ORGANIZATION_ID is not set, so it counts as unset".to_owned())
    } else {
        Ok((!has_identity(state)).then(|| "an identity token is missing".to_owned()))
    };
    note(found, rule, failure, true);
}

/// The variable whose profile or federation is chosen instead of a login before managed and project settings are read, if
/// any is: ANTHROPIC_PROFILE stands for the default profile, too, which is chosen only without a login.
pub(crate) fn early(state: &State, has_login: bool) -> Option<&'static str> {
    let value = |name| server::early(state, name);
    let name = value(names::PROFILE);
    let is_usable = |profile: AnthropicProfile| profile.failure(state.facts.now).is_ok();
    let profile = || state.facts.profile(value(names::PROFILES_DIR), name).is_some_and(is_usable);
    let has_rule =
        [names::FEDERATION_RULE, names::ORGANIZATION].map(value).iter().all(Option::is_some);
    if name.is_none() && has_rule {
        Some(names::FEDERATION_RULE)
    } else {
        ((name.is_some() || !has_login) && profile()).then_some(names::PROFILE)
    }
}

fn note(
    found: &mut Credentials,
    source: &Source,
    failure: Result<Option<String>, String>,
    is_renewed: bool,
) {
    match failure {
        Ok(failure) => {
            let found = found.all.iter_mut().filter(|found| found.source == *source);
            found.for_each(|found| {
                (found.failure, found.is_renewed) = (failure.clone(), is_renewed);
            });
        }
        Err(reason) => found.ignore(source, reason),
    }
}

fn has_identity(state: &State) -> bool {
    match state.variables.effective(names::IDENTITY_FILE) {
        Some(place) => {
            let path = state.paths.project.join(place.value.reveal());
            state.facts.file(&path).0.reading == Reading::Read
        }
        None => state.variables.effective(names::IDENTITY).is_some(),
    }
}

/// Whether a profile may have that name; it is part of a path.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}
