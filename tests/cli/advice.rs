//! What `cck verify` finds to fix: a row for each problem's code, with a state that has it and a piece of the fix.
//! The codes of files that are open, in git or owned by others have their tests in `verify`.

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

/// A state that has a problem: the code, the config, variables, a file below HOME, and whether the key in the config must
/// be there afterwards.
type State<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], [&'a str; 2], bool);

/// The commands in a fix: the fix itself, or each of the two that exclude each other.
fn commands(fix: &str) -> Vec<String> {
    const PROGRAMS: [&str; 10] =
        ["diff ", "cck ", "unset ", "export ", "chmod ", "mv ", "git ", "echo ", "mkdir ", "rm "];
    let fix = fix.rsplit(": ").next().unwrap_or(fix);
    let parts = match fix.strip_prefix("either ").and_then(|both| both.split_once(", or ")) {
        Some((one, other)) => vec![one, other],
        None => vec![fix],
    };
    let is_command = |part: &&str| PROGRAMS.iter().any(|program| part.starts_with(program));
    parts.into_iter().filter(is_command).map(str::to_owned).collect()
}

/// The commands of the report's fixes that the text for people has on more than one line.
fn split_commands(report: &str, text: &str) -> Vec<String> {
    let report: Value = serde_json::from_str(report).unwrap();
    let joined = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut split = Vec::new();
    for problem in report["problems"].as_array().unwrap() {
        for command in commands(problem["fix"].as_str().unwrap()) {
            let is_printed = joined(text).contains(&joined(&command));
            if is_printed && !text.lines().any(|line| line.contains(&command)) {
                split.push(format!("`{command}` is split in:\n{text}"));
            }
        }
    }
    split
}

/// Runs each fix exactly as printed, in the state that produced it: the problem is gone, and the key that cck wrote is there.
#[test]
fn a_fix_that_is_pasted_fixes_it() {
    let key = r#""primaryApiKey": "KEY""#;
    let login = r#"{"claudeAiOauth": {"accessToken": "sk-ant-oat01-LOGIN", "scopes": ["user:inference"], "expiresAt": 9999999999999}}"#;
    let own = r#"{"apiKeyHelper": "cck get-key --key-file key"}"#;
    let gateway = r#"{"enterpriseGateway": {"url": "https://g.example", "jwt": "tok-JWT", "expiresAt": 9999999999999}, "gatewayTrust": {"g.example": "5da97cbd5d226383f44fe7c9bda67aae421330469162e20196e2fb8ed6cb05bc"}}"#;
    let none = ["", ""];
    let env = "ANTHROPIC_API_KEY";
    let rejected =
        format!(r#""customApiKeyResponses": {{"rejected": ["{}"]}}"#, &KEY[KEY.len() - 20..]);
    let states: [State<'_>; 28] = [
        ("gateway-login", key, &[], [LOGIN, gateway], true),
        ("key-shadowed", key, &[], [LOGIN, login], true),
        ("key-shadowed", key, &[(env, "OTHER")], none, true),
        ("key-shadowed", key, &[], [SETTINGS, own], true),
        ("key-not-set", "", &[], none, true),
        ("no-credential", "", &[], none, true),
        ("key-sent-to-gateway", key, &[(TOKEN, "tok")], none, false),
        ("two-credentials", "", &[(env, "KEY"), (TOKEN, "tok")], none, false),
        ("env-key-not-approved", "", &[(env, "KEY")], none, false),
        ("env-key-rejected", &rejected, &[(env, "KEY")], none, false),
        ("onboarding-incomplete", r#""hasCompletedOnboarding": false"#, &[], none, true),
        ("other-provider", key, &[("CLAUDE_CODE_USE_BEDROCK", "1")], none, true),
        ("custom-headers", key, &[("ANTHROPIC_CUSTOM_HEADERS", "x-api-key: OTHER")], none, true),
        ("odd-key-shape", r#""primaryApiKey": "null""#, &[], none, true),
        ("odd-key-shape", "", &[(env, "sk-ant-oat01-0123456789abcdefghij")], none, false),
        ("key-as-token", "", &[(TOKEN, "KEY")], none, false),
        ("bearer-twice", "", &[(TOKEN, "Bearer tok")], none, false),
        ("odd-oauth-token", "", &[("CLAUDE_CODE_OAUTH_TOKEN", "KEY")], none, false),
        ("misplaced-key", "", &[("ANTRHOPIC_API_KEY", "KEY")], none, false),
        ("base-url-unusable", key, &[("ANTHROPIC_BASE_URL", "gateway")], none, true),
        ("unencrypted", key, &[("ANTHROPIC_BASE_URL", "http://g.example")], none, true),
        ("settings-malformed", key, &[], [SETTINGS, "{"], true),
        ("legacy-config", key, &[], [".claude/.config.json", "{}"], false),
        ("config-dir-empty", key, &[("CLAUDE_CONFIG_DIR", "")], none, true),
        ("config-dir-relative", key, &[("CLAUDE_CONFIG_DIR", "x")], none, true),
        ("config-dir-tilde", key, &[("CLAUDE_CONFIG_DIR", "~/x y")], none, true),
        // cck writes no key into the working directory.
        ("no-credential", "", &[("CLAUDE_CONFIG_DIR", "x")], none, true),
        ("key-not-set", "", &[("CLAUDE_CONFIG_DIR", "")], ["../project/.config.json", "{}"], true),
    ];
    let mut wrong = Vec::new();
    let mut count = 0;
    for (code, config, variables, [path, text], keeps) in states {
        let fill = |text: &str| text.replace("KEY", KEY).replace("OTHER", OTHER);
        let lay = || {
            let sandbox = Sandbox::new();
            let onboarded = if config.contains("hasCompletedOnboarding") {
                ""
            } else {
                r#""hasCompletedOnboarding": true, "lastOnboardingVersion": "2.1.332""#
            };
            let parts: Vec<&str> =
                [onboarded, config].into_iter().filter(|part| !part.is_empty()).collect();
            let config = if config.starts_with(r#""custom"#) {
                format!("{{{onboarded}, {config}}}")
            } else {
                format!("{{{}}}", fill(&parts.join(", ")))
            };
            sandbox.lay(".claude.json", config);
            if !path.is_empty() {
                sandbox.lay(path, text);
            }
            sandbox
        };
        let run = |sandbox: &Sandbox, script: &str| {
            let bin = std::path::Path::new(&crate::sandbox::binary()).parent().unwrap().to_owned();
            let mut command = sandbox.cck(&[]).command();
            let mut shell = std::process::Command::new("/bin/sh");
            shell.args(["-c", script]).env_clear().current_dir(sandbox.project());
            for (name, value) in command.get_envs() {
                shell.env(name, value.unwrap());
            }
            shell.env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
            for (name, value) in variables {
                shell.env(name, fill(value));
            }
            command.stdin(std::process::Stdio::null());
            let input = sandbox.lay("given", KEY);
            shell.stdin(std::fs::File::open(input).unwrap());
            let output = shell.output().unwrap();
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
        };
        let verify = "cck verify --json --expect";
        let expect = if keeps { "config.primaryApiKey" } else { "any" };
        let fixes = |report: &str| -> Vec<String> {
            let report: Value = serde_json::from_str(report).unwrap();
            let problems = report["problems"].as_array().unwrap().iter();
            let of_code = problems.filter(|problem| problem["code"] == code);
            of_code.map(|problem| problem["fix"].as_str().unwrap().to_owned()).collect()
        };
        let (report, _) = run(&lay(), &format!("{verify} {expect}"));
        for columns in [40, 60] {
            let script = format!("COLUMNS={columns} cck verify --expect {expect}");
            wrong.extend(split_commands(&report, &run(&lay(), &script).0));
        }
        let printed = fixes(&report);
        let all: Vec<String> = printed.iter().flat_map(|fix| commands(fix)).collect();
        if all.is_empty() && code != "legacy-config" {
            wrong.push(format!("{code}: no command in {printed:?}"));
        }
        // What compares the two files changes nothing.
        for fix in all.into_iter().filter(|fix| !fix.starts_with("diff ")) {
            count += 1;
            let sandbox = lay();
            let script = format!("{fix} >/dev/null; {verify} {expect}");
            let (report, said) = run(&sandbox, &script);
            if serde_json::from_str::<Value>(&report).is_err() || !fixes(&report).is_empty() {
                wrong.push(format!("{code}: `{fix}` leaves it: {said}"));
            }
            let config = std::fs::read_to_string(sandbox.config()).unwrap_or_default();
            if keeps && !config.contains(KEY) {
                wrong.push(format!("{code}: `{fix}` takes the key away"));
            }
        }
    }
    assert!(wrong.is_empty() && count >= 20, "{count} fixes\n{}", wrong.join("\n"));
}

/// tests/data/cases/k01: logging out in the client takes away what cck put there; the fix does not.
#[test]
fn the_fix_for_a_login_leaves_the_key_the_onboarding_and_the_approvals() {
    let cases = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/cases");
    let text = std::fs::read_to_string(cases.join("k01-fix-that-destroys.json")).unwrap();
    let case: Value = serde_json::from_str(&text).unwrap();
    for item in case["items"].as_array().unwrap() {
        let sandbox = Sandbox::new();
        for (path, content) in item["state"]["home"].as_object().unwrap() {
            sandbox.lay(path, content.to_string());
        }
        let before = std::fs::read_to_string(sandbox.config()).unwrap();
        let verify =
            || sandbox.cck(&["verify", "--json", "--expect", "config.primaryApiKey"]).run();
        let report = verify().code(1).json();
        let fix = report["problems"][0]["fix"].as_str().unwrap();
        assert_eq!(report["problems"][0]["code"], "key-shadowed");
        let mut shell = std::process::Command::new("/bin/sh");
        shell.args(["-c", fix]).env_clear().env("HOME", sandbox.home());
        assert!(shell.env("PATH", "/usr/bin:/bin").status().unwrap().success(), "{fix}");
        verify().code(0);
        assert_eq!(std::fs::read_to_string(sandbox.config()).unwrap(), before);
    }
}
