//! Workload identity federation and Anthropic profiles, known to 2.1.330 and not to 2.0.77 (observed 2026-11). Pure.

use super::json::{Json, decode};
use super::settings::{self, names};
use super::source::Source;
use super::state::{Secret, State};

/// An OAuth token that the client gets by federation or from an Anthropic profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// Where it comes from.
    pub source: Source,
    /// The token, where it is known here.
    pub secret: Option<Secret>,
    /// Why the client gets none; it then sends nothing.
    pub failure: Option<String>,
}

/// An Anthropic profile as its files say: `configs/NAME.json` and `credentials/NAME.json`.
#[derive(Clone, Debug, Default)]
pub struct AnthropicProfile {
    /// Its name.
    pub name: String,
    /// `authentication.type` of its config; none where there is no usable config.
    pub kind: Option<String>,
    /// Whether it has a file of credentials.
    pub has_credentials: bool,
    /// The token of its credentials.
    pub token: Option<Secret>,
    /// `expires_at` of its credentials, in seconds since 1970.
    pub expires_at: Option<f64>,
    /// Whether its credentials hold a refresh token.
    pub refreshable: bool,
    /// The mode of its credentials, if others than the owner may read them.
    pub loose_mode: Option<u32>,
}

impl AnthropicProfile {
    /// The profile of that name.
    ///
    /// `config` and `credentials` are the bytes of its files, where they could be read; `mode` is that of the second.
    pub fn parse(
        name: &str,
        config: Option<&[u8]>,
        credentials: Option<&[u8]>,
        mode: Option<u32>,
    ) -> Self {
        let mut profile = AnthropicProfile { name: name.to_owned(), ..AnthropicProfile::default() };
        let Some(config) = config else {
            return profile;
        };
        if let Ok([Some(authentication)]) = Json::pick(&decode(config), ["authentication"]) {
            profile.kind = authentication.get("type").and_then(Json::string);
        }
        profile.has_credentials = credentials.is_some();
        if let Some(credentials) = credentials
            && let Ok([token, expires_at, refresh_token]) =
                Json::pick(&decode(credentials), ["access_token", "expires_at", "refresh_token"])
        {
            profile.token =
                token.and_then(Json::string).filter(|token| !token.is_empty()).map(Secret::new);
            profile.expires_at = expires_at.and_then(Json::number);
            profile.refreshable = refresh_token.is_some_and(Json::is_truthy);
            profile.loose_mode = mode.filter(|mode| mode & 0o077 != 0);
        }
        profile
    }

    /// The token it gives, or why it gives none; `Err` where the profile counts as unset.
    fn grant(&self, source: Source, now: f64) -> Result<Grant, String> {
        let secret = self.token.clone().filter(|_| self.kind.as_deref() == Some("user_oauth"));
        let grant = |failure| Grant { source, secret, failure };
        match self.kind.as_deref() {
            Some("oidc_federation") => Ok(grant(None)),
            // The client tries and tries (2.1.330, observed 2026-11-24).
            Some("user_oauth") if self.token.is_none() && self.has_credentials => {
                Ok(grant(Some("its credentials hold no token".to_owned())))
            }
            Some("user_oauth") if self.token.is_none() => {
                Err(format!("profile {} has no credentials", self.name))
            }
            Some("user_oauth") => {
                let failure = if let Some(mode) = self.loose_mode {
                    Some(format!("its credentials are open to others (mode {mode:04o})"))
                } else if self.expires_at.is_some_and(|at| at < now) && !self.refreshable {
                    Some("its token has expired".to_owned())
                } else {
                    None
                };
                Ok(grant(failure))
            }
            Some(other) => Err(format!("profile {} has the unknown type {other}", self.name)),
            None => Err(format!("profile {} has no usable config", self.name)),
        }
    }
}

/// What federation and profiles give.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    /// What goes before the stored login, and takes it out of use.
    pub grant: Option<Grant>,
    /// What comes after it.
    pub default_profile: Option<Grant>,
    /// The sources that do not count, and why.
    pub ignored: Vec<(Source, String)>,
}

/// Judges federation and profiles. `explicit` is where ANTHROPIC_PROFILE is set, `rule` where ANTHROPIC_FEDERATION_RULE_ID
/// is.
pub(crate) fn judge(state: &State, explicit: Option<Source>, rule: Option<Source>) -> Judged {
    let mut judged = Judged::default();
    let profile = state.profile.as_ref();
    if let Some(source) = &explicit {
        let grant = profile.map_or_else(
            || Err("no such profile".to_owned()),
            |profile| profile.grant(source.clone(), state.now),
        );
        match grant {
            Ok(grant) => judged.grant = Some(grant),
            Err(reason) => judged.ignored.push((source.clone(), reason)),
        }
    }
    if let Some(source) = rule {
        if explicit.is_some() {
            // Even one that does not count keeps federation from being used.
            let reason = "ANTHROPIC_PROFILE is set, and keeps federation from being used";
            judged.ignored.push((source, reason.into()));
        } else if settings::effective(state, names::ORGANIZATION).is_none() {
            let reason = "ANTHROPIC_ORGANIZATION_ID is not set, so it counts as unset";
            judged.ignored.push((source, reason.into()));
        } else {
            judged.grant = Some(Grant {
                source,
                secret: None,
                failure: (!has_identity(state)).then(|| "there is no identity token".to_owned()),
            });
        }
    }
    if explicit.is_none()
        && let Some(profile) = profile
    {
        let source = Source::Profile(profile.name.clone());
        match profile.grant(source.clone(), state.now) {
            Ok(grant) => judged.default_profile = Some(grant),
            Err(reason) => judged.ignored.push((source, reason)),
        }
    }
    judged
}

/// Whether there is an identity token to exchange: the file's, else the variable's.
fn has_identity(state: &State) -> bool {
    match settings::effective(state, names::IDENTITY_FILE) {
        Some(_) => state.has_identity_file,
        None => settings::effective(state, names::IDENTITY).is_some(),
    }
}

/// Whether a profile may have that name; it is part of a path.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}
