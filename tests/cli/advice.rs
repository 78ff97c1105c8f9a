//! What `cck verify` finds to mend: one row a problem's code, with a state that has it and a piece of the remedy.
//! The codes of files that are open, in git or in the wrong hands have their tests in `verify`.

use serde_json::Value;

use crate::leaks::assert_keeps_keys;
use crate::sandbox::{KEY, OTHER, Sandbox};

/// A code, whether it is an error, what the config holds, variables, another file below HOME, and a piece of the fix.
/// `KEY` stands for a key, `OTHER` for another.
struct Row<'a>(&'a str, bool, &'a str, &'a [(&'a str, &'a str)], [&'a str; 2], &'a str);

const LOGIN: &str = ".claude/.credentials.json";
const SETTINGS: &str = ".claude/settings.json";
const API_KEY: &str = "ANTHROPIC_API_KEY";
const TOKEN: &str = "ANTHROPIC_AUTH_TOKEN";

#[test]
fn every_code_has_its_state_and_its_remedy() {
    let key = r#""primaryApiKey": "KEY""#;
    let none = ["", ""];
    let rejected =
        r#""customApiKeyResponses": {"approved": [], "rejected": ["LLLLmmmmNNNN-ooooPPPPwxyz"]}"#;
    let rejected = rejected.replace("LLLLmmmmNNNN-ooooPPPPwxyz", &KEY[KEY.len() - 20..]);
    let rows = [
        Row("key-not-set", true, "", &[], none, "cck set-key"),
        Row("no-credential", true, "", &[], none, "cck set-key"),
        Row(
            "key-ignored",
            true,
            key,
            &[("CLAUDE_CODE_SIMPLE", "1")],
            none,
            "cck verify --expect config.primaryApiKey",
        ),
        Row("key-shadowed", true, key, &[(API_KEY, "OTHER")], none, "unset ANTHROPIC_API_KEY"),
        Row("key-sent-to-gateway", true, key, &[(TOKEN, "tok")], none, "cck unset-key"),
        Row(
            "two-credentials",
            false,
            "",
            &[(API_KEY, "KEY"), (TOKEN, "tok")],
            none,
            "unset ANTHROPIC_AUTH_TOKEN",
        ),
        Row("env-key-not-approved", false, "", &[(API_KEY, "KEY")], none, "cck approve"),
        Row("env-key-rejected", false, &rejected, &[(API_KEY, "KEY")], none, "cck approve"),
        Row(
            "onboarding-incomplete",
            false,
            r#""hasCompletedOnboarding": false"#,
            &[],
            none,
            "cck set-key",
        ),
        Row(
            "other-provider",
            false,
            key,
            &[("CLAUDE_CODE_USE_BEDROCK", "1")],
            none,
            "CLAUDE_CODE_USE_BEDROCK",
        ),
        Row(
            "custom-headers",
            false,
            key,
            &[("ANTHROPIC_CUSTOM_HEADERS", "x-api-key: OTHER")],
            none,
            "ANTHROPIC_CUSTOM_HEADERS",
        ),
        Row(
            "helper-failed",
            true,
            "",
            &[],
            [SETTINGS, r#"{"apiKeyHelper": "exit 3"}"#],
            "exit with 0",
        ),
        Row(
            "login-expired",
            false,
            "",
            &[],
            [
                LOGIN,
                r#"{"claudeAiOauth": {"accessToken": "tok", "expiresAt": 1, "scopes": ["user:inference"]}}"#,
            ],
            "/login",
        ),
        Row("login-unusable", false, key, &[], [LOGIN, "{"], "/login"),
        Row(
            "odd-key-shape",
            true,
            r#""primaryApiKey": "sk-ant-oat01-x""#,
            &[],
            none,
            "CLAUDE_CODE_OAUTH_TOKEN",
        ),
        Row("settings-malformed", true, key, &[], [SETTINGS, "{"], "settings.json"),
        Row("legacy-config", false, key, &[], [".claude/.config.json", "{}"], "diff"),
        Row(
            "config-dir-tilde",
            true,
            key,
            &[("CLAUDE_CONFIG_DIR", "~/x")],
            none,
            "CLAUDE_CONFIG_DIR",
        ),
    ];
    let mut wrong = Vec::new();
    for Row(code, is_error, config, variables, [path, text], fix) in rows {
        let fill = |text: &str| text.replace("KEY", KEY).replace("OTHER", OTHER);
        let sandbox = Sandbox::new();
        let comma = if config.is_empty() { "" } else { ", " };
        sandbox.lay(
            ".claude.json",
            format!(r#"{{"hasCompletedOnboarding": true{comma}{}}}"#, fill(config)),
        );
        if !path.is_empty() {
            sandbox.lay(path, text);
        }
        // The key of the config is what is looked for, but where another source is all there is.
        let expect = if config.contains("primaryApiKey") || code == "key-not-set" {
            "config.primaryApiKey"
        } else {
            "any"
        };
        let mut cck = sandbox.cck(&["verify", "--json", "--run-helper", "--expect", expect]);
        for (name, value) in variables {
            cck = cck.env(name, fill(value));
        }
        let ran = cck.run();
        assert_keeps_keys(&ran.stdout, "stdout");
        let report: Value = serde_json::from_str(&ran.stdout)
            .unwrap_or_else(|error| panic!("{code}: {error}: {ran:?}"));
        let problems = report["problems"].as_array().unwrap();
        let severity = if is_error { "error" } else { "warning" };
        let is_it = |problem: &&Value| {
            problem["code"] == code
                && problem["severity"] == severity
                && problem["fix"].as_str().unwrap().contains(fix)
        };
        if !problems.iter().any(|problem| is_it(&problem)) {
            wrong.push(format!("{code}: {:#}", report["problems"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
