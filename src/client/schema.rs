//! As much of the client's schema for settings as was seen to cost a file its effect. A file of the user, project or local
//! layer that breaks it anywhere is ignored whole. Each member here was given a wrong value beside an `env` block, which had no
//! effect then (1.0.128, 2.0.77, 2.1.330, observed 2026-11); the others did no harm, or were not tried. Pure.

use std::collections::BTreeMap;

use super::{Client, Json, Rule};

/// What a member may be: in words, and as a test.
type Kind = (&'static str, fn(Json<'_>) -> bool);

const TEXT: Kind = ("a string", |value| value.is_string());
const BOOLEAN: Kind = ("true or false", |value| matches!(value.0, "true" | "false"));
const OBJECT: Kind = ("an object", |value| value.is_object());
const TEXTS: Kind = ("a list of strings", is_texts);
const TEXT_OR_TEXTS: Kind =
    ("a string or a list of strings", |value| value.is_string() || is_texts(value));
const COUNT: Kind = ("a whole number", |value| {
    value.number().is_some_and(|number| number >= 0.0 && number.fract() == 0.0)
});
const CHANNEL: Kind = ("one of latest, stable", |value| is_one_of(value, &["latest", "stable"]));
const METHOD: Kind =
    ("one of claudeai, console", |value| is_one_of(value, &["claudeai", "console"]));

/// The first version of the client that checks a member, and the first that does not.
type Versions = (Client, Client);

const NEVER: Client = Client::at(u32::MAX, 0, 0);

const ALWAYS: Versions = (Client::at(0, 0, 0), NEVER);

const fn since(minor: u32, patch: u32) -> Versions {
    (Client::at(2, minor, patch), NEVER)
}

const fn until(minor: u32, patch: u32) -> Versions {
    (Client::at(0, 0, 0), Client::at(2, minor, patch))
}

const MEMBERS: &[(&str, Kind, Versions)] = &[
    ("$schema", TEXT, ALWAYS),
    ("apiKeyHelper", TEXT, ALWAYS),
    ("awsAuthRefresh", TEXT, ALWAYS),
    ("awsCredentialExport", TEXT, ALWAYS),
    ("cleanupPeriodDays", COUNT, ALWAYS),
    ("disableAllHooks", BOOLEAN, ALWAYS),
    ("disabledMcpjsonServers", TEXTS, until(1, 299)),
    ("disabledMcpjsonServers", TEXT_OR_TEXTS, since(1, 299)),
    ("enableAllProjectMcpServers", BOOLEAN, ALWAYS),
    ("enabledMcpjsonServers", TEXTS, until(1, 299)),
    ("enabledMcpjsonServers", TEXT_OR_TEXTS, since(1, 299)),
    ("enabledPlugins", OBJECT, ALWAYS),
    ("env", OBJECT, ALWAYS),
    ("forceLoginOrgUUID", TEXT_OR_TEXTS, ALWAYS),
    ("includeCoAuthoredBy", BOOLEAN, ALWAYS),
    ("model", TEXT, ALWAYS),
    ("otelHeadersHelper", TEXT, ALWAYS),
    ("outputStyle", TEXT, ALWAYS),
    ("permissions", OBJECT, ALWAYS),
    ("sandbox", OBJECT, ALWAYS),
    ("skipWebFetchPreflight", BOOLEAN, ALWAYS),
    ("spinnerTipsEnabled", BOOLEAN, ALWAYS),
    ("statusLine", OBJECT, ALWAYS),
    ("alwaysThinkingEnabled", BOOLEAN, since(0, 0)),
    ("attribution", OBJECT, since(0, 62)),
    ("autoUpdatesChannel", CHANNEL, since(0, 67)),
    ("availableModels", TEXTS, since(1, 40)),
    ("companyAnnouncements", TEXTS, since(0, 32)),
    ("fileSuggestion", OBJECT, since(0, 65)),
    ("includeGitInstructions", BOOLEAN, since(1, 64)),
    ("language", TEXT, since(0, 77)),
    ("plansDirectory", TEXT, since(1, 9)),
    ("respectGitignore", BOOLEAN, since(1, 0)),
    ("verbose", BOOLEAN, since(1, 119)),
    ("forceLoginMethod", METHOD, until(1, 162)),
    ("extraKnownMarketplaces", OBJECT, (Client::at(2, 0, 9), Client::at(2, 1, 224))),
];

/// What in the settings breaks the client's schema, if anything does.
pub(crate) fn violation(client: Client, members: &BTreeMap<String, Json<'_>>) -> Option<String> {
    let broken = MEMBERS.iter().find_map(|(name, (words, fits), (first, end))| {
        let value = *members.get(*name)?;
        let is_checked = *first <= client && client < *end;
        (is_checked && !fits(value)).then(|| format!("`{name}` is {}, not {words}", value.kind()))
    });
    broken
        .or_else(|| permissions(client, *members.get("permissions")?))
        .or_else(|| hooks(client, *members.get("hooks")?))
}

fn is_texts(value: Json<'_>) -> bool {
    value.items().is_some_and(|items| items.into_iter().all(Json::is_string))
}

fn is_one_of(value: Json<'_>, words: &[&str]) -> bool {
    value.string().is_some_and(|text| words.contains(&text.as_str()))
}

fn permissions(client: Client, permissions: Json<'_>) -> Option<String> {
    const MODES: &[&str] =
        &["acceptEdits", "bypassPermissions", "default", "delegate", "dontAsk", "plan"];
    for name in ["allow", "deny", "ask", "additionalDirectories"] {
        let Some(value) = permissions.get(name) else { continue };
        // 2.1.330 drops a bad entry only; it must be a list anyway.
        let good = if client.has(Rule::BadPermissionsAreDropped) && name != "additionalDirectories"
        {
            value.items().is_some()
        } else {
            is_texts(value)
        };
        if !good {
            return Some(format!("`permissions.{name}` is not a list of strings"));
        }
    }
    let mode = permissions.get("defaultMode")?;
    let is_auto = client.has(Rule::AutoIsAMode) && is_one_of(mode, &["auto"]);
    (!is_auto && !is_one_of(mode, MODES)).then(|| "`permissions.defaultMode` names no mode".into())
}

/// The hooks: each is a list; before 2.1.101 an unknown name costs the file too (1.0.128, 2.0.77, 2.1.100, observed 2026-11).
fn hooks(client: Client, hooks: Json<'_>) -> Option<String> {
    const EVENTS: &str = "\
        Notification PermissionRequest PostToolUse PostToolUseFailure PreCompact PreToolUse \
        SessionEnd SessionStart Stop SubagentStart SubagentStop UserPromptSubmit";
    if !hooks.is_object() && !client.has(Rule::HooksMayBeAnything) {
        return Some(format!("`hooks` is {}, not an object", hooks.kind()));
    }
    hooks.members().into_iter().find_map(|(name, event)| {
        let is_known = EVENTS.split(' ').any(|event| event == name);
        if !is_known && !client.has(Rule::UnknownHooksAreDropped) {
            Some(format!("`hooks.{name}` names no event"))
        } else if is_known && !client.has(Rule::HookMayBeAnything) && event.items().is_none() {
            Some(format!("`hooks.{name}` is not a list"))
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(client: Client, text: &str) -> Option<String> {
        violation(client, &Json::object(text).unwrap().unwrap())
    }

    #[test]
    fn a_member_of_a_wrong_type_is_named() {
        let broken = check(Client::V2, r#"{"env": {}, "apiKeyHelper": 5}"#);
        assert_eq!(broken.as_deref(), Some("`apiKeyHelper` is a number, not a string"));
        // Each is taken or not by the last version before a change and by the first after it.
        for (text, versions) in [
            (r#"{"env": null}"#, "2.0.0 no, 2.0.77 no, 2.1.331 no"),
            (r#"{"env": {"A": null}}"#, "2.0.77 yes, 2.1.331 yes"),
            (r#"{"permissions": {"allow": 5}}"#, "2.0.77 no, 2.1.331 no"),
            (r#"{"permissions": {"deny": [5]}}"#, "2.0.77 no, 2.1.331 yes"),
            (r#"{"cleanupPeriodDays": 1.5}"#, "2.0.77 no, 2.1.331 no"),
            (r#"{"hooks": 5}"#, "2.0.77 no, 2.1.121 no, 2.1.122 yes"),
            (r#"{"hooks": {"PreToolUse": 5}}"#, "2.0.77 no, 2.1.331 no"),
            (r#"{"verbose": 5}"#, "2.1.118 yes, 2.1.119 no"),
            (r#"{"availableModels": 5}"#, "2.1.39 yes, 2.1.40 no"),
            (r#"{"plansDirectory": 5}"#, "2.1.8 yes, 2.1.9 no"),
            (r#"{"includeGitInstructions": 5}"#, "2.1.63 yes, 2.1.64 no"),
            (r#"{"respectGitignore": 5}"#, "2.0.77 yes, 2.1.0 no"),
            (r#"{"forceLoginMethod": "x"}"#, "2.1.161 no, 2.1.162 yes"),
            (r#"{"somethingNew": 5}"#, "2.0.77 yes, 2.1.331 yes"),
        ] {
            for version in versions.split(", ") {
                let (version, taken) = version.split_once(' ').unwrap();
                let broken = check(version.parse().unwrap(), text);
                assert_eq!(broken.is_none(), taken == "yes", "{version}: {text}");
            }
        }
    }
}
