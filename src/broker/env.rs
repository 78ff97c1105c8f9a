//! The environment of the command: it reaches the broker, and has no credential but the session token.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::client::conflict;
use crate::context::Context;
use crate::key::ApiKey;

/// A key shorter than this may be found in a text by chance.
const SHORTEST_FOUND: usize = 16;

/// Variables that say to the client that another program manages its credentials, or that would keep it from starting.
const MARKS: [&str; 4] = [
    "CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST",
    "CLAUDE_CODE_REMOTE",
    "CLAUDE_CODE_SUBPROCESS_ENV_SCRUB",
    "ANTHROPIC_UNIX_SOCKET",
];

/// What a change of the environment is.
#[derive(Debug, PartialEq)]
pub(crate) enum Change {
    Remove,
    /// A proxy's address without the password in it.
    Set(OsString),
}

/// What is taken out of the environment, by name. The variables in `kept` stay, unless they hold the key that is lent.
pub(crate) fn removals(
    key: &ApiKey,
    kept: &[String],
    context: &Context,
) -> Vec<(OsString, Change)> {
    context
        .vars()
        .iter()
        .filter_map(|(name, value)| {
            let is_kept = kept.iter().any(|kept| name == kept.as_str());
            let change = if holds(value, key) || (!is_kept && is_credential(name, value)) {
                Change::Remove
            } else if !is_kept && is_proxy(name) {
                Change::Set(without_password(value)?)
            } else {
                return None;
            };
            Some((name.clone(), change))
        })
        .collect()
}

/// Whether a text holds the key.
pub(crate) fn holds(text: &OsStr, key: &ApiKey) -> bool {
    let (text, key) = (text.as_encoded_bytes(), key.reveal().as_bytes());
    text.trim_ascii() == key
        || (key.len() >= SHORTEST_FOUND && text.windows(key.len()).any(|part| part == key))
}

/// Whether a variable holds a credential of the client's, names one, or has the client take another than the token.
fn is_credential(name: &OsStr, value: &OsStr) -> bool {
    let text = name.to_string_lossy().to_ascii_uppercase();
    let is_ours = text.starts_with("ANTHROPIC_") || text.starts_with("CLAUDE_");
    let is_secret = [
        "_KEY",
        "_TOKEN",
        "_SECRET",
        "_PASSWORD",
        "_CREDENTIALS",
        "_CREDENTIAL",
        "_FILE_DESCRIPTOR",
    ]
    .into_iter()
    .any(|end| text.ends_with(end));
    let entrypoint = text == "CLAUDE_CODE_ENTRYPOINT";
    (is_ours && is_secret)
        || text.starts_with("CLAUDE_CODE_HOST_")
        || MARKS.contains(&&*text)
        || (entrypoint && matches!(value.to_str(), Some("claude-desktop" | "local-agent")))
        // With --bare the token counts as ever.
        || (conflict::is_conflict(text.as_ref(), value) && text != "CLAUDE_CODE_SIMPLE")
        || value.to_string_lossy().contains("sk-ant-")
}

fn is_proxy(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_ascii_uppercase();
    matches!(&*name, "HTTP_PROXY" | "HTTPS_PROXY" | "ALL_PROXY")
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
    for name in ["NO_PROXY", "no_proxy"] {
        let other = if name == "NO_PROXY" { "no_proxy" } else { "NO_PROXY" };
        let is_set = |name: &&str| context.var(name).is_some_and(|value| !value.trim().is_empty());
        let list = [name, other].into_iter().find(is_set).and_then(|name| context.var(name));
        let list =
            list.map_or(String::new(), |list| format!("{},", list.trim_end_matches([',', ' '])));
        added.push((name, format!("{list}127.0.0.1,localhost").into()));
    }
    added
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk-ant-api03-0123456789abcdefghijklmnopqrstuvwxyz";

    fn removed(vars: &[(&str, &str)], kept: &[&str]) -> Vec<(String, Change)> {
        let context = Context::for_test(&[], vars, Path::new("/"), Path::new("/etc"));
        let kept: Vec<String> = kept.iter().map(ToString::to_string).collect();
        let all = removals(&ApiKey::parse(KEY).unwrap(), &kept, &context);
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
            ("ANTHROPIC_CUSTOM_HEADERS", "x-api-key: z"),
            ("AWS_BEARER_TOKEN_BEDROCK", "x"),
            ("MINE", KEY),
            ("MINE", "pre sk-ant-oat01-x"),
        ] {
            assert_eq!(removed(&[(name, value)], &[]), [(name.to_owned(), Change::Remove)]);
        }
        for (name, value) in [
            ("PATH", "/bin"),
            ("CLAUDE_CONFIG_DIR", "/c"),
            ("CLAUDE_CODE_MAX_OUTPUT_TOKENS", "5"),
            ("ANTHROPIC_MODEL", "m"),
            ("ANTHROPIC_CUSTOM_HEADERS", "x-team: a"),
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
            let change = Change::Set(left.into());
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
