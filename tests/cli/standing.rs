//! What the report says of credentials and dialogs, in states that differ between the modes or the two headers.

use serde_json::{Value, json};

use crate::sandbox::{KEY, Sandbox};

/// The report in this sandbox, and why the candidate `id` is used or not.
fn standing(sandbox: &Sandbox, vars: &[(&str, &str)], id: &str) -> (Value, String) {
    let mut cck = sandbox.cck(&["verify", "--json"]);
    for (name, value) in vars {
        cck = cck.env(name, value);
    }
    let report = cck.run().json();
    let candidates = report["candidates"].as_array().unwrap();
    let found = candidates.iter().find(|candidate| candidate["id"] == id);
    let because = found.unwrap_or_else(|| panic!("{id}: {report}"))["because"].as_str();
    let because = because.unwrap().to_owned();
    (report, because)
}

#[test]
fn a_shadowed_helper_is_told_what_comes_first_in_each_header() {
    let sandbox = Sandbox::new();
    sandbox.lay(".claude.json", json!({"hasCompletedOnboarding": true}).to_string());
    sandbox.lay(".claude/settings.json", r#"{"apiKeyHelper": "echo a"}"#);
    let vars = [("ANTHROPIC_API_KEY", KEY), ("ANTHROPIC_AUTH_TOKEN", "t")];
    let (_, because) = standing(&sandbox, &vars, "settings.user.apiKeyHelper");
    let words = "print: env.ANTHROPIC_API_KEY comes first as x-api-key, env.ANTHROPIC_AUTH_TOKEN as authorization;";
    assert!(because.starts_with(words), "{because}");
}

#[test]
fn dialogs_are_those_of_the_interactive_client_alone() {
    let sandbox = Sandbox::new();
    let dialogs = || {
        let (report, _) = standing(&sandbox, &[], "config.primaryApiKey");
        ["print", "interactive"].map(|mode| report["modes"][mode]["dialogs"].clone())
    };
    sandbox.lay(".claude.json", r#"{"hasCompletedOnboarding": true}"#);
    assert_eq!(dialogs(), [json!([]), json!(["login"])]);
    let config = json!({"hasCompletedOnboarding": true, "primaryApiKey": KEY});
    sandbox.lay(".claude.json", config.to_string());
    assert_eq!(dialogs(), [json!([]), json!([])]);
    sandbox.lay(".claude/settings.json", "{");
    assert_eq!(dialogs(), [json!([]), json!(["invalid_settings"])]);
}
