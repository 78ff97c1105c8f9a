//! What is given in place of a key, named as what it is. Pure.

use crate::error::Failure;

/// What only an Anthropic API key starts with, and how long it is at least.
const PREFIX: &str = "sk-ant-";
const SHORTEST: usize = 40;

const COPY: &str = "copy the key again, without the text around it";

pub(crate) fn is_usual(key: &str) -> bool {
    key.starts_with(PREFIX)
        && key.rfind(PREFIX) == Some(0)
        && key.len() >= SHORTEST
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Whether a text of a key's shape is one of a manual: `sk-ant-api03-xxxx…`, `sk-ant-api03-your-key-here-…`.
fn is_placeholder(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    let body = lower.splitn(4, '-').nth(3).unwrap_or_default();
    (body.contains('x') && !body.contains(|c| !"x-_".contains(c)))
        || ["your-key", "your_key", "your-api", "your_api"].iter().any(|word| body.contains(word))
}

/// Whether the text has a whole key in it, and not just the prefix that all keys have.
pub(crate) fn holds_key(text: &str) -> bool {
    text.match_indices(PREFIX).any(|(at, prefix)| {
        let rest = &text[at + prefix.len()..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
        end.unwrap_or(rest.len()) >= 16
    })
}

fn found(problem: impl Into<String>, advice: &str) -> Option<Failure> {
    Some(Failure { problem: problem.into(), advice: advice.to_owned() })
}

/// What is given in place of a key, which is not one. Neither line holds the text itself.
pub(crate) fn mistake(text: &str) -> Option<Failure> {
    const ALONE: &str = "give the key alone, on one line: it starts with sk-ant-";
    const SOURCE: &str = "check the source: it must give the key alone, which starts with sk-ant-";
    const PLACEHOLDERS: [&str; 8] =
        ["your", "placeholder", "change", "insert", "example", "api-key", "api_key", "<"];
    if is_usual(text) && !is_placeholder(text) {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let starts = |words: &[&str]| words.iter().any(|word| lower.starts_with(word));
    let problem = if starts(&["'", "\"", "`", "“", "‘", "«"]) {
        return found("the key is in quotes", "give the key without the quotes around it");
    } else if starts(&["{", "["]) && !lower.starts_with("{{") {
        return found("this is JSON, not a key", "print the key's field alone: jq -er .key");
    } else if starts(&["<!doctype", "<html", "<?xml"]) {
        "this is a web page, not a key"
    } else if is_assignment(text) {
        return found("this is an assignment (NAME=key)", "give only what follows the =");
    } else if starts(&["x-api-key", "authorization", "bearer "]) {
        return found("this is a header, not the key alone", ALONE);
    } else if ["null", "undefined", "none", "nil", "nan", "true", "false"].contains(&&*lower) {
        return found(format!("the key is the word {lower}: its source has no such value"), SOURCE);
    } else if starts(&["op://", "vault:", "arn:", "ref+", "secretref:", "!vault"]) || has(&["://"])
    {
        return found(
            "this is a reference to a secret (such as op://…), not the key",
            "have it looked up: --key-command 'op read …', or the command of your secret store",
        );
    } else if starts(&["$"])
        || has(&["${", "{{", "$("])
        || (text.len() > 2 && text.starts_with('%') && text.ends_with('%'))
    {
        return found(
            "this is the name of a variable that was not replaced with its value",
            "let the shell replace it, or name it: --key-env VAR",
        );
    } else if has(&["***", "•", "xxxx", "…", "..."]) || lower.chars().all(|c| c == '*') {
        "the key is masked: part of it is hidden (as ***) or left out (as ...)"
    } else if starts(&["sk-proj-", "sk-svcacct-", "sk-or-", "sk-none-"]) {
        "this is a key of another provider, not of Anthropic"
    } else if starts(&["sk-ant-"]) && lower.ends_with([',', ';', '"', '\'', ':', '.', ')']) {
        let last = text.chars().next_back().unwrap_or_default();
        return found(format!("the key ends with `{last}`, which is not part of it"), ALONE);
    } else if has(&PLACEHOLDERS) && !text.contains(char::is_whitespace) {
        "this is a placeholder, not a key"
    } else if let Some(stray) = stray(text) {
        return Some(stray);
    } else if text.starts_with(PREFIX) && text.matches(PREFIX).count() > 1 {
        // The prompt shows nothing, so people paste again.
        return found("the key is there twice, without a break", "give it once");
    } else {
        return None;
    };
    found(problem, SOURCE)
}

/// Why what holds no mistake may still not be one of Anthropic's keys. It can be a gateway's own, or a short one.
pub(crate) fn doubt(text: &str) -> Option<Failure> {
    let is_odd = |c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_';
    if !text.starts_with(PREFIX) {
        found(
            "this is not an Anthropic API key: they start with sk-ant-",
            "check the source; --any-shape takes it anyway, as the key of a gateway",
        )
    } else if let Some(at) = text.chars().position(is_odd) {
        let problem = format!("the key has a character that no key has, at position {}", at + 1);
        found(problem, COPY)
    } else if text.len() < SHORTEST {
        let problem = format!("the key is too short ({} characters)", text.len());
        found(problem, "copy the whole key again")
    } else {
        None
    }
}

/// What no key has, not even a gateway's.
pub(crate) fn stray(text: &str) -> Option<Failure> {
    if text.contains(['\n', '\r']) {
        return found("the key has more than one line", "give the key alone, on one line");
    }
    let at = text.chars().position(|c| !c.is_ascii_graphic())? + 1;
    let problem = format!("the key has a blank, control or non-ASCII character at position {at}");
    found(problem, COPY)
}

/// `NAME=…`, `export NAME=…`, `set NAME=…`, `$env:NAME=…`, `NAME: …`.
fn is_assignment(text: &str) -> bool {
    let text = ["export ", "set ", "setx ", "$env:", "$Env:", "- "]
        .iter()
        .find_map(|word| text.strip_prefix(word))
        .unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let rest = rest.trim_start();
    !name.is_empty() && (rest.starts_with('=') || (rest.starts_with(": ") && name.contains("KEY")))
}

/// Tokens that look like a key and belong elsewhere: how they start, what they are, and what to do.
const MISPLACED: [(&str, &str, &str); 4] = [
    ("sk-ant-oat", "an OAuth token", "export it as CLAUDE_CODE_OAUTH_TOKEN instead"),
    ("sk-ant-ort", "an OAuth refresh token", "use an API key (sk-ant-api…)"),
    ("sk-ant-sid", "a session key of claude.ai", "make an API key (sk-ant-api…) in the Console"),
    (
        "sk-ant-admin",
        "an Admin API key",
        "export it as ANTHROPIC_ADMIN_KEY for cck rotate --retire-old",
    ),
];

pub(crate) fn misplaced(key: &str) -> Option<Failure> {
    let (start, what, advice) = MISPLACED.iter().find(|(start, ..)| key.starts_with(start))?;
    found(format!("this is {what} ({start}…), not an API key"), advice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::ApiKey;

    const KEY: &str = "sk-ant-api03-0123456789abcdefghijklmnopqrstuvwxyz";

    #[test]
    fn each_mistake_is_named_as_what_it_is() {
        let rows = [
            (format!("\"{KEY}\""), "quotes"),
            (format!("'{KEY}'"), "quotes"),
            (format!("“{KEY}”"), "quotes"),
            ("{\n \"errors\": [\"denied\"]\n}".into(), "JSON"),
            ("[]".into(), "JSON"),
            ("<!DOCTYPE html><p>503".into(), "web page"),
            (format!("ANTHROPIC_API_KEY={KEY}"), "assignment"),
            (format!("export ANTHROPIC_API_KEY='{KEY}'"), "assignment"),
            (format!("ANTHROPIC_API_KEY = {KEY}"), "assignment"),
            (format!("$env:ANTHROPIC_API_KEY=\"{KEY}\""), "assignment"),
            (format!("set ANTHROPIC_API_KEY={KEY}"), "assignment"),
            (format!("ANTHROPIC_API_KEY: {KEY}"), "assignment"),
            (format!("x-api-key: {KEY}"), "header"),
            (format!("Bearer {KEY}"), "header"),
            ("null".into(), "the word null"),
            ("undefined".into(), "the word undefined"),
            ("None".into(), "the word none"),
            ("op://Private/Anthropic/credential".into(), "reference"),
            ("vault:secret/data/claude#key".into(), "reference"),
            ("arn:aws:secretsmanager:eu-west-1:1:secret:x".into(), "reference"),
            ("${ANTHROPIC_API_KEY}".into(), "not replaced"),
            ("$ANTHROPIC_API_KEY".into(), "not replaced"),
            ("{{ .Values.key }}".into(), "not replaced"),
            ("%ANTHROPIC_API_KEY%".into(), "not replaced"),
            ("***".into(), "masked"),
            (format!("sk-ant-api03-{}", "X".repeat(50)), "masked"),
            (format!("sk-ant-api03-your-key-here-{}", "0".repeat(50)), "placeholder"),
            ("sk-ant-api03-****************AAAA".into(), "masked"),
            ("sk-ant-...".into(), "masked"),
            ("sk-ant-api03-…wxyz".into(), "masked"),
            ("sk-ant-xxxxxxxx".into(), "masked"),
            ("your-api-key-here".into(), "placeholder"),
            ("<key>".into(), "placeholder"),
            ("sk-proj-0123456789abcdefghijklmnopqrstuvwxyzabcdefgh".into(), "another provider"),
            (format!("{KEY},"), "ends with `,`"),
            (format!("{KEY};"), "ends with `;`"),
            ("abc".into(), "start with sk-ant-"),
            ("another-shape".into(), "start with sk-ant-"),
            ("sk-ant-api03-short".into(), "too short (18 characters)"),
            (format!("{KEY}/x"), "at position 50"),
            (format!("{KEY}\n{KEY}"), "more than one line"),
            (format!("{KEY}{KEY}"), "there twice"),
            (format!("sk-ant-api03-{KEY}"), "there twice"),
            ("sk-ant-é".into(), "position 8"),
        ];
        for (text, word) in rows {
            let error = ApiKey::checked(&text, false).unwrap_err();
            let Failure { problem, advice } = error.downcast().unwrap();
            assert!(problem.contains(word), "{text:?}: {problem}");
            assert!(!format!("{problem} {advice}").contains("0123456789"), "{problem} {advice}");
        }
        for text in [KEY, &format!(" {KEY}\n")] {
            assert!(ApiKey::checked(text, false).is_ok());
        }
    }

    #[test]
    fn a_key_in_a_text_is_found_and_a_prefix_is_not() {
        assert!(holds_key("echo sk-ant-api03-0123456789abcdef"));
        assert!(!holds_key("pass show sk-ant-prod"));
    }
}
