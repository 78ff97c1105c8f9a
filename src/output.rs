//! Text for people.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::Path;

/// Whether a character could drive a terminal or hide: control characters, direction marks, characters without width.
fn harmful(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// JSON text with what is harmful escaped. Outside of strings JSON has none of it, so the value is the same.
pub(crate) fn escape(json: &str) -> Cow<'_, str> {
    if !json.contains(harmful) {
        return json.into();
    }
    let mut text = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if harmful(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            text.push(c);
        }
    }
    text.into()
}

pub fn sanitize(text: &str) -> Cow<'_, str> {
    if text.contains(harmful) { text.replace(harmful, "\u{fffd}").into() } else { text.into() }
}

pub(crate) fn one_line(text: &str) -> String {
    sanitize(text).replace('\n', " ")
}

/// A key's prefix and its last four characters, `sk-ant-api03-…wxyz`; of a key under 24 characters the prefix alone.
pub(crate) fn hint(key: &str) -> String {
    let prefix = match key.match_indices('-').nth(2) {
        Some((at, _)) if key.starts_with("sk-ant-") && at < 16 => &key[..=at],
        _ => "",
    };
    let tail = key.char_indices().nth_back(3).map_or("", |(at, _)| &key[at..]);
    if key.chars().count() < 24 { format!("{prefix}…") } else { format!("{prefix}…{tail}") }
}

/// What follows `sk-ant-` is shorter than this in cck's own words (`sk-ant-api03-`), and longer in every key.
const OWN_WORDS: usize = 8;

const PREFIX: &str = "sk-ant-";

/// Text with every key in it (`sk-ant-…`) cut down to its hint. The prefix stays, so no sentence of cck's own is changed.
pub fn mask(text: &str) -> String {
    let is_key_char = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(PREFIX) {
        let length = rest[start..].find(|c| !is_key_char(c)).unwrap_or(rest.len() - start);
        let (before, key) = (&rest[..start], &rest[start..start + length]);
        masked.push_str(before);
        let is_word = key.len() < PREFIX.len() + OWN_WORDS;
        masked.push_str(&if is_word { key.to_owned() } else { hint(key) });
        rest = &rest[start + length..];
    }
    masked + rest
}

/// A URL without the user and password in it, with as many slashes before them as the client's parser takes.
pub(crate) fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once(':') else { return url.to_owned() };
    let is_slash = |c| matches!(c, '/' | '\\');
    let (slashes, rest) = rest.split_at(rest.len() - rest.trim_start_matches(is_slash).len());
    let end = rest.find(|c| is_slash(c) || matches!(c, '?' | '#')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    format!("{scheme}:{slashes}{host}{path}")
}

/// A path as the user would write it: under the home directory it starts with `~`.
pub(crate) fn display(path: &Path, home: Option<&OsStr>) -> String {
    let short = home
        .filter(|home| !home.is_empty() && *home != "/")
        .and_then(|home| path.strip_prefix(home).ok())
        .map(|rest| Path::new("~").join(rest));
    one_line(&short.as_deref().unwrap_or(path).display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_drives_a_terminal_is_replaced() {
        assert_eq!(sanitize("a\x1b[31mb\u{202e}c\u{7}"), "a\u{fffd}[31mb\u{fffd}c\u{fffd}");
        assert_eq!(sanitize("plain 键\n"), "plain 键\n");
        assert_eq!(one_line("a\nb"), "a b");
    }

    #[test]
    fn what_is_escaped_is_the_same_value() {
        let text = "a\u{9b}31m\u{202e}\u{e0041}键\u{7f}";
        let json = serde_json::to_string_pretty(&[text]).unwrap();
        let escaped = escape(&json);
        assert!(!escaped.contains(harmful), "{escaped}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&escaped).unwrap(), [text]);
    }

    const KEY: &str = "sk-ant-api03-0123456789abcdefghijklmnopqrstuvwxyz";

    #[test]
    fn keys_in_text_are_masked() {
        assert_eq!(
            mask(&format!("echo {KEY}; echo '{KEY}'")),
            "echo sk-ant-api03-…wxyz; echo 'sk-ant-api03-…wxyz'"
        );
        assert_eq!(mask("sk-ant-api03-abcdefgh"), "sk-ant-api03-…");
        for words in
            ["an API key starts with sk-ant-", "an OAuth token (sk-ant-oat…)", "sk-ant-api03-…"]
        {
            assert_eq!(mask(words), words);
        }
        assert_eq!(mask("sk-ant-api03-…wxyz"), "sk-ant-api03-…wxyz");
        assert_eq!(mask("no key"), "no key");
    }

    #[test]
    fn a_url_is_shown_without_its_user() {
        assert_eq!(without_user("https://u:p@h:1/a@b"), "https://h:1/a@b");
        assert_eq!(without_user(r"https:\u:p@h\a@b"), r"https:\h\a@b");
        assert_eq!(without_user("http:u:p@h"), "http:h");
        assert_eq!(without_user("localhost:1/x"), "localhost:1/x");
    }

    #[test]
    #[cfg(unix)]
    fn home_is_shown_as_a_tilde() {
        let home = Some(OsStr::new("/home/u"));
        assert_eq!(display(Path::new("/home/u/.claude.json"), home), "~/.claude.json");
        assert_eq!(display(Path::new("/home/user/x"), home), "/home/user/x");
        assert_eq!(display(Path::new("/x"), None), "/x");
        assert_eq!(display(Path::new("/x\nerror: y"), None), "/x error: y");
    }
}
