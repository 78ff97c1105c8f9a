//! The environment of the command: it reaches the broker, and has no credential but the session token.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::client::{Client, decision::PROVIDERS, headers, names};
use crate::context::Context;
use crate::key::ApiKey;
use crate::key::command::Change;

/// How the names of the client's variables for secrets end.
const SECRETS: [&str; 8] = [
    "_KEY",
    "_TOKEN",
    "_SECRET",
    "_PASSWORD",
    "_PASSPHRASE",
    "_CREDENTIALS",
    "_CREDENTIAL",
    "_FILE_DESCRIPTOR",
];

/// A key shorter than this may be found in a text by chance.
const SHORTEST_FOUND: usize = 16;

/// Variables that have the client take another credential than the token, say that another program manages its credentials or
/// that its host is the API, or would keep it from starting.
const MARKS: [&str; 12] = [
    names::GATEWAY,
    names::PROFILE,
    names::PROFILES_DIR,
    names::FEDERATION_RULE,
    names::ORGANIZATION,
    names::IDENTITY_FILE,
    "AWS_BEARER_TOKEN_BEDROCK",
    "CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST",
    "CLAUDE_CODE_REMOTE",
    "CLAUDE_CODE_SUBPROCESS_ENV_SCRUB",
    "ANTHROPIC_UNIX_SOCKET",
    "_CLAUDE_CODE_ASSUME_FIRST_PARTY_BASE_URL",
];

/// What becomes of the variables that the command may not have, by name: another value (a proxy without the password in it),
/// or none. Those in `kept` stay as they are, unless they hold the key that is lent.
pub(crate) fn changes(key: Option<&ApiKey>, kept: &[String], context: &Context) -> Vec<Change> {
    let change = |(name, value): (&OsString, &OsString)| {
        let is_kept = kept.iter().any(|kept| name == kept.as_str());
        let upper = name.to_string_lossy().to_ascii_uppercase();
        let change = if key.is_some_and(|key| holds(value, key)) {
            None
        } else if is_kept {
            return None;
        } else if is_credential(&upper, value) {
            None
        } else if ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].contains(&&*upper) {
            Some(without_password(value)?)
        } else {
            return None;
        };
        Some((name.clone(), change))
    };
    context.vars().iter().filter_map(change).collect()
}

/// Whether a text holds the key.
pub(crate) fn holds(text: &OsStr, key: &ApiKey) -> bool {
    let (text, key) = (text.as_encoded_bytes(), key.reveal().as_bytes());
    text.trim_ascii() == key
        || (key.len() >= SHORTEST_FOUND && memchr::memmem::find(text, key).is_some())
}

/// Whether a variable, its name in capitals, holds a credential of the client's, names one, or has the client take another
/// than the token.
fn is_credential(name: &str, value: &OsStr) -> bool {
    let is_ours = name.starts_with("ANTHROPIC_") || name.starts_with("CLAUDE_");
    let text = value.to_string_lossy();
    (is_ours && SECRETS.iter().any(|end| name.ends_with(end)))
        || name.starts_with("CLAUDE_CODE_HOST_")
        || MARKS.contains(&name)
        || (name == "CLAUDE_CODE_ENTRYPOINT"
            && matches!(value.to_str(), Some("claude-desktop" | "local-agent")))
        || PROVIDERS.iter().any(|provider| provider.switch() == name)
        || (name == names::HEADERS && {
            let custom = headers::parse(Client::V2, &text);
            custom.x_api_key.is_some() || custom.authorization.is_some()
        })
        || text.contains("sk-ant-")
}

fn without_password(value: &OsStr) -> Option<OsString> {
    let value = value.to_str()?;
    let full = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    let bare = crate::output::without_user(&full);
    (bare != full).then(|| bare.into())
}

/// What the command gets: where the broker is, and the token for it.
pub(crate) fn additions(
    socket: Option<&Path>,
    port: u16,
    token: &str,
    is_first_party: bool,
    context: &Context,
) -> Vec<(&'static str, OsString)> {
    let mut added: Vec<(&str, OsString)> = vec![
        ("ANTHROPIC_BASE_URL", format!("http://127.0.0.1:{port}").into()),
        ("ANTHROPIC_AUTH_TOKEN", token.into()),
        ("CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST", "1".into()),
    ];
    if let Some(socket) = socket {
        added.push(("ANTHROPIC_UNIX_SOCKET", socket.into()));
    }
    if is_first_party {
        added.push(("_CLAUDE_CODE_ASSUME_FIRST_PARTY_BASE_URL", "1".into()));
    }
    for [name, other] in [["NO_PROXY", "no_proxy"], ["no_proxy", "NO_PROXY"]] {
        let value = |name| context.var(name).filter(|value| !value.trim().is_empty());
        let list = value(name).or_else(|| value(other)).unwrap_or_default();
        let list = list.trim_end_matches([',', ' ']);
        let separator = if list.is_empty() { "" } else { "," };
        added.push((name, format!("{list}{separator}127.0.0.1,localhost").into()));
    }
    added
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk-ant-api03-0123456789abcdefghijklmnopqrstuvwxyz";

    fn removed(vars: &[(&str, &str)], kept: &[&str]) -> Vec<(String, Option<OsString>)> {
        let context = Context::for_test(&[], vars, Path::new("/"), Path::new("/etc"));
        let kept: Vec<String> = kept.iter().map(ToString::to_string).collect();
        let all = changes(Some(&ApiKey::parse(KEY).unwrap()), &kept, &context);
        all.into_iter().map(|(name, change)| (name.into_string().unwrap(), change)).collect()
    }

    #[test]
    fn every_credential_goes_and_what_is_none_stays() {
        for (name, value) in [
            ("ANTHROPIC_API_KEY", "x"),
            ("ANTHROPIC_AUTH_TOKEN", ""),
            ("ANTHROPIC_ADMIN_KEY", "x"),
            ("ANTHROPIC_FOUNDRY_API_KEY", "x"),
            ("CLAUDE_CODE_GATEWAY_TOKEN", "x"),
            ("CLAUDE_CODE_OAUTH_TOKEN", "x"),
            ("CLAUDE_CODE_OAUTH_REFRESH_TOKEN", "x"),
            ("CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR", "3"),
            ("CLAUDE_CODE_HOST_AUTH_ENV_VAR", "X"),
            ("CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST", "1"),
            ("CLAUDE_CODE_USE_BEDROCK", "1"),
            ("CLAUDE_CODE_SUBPROCESS_ENV_SCRUB", "1"),
            // Of an outer run, whose API may be another.
            ("_CLAUDE_CODE_ASSUME_FIRST_PARTY_BASE_URL", "1"),
            ("ANTHROPIC_CUSTOM_HEADERS", "x-api-key: z"),
            ("ANTHROPIC_CUSTOM_HEADERS", "X-Team: a\nX-Api-Key: k"),
            ("AWS_BEARER_TOKEN_BEDROCK", "x"),
            ("MINE", KEY),
            ("MINE", "pre sk-ant-oat01-x"),
        ] {
            assert_eq!(removed(&[(name, value)], &[]), [(name.to_owned(), None)]);
        }
        for (name, value) in [
            ("PATH", "/bin"),
            ("CLAUDE_CONFIG_DIR", "/c"),
            ("CLAUDE_CODE_MAX_OUTPUT_TOKENS", "5"),
            ("ANTHROPIC_MODEL", "m"),
            ("ANTHROPIC_CUSTOM_HEADERS", "x-team: a"),
            ("ANTHROPIC_CUSTOM_HEADERS", "X-Team: authorization: b"),
            ("ANTHROPIC_BASE_URL", "https://x-api-key:1"),
            ("CLAUDE_CODE_SIMPLE", "1"),
            ("GITHUB_TOKEN", "x"),
            ("HTTPS_PROXY", "http://p:1"),
        ] {
            assert_eq!(removed(&[(name, value)], &[]), [], "{name}");
        }
    }

    #[test]
    fn a_kept_variable_stays_unless_it_holds_the_key() {
        assert_eq!(
            removed(&[("ANTHROPIC_ADMIN_KEY", "sk-ant-admin01-x")], &["ANTHROPIC_ADMIN_KEY"]),
            []
        );
        assert_eq!(removed(&[("MINE", KEY)], &["MINE"]).len(), 1);
    }

    #[test]
    fn a_proxy_loses_its_password() {
        for (value, left) in [("http://u:p@h:1", "http://h:1"), ("u:p@h:1", "http://h:1")] {
            let change = Some(left.into());
            // Windows knows one name in either case.
            let name = if cfg!(windows) { "HTTPS_PROXY" } else { "https_proxy" };
            assert_eq!(removed(&[("https_proxy", value)], &[]), [(name.to_owned(), change)]);
        }
    }

    #[test]
    fn the_child_reaches_the_broker_around_any_proxy() {
        let context = Context::for_test(
            &[],
            &[("no_proxy", "a.example,")],
            Path::new("/"),
            Path::new("/etc"),
        );
        let added = additions(Some(Path::new("/s")), 7, "t", false, &context);
        let value = |name: &str| {
            added.iter().find(|(found, _)| *found == name).map(|(_, value)| value.to_str().unwrap())
        };
        assert_eq!(value("ANTHROPIC_BASE_URL"), Some("http://127.0.0.1:7"));
        assert_eq!(value("ANTHROPIC_UNIX_SOCKET"), Some("/s"));
        assert_eq!(value("NO_PROXY"), Some("a.example,127.0.0.1,localhost"));
        assert_eq!(value("no_proxy"), Some("a.example,127.0.0.1,localhost"));
        assert_eq!(value("_CLAUDE_CODE_ASSUME_FIRST_PARTY_BASE_URL"), None);
    }
}
