//! The rules of `docs/claude-code.md` that the recorded truth has no row for, one row a rule. Every row is what the named
//! version was seen to do (observed 2026-11).

use cck::client::Client;
use cck::client::decision::Mode;
use serde_json::{Value, json};

use crate::truth::{Row, disagreement};

const KEY: &str =
    "sk-ant-api03-RULE-0000000000000000000000000000000000000000000000000000000000000000000";

const KEY_DESCRIPTOR: &str = "CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR";

/// A rule's name, the version, what is in force, and the two headers (`-` none, `!` one without a credential).
struct Rule(&'static str, &'static str, Value, [&'static str; 2]);

fn login() -> Value {
    json!({"claudeAiOauth": {"accessToken": "sk-ant-oat01-STORED", "scopes": ["user:inference"]}})
}

/// A state: variables, what else than onboarding is in the config, and files elsewhere.
fn state(env: Value, config: Value, more: Value) -> Value {
    let mut whole = json!({"hasCompletedOnboarding": true});
    whole.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    let mut home = json!({".claude.json": whole});
    if let Some(files) = more["home"].as_object() {
        home.as_object_mut().unwrap().extend(files.clone());
    }
    json!({
        "env": env,
        "home": home,
        "project": if more["project"].is_null() { json!({}) } else { more["project"].clone() },
        "managed": more["managed"],
        "etc": if more["etc"].is_null() { json!({}) } else { more["etc"].clone() },
    })
}

fn rules() -> Vec<Rule> {
    let primary = || json!({"primaryApiKey": KEY});
    let none = || json!({});
    let federation = || {
        json!({
            "ANTHROPIC_FEDERATION_RULE_ID": "r",
            "ANTHROPIC_ORGANIZATION_ID": "o",
            "ANTHROPIC_IDENTITY_TOKEN": "t",
        })
    };
    let with = |mut env: Value, name: &str, value: &str| {
        env[name] = value.into();
        env
    };
    let project = |env: Value| json!({"project": {".claude/settings.json": {"env": env}}, "home": {".claude/.credentials.json": login()}});
    let stored = || json!({"home": {".claude/.credentials.json": login()}});
    let profile = |kind: &str| {
        json!({"home": {
            ".claude/.credentials.json": login(),
            ".config/anthropic/configs/work.json": {"authentication": {"type": kind}},
        }})
    };
    let (v2, v2_0) = ("2.1.330", "2.0.77");
    let (key, token, oauth) =
        ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN");
    let [env_key, env_token, env_oauth, config, credentials] = [
        "env.ANTHROPIC_API_KEY",
        "env.ANTHROPIC_AUTH_TOKEN",
        "env.CLAUDE_CODE_OAUTH_TOKEN",
        "config.primaryApiKey",
        "credentials.claudeAiOauth",
    ];
    let rule_id = "env.ANTHROPIC_FEDERATION_RULE_ID";
    vec![
        Rule(
            "a project cannot set OAUTH",
            v2,
            state(none(), none(), project(json!({oauth: "x"}))),
            ["-", credentials],
        ),
        Rule(
            "a project cannot empty OAUTH",
            v2,
            state(json!({oauth: "x"}), none(), project(json!({oauth: ""}))),
            ["-", env_oauth],
        ),
        Rule(
            "a project cannot switch on SIMPLE",
            v2,
            state(none(), none(), project(json!({"CLAUDE_CODE_SIMPLE": "1"}))),
            ["-", credentials],
        ),
        Rule(
            "a project can set KEY",
            v2,
            state(none(), none(), project(json!({key: KEY}))),
            ["settings.project.env.ANTHROPIC_API_KEY", "-"],
        ),
        Rule(
            "2.0.77 takes OAUTH from its environment only",
            v2_0,
            state(
                none(),
                primary(),
                json!({"home": {".claude/settings.json": {"env": {oauth: "x"}}}}),
            ),
            [config, "-"],
        ),
        Rule(
            "federation replaces a login",
            v2,
            state(federation(), none(), stored()),
            ["-", rule_id],
        ),
        Rule(
            "primaryApiKey goes before federation",
            v2,
            state(federation(), primary(), stored()),
            [config, "-"],
        ),
        Rule(
            "KEY goes before federation",
            v2,
            state(with(federation(), key, KEY), none(), none()),
            [env_key, "-"],
        ),
        Rule(
            "OAUTH goes before federation",
            v2,
            state(with(federation(), oauth, "x"), none(), none()),
            ["-", env_oauth],
        ),
        Rule(
            "without an organization there is no federation",
            v2,
            state(json!({"ANTHROPIC_FEDERATION_RULE_ID": "r"}), none(), stored()),
            ["-", credentials],
        ),
        Rule(
            "without an identity nothing is sent",
            v2,
            state(with(federation(), "ANTHROPIC_IDENTITY_TOKEN", ""), none(), stored()),
            ["-", "-"],
        ),
        Rule(
            "a profile that does not count keeps federation out",
            v2,
            state(with(federation(), "ANTHROPIC_PROFILE", "nope"), none(), stored()),
            ["-", credentials],
        ),
        Rule(
            "a federated token is not replaced by a custom header",
            v2,
            state(
                with(federation(), "ANTHROPIC_CUSTOM_HEADERS", "Authorization: x"),
                none(),
                none(),
            ),
            ["-", rule_id],
        ),
        Rule(
            "nor is the token of a profile",
            v2,
            state(
                json!({"ANTHROPIC_CUSTOM_HEADERS": "Authorization: x"}),
                none(),
                json!({"home": {
                    ".config/anthropic/configs/default.json": {"authentication": {"type": "user_oauth"}},
                    ".config/anthropic/credentials/default.json": {"access_token": "x"},
                }}),
            ),
            ["-", "profile.default"],
        ),
        Rule(
            "2.0.77 knows no federation",
            v2_0,
            state(federation(), none(), stored()),
            ["-", credentials],
        ),
        Rule(
            "an explicit profile goes before a login",
            v2,
            state(json!({"ANTHROPIC_PROFILE": "work"}), none(), profile("oidc_federation")),
            ["-", "env.ANTHROPIC_PROFILE"],
        ),
        Rule(
            "a profile without credentials is as unset",
            v2,
            state(json!({"ANTHROPIC_PROFILE": "work"}), none(), profile("user_oauth")),
            ["-", credentials],
        ),
        Rule(
            "a gateway gets the token alone",
            v2,
            state(json!({"CLAUDE_CODE_USE_GATEWAY": "1", token: "t", key: KEY}), primary(), none()),
            ["-", env_token],
        ),
        Rule(
            "a gateway without a token changes nothing",
            v2,
            state(json!({"CLAUDE_CODE_USE_GATEWAY": "1"}), primary(), none()),
            [config, "-"],
        ),
        Rule(
            "2.0.77 knows no gateway",
            v2_0,
            state(json!({"CLAUDE_CODE_USE_GATEWAY": "1", token: "t"}), primary(), none()),
            [config, env_token],
        ),
        Rule(
            "another provider takes all",
            v2,
            state(json!({"CLAUDE_CODE_USE_MANTLE": "yes", token: "t"}), primary(), none()),
            ["-", "-"],
        ),
        Rule(
            "a gateway goes before another provider",
            v2,
            state(
                json!({"CLAUDE_CODE_USE_GATEWAY": "1", "CLAUDE_CODE_USE_BEDROCK": "1", token: "t"}),
                primary(),
                none(),
            ),
            ["-", env_token],
        ),
        Rule(
            "but not without a token",
            v2,
            state(
                json!({"CLAUDE_CODE_USE_GATEWAY": "1", "CLAUDE_CODE_USE_BEDROCK": "1"}),
                primary(),
                none(),
            ),
            ["-", "-"],
        ),
        Rule(
            "2.0.77 knows no Mantle",
            v2_0,
            state(json!({"CLAUDE_CODE_USE_MANTLE": "yes"}), primary(), none()),
            [config, "-"],
        ),
        Rule(
            "drop-ins are merged by name, the last wins",
            v2,
            state(
                none(),
                none(),
                json!({"etc": {"managed-settings.d/10.json": {"env": {token: "a"}}, "managed-settings.d/9.json": {"env": {token: ""}}}}),
            ),
            ["-", "-"],
        ),
        Rule(
            "a drop-in works alone",
            v2,
            state(
                none(),
                none(),
                json!({"etc": {"managed-settings.d/a.json": {"env": {token: "a"}}}}),
            ),
            ["-", "settings.managed.env.ANTHROPIC_AUTH_TOKEN"],
        ),
        Rule(
            "hidden and upper-case drop-ins are none",
            v2,
            state(
                none(),
                primary(),
                json!({"etc": {"managed-settings.d/.a.json": "{", "managed-settings.d/a.JSON": "{"}}),
            ),
            [config, "-"],
        ),
        Rule(
            "2.0.77 knows no drop-ins",
            v2_0,
            state(
                none(),
                primary(),
                json!({"etc": {"managed-settings.d/a.json": {"env": {token: "a"}}}}),
            ),
            [config, "-"],
        ),
        Rule(
            "a malformed drop-in stops the client",
            v2,
            state(none(), primary(), json!({"etc": {"managed-settings.d/a.json": "{"}})),
            ["-", "-"],
        ),
        Rule(
            "a managed member of a wrong type is dropped alone",
            v2,
            state(none(), none(), json!({"managed": {"apiKeyHelper": 5, "env": {token: "a"}}})),
            ["-", "settings.managed.env.ANTHROPIC_AUTH_TOKEN"],
        ),
        Rule(
            "null in env is the text null",
            v2,
            state(
                none(),
                none(),
                json!({"home": {".claude/settings.json": {"env": {token: null}}}}),
            ),
            ["-", "settings.user.env.ANTHROPIC_AUTH_TOKEN"],
        ),
        Rule(
            "null in the config's env is skipped",
            v2,
            state(json!({token: "t"}), json!({"env": {token: null}}), none()),
            ["-", env_token],
        ),
        Rule(
            "2.0.77 makes text of null in the config's env",
            v2_0,
            state(json!({token: "t"}), json!({"env": {token: null}}), none()),
            ["-", "config.env.ANTHROPIC_AUTH_TOKEN"],
        ),
        Rule(
            "a closed descriptor is as unset",
            v2,
            state(json!({"CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR": "987654"}), primary(), none()),
            [config, "-"],
        ),
        // Standard output is open in every test.
        Rule(
            "an open descriptor gives the key",
            v2,
            state(json!({KEY_DESCRIPTOR: "1"}), primary(), stored()),
            ["env.CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR", "-"],
        ),
        Rule(
            "0.2.109 does not know the descriptor",
            "0.2.109",
            state(json!({KEY_DESCRIPTOR: "1"}), primary(), none()),
            [config, "-"],
        ),
        Rule(
            "a closed descriptor keeps the login out",
            v2,
            state(json!({KEY_DESCRIPTOR: "987654"}), primary(), stored()),
            [config, "-"],
        ),
        Rule(
            "an empty one does not",
            v2,
            state(json!({KEY_DESCRIPTOR: ""}), none(), stored()),
            ["-", "credentials.claudeAiOauth"],
        ),
        Rule(
            "an open descriptor gives the token",
            v2,
            state(json!({"CLAUDE_CODE_OAUTH_TOKEN_FILE_DESCRIPTOR": "1"}), none(), none()),
            ["-", "env.CLAUDE_CODE_OAUTH_TOKEN_FILE_DESCRIPTOR"],
        ),
        Rule(
            "CLAUDE_CODE_SIMPLE takes no key from a descriptor",
            v2,
            state(json!({KEY_DESCRIPTOR: "1", "CLAUDE_CODE_SIMPLE": "1"}), primary(), none()),
            ["-", "-"],
        ),
        Rule(
            "2.0.77 knows no profiles",
            v2_0,
            state(json!({"ANTHROPIC_PROFILE": "work"}), none(), profile("oidc_federation")),
            ["-", "credentials.claudeAiOauth"],
        ),
        Rule(
            "a login with a BOM is as absent",
            v2,
            state(
                none(),
                primary(),
                json!({"home": {".claude/.credentials.json": format!("\u{feff}{}", login())}}),
            ),
            [config, "-"],
        ),
    ]
}

#[test]
fn every_rule() {
    let wrong: Vec<String> = rules()
        .into_iter()
        .filter_map(|Rule(name, version, state, [key, token])| {
            let header = |text: &str| match text {
                "-" => Value::Null,
                "!" => "invalid".into(),
                id => id.into(),
            };
            let row: Row = serde_json::from_value(json!({
                "id": name,
                "state": state,
                "sent": key != "-" || token != "-",
                "x_api_key": header(key),
                "authorization": header(token),
                "approval_dialog": false,
            }))
            .unwrap();
            let client: Client = version.parse().unwrap();
            disagreement(&row, client, Mode::Print).map(|text| format!("{version}: {text}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
