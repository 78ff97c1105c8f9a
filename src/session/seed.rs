//! What the private config directory starts with. Pure.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::client::DEFAULT_ONBOARDING_VERSION;
use crate::client::conflict;
use crate::client::paths::project_key;
use crate::document::{Document, Edit, Malformed};
use crate::key::ApiKey;

/// A key shorter than this may be found in a text by chance.
const SHORTEST_FOUND: usize = 16;

/// The least config with which the client starts at the prompt and sends `key` (2.0.77, 2.1.330, observed 2026-11).
/// `trusted` is a directory in which it need not ask whether its files are trusted.
pub(crate) fn config(key: &ApiKey, trusted: Option<&Path>) -> Zeroizing<String> {
    let mut text = Zeroizing::new(format!(
        r#"{{"primaryApiKey":{},"hasCompletedOnboarding":true,"lastOnboardingVersion":{}"#,
        Zeroizing::new(json!(key.reveal()).to_string()).as_str(),
        json!(DEFAULT_ONBOARDING_VERSION)
    ));
    if let Some(directory) = trusted {
        // 1.x crashes on a project without `allowedTools` (1.0.128, observed 2026-11).
        let name = project_key(directory).unwrap_or_else(|| directory.to_string_lossy());
        let project = json!({ name: { "hasTrustDialogAccepted": true, "allowedTools": [] } });
        text.push_str(&format!(r#","projects":{project}"#));
    }
    text.push_str("}\n");
    text
}

/// Settings without the members that would keep the client from sending the config's key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The text of the file; all else in it is as it was.
    pub text: Vec<u8>,
    /// The members that were left out.
    pub removed: Vec<String>,
}

/// Takes the credentials out of settings. With `base_url_given`, the address too: settings would override it.
pub(crate) fn settings(
    text: &[u8],
    key: &ApiKey,
    base_url_given: bool,
) -> Result<Settings, Malformed> {
    let document = Document::parse(text)?;
    let env: BTreeMap<String, Value> = document.get(&["env"]).unwrap_or_default();
    let conflicts = env.iter().filter(|(name, value)| {
        let value = value.as_str().unwrap_or_default();
        conflict::is_conflict(name.as_ref(), value.as_ref())
            || holds(value.as_ref(), key)
            || (base_url_given && *name == "ANTHROPIC_BASE_URL")
    });
    let mut edits: Vec<Edit> = conflict::HELPERS.iter().map(|name| Edit::remove(&[name])).collect();
    edits.extend(conflicts.map(|(name, _)| Edit::remove(&["env", name])));
    let edited = document.apply(&edits)?;
    Ok(Settings {
        text: edited.pieces.concat(),
        removed: edited.changes.iter().map(|change| change.path.join(".")).collect(),
    })
}

/// Whether a text holds the key.
pub(crate) fn holds(text: &OsStr, key: &ApiKey) -> bool {
    let (text, key) = (text.as_encoded_bytes(), key.reveal().as_bytes());
    text.trim_ascii() == key
        || (key.len() >= SHORTEST_FOUND && text.windows(key.len()).any(|part| part == key))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk-ant-api03-0123456789abcdefghijklmnopqrstuvwxyz";

    #[test]
    fn the_config_is_the_least_there_is() {
        let key = ApiKey::parse(KEY).unwrap();
        let plain: Value = serde_json::from_str(&config(&key, None)).unwrap();
        assert_eq!(
            plain,
            json!({"primaryApiKey": KEY, "hasCompletedOnboarding": true, "lastOnboardingVersion": "0.2.107"})
        );
        let trusted: Value =
            serde_json::from_str(&config(&key, Some(Path::new("/w/\"x")))).unwrap();
        assert_eq!(trusted["projects"]["/w/\"x"]["hasTrustDialogAccepted"], true);
    }

    #[test]
    fn settings_lose_their_credentials_and_nothing_else() {
        let key = ApiKey::parse(KEY).unwrap();
        let text = format!(
            r#"{{ "model": "x", "apiKeyHelper": "h", "apiKeyHelper": "i",
  "env": {{ "A": "1e400", "ANTHROPIC_API_KEY": "k", "CLAUDE_CODE_USE_BEDROCK": 1, "MINE": "{KEY}",
    "ANTHROPIC_BASE_URL": "http://x" }}, "big": 1e400 }}"#
        );
        let stripped = settings(text.as_bytes(), &key, false).unwrap();
        let out = String::from_utf8(stripped.text).unwrap();
        assert!(
            out.contains("1e400 }") && out.contains("\"model\": \"x\"") && out.contains("http://x"),
            "{out}"
        );
        for gone in ["apiKeyHelper", "ANTHROPIC_API_KEY", "BEDROCK", "MINE", KEY] {
            assert!(!out.contains(gone), "{gone}: {out}");
        }
        assert!(stripped.removed.contains(&"env.MINE".to_owned()), "{:?}", stripped.removed);
        let stripped = settings(text.as_bytes(), &key, true).unwrap();
        assert!(!String::from_utf8(stripped.text).unwrap().contains("http://x"));
        assert!(settings(b"{", &key, false).is_err());
    }

    #[test]
    fn a_key_is_found_in_a_text_but_not_by_chance() {
        let key = ApiKey::parse(KEY).unwrap();
        assert!(holds(format!("a={KEY};").as_ref(), &key));
        let short = ApiKey::parse("k1").unwrap();
        assert!(holds(" k1\n".as_ref(), &short) && !holds("bk1".as_ref(), &short));
    }
}
