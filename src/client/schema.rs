//! As much of the client's schema for settings as was seen to cost a file its effect. A file of the user, project or local
//! layer that breaks it anywhere is ignored whole. Each member here was given a wrong value beside an `env` block, which had no
//! effect then (1.0.128, 2.0.77, 2.1.330, observed 2026-11); the others did no harm, or were not tried. Pure.

use std::collections::BTreeMap;

use super::{Client, Json, Rule, options::words};

/// The members, each with what it may be, by version as the lists of `options.txt` are.
const MEMBERS: &str = "
    0.0.0.. $schema=TEXT apiKeyHelper=TEXT awsAuthRefresh=TEXT awsCredentialExport=TEXT
        cleanupPeriodDays=COUNT disableAllHooks=BOOLEAN
    0.0.0..2.1.299 disabledMcpjsonServers=TEXTS
    2.1.299.. disabledMcpjsonServers=TEXT_OR_TEXTS
    0.0.0.. enableAllProjectMcpServers=BOOLEAN
    0.0.0..2.1.299 enabledMcpjsonServers=TEXTS
    2.1.299.. enabledMcpjsonServers=TEXT_OR_TEXTS
    0.0.0.. enabledPlugins=OBJECT env=OBJECT forceLoginOrgUUID=TEXT_OR_TEXTS
        includeCoAuthoredBy=BOOLEAN model=TEXT otelHeadersHelper=TEXT outputStyle=TEXT
        permissions=OBJECT permissions.additionalDirectories=TEXTS
        sandbox=OBJECT skipWebFetchPreflight=BOOLEAN
        spinnerTipsEnabled=BOOLEAN statusLine=OBJECT
    0.0.0..2.1.47 permissions.allow=TEXTS permissions.deny=TEXTS permissions.ask=TEXTS
    2.1.47.. permissions.allow=LIST permissions.deny=LIST permissions.ask=LIST
    0.0.0..2.1.71
        permissions.defaultMode=acceptEdits|bypassPermissions|default|delegate|dontAsk|plan
    2.1.71..
        permissions.defaultMode=acceptEdits|auto|bypassPermissions|default|delegate|dontAsk|plan
    2.0.0.. alwaysThinkingEnabled=BOOLEAN
    2.0.62.. attribution=OBJECT
    2.0.67.. autoUpdatesChannel=latest|stable
    2.1.40.. availableModels=TEXTS
    2.0.32.. companyAnnouncements=TEXTS
    2.0.65.. fileSuggestion=OBJECT
    2.1.64.. includeGitInstructions=BOOLEAN
    2.0.77.. language=TEXT
    2.1.9.. plansDirectory=TEXT
    2.1.0.. respectGitignore=BOOLEAN
    2.1.119.. verbose=BOOLEAN
    0.0.0..2.1.162 forceLoginMethod=claudeai|console
    2.0.9..2.1.224 extraKnownMarketplaces=OBJECT
    0.0.0..2.1.122 hooks=OBJECT";

/// What in the settings breaks the client's schema, if anything does.
pub(crate) fn violation(client: Client, members: &BTreeMap<String, Json<'_>>) -> Option<String> {
    let broken = words(MEMBERS, client).find_map(|member| {
        let (name, kind) = member.split_once('=')?;
        let value = match name.split_once('.') {
            Some((outer, inner)) => members.get(outer)?.get(inner)?,
            None => *members.get(name)?,
        };
        let wanted = unless_fits(kind, value)?;
        Some(format!("`{name}` is {}, not {wanted}", value.kind()))
    });
    broken.or_else(|| hooks(client, *members.get("hooks")?))
}

/// What a member has to be, in words, if the value is not.
fn unless_fits(kind: &str, value: Json<'_>) -> Option<String> {
    let is_count = |number: f64| number >= 0.0 && number.fract() == 0.0;
    let (wanted, fits) = match kind {
        "TEXT" => ("a string", value.is_string()),
        "BOOLEAN" => ("true or false", matches!(value.0, "true" | "false")),
        "OBJECT" => ("an object", value.is_object()),
        "LIST" => ("a list", value.items().is_some()),
        "TEXTS" => ("a list of strings", is_texts(value)),
        "TEXT_OR_TEXTS" => ("a string or a list of strings", value.is_string() || is_texts(value)),
        "COUNT" => ("a whole number", value.number().is_some_and(is_count)),
        _ => {
            let fits = kind.split('|').any(|word| value.string().as_deref() == Some(word));
            return (!fits).then(|| format!("one of {}", kind.replace('|', ", ")));
        }
    };
    (!fits).then(|| wanted.to_owned())
}

fn is_texts(value: Json<'_>) -> bool {
    value.items().is_some_and(|items| items.into_iter().all(Json::is_string))
}

/// The hooks: each is a list; before 2.1.101 an unknown name costs the file too (1.0.128, 2.0.77, 2.1.100, observed 2026-11).
fn hooks(client: Client, hooks: Json<'_>) -> Option<String> {
    const EVENTS: &str = "\
        Notification PermissionRequest PostToolUse PostToolUseFailure PreCompact PreToolUse \
        SessionEnd SessionStart Stop SubagentStart SubagentStop UserPromptSubmit";
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
            (r#"{"permissions": {"deny": [5]}}"#, "2.1.46 no, 2.1.47 yes"),
            (r#"{"permissions": {"additionalDirectories": [5]}}"#, "2.0.77 no, 2.1.331 no"),
            (r#"{"permissions": {"defaultMode": "auto"}}"#, "2.1.70 no, 2.1.71 yes"),
            (r#"{"permissions": {"defaultMode": 5}}"#, "2.0.77 no, 2.1.331 no"),
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
