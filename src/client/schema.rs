//! As much of the client's schema for settings as was seen to cost a file its effect. A file of the user, project or local
//! layer that breaks it anywhere is ignored whole. Each member here was given a wrong value beside an `env` block, which had no
//! effect then (1.0.128, 2.0.77, 2.1.330, observed 2026-11); the others did no harm, or were not tried. Pure.

use std::collections::BTreeMap;

use super::{Client, Json, Rule};

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Boolean,
    Object,
    Texts,
    TextOrTexts,
    /// A whole number, 0 or more.
    Count,
    OneOf(&'static [&'static str]),
}

use Kind::{Boolean, Count, Object, OneOf, Text, TextOrTexts, Texts};

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
    ("$schema", Text, ALWAYS),
    ("apiKeyHelper", Text, ALWAYS),
    ("awsAuthRefresh", Text, ALWAYS),
    ("awsCredentialExport", Text, ALWAYS),
    ("cleanupPeriodDays", Count, ALWAYS),
    ("disableAllHooks", Boolean, ALWAYS),
    ("disabledMcpjsonServers", Texts, until(1, 299)),
    ("disabledMcpjsonServers", TextOrTexts, since(1, 299)),
    ("enableAllProjectMcpServers", Boolean, ALWAYS),
    ("enabledMcpjsonServers", Texts, until(1, 299)),
    ("enabledMcpjsonServers", TextOrTexts, since(1, 299)),
    ("enabledPlugins", Object, ALWAYS),
    ("env", Object, ALWAYS),
    ("forceLoginOrgUUID", TextOrTexts, ALWAYS),
    ("includeCoAuthoredBy", Boolean, ALWAYS),
    ("model", Text, ALWAYS),
    ("otelHeadersHelper", Text, ALWAYS),
    ("outputStyle", Text, ALWAYS),
    ("permissions", Object, ALWAYS),
    ("sandbox", Object, ALWAYS),
    ("skipWebFetchPreflight", Boolean, ALWAYS),
    ("spinnerTipsEnabled", Boolean, ALWAYS),
    ("statusLine", Object, ALWAYS),
    ("alwaysThinkingEnabled", Boolean, since(0, 0)),
    ("attribution", Object, since(0, 62)),
    ("autoUpdatesChannel", OneOf(&["latest", "stable"]), since(0, 67)),
    ("availableModels", Texts, since(1, 40)),
    ("companyAnnouncements", Texts, since(0, 32)),
    ("fileSuggestion", Object, since(0, 65)),
    ("includeGitInstructions", Boolean, since(1, 64)),
    ("language", Text, since(0, 77)),
    ("plansDirectory", Text, since(1, 9)),
    ("respectGitignore", Boolean, since(1, 0)),
    ("verbose", Boolean, since(1, 119)),
    ("forceLoginMethod", OneOf(&["claudeai", "console"]), until(1, 162)),
    ("extraKnownMarketplaces", Object, (Client::at(2, 0, 9), Client::at(2, 1, 224))),
];

/// What in the settings breaks the client's schema, if anything does.
pub(crate) fn violation(client: Client, members: &BTreeMap<String, Json<'_>>) -> Option<String> {
    let broken = MEMBERS.iter().find_map(|(name, kind, (first, end))| {
        let value = *members.get(*name)?;
        let is_checked = *first <= client && client < *end;
        (is_checked && !fits(value, *kind))
            .then(|| format!("`{name}` is {}, not {}", value.kind(), describe(*kind)))
    });
    broken
        .or_else(|| permissions(client, *members.get("permissions")?))
        .or_else(|| hooks(client, *members.get("hooks")?))
}

fn fits(value: Json<'_>, kind: Kind) -> bool {
    match kind {
        Text => value.is_string(),
        Boolean => matches!(value.literal(), Some("true" | "false")),
        Object => value.is_object(),
        Texts => value.items().is_some_and(|items| items.into_iter().all(Json::is_string)),
        TextOrTexts => value.is_string() || fits(value, Texts),
        Count => value.number().is_some_and(|number| number >= 0.0 && number.fract() == 0.0),
        OneOf(words) => value.string().is_some_and(|text| words.contains(&text.as_str())),
    }
}

fn describe(kind: Kind) -> String {
    match kind {
        Text => "a string".into(),
        Boolean => "true or false".into(),
        Object => "an object".into(),
        Texts => "a list of strings".into(),
        TextOrTexts => "a string or a list of strings".into(),
        Count => "a whole number".into(),
        OneOf(words) => format!("one of {}", words.join(", ")),
    }
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
            fits(value, Texts)
        };
        if !good {
            return Some(format!("`permissions.{name}` is not a list of strings"));
        }
    }
    let mode = permissions.get("defaultMode")?;
    let is_auto = client.has(Rule::AutoIsAMode) && mode.string().as_deref() == Some("auto");
    (!is_auto && !fits(mode, OneOf(MODES)))
        .then(|| "`permissions.defaultMode` names no mode".into())
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
