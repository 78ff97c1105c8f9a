//! What would keep the client from sending the config's `primaryApiKey`: variables and members of settings.

use std::ffi::OsStr;

use super::headers;

/// Variables that hold a credential, name one, or switch to a provider that does not take the key.
///
/// The first four were seen on the wire (2.0.77, 2.1.330, observed 2026-11), and so were the three first providers and
/// `CLAUDE_CODE_SIMPLE`, under which `primaryApiKey` is not read at all. The rest are from the client's documentation.
pub const VARIABLES: [&str; 20] = [
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "ANTHROPIC_PROFILE",
    "CLAUDE_CODE_SIMPLE",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_CODE_USE_FOUNDRY",
    "CLAUDE_CODE_USE_ANTHROPIC_AWS",
    "CLAUDE_CODE_USE_MANTLE",
    "CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR",
    "CLAUDE_CODE_OAUTH_TOKEN_FILE_DESCRIPTOR",
    "CLAUDE_CODE_OAUTH_REFRESH_TOKEN",
    "ANTHROPIC_FEDERATION_RULE_ID",
    "ANTHROPIC_IDENTITY_TOKEN",
    "ANTHROPIC_IDENTITY_TOKEN_FILE",
    "ANTHROPIC_ORGANIZATION_ID",
    "ANTHROPIC_SERVICE_ACCOUNT_ID",
    "ANTHROPIC_WORKSPACE_ID",
    "AWS_BEARER_TOKEN_BEDROCK",
];

/// Members of settings that run a command for a credential.
pub const HELPERS: [&str; 3] = ["apiKeyHelper", "awsAuthRefresh", "awsCredentialExport"];

/// Extra headers; a line `x-api-key: …` in it replaces the header (2.1.330, observed 2026-11).
const HEADERS: &str = "ANTHROPIC_CUSTOM_HEADERS";

/// Whether the variable would keep the client from sending the config's key, or send another beside it.
pub fn is_conflict(name: &OsStr, value: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    let carries_one = || {
        let text = value.to_string_lossy();
        let found = headers::credentials(&text);
        found.x_api_key.is_some() || found.authorization.is_some()
    };
    VARIABLES.contains(&name) || (name == HEADERS && carries_one())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_conflict_only_where_they_carry_a_credential() {
        let conflict = |name: &str, value: &str| is_conflict(name.as_ref(), value.as_ref());
        assert!(conflict("ANTHROPIC_AUTH_TOKEN", ""));
        assert!(conflict(HEADERS, "X-Team: a\nX-Api-Key: k"));
        assert!(!conflict(HEADERS, "X-Team: authorization: b"));
        assert!(!conflict("ANTHROPIC_BASE_URL", "https://x-api-key:1"));
    }
}
