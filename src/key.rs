//! The API key: kept out of logs by its type, named in reports by a hint and a fingerprint.

pub(crate) mod cache;
pub mod command;
pub(crate) mod place;
mod prompt;
pub(crate) mod shape;
pub(crate) mod source;

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::fail;
pub(crate) use crate::output::hint;
pub use crate::output::mask;
use crate::private;

/// What is hashed before the key, so that a fingerprint is not the bare hash of the key, which another system may hold.
pub(crate) const FINGERPRINT_DOMAIN: &str = "cck-fingerprint-v1:";

/// How many of a key's last characters the client's approval lists hold (2.1.330, observed 2026-11).
pub(crate) const SUFFIX_CHARS: usize = 20;

/// An API key, one line of visible ASCII. It is wiped when dropped, and only [`ApiKey::reveal`] shows its text.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(Zeroizing<String>);

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({})", self.fingerprint())
    }
}

impl ApiKey {
    /// Reads a key from text: blanks around it are trimmed, the rest must be one line of visible ASCII.
    pub fn parse(text: &str) -> anyhow::Result<ApiKey> {
        ApiKey::checked(text, true)
    }

    /// As [`ApiKey::parse`]; unless `any_shape`, the key must also look like one of Anthropic's.
    pub(crate) fn checked(text: &str, any_shape: bool) -> anyhow::Result<ApiKey> {
        let key = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\u{feff}');
        if key.is_empty() {
            return Err(fail("the key is empty", "check its source: a key starts with sk-ant-"));
        }
        let wrong = shape::misplaced(key).or_else(|| match any_shape {
            true => shape::stray(key),
            false => shape::mistake(key).or_else(|| shape::doubt(key)),
        });
        wrong.map_or_else(|| Ok(ApiKey(Zeroizing::new(key.to_owned()))), |wrong| Err(wrong.into()))
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }

    pub fn hint(&self) -> String {
        hint(&self.0)
    }

    pub(crate) fn fingerprint(&self) -> String {
        fingerprint(&self.0)
    }

    pub fn suffix(&self) -> &str {
        suffix(&self.0)
    }
}

/// A name for a key that does not give it away: `sha256:` and the first 12 hex digits of SHA-256 over
/// [`FINGERPRINT_DOMAIN`] followed by the key. A key of another shape may be short enough to be guessed from that, so
/// it has none.
///
/// The same by hand: `printf 'cck-fingerprint-v1:%s' "$KEY" | sha256sum | cut -c1-12`.
pub(crate) fn fingerprint(key: &str) -> String {
    if shape::is_usual(key) { digest(key) } else { "not shown".into() }
}

/// The fingerprint of any key, for cck's own private files.
pub(crate) fn digest(key: &str) -> String {
    let digest = Sha256::new().chain_update(FINGERPRINT_DOMAIN).chain_update(key).finalize();
    format!("sha256:{}", private::hex(&digest[..6]))
}

pub(crate) fn suffix(key: &str) -> &str {
    key.char_indices().nth_back(SUFFIX_CHARS - 1).map_or(key, |(at, _)| &key[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk-ant-api03-0123456789abcdefghijklmnopqrstuvwxyz";

    #[test]
    fn a_key_is_trimmed_and_checked() {
        for text in [KEY.to_owned(), format!("  {KEY}\r\n"), format!("\u{feff}{KEY}\n\n")] {
            assert_eq!(ApiKey::parse(&text).unwrap().reveal(), KEY);
        }
        for (text, word) in [
            ("", "empty"),
            (" \n\t", "empty"),
            ("sk-ant-a\nsk-ant-b", "more than one line"),
            ("sk-ant-a\rsk-ant-b", "more than one line"),
            ("sk ant", "position 3"),
            ("sk-\u{7}ant", "position 4"),
            ("sk-ant-é", "position 8"),
            ("sk-ant-oat01-x", "OAuth token"),
            ("sk-ant-ort01-x", "refresh token"),
            ("sk-ant-admin01-x", "Admin API key"),
        ] {
            let error = ApiKey::parse(text).unwrap_err().to_string();
            assert!(error.contains(word), "{text:?}: {error}");
        }
    }

    #[test]
    fn debug_and_hint_keep_the_key() {
        let key = ApiKey::parse(KEY).unwrap();
        assert!(!format!("{key:?}").contains("0123456789"));
        assert_eq!(key.hint(), "sk-ant-api03-…wxyz");
        assert_eq!(hint("sk-ant-short"), "…");
        assert_eq!(hint("a-gateway-key-of-another-shape-1234"), "…1234");
        assert_eq!(key.suffix(), "ghijklmnopqrstuvwxyz");
        assert_eq!(suffix("short"), "short");
    }

    /// The value is from `printf 'cck-fingerprint-v1:%s' sk-ant-api03-0123456789abcdefghijklmnopqrstuvwxyz | sha256sum`.
    #[test]
    fn fingerprint_is_what_sha256sum_says() {
        assert_eq!(fingerprint(KEY), "sha256:457ae52225a3");
    }
}
