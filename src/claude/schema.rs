//! As much of the client's schema for settings as was seen to cost a file its effect. Pure.
//!
//! A file of the user, project or local layer that breaks the schema anywhere is ignored whole. Each member here was given
//! a wrong value in a settings file beside an `env` block, and the block had no effect (1.0.128, 2.0.77, 2.1.330, observed
//! 2026-11). Members that are not here, and unknown ones, were seen to do no harm or were not tried.

use std::collections::BTreeMap;

use super::Client;
use super::json::Json;

/// What a member has to be.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Boolean,
    Object,
    Texts,
    /// A whole number, 0 or more.
    Count,
    OneOf(&'static [&'static str]),
}

use Kind::{Boolean, Count, Object, OneOf, Text, Texts};

/// The members that every version tried checks.
const ALL: &[(&str, Kind)] = &[
    ("$schema", Text),
    ("apiKeyHelper", Text),
    ("awsAuthRefresh", Text),
    ("awsCredentialExport", Text),
    ("cleanupPeriodDays", Count),
    ("disableAllHooks", Boolean),
    ("enableAllProjectMcpServers", Boolean),
    ("enabledPlugins", Object),
    ("env", Object),
    ("forceLoginOrgUUID", Text),
    ("includeCoAuthoredBy", Boolean),
    ("model", Text),
    ("otelHeadersHelper", Text),
    ("outputStyle", Text),
    ("permissions", Object),
    ("sandbox", Object),
    ("skipWebFetchPreflight", Boolean),
    ("spinnerTipsEnabled", Boolean),
    ("statusLine", Object),
];

/// The members that 2.0.77 checks besides.
const FROM_2_0: &[(&str, Kind)] = &[
    ("alwaysThinkingEnabled", Boolean),
    ("attribution", Object),
    ("autoUpdatesChannel", OneOf(&["latest", "stable"])),
    ("companyAnnouncements", Texts),
    ("fileSuggestion", Object),
    ("language", Text),
];

/// The members that 2.1.330 checks besides.
const FROM_2_1: &[(&str, Kind)] = &[
    ("availableModels", Texts),
    ("disabledMcpjsonServers", Texts),
    ("includeGitInstructions", Boolean),
    ("plansDirectory", Text),
    ("respectGitignore", Boolean),
    ("verbose", Boolean),
];

/// The members whose bad values 2.1.330 drops one by one, and the versions before take for the whole file.
const UNTIL_2_0: &[(&str, Kind)] = &[
    ("disabledMcpjsonServers", Texts),
    ("enabledMcpjsonServers", Texts),
    ("forceLoginMethod", OneOf(&["claudeai", "console"])),
    ("hooks", Object),
];

/// What 2.0.77 alone takes for the whole file.
const ONLY_2_0: &[(&str, Kind)] = &[("extraKnownMarketplaces", Object)];

/// What in the settings breaks the client's schema, if anything does.
pub fn violation(client: Client, members: &BTreeMap<String, Json<'_>>) -> Option<String> {
    let later: [&[(&str, Kind)]; 3] = match client {
        Client::V0_2 | Client::V1 => [UNTIL_2_0, &[], &[]],
        Client::V2_0 => [UNTIL_2_0, FROM_2_0, ONLY_2_0],
        Client::V2 => [FROM_2_1, FROM_2_0, &[]],
    };
    let tables = std::iter::once(ALL).chain(later);
    let broken = tables.flatten().find_map(|(name, kind)| {
        let value = members.get(*name)?;
        (!fits(*value, *kind)).then(|| format!("`{name}` is {}, not {}", value.kind(), describe(*kind)))
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
        Texts => value
            .items()
            .is_some_and(|items| items.into_iter().all(Json::is_string)),
        Count => value
            .number()
            .is_some_and(|number| number >= 0.0 && number.fract() == 0.0),
        OneOf(words) => value.string().is_some_and(|text| words.contains(&text.as_str())),
    }
}

fn describe(kind: Kind) -> String {
    match kind {
        Text => "a string".into(),
        Boolean => "true or false".into(),
        Object => "an object".into(),
        Texts => "a list of strings".into(),
        Count => "a whole number".into(),
        OneOf(words) => format!("one of {}", words.join(", ")),
    }
}

fn permissions(client: Client, permissions: Json<'_>) -> Option<String> {
    const MODES: &[&str] = &[
        "acceptEdits",
        "auto",
        "bypassPermissions",
        "default",
        "delegate",
        "dontAsk",
        "plan",
    ];
    for name in ["allow", "deny", "ask", "additionalDirectories"] {
        let Some(value) = permissions.get(name) else {
            continue;
        };
        // 2.1.330 drops a bad entry only; a list it must be all the same.
        let good = if client >= Client::V2 && name != "additionalDirectories" {
            value.items().is_some()
        } else {
            fits(value, Texts)
        };
        if !good {
            return Some(format!("`permissions.{name}` is not a list of strings"));
        }
    }
    let mode = permissions.get("defaultMode")?;
    (!fits(mode, OneOf(MODES))).then(|| "`permissions.defaultMode` names no mode".into())
}

/// The hooks: each is a list; before 2.1.330 an unknown name costs the file too (1.0.128, 2.0.77, observed 2026-11).
fn hooks(client: Client, hooks: Json<'_>) -> Option<String> {
    const EVENTS: &[&str] = &[
        "Notification",
        "PermissionRequest",
        "PostToolUse",
        "PostToolUseFailure",
        "PreCompact",
        "PreToolUse",
        "SessionEnd",
        "SessionStart",
        "Stop",
        "SubagentStart",
        "SubagentStop",
        "UserPromptSubmit",
    ];
    hooks.members().into_iter().find_map(|(name, event)| {
        let is_known = EVENTS.contains(&name.as_str());
        if !is_known && client < Client::V2 {
            Some(format!("`hooks.{name}` names no event"))
        } else if is_known && event.items().is_none() {
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
        assert_eq!(
            broken.as_deref(),
            Some("`apiKeyHelper` is a number, not a string")
        );
        for (text, v2, v2_0) in [
            (r#"{"env": null}"#, true, true),
            (r#"{"env": {"A": null}}"#, false, false),
            (r#"{"permissions": {"allow": 5}}"#, true, true),
            (r#"{"permissions": {"deny": [5]}}"#, false, true),
            (r#"{"cleanupPeriodDays": 1.5}"#, true, true),
            (r#"{"hooks": 5}"#, false, true),
            (r#"{"hooks": {"PreToolUse": 5}}"#, true, true),
            (r#"{"verbose": 5}"#, true, false),
            (r#"{"somethingNew": 5}"#, false, false),
        ] {
            assert_eq!(check(Client::V2, text).is_some(), v2, "2.1: {text}");
            assert_eq!(check(Client::V2_0, text).is_some(), v2_0, "2.0: {text}");
        }
    }
}
