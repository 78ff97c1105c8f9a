//! What would keep the client from sending the config's `primaryApiKey`: variables and members of settings.

use std::ffi::OsStr;

use super::{Client, decision::PROVIDERS, headers, names};

/// Variables that hold a credential, or name one. With
/// `CLAUDE_CODE_SIMPLE` the config's key is not read at all (2.1.330, observed 2026-11).
pub(crate) const VARIABLES: [&str; 14] = [
    names::KEY,
    names::KEY_DESCRIPTOR,
    names::TOKEN,
    names::OAUTH,
    names::OAUTH_DESCRIPTOR,
    names::SIMPLE,
    names::GATEWAY,
    names::PROFILE,
    names::PROFILES_DIR,
    names::FEDERATION_RULE,
    names::ORGANIZATION,
    names::IDENTITY,
    names::IDENTITY_FILE,
    "AWS_BEARER_TOKEN_BEDROCK",
];

pub(crate) fn is_conflict(name: &OsStr, value: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    let carries_one = || {
        let text = value.to_string_lossy();
        let found = headers::parse(Client::V2, &text);
        found.x_api_key.is_some() || found.authorization.is_some()
    };
    VARIABLES.contains(&name)
        || PROVIDERS.iter().any(|provider| provider.switch() == name)
        || (name == names::HEADERS && carries_one())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_conflict_only_where_they_carry_a_credential() {
        let conflict = |name: &str, value: &str| is_conflict(name.as_ref(), value.as_ref());
        assert!(conflict("ANTHROPIC_AUTH_TOKEN", ""));
        assert!(conflict(names::HEADERS, "X-Team: a\nX-Api-Key: k"));
        assert!(!conflict(names::HEADERS, "X-Team: authorization: b"));
        assert!(!conflict("ANTHROPIC_BASE_URL", "https://x-api-key:1"));
    }
}
