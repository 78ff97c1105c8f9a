//! What `cck verify` says to do: each fix that it can print is run exactly as it is printed, in a state that has the
//! problem, and then the problem is gone and nothing that cck wrote is lost.
//!
//! One row per kind of fix. Every sentence of the advice in src has to be printed by some row: one that is added without a
//! row fails the test. A fix that is a sentence is carried out by what the row says; programs of the system that change
//! more than HOME (`sudo`, `security`) have stand-ins.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use serde_json::Value;

use crate::keychain::SECURITY;
use crate::leaks::assert_keeps_keys;
use crate::sandbox::{KEY, OTHER, Sandbox, chmod};
use crate::skip;

/// Who may do what a row needs.
#[derive(Clone, Copy, PartialEq)]
enum Needs {
    Nothing,
    /// Another user's file can be laid.
    Root,
    /// A user whom permissions bind.
    Unprivileged,
    /// Files of its own in /etc and /home.
    Namespace,
}

/// A state that has a problem, and its fixes.
#[derive(Clone, Copy)]
struct State {
    code: &'static str,
    /// A piece of the fix.
    fix: &'static str,
    /// Files below HOME, or in /etc and /home of a namespace.
    files: &'static [(&'static str, &'static str)],
    vars: &'static [(&'static str, &'static str)],
    /// What is done in HOME before.
    before: &'static str,
    /// The arguments of verify.
    verify: &'static str,
    /// For each alternative that is a sentence, what it says as a script; it may set VERIFY to other arguments.
    hands: &'static [&'static str],
    /// What the fix is for takes these members away.
    takes: &'static [&'static str],
    needs: Needs,
}

const STATE: State = State {
    code: "",
    fix: "",
    files: &[(CONFIG, SET)],
    vars: &[],
    before: "",
    verify: "",
    hands: &[],
    takes: &[],
    needs: Needs::Nothing,
};

const CONFIG: &str = ".claude.json";
const SETTINGS: &str = ".claude/settings.json";
const LOGIN: &str = ".claude/.credentials.json";
const PROJECT: &str = "../project/.claude/settings.json";
const MANAGED: &str = "/etc/claude-code/managed-settings.json";

/// A config with a key, and one without.
const SET: &str = r#"{"hasCompletedOnboarding": true, "lastOnboardingVersion": "2.1.332", "primaryApiKey": "@KEY"}"#;
const ON: &str = r#"{"hasCompletedOnboarding": true, "lastOnboardingVersion": "2.1.332"}"#;
/// A login that holds, one that has expired, and one that is refreshed.
const VALID: &str = r#"{"claudeAiOauth": {"accessToken": "sk-ant-oat01-LOGIN", "scopes": ["user:inference"], "expiresAt": 9999999999999}}"#;
const EXPIRED: &str = r#"{"claudeAiOauth": {"accessToken": "sk-ant-oat01-LOGIN", "scopes": ["user:inference"], "expiresAt": 1}}"#;
const REFRESHED: &str = r#"{"claudeAiOauth": {"accessToken": "sk-ant-oat01-LOGIN", "refreshToken": "sk-ant-ort01-LOGIN", "scopes": ["user:inference"], "expiresAt": 1}}"#;
const GATEWAY: &str = r#"{"enterpriseGateway": {"url": "https://g.example", "jwt": "tok-JWT", "expiresAt": 9999999999999}, "gatewayTrust": {"g.example": "5da97cbd5d226383f44fe7c9bda67aae421330469162e20196e2fb8ed6cb05bc"}}"#;
const OWN: &str = r#"{"apiKeyHelper": "cck get-key --key-file key"}"#;
const HELPER: &str = r#"{"apiKeyHelper": "echo @OTHER"}"#;
const API_KEY: &str = "ANTHROPIC_API_KEY";
const TOKEN: &str = "ANTHROPIC_AUTH_TOKEN";
const OAUTH: &str = "CLAUDE_CODE_OAUTH_TOKEN";
const URL: &str = "ANTHROPIC_BASE_URL";
const DIR: &str = "CLAUDE_CONFIG_DIR";
const MAC: [(&str, &str); 2] = [("CCK_PLATFORM", "macos"), ("USER", "dev")];

/// What a person does with an editor.
const EMPTY_SETTINGS: &str = "echo '{}' > ~/.claude/settings.json";
const EMPTY_PROJECT: &str = "echo '{}' > .claude/settings.json";
const LOG_IN: &str = "cp ~/login ~/.claude/.credentials.json";
const WORKING_HELPER: &str = "echo '{\"apiKeyHelper\": \"echo @KEY\"}' > ~/.claude/settings.json";
const OK_URL: &str = "export ANTHROPIC_BASE_URL=http://127.0.0.1:@PORT/200";

const fn at(code: &'static str, fix: &'static str) -> State {
    State { code, fix, ..STATE }
}

impl State {
    const fn files(self, files: &'static [(&'static str, &'static str)]) -> State {
        State { files, ..self }
    }
    const fn vars(self, vars: &'static [(&'static str, &'static str)]) -> State {
        State { vars, ..self }
    }
    const fn before(self, before: &'static str) -> State {
        State { before, ..self }
    }
    const fn verify(self, verify: &'static str) -> State {
        State { verify, ..self }
    }
    const fn hands(self, hands: &'static [&'static str]) -> State {
        State { hands, ..self }
    }
    const fn takes(self, takes: &'static [&'static str]) -> State {
        State { takes, ..self }
    }
    const fn needs(self, needs: Needs) -> State {
        State { needs, ..self }
    }
}

const PRIMARY: &str = "--expect config.primaryApiKey";
const ANY: &str = "--expect any";
const THE_KEY: &[&str] = &["primaryApiKey"];

/// What is sent.
const SENDING: &[State] = &[
    at("key-not-set", "cck set-key").files(&[(CONFIG, ON)]).verify(PRIMARY),
    at("key-not-set", "unset CLAUDE_CONFIG_DIR; cck set-key")
        .files(&[("../project/.config.json", "{}")])
        .vars(&[(DIR, "")])
        .verify(PRIMARY),
    at("key-not-set", "cck set-key --profile a")
        .before("cck profile add a --key-file ~/given")
        .verify("--profile a --expect config.primaryApiKey"),
    at("key-not-set", "cck set-key --config-file ~/c.json")
        .files(&[(CONFIG, SET), ("c.json", ON)])
        .verify("--config-file @HOME/c.json --expect config.primaryApiKey"),
    at("key-not-set", "cck verify --expect any").verify("--expect env.ANTHROPIC_API_KEY"),
    at("key-shadowed", "unset ANTHROPIC_API_KEY").vars(&[(API_KEY, "@OTHER")]),
    at("key-shadowed", "remove ANTHROPIC_API_KEY from `env` in ~/.claude/settings.json")
        .files(&[(CONFIG, SET), (SETTINGS, r#"{"env": {"ANTHROPIC_API_KEY": "@OTHER"}}"#)])
        .hands(&[EMPTY_SETTINGS]),
    at("key-shadowed", "cck helper remove").files(&[(CONFIG, SET), (SETTINGS, OWN)]).before("cp given key"),
    at("key-shadowed", "remove apiKeyHelper from ~/.claude/settings.json")
        .files(&[(CONFIG, SET), (SETTINGS, HELPER)])
        .hands(&[EMPTY_SETTINGS]),
    at("key-shadowed", "mv ~/.claude/.credentials.json").files(&[(CONFIG, SET), (LOGIN, VALID)]),
    at("key-shadowed", "-s 'Claude Code-credentials'")
        .files(&[(CONFIG, SET), ("item Claude Code-credentials", VALID)])
        .vars(&MAC),
    at("key-shadowed", "-s 'Claude Code'").files(&[(CONFIG, SET), ("item Claude Code", "@OTHER")]).vars(&MAC),
    at("key-shadowed", "rm /home/claude/.claude/remote/.api_key")
        .files(&[(CONFIG, SET), ("/home/claude/.claude/remote/.api_key", "@OTHER")])
        .needs(Needs::Namespace),
    at("key-shadowed", "rm /home/claude/.claude/remote/.oauth_token")
        .files(&[(CONFIG, ON), (LOGIN, VALID), ("/home/claude/.claude/remote/.oauth_token", "sk-ant-oat01-REMOTE")])
        .verify("--expect credentials.claudeAiOauth")
        .needs(Needs::Namespace),
    at("key-ignored", "then: cck verify --expect config.primaryApiKey")
        .vars(&[("CLAUDE_CODE_SIMPLE", "1")])
        .hands(&["unset CLAUDE_CODE_SIMPLE"]),
    at("no-credential", "cck set-key").files(&[(CONFIG, ON)]).verify(ANY),
    at("no-credential", "unset CLAUDE_CONFIG_DIR; cck set-key").vars(&[(DIR, "x")]).verify(ANY),
    at("key-sent-to-gateway", "either unset ANTHROPIC_AUTH_TOKEN, or cck unset-key")
        .vars(&[(TOKEN, "tok")])
        .takes(THE_KEY),
    at("key-sent-to-gateway", "cck unset-key")
        .vars(&[(TOKEN, "tok"), (URL, "https://g.example")])
        .takes(THE_KEY),
    at("two-credentials", "either unset ANTHROPIC_AUTH_TOKEN, or unset ANTHROPIC_API_KEY")
        .files(&[(CONFIG, ON)])
        .vars(&[(API_KEY, "@KEY"), (TOKEN, "tok")])
        .verify(ANY),
    at("two-credentials", "either remove the Anthropic profile dev, or unset ANTHROPIC_CUSTOM_HEADERS")
        .files(&[
            (CONFIG, ON),
            (".config/anthropic/active_config", "dev"),
            (".config/anthropic/configs/dev.json", r#"{"authentication": {"type": "user_oauth"}}"#),
            (".config/anthropic/credentials/dev.json", r#"{"access_token": "tok", "expires_at": 99999999999}"#),
        ])
        .vars(&[("ANTHROPIC_CUSTOM_HEADERS", "x-api-key: @OTHER")])
        .verify(ANY)
        .hands(&["rm -r ~/.config/anthropic"]),
    at("env-key-not-approved", "cck approve").files(&[(CONFIG, ON)]).vars(&[(API_KEY, "@KEY")]).verify(ANY),
    at("env-key-not-approved", "start claude and answer Yes")
        .files(&[(CONFIG, ON), (SETTINGS, r#"{"env": {"ANTHROPIC_API_KEY": "@KEY"}}"#)])
        .verify(ANY)
        .hands(&["ANTHROPIC_API_KEY=$(cat ~/given) cck approve"]),
    at("env-key-rejected", "cck approve")
        .files(&[(CONFIG, r#"{"hasCompletedOnboarding": true, "customApiKeyResponses": {"approved": [], "rejected": ["@SUFFIX"]}}"#)])
        .vars(&[(API_KEY, "@KEY")])
        .verify(ANY),
    at("onboarding-incomplete", "cck set-key --keychain").files(&[("item Claude Code", "@OTHER")]).vars(&MAC),
    at("onboarding-incomplete", "cck set-key")
        .files(&[(CONFIG, r#"{"hasCompletedOnboarding": false, "primaryApiKey": "@KEY"}"#)]),
    at("other-provider", "unset CLAUDE_CODE_USE_BEDROCK").vars(&[("CLAUDE_CODE_USE_BEDROCK", "1")]),
    at("other-provider", "remove CLAUDE_CODE_USE_VERTEX")
        .files(&[(CONFIG, SET), (SETTINGS, r#"{"env": {"CLAUDE_CODE_USE_VERTEX": "1"}}"#)])
        .hands(&[EMPTY_SETTINGS]),
    at("custom-headers", "or unset ANTHROPIC_CUSTOM_HEADERS")
        .vars(&[("ANTHROPIC_CUSTOM_HEADERS", "x-api-key: OTHER")])
        .hands(&["export ANTHROPIC_CUSTOM_HEADERS='x-other: 1'"]),
    at("helper-failed", "either have it print the key alone and exit with 0, or remove apiKeyHelper")
        .files(&[(CONFIG, ON), (SETTINGS, r#"{"apiKeyHelper": "exit 3"}"#)])
        .verify("--run-helper --expect any")
        .hands(&[WORKING_HELPER, EMPTY_SETTINGS]),
    at("helper-failed", "or cck helper remove")
        .files(&[(CONFIG, ON), (SETTINGS, OWN)])
        .verify("--run-helper --expect any")
        .hands(&["cp ~/given key"])
        .takes(&["apiKeyHelper"]),
    at("helper-not-executable", "either chmod +x ~/h, or remove apiKeyHelper")
        .files(&[(CONFIG, ON), (SETTINGS, r#"{"apiKeyHelper": "~/h"}"#), ("h", "#!/bin/sh\necho @KEY")])
        .verify(ANY)
        .hands(&[EMPTY_SETTINGS]),
    at("untrusted-helper", "cck verify --run-helper=project")
        .files(&[(CONFIG, ON), (PROJECT, r#"{"apiKeyHelper": "echo @KEY"}"#)])
        .verify(ANY),
    at("untrusted-helper", "remove apiKeyHelper")
        .files(&[(CONFIG, ON), (PROJECT, r#"{"apiKeyHelper": "echo @KEY"}"#)])
        .verify("--run-helper=project --expect any")
        .hands(&[EMPTY_PROJECT]),
    at("login-refreshes", "start claude once, then ask again")
        .files(&[(CONFIG, ON), (LOGIN, REFRESHED), ("login", VALID)])
        .verify(ANY)
        .hands(&[LOG_IN]),
    at("login-expired", "either log in again with /login in claude, or mv")
        .files(&[(CONFIG, ON), (LOGIN, EXPIRED), ("login", VALID)])
        .verify(ANY)
        .hands(&[LOG_IN]),
];

/// Where requests go.
const PLACES: &[State] = &[
    at("base-url-unusable", "either set it to an address such as https://gateway.example, or unset")
        .vars(&[(URL, "gateway")])
        .hands(&["export ANTHROPIC_BASE_URL=https://gateway.example"]),
    at("other-host", "unset ANTHROPIC_BASE_URL")
        .vars(&[(URL, "https://g.example")])
        .verify("--expect-host api.anthropic.com"),
    at("other-host", "export ANTHROPIC_BASE_URL=https://g.example").verify("--expect-host g.example"),
    at("base-url-query", "either take away what follows ? or #, or unset")
        .vars(&[(URL, "https://g.example?x=1")])
        .hands(&["export ANTHROPIC_BASE_URL=https://g.example"]),
    at("base-url-path", "before /v1, or unset")
        .vars(&[(URL, "https://g.example/v1")])
        .hands(&["export ANTHROPIC_BASE_URL=https://g.example"]),
    at("unencrypted", "to an https address, or unset")
        .vars(&[(URL, "http://g.example")])
        .hands(&["export ANTHROPIC_BASE_URL=https://g.example"]),
    at("base-url-user", "remove them from the address")
        .vars(&[(URL, "https://u:p@g.example")])
        .hands(&["export ANTHROPIC_BASE_URL=https://g.example"]),
    at("host-set-by-project", "remove ANTHROPIC_BASE_URL from `env` in /")
        .files(&[(CONFIG, SET), (PROJECT, r#"{"env": {"ANTHROPIC_BASE_URL": "https://g.example"}}"#)])
        .hands(&[EMPTY_PROJECT]),
    at("proxy-set-by-project", "remove HTTPS_PROXY")
        .files(&[(CONFIG, SET), (PROJECT, r#"{"env": {"HTTPS_PROXY": "http://p.example"}}"#)])
        .hands(&[EMPTY_PROJECT]),
    at("host-set-by-project", "if you do not mean that: remove ANTHROPIC_BASE_URL")
        .files(&[
            (CONFIG, r#"{"hasCompletedOnboarding": true, "primaryApiKey": "@KEY", "projects": {"@CWD": {"hasTrustDialogAccepted": true}}}"#),
            (PROJECT, r#"{"env": {"ANTHROPIC_BASE_URL": "https://g.example"}}"#),
        ])
        .hands(&[EMPTY_PROJECT]),
];

/// Values that are not what their place takes.
const VALUES: &[State] = &[
    at("odd-key-shape", "export CLAUDE_CODE_OAUTH_TOKEN=\"$ANTHROPIC_API_KEY\"")
        .files(&[(CONFIG, ON)])
        .vars(&[(API_KEY, "sk-ant-oat01-0123456789abcdefghij")])
        .verify(ANY),
    at("odd-key-shape", "put it in CLAUDE_CODE_OAUTH_TOKEN, then: cck set-key")
        .files(&[(CONFIG, r#"{"hasCompletedOnboarding": true, "primaryApiKey": "sk-ant-oat01-0123456789abcdefghij"}"#)])
        .takes(THE_KEY),
    at("odd-key-shape", "cck set-key")
        .files(&[(CONFIG, r#"{"hasCompletedOnboarding": true, "primaryApiKey": "null"}"#)])
        .takes(THE_KEY),
    at("odd-key-shape", "unset ANTHROPIC_API_KEY").files(&[(CONFIG, ON)]).vars(&[(API_KEY, "***")]).verify(ANY),
    at("bearer-twice", "export ANTHROPIC_AUTH_TOKEN=")
        .files(&[(CONFIG, ON)])
        .vars(&[(TOKEN, "Bearer tok")])
        .verify(ANY),
    at("bearer-twice", "remove `Bearer ` from it in ~/.claude/settings.json")
        .files(&[(CONFIG, ON), (SETTINGS, r#"{"env": {"ANTHROPIC_AUTH_TOKEN": "Bearer tok"}}"#)])
        .verify(ANY)
        .hands(&["sed -i 's/Bearer //' ~/.claude/settings.json"]),
    at("key-as-token", "export ANTHROPIC_API_KEY=").files(&[(CONFIG, ON)]).vars(&[(TOKEN, "@KEY")]).verify(ANY),
    at("key-as-token", "rename it to ANTHROPIC_API_KEY in ~/.claude/settings.json")
        .files(&[(CONFIG, ON), (SETTINGS, r#"{"env": {"ANTHROPIC_AUTH_TOKEN": "@KEY"}}"#)])
        .verify(ANY)
        .hands(&["sed -i s/AUTH_TOKEN/API_KEY/ ~/.claude/settings.json"]),
    at("odd-token", "unset ANTHROPIC_AUTH_TOKEN").files(&[(CONFIG, ON)]).vars(&[(TOKEN, "your_api_key")]).verify(ANY),
    at("odd-oauth-token", "export ANTHROPIC_API_KEY=").files(&[(CONFIG, ON)]).vars(&[(OAUTH, "@KEY")]).verify(ANY),
    at("odd-oauth-token", "unset CLAUDE_CODE_OAUTH_TOKEN").files(&[(CONFIG, ON)]).vars(&[(OAUTH, "${X}")]).verify(ANY),
    at("helper-output", "either have it print the key alone, or remove apiKeyHelper")
        .files(&[(CONFIG, ON), (SETTINGS, r#"{"apiKeyHelper": "echo null"}"#)])
        .verify("--run-helper --expect any")
        .hands(&[WORKING_HELPER, EMPTY_SETTINGS]),
    at("misplaced-key", "export ANTHROPIC_API_KEY=\"$ANTRHOPIC_API_KEY\"")
        .files(&[(CONFIG, ON)])
        .vars(&[("ANTRHOPIC_API_KEY", "@KEY")])
        .verify(ANY),
    at("misplaced-key", "rename it to ANTHROPIC_API_KEY in ~/.claude/settings.json")
        .files(&[(CONFIG, ON), (SETTINGS, r#"{"env": {"CLAUDE_API_KEY": "@KEY"}}"#)])
        .verify(ANY)
        .hands(&["sed -i s/CLAUDE_API_KEY/ANTHROPIC_API_KEY/ ~/.claude/settings.json"]),
    at("misplaced-key", "cck set-key").files(&[(CONFIG, ON), (".claude/config.json", SET)]).verify(ANY),
    at("misplaced-key", "cck set-key")
        .files(&[(CONFIG, SET), ("d/x", "")])
        .vars(&[(DIR, "@HOME/d")])
        .verify(ANY),
    at("misplaced-key", "remove apiKey from ~/.claude/settings.json, then: cck set-key")
        .files(&[(CONFIG, ON), (SETTINGS, r#"{"apiKey": "@KEY"}"#)])
        .verify(ANY)
        .hands(&[EMPTY_SETTINGS]),
    at("misplaced-key", "remove apiKey from ~/.claude.json, then: cck set-key")
        .files(&[(CONFIG, r#"{"hasCompletedOnboarding": true, "apiKey": "@KEY"}"#)])
        .verify(ANY)
        .hands(&["echo '{\"hasCompletedOnboarding\": true}' > ~/.claude.json"]),
    at("misplaced-key", "move it to ~/.claude/settings.json")
        .files(&[(CONFIG, r#"{"hasCompletedOnboarding": true, "apiKeyHelper": "echo @KEY"}"#)])
        .verify(ANY)
        .hands(&["mkdir ~/.claude; mv ~/.claude.json ~/.claude/settings.json; echo '{\"hasCompletedOnboarding\": true}' > ~/.claude.json"])
        .takes(&["apiKeyHelper"]),
];

/// The files.
const FILES: &[State] = &[
    at("config-unusable", "either fix line 1 of ~/.claude.json, or mv")
        .files(&[(CONFIG, "{\"primaryApiKey\": \"@KEY\",}")])
        .verify(ANY)
        .hands(&["sed -i 's/,}/}/' ~/.claude.json"])
        .takes(THE_KEY),
    at("config-unusable", "mv ~/.claude.json ~/.claude.json.bad")
        .files(&[(CONFIG, "[]")])
        .verify(ANY),
    at("config-unusable", "mv ~/.claude.json ~/.claude.json.bad")
        .files(&[])
        .before("mkdir ~/.claude.json")
        .verify(ANY),
    at("config-unusable", "chmod 600 ~/.claude.json").before("chmod 000 ~/.claude.json").needs(Needs::Unprivileged),
    at("config-unusable", "it must be yours and readable: ls -l ~/.claude.json")
        .files(&[])
        .before("ln -s .claude.json ~/.claude.json")
        .verify(ANY)
        .hands(&["rm ~/.claude.json"]),
    at("config-empty", "cck set-key").files(&[(CONFIG, "")]),
    at("settings-malformed", "either fix line 1 of ~/.claude/settings.json, or mv")
        .files(&[(CONFIG, SET), (SETTINGS, "{")])
        .hands(&[EMPTY_SETTINGS]),
    at("settings-malformed", "fix that field of ~/.claude/settings.json")
        .files(&[(CONFIG, SET), (SETTINGS, r#"{"env": 5}"#)])
        .hands(&[EMPTY_SETTINGS]),
    at("settings-malformed", "mv ~/.claude/settings.json")
        .before("mkdir -p ~/.claude/settings.json"),
    at("settings-malformed", "name another file in --settings, or fix this one")
        .files(&[(CONFIG, SET), ("s.json", "{")])
        .verify("-- claude --settings @HOME/s.json -p hi")
        .hands(&["echo '{}' > ~/s.json"]),
    at("settings-malformed", "either fix line 1 of /etc/claude-code/managed-settings.json, or mv")
        .files(&[(CONFIG, SET), (MANAGED, "{")])
        .hands(&["echo '{}' > /etc/claude-code/managed-settings.json"])
        .needs(Needs::Namespace),
    at("login-unusable", "either fix line 1 of ~/.claude/.credentials.json, or mv")
        .files(&[(CONFIG, SET), (LOGIN, "{")])
        .hands(&["echo '{}' > ~/.claude/.credentials.json"]),
    at("loose-mode", "chmod 600 ~/.claude.json").before("chmod 644 ~/.claude.json"),
    at("loose-mode", "chmod 600 '").files(&[("x y/.claude.json", SET)]).vars(&[(DIR, "@HOME/x y")]).before("chmod 644 'x y/.claude.json'"),
    at("loose-mode", "chmod 600 ~/.claude/backups/")
        .files(&[(CONFIG, SET), (".claude/backups/.claude.json.backup.1", SET)])
        .before("chmod 644 ~/.claude/backups/.claude.json.backup.1"),
    at("wrong-owner", "sudo chown \"$USER\" ~/.claude.json")
        .vars(&[("USER", "root")])
        .before("chown 64811 ~/.claude.json")
        .needs(Needs::Root),
    at("key-in-backups", "rm ~/.claude/backups/.claude.json.backup.1 '")
        .files(&[
            (CONFIG, SET),
            (".claude/backups/.claude.json.backup.1", SET),
            // Of a key before this one.
            (".claude/backups/.claude.json.backup.a b;c", r#"{"primaryApiKey": "@OTHER"}"#),
        ]),
    at("key-in-backups", "rm ~/.claude/backups/.claude.json.backup.1")
        .files(&[(CONFIG, ON), (".claude/backups/.claude.json.backup.1", SET)])
        .verify(ANY),
    // What a killed run has left, before there was a broker.
    at("key-in-backups", "cck-run-x/config/.claude.json")
        .before("mkdir -p $XDG_RUNTIME_DIR/cck-run-x/config; cp ~/.claude.json $XDG_RUNTIME_DIR/cck-run-x/config/"),
    at("tracked-by-git", "git -C ~/ rm -f --cached ~/.claude.json").before("GIT; git add .claude.json; git commit -qm x"),
    // Staged is another text than that of the file and of the commit.
    at("tracked-by-git", "git -C ~/ rm -f --cached ~/.claude.json").before(
        "GIT; git add .claude.json; git commit -qm x; echo >> .claude.json; git add .claude.json; echo >> .claude.json",
    ),
    at("not-ignored-by-git", "echo '/.claude.json' >> ~/.git/info/exclude").before("GIT"),
    at("not-ignored-by-git", "add it to .git/info/exclude: ")
        .files(&[(CONFIG, SET), ("w/.claude.json", SET)])
        .vars(&[(DIR, "@HOME/w")])
        .before("mkdir r; cd r; GIT; git commit -qm x --allow-empty; git worktree add -q ../v; mv ../v/.git ../w/; cd ../w; git worktree repair")
        .hands(&["echo /.claude.json >> ~/r/.git/info/exclude"]),
    at("legacy-config", "mv ~/.claude.json ~/.claude.json.off")
        .files(&[(CONFIG, ON), (".claude/.config.json", SET)]),
    at("config-dir-empty", "unset CLAUDE_CONFIG_DIR").vars(&[(DIR, "")]),
    at("config-dir-relative", "either unset CLAUDE_CONFIG_DIR, or export CLAUDE_CONFIG_DIR=").vars(&[(DIR, "x")]).verify(ANY),
    at("config-dir-tilde", "export CLAUDE_CONFIG_DIR='").vars(&[(DIR, "~/x y")]).verify(ANY),
    at("config-dir-tilde", "unset CLAUDE_CONFIG_DIR").vars(&[(DIR, "~other/x")]).verify(ANY),
    at("config-dir-missing", "either mkdir -p ~/d/e, or unset CLAUDE_CONFIG_DIR").vars(&[(DIR, "@HOME/d/e")]).verify(ANY),
    at("client-unusable", "rm ~/bin/claude").before("ln -s nothing ~/bin/claude"),
    at("client-unusable", "mv ~/bin/claude ~/bin/claude.bad").before("mkdir ~/bin/claude"),
    at("client-unusable", "mv ~/bin/claude ~/bin/claude.bad").before("mkfifo ~/bin/claude"),
    at("client-unusable", "chmod +x ~/bin/claude").before("echo '#!/bin/sh' > ~/bin/claude"),
    at("client-unusable", "name a program that starts Claude Code")
        .before("mkdir ~/x")
        .verify("-- @HOME/x -p hi")
        .hands(&["rmdir ~/x; echo '#!/bin/sh' > ~/x; chmod +x ~/x"]),
];

/// How the client is started, and who else decides.
const LAUNCH: &[State] = &[
    at("launch-refused", "fix the command line, or the file that it names")
        .verify("-- claude --settings @HOME/none.json -p hi")
        .hands(&["echo '{}' > ~/none.json"]),
    at("forced-login", "unset ANTHROPIC_API_KEY; cck set-key")
        .files(&[(CONFIG, ON), (MANAGED, r#"{"forceLoginMethod": "console"}"#)])
        .vars(&[(API_KEY, "@OTHER")])
        .verify(ANY)
        .needs(Needs::Namespace),
    at(
        "forced-login",
        "remove ANTHROPIC_API_KEY from `env` in ~/.claude/settings.json, then: cck set-key",
    )
    .files(&[
        (CONFIG, ON),
        (MANAGED, r#"{"forceLoginMethod": "console"}"#),
        (SETTINGS, r#"{"env": {"ANTHROPIC_API_KEY": "@OTHER"}}"#),
    ])
    .verify(ANY)
    .hands(&[EMPTY_SETTINGS])
    .needs(Needs::Namespace),
    at("forced-login", "log in as the policy demands: run /login in claude")
        .files(&[(CONFIG, SET), (MANAGED, r#"{"forceLoginOrgUUID": []}"#)])
        .hands(&["echo '{}' > /etc/claude-code/managed-settings.json"])
        .needs(Needs::Namespace),
    at("policy-helper", "cck verify --run-helper")
        .files(&[
            (CONFIG, SET),
            (MANAGED, r#"{"policyHelper": {"path": "@HOME/p"}}"#),
            ("p", "#!/bin/sh\necho '{\"managedSettings\": {}}'"),
        ])
        .before("chmod 755 ~/p")
        .needs(Needs::Namespace),
    at("gateway-login", "if you do not mean that gateway: mv ~/.claude/.credentials.json")
        .files(&[(CONFIG, SET), (LOGIN, GATEWAY)]),
    at("gateway-login", "-s 'Claude Code-credentials'")
        .files(&[(CONFIG, SET), ("item Claude Code-credentials", GATEWAY)])
        .vars(&MAC),
    at("helper-race", "either unset ANTHROPIC_AUTH_TOKEN, or remove apiKeyHelper")
        .files(&[(CONFIG, ON), (SETTINGS, HELPER)])
        .vars(&[(TOKEN, "tok")])
        .verify(ANY)
        .hands(&[EMPTY_SETTINGS]),
    at("helper-race", "either unset ANTHROPIC_AUTH_TOKEN, or remove apiKeyHelper")
        .files(&[(CONFIG, ON), (SETTINGS, r#"{"apiKeyHelper": "sleep 0.4; echo @KEY"}"#)])
        .vars(&[(TOKEN, "tok")])
        .verify("--run-helper --expect any")
        .hands(&[EMPTY_SETTINGS]),
    at("helper-race", "either unset ANTHROPIC_AUTH_TOKEN, or remove apiKeyHelper")
        .files(&[(CONFIG, ON), (SETTINGS, r#"{"apiKeyHelper": "echo @KEY"}"#)])
        .vars(&[(TOKEN, "tok")])
        .verify("--run-helper --expect any")
        .hands(&[EMPTY_SETTINGS]),
    // In time it keeps the client from sending, too late it does not.
    at("helper-race", "either unset ANTHROPIC_AUTH_TOKEN, or remove apiKeyHelper")
        .files(&[(CONFIG, ON), (SETTINGS, r#"{"apiKeyHelper": "echo @KEY; echo more"}"#)])
        .vars(&[(TOKEN, "tok")])
        .verify("--client-version 2.1.112 --mode print --run-helper --expect any")
        .hands(&[EMPTY_SETTINGS]),
    at("helper-race", "either unset ANTHROPIC_AUTH_TOKEN, or remove apiKeyHelper")
        .files(&[(CONFIG, ON), (PROJECT, HELPER)])
        .vars(&[(TOKEN, "tok")])
        .verify("--mode interactive --expect any")
        .hands(&[EMPTY_PROJECT]),
    at("side-requests", "export CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1")
        .vars(&[(URL, "https://g.example")]),
    at("keychain-locked", "unlock it, then ask again: security unlock-keychain")
        .before("touch ~/locked")
        .vars(&MAC),
    // It shows what is wrong; to fix that is up to the user.
    at("keychain-failed", "security find-generic-password -a dev -w -s 'Claude Code' >/dev/null")
        .before("touch ~/fails")
        .vars(&MAC)
        .hands(&["rm ~/fails"]),
    // In an organization's settings nothing is to be fixed: with --online they are those of today.
    at("server-settings", "cck verify --online")
        .files(&[(CONFIG, SET), (".claude/remote-settings.json", r#"{"env": {"FOO": "1"}}"#)])
        .hands(&["rm ~/.claude/remote-settings.json"]),
    at("server-race", "update Claude Code: 2.1.147 and later wait")
        .files(&[(CONFIG, SET), (".claude/remote-settings.json", r#"{"env": {"FOO": "1"}}"#)])
        .verify("--client-version 2.1.112")
        .hands(&["VERIFY='--client-version 2.1.147'"]),
];

/// `--online`, with a server that answers what the path says, and `/key` with 200 for KEY alone.
const ONLINE: &[State] = &[
    at("unreachable", "check the network, HTTPS_PROXY and SSL_CERT_FILE, then ask again")
        .vars(&[(URL, "http://127.0.0.1:1")])
        .verify("--online")
        .hands(&[OK_URL]),
    at("credential-rejected", "cck set-key")
        .files(&[(CONFIG, r#"{"hasCompletedOnboarding": true, "primaryApiKey": "@OTHER"}"#)])
        .vars(&[(URL, "http://127.0.0.1:@PORT/key")])
        .verify("--online")
        .takes(THE_KEY),
    at("rate-limited", "wait a minute, then ask again")
        .vars(&[(URL, "http://127.0.0.1:@PORT/429")])
        .verify("--online")
        .hands(&[OK_URL]),
    at("unexpected-answer", "check ANTHROPIC_BASE_URL")
        .vars(&[(URL, "http://127.0.0.1:@PORT/404")])
        .verify("--online")
        .hands(&[OK_URL]),
    at("online-not-asked", "add --run-helper")
        .files(&[(CONFIG, ON), (SETTINGS, r#"{"apiKeyHelper": "echo @KEY"}"#)])
        .vars(&[(URL, "http://127.0.0.1:@PORT/200")])
        .verify("--online --expect any")
        .hands(&["VERIFY='--online --run-helper --expect any'"]),
    at("online-not-asked", "start claude once: it refreshes the login that has expired")
        .files(&[(CONFIG, ON), (LOGIN, REFRESHED), ("login", VALID)])
        .vars(&[(URL, "http://127.0.0.1:@PORT/200")])
        .verify("--online --expect any")
        .hands(&[LOG_IN]),
    at("online-refused", "if you mean that host: cck verify --online --expect-host 127.0.0.1")
        .files(&[(CONFIG, SET), (PROJECT, r#"{"env": {"ANTHROPIC_BASE_URL": "http://127.0.0.1:@PORT/200"}}"#)])
        .verify("--online"),
    at("online-refused", "fix ANTHROPIC_BASE_URL, then ask again")
        .vars(&[(URL, "http://127.0.0.1:@PORT/200")])
        .verify("--online --expect-host localhost")
        .hands(&["export ANTHROPIC_BASE_URL=http://localhost:@PORT/200"]),
    at("online-refused", "set ANTHROPIC_BASE_URL yourself, if you mean that host")
        .files(&[
            (CONFIG, r#"{"hasCompletedOnboarding": true, "primaryApiKey": "@KEY", "projects": {"@CWD": {"hasTrustDialogAccepted": true}}}"#),
            (PROJECT, r#"{"env": {"ANTHROPIC_BASE_URL": "http://g.example"}}"#),
        ])
        .verify("--online")
        .hands(&["echo '{}' > .claude/settings.json; export ANTHROPIC_BASE_URL=http://127.0.0.1:@PORT/200"]),
];

/// The codes of errors; those of `EITHER` may be one or a warning, all others are warnings.
const ERRORS: [&str; 26] = [
    "key-not-set",
    "key-shadowed",
    "key-ignored",
    "no-credential",
    "key-sent-to-gateway",
    "helper-failed",
    "helper-not-executable",
    "helper-output",
    "base-url-unusable",
    "base-url-query",
    "other-host",
    "key-as-token",
    "bearer-twice",
    "odd-oauth-token",
    "config-unusable",
    "settings-malformed",
    "loose-mode",
    "tracked-by-git",
    "config-dir-tilde",
    "launch-refused",
    "forced-login",
    "unreachable",
    "credential-rejected",
    "unexpected-answer",
    "online-not-asked",
    "online-refused",
];
const EITHER: [&str; 4] =
    ["odd-key-shape", "odd-token", "host-set-by-project", "proxy-set-by-project"];

/// Sentences that no row prints, and why.
const NOT_PRINTED: [(&str, &str); 8] = [
    ("{message}, and Claude Code may find", "tests/cli/keychain.rs has a `security` that hangs"),
    ("{path} is a mount", "tests/disk/mounts.rs mounts a directory over the config"),
    ("leave this `cck run`: exit", "a_session_is_left_by_ending_its_command"),
    ("be refused: ", "the reason of the verdict; tests/cli/cases.rs has it"),
    ("bearer ", "looked for in a value, as the next three in a message"),
    ("that no key has", ""),
    ("they start with sk-ant-", ""),
    ("too short", ""),
];

/// The first address is the machine's own: answers for as long as the test runs.
fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (mut head, mut chunk) = (Vec::new(), [0; 4096]);
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                let Ok(count @ 1..) = stream.read(&mut chunk) else { break };
                head.extend_from_slice(&chunk[..count]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let status = match head.split('/').nth(1).unwrap_or_default() {
                "key" if head.contains(KEY) => "200",
                "key" => "401",
                status => status,
            };
            let answer = format!(
                "HTTP/1.1 {status} X\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
            );
            _ = stream.write_all(answer.as_bytes());
        }
    });
    port
}

/// A machine in the row's state.
struct Machine<'a> {
    sandbox: Sandbox,
    row: &'a State,
    port: u16,
}

impl Machine<'_> {
    fn new(row: &State, port: u16) -> Machine<'_> {
        let machine = Machine { sandbox: Sandbox::new(), row, port };
        for (path, text) in row.files {
            let below =
                if path.starts_with('/') { format!("root{path}") } else { (*path).to_owned() };
            machine.sandbox.lay(&below, machine.fill(text));
        }
        for (name, text) in [("security", SECURITY), ("sudo", "#!/bin/sh\nexec \"$@\"\n")] {
            chmod(&machine.sandbox.lay(&format!("bin/{name}"), text), 0o755);
        }
        machine.sandbox.lay("given", KEY);
        let cck = machine.sandbox.home().join("bin/cck");
        if row.needs == Needs::Unprivileged {
            crate::sandbox::copy_program(crate::sandbox::binary(), &cck);
        } else {
            std::os::unix::fs::symlink(crate::sandbox::binary(), &cck).unwrap();
        }
        let git = "git init -q; git config user.name x; git config user.email x@y.z";
        let before = row.before.replace("GIT", git);
        let before = machine.shell(&format!("cd ~; {before}"), false);
        assert!(before.status.success(), "{} {before:?}", row.code);
        machine
    }

    fn fill(&self, text: &str) -> String {
        let [home, cwd] =
            [self.sandbox.home(), self.sandbox.project()].map(|dir| fs::canonicalize(dir).unwrap());
        text.replace("@KEY", KEY)
            .replace("@OTHER", OTHER)
            .replace("@SUFFIX", &KEY[KEY.len() - 20..])
            .replace("@CWD", &cwd.display().to_string())
            .replace("@HOME", &home.display().to_string())
            .replace("@PORT", &self.port.to_string())
    }

    /// A script in the project, with cck on PATH and the key on its standard input.
    fn shell(&self, script: &str, has_vars: bool) -> std::process::Output {
        let mut words: Vec<String> = Vec::new();
        let is_root = rustix::process::geteuid().is_root();
        if self.row.needs == Needs::Namespace {
            let own = "mount -t tmpfs none /etc; mount -t tmpfs none /home; cp -R \"$HOME/root/.\" /; exec \"$@\"";
            words.push("unshare".into());
            words.extend(["-m", "sh", "-ec", own, "sh"].map(String::from));
        } else if self.row.needs == Needs::Unprivileged && is_root {
            let all = self.sandbox.home().parent().unwrap().to_path_buf();
            let mut chown = Command::new("chown");
            chown.args(["-R", "64812"]).arg(&all).arg(self.sandbox.runtime());
            assert!(chown.status().unwrap().success());
            words.extend(["setpriv", "--reuid=64812", "--clear-groups", "--"].map(String::from));
        }
        words.extend(["/bin/sh".into(), "-c".into(), script.into()]);
        let own = self.sandbox.cck(&[]).command();
        let mut shell = Command::new(&words[0]);
        shell.args(&words[1..]).env_clear().current_dir(self.sandbox.project());
        for (name, value) in own.get_envs() {
            shell.env(name, value.unwrap());
        }
        shell.env("PATH", format!("{}/bin:/usr/bin:/bin", self.sandbox.home().display()));
        for (name, value) in self.row.vars.iter().filter(|_| has_vars) {
            shell.env(name, self.fill(value));
        }
        shell.stdin(fs::File::open(self.sandbox.home().join("given")).unwrap());
        shell.output().unwrap()
    }

    fn verify(&self, more: &str) -> String {
        let args = self.fill(self.row.verify);
        let (own, launch) = args
            .split_once("-- ")
            .map_or((&*args, String::new()), |(own, launch)| (own, format!("-- {launch}")));
        format!("cck verify {more} ${{VERIFY-{own}}} {launch}")
    }

    /// The members that cck writes, each with where it is.
    fn written(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut note = |text: String| {
            if let Ok(Value::Object(members)) = serde_json::from_str(&text) {
                for name in [
                    "primaryApiKey",
                    "hasCompletedOnboarding",
                    "customApiKeyResponses",
                    "apiKeyHelper",
                ] {
                    found.extend(members.get(name).map(|_| name.to_owned()));
                }
            }
        };
        let config = self.sandbox.config();
        let aside = |end: &str| PathBuf::from(format!("{}{end}", config.display()));
        for path in [
            config.clone(),
            aside(".off"),
            aside(".bad"),
            self.sandbox.home().join(".claude/.config.json"),
            self.sandbox.home().join("x y/.claude.json"),
        ] {
            note(fs::read_to_string(path).unwrap_or_default());
        }
        found
    }
}

/// One thing that a fix says to do.
#[derive(Debug, PartialEq)]
enum Step {
    /// A command to paste, after what a sentence before it says to do by hand.
    Command(String),
    /// Both, in this order.
    Then(String),
    Sentence,
}

/// What a fix says to do: the fix itself, or each of the two that exclude each other.
fn steps(fix: &str) -> Vec<Step> {
    let parts =
        |fix: &str| match fix.strip_prefix("either ").and_then(|both| both.split_once(", or ")) {
            Some((one, other)) => vec![one.to_owned(), other.to_owned()],
            None => vec![fix.to_owned()],
        };
    let step = |part: String| match (is_command(&part), part.rsplit_once(": ")) {
        (true, _) => Step::Command(part),
        (_, Some((lead, command))) if is_command(command) => {
            // What is to be done first is done by hand.
            if lead.ends_with(", then") && !lead.starts_with("put it in") {
                Step::Then(command.to_owned())
            } else {
                Step::Command(command.to_owned())
            }
        }
        _ => Step::Sentence,
    };
    parts(fix).into_iter().map(step).collect()
}

fn is_command(text: &str) -> bool {
    const PROGRAMS: [&str; 13] = [
        "cck", "unset", "export", "chmod", "mv", "git", "echo", "mkdir", "rm", "sudo", "security",
        "ls", "exit",
    ];
    text.split(' ').next().is_some_and(|word| PROGRAMS.contains(&word))
}

/// The problems of a report, and what was printed.
fn problems(report: &[u8]) -> Vec<Value> {
    let report: Value = serde_json::from_slice(report).unwrap_or_default();
    report["problems"].as_array().cloned().unwrap_or_default()
}

/// The commands of the report's fixes that the text for people has on more than one line.
fn split_commands(problems: &[Value], text: &str) -> Vec<String> {
    let joined = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let steps = problems.iter().flat_map(|problem| steps(problem["fix"].as_str().unwrap()));
    let commands = steps.filter_map(|step| match step {
        Step::Command(command) | Step::Then(command) => Some(command),
        Step::Sentence => None,
    });
    commands
        .filter(|command| joined(text).contains(&joined(command)))
        .filter(|command| !text.lines().any(|line| line.contains(command)))
        .map(|command| format!("`{command}` is split in:\n{text}"))
        .collect()
}

/// Runs the fixes of a row, and adds what was printed to `printed`; returns what is wrong.
fn try_row(row: &State, port: u16, printed: &mut BTreeSet<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    let (code, name) = (row.code, format!("{}, {}", row.code, row.fix));
    let machine = Machine::new(row, port);
    let before = machine.shell(&machine.verify("--json"), true);
    let found = problems(&before.stdout);
    let mut note = |found: &[Value]| {
        for problem in found {
            printed.extend(["message", "fix"].map(|it| problem[it].as_str().unwrap().to_owned()));
        }
    };
    note(&found);
    assert_keeps_keys(&String::from_utf8_lossy(&before.stdout), &name);
    for problem in &found {
        let code = problem["code"].as_str().unwrap();
        let is_right = ERRORS.contains(&code) == (problem["severity"] == "error");
        if !is_right && !EITHER.contains(&code) {
            wrong.push(format!("{name}: the severity of {problem}"));
        }
    }
    let of_code = |found: &[Value]| -> Vec<String> {
        let found = found.iter().filter(|problem| problem["code"] == code);
        found.map(|problem| problem["fix"].as_str().unwrap().to_owned()).collect()
    };
    let Some(fix) = of_code(&found).into_iter().find(|fix| fix.contains(row.fix)) else {
        let said = String::from_utf8_lossy(&before.stderr);
        return vec![format!("{name}: not in {found:#?} {said}")];
    };
    for columns in [40, 60] {
        let text =
            machine.shell(&format!("export COLUMNS={columns}; {}", machine.verify("")), true);
        wrong.extend(split_commands(&found, &String::from_utf8_lossy(&text.stdout)));
    }
    let mut hands = row.hands.iter();
    for at in 0..steps(&fix).len() {
        // A machine of its own, whose fix names its own paths.
        let machine = Machine::new(row, port);
        let again = of_code(&problems(&machine.shell(&machine.verify("--json"), true).stdout));
        let fix = again.into_iter().find(|fix| fix.contains(row.fix)).unwrap();
        let step = steps(&fix).swap_remove(at);
        let had = machine.written();
        let mut by_hand = || {
            let hand = hands.next().unwrap_or_else(|| panic!("{name}: `{fix}` is a sentence"));
            format!("{{ {}\n}} >&2", machine.fill(hand))
        };
        // What only shows something leaves the rest to who sees it; the organization's server is not on loopback.
        let shows = ["ls ", "security find", "cck verify --online"];
        let pasted = |command: &str| format!("{{ {command}\n}} >&2 || exit 9");
        let verify = machine.verify("--json");
        let is_question = |command: &str| command.starts_with("cck verify");
        let (script, asks) = match &step {
            Step::Command(command)
                if shows.iter().any(|show| command.starts_with(show)) && !row.hands.is_empty() =>
            {
                (format!("{command} >&2; {}; {verify}", by_hand()), false)
            }
            Step::Command(command) => {
                (format!("{}; {verify}", pasted(command)), is_question(command))
            }
            Step::Then(command) => {
                (format!("{}; {}; {verify}", by_hand(), pasted(command)), is_question(command))
            }
            Step::Sentence => (format!("{}; {verify}", by_hand()), false),
        };
        let ran = machine.shell(&script, true);
        let said = String::from_utf8_lossy(&ran.stderr);
        let after = problems(&ran.stdout);
        note(&after);
        if ran.status.code() == Some(9) {
            wrong.push(format!("{name}: {step:?} fails: {said}"));
        } else if !asks {
            // The alternatives of other rows with this code may stay.
            if of_code(&after).iter().any(|fix| fix.contains(row.fix))
                || serde_json::from_slice::<Value>(&ran.stdout).is_err()
            {
                wrong.push(format!("{name}: {step:?} ({script}) leaves it: {said}"));
            }
            // What took the place of the only credential is none.
            let is_error = |problem: &&Value| {
                problem["severity"] == "error" && problem["code"] != "no-credential"
            };
            let had: Vec<_> =
                found.iter().filter(is_error).map(|problem| &problem["code"]).collect();
            for problem in
                after.iter().filter(is_error).filter(|problem| !had.contains(&&problem["code"]))
            {
                wrong.push(format!("{name}: {step:?} brings {problem}"));
            }
        }
        let has = machine.written();
        for member in had.difference(&has).filter(|member| !row.takes.contains(&member.as_str())) {
            wrong.push(format!("{name}: {step:?} loses {member}"));
        }
    }
    if hands.next().is_some() {
        wrong.push(format!("{name}: `{fix}` has fewer sentences than the row"));
    }
    wrong
}

fn can(needs: Needs) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    let unshares = || {
        Command::new("unshare").args(["-m", "true"]).output().is_ok_and(|run| run.status.success())
    };
    match needs {
        Needs::Nothing | Needs::Unprivileged => true,
        Needs::Root => is_root,
        Needs::Namespace => is_root && unshares(),
    }
}

#[test]
fn each_fix_that_verify_prints_works_as_it_is_printed_and_takes_nothing_of_cck_away() {
    let port = server();
    let (mut wrong, mut printed, mut skipped) = (Vec::new(), BTreeSet::new(), false);
    for row in [SENDING, PLACES, VALUES, FILES, LAUNCH, ONLINE].concat() {
        if can(row.needs) {
            wrong.extend(try_row(&row, port, &mut printed));
        } else {
            skipped = true;
        }
    }
    if skipped {
        skip::without_root();
    } else {
        let not_printed = sentences().into_iter().filter(|sentence| {
            let is_known = NOT_PRINTED.iter().any(|(start, _)| sentence.starts_with(start));
            !is_known && !printed.iter().any(|text| is_in(sentence, text))
        });
        wrong.extend(not_printed.map(|sentence| format!("no row prints: {sentence:?}")));
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The sentences of the advice in src: every text with a blank in it.
fn sentences() -> BTreeSet<String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![
        src.join("client/advice.rs"),
        src.join("client/surroundings/misplaced.rs"),
        src.join("commands/verify/online.rs"),
    ];
    files.extend(
        fs::read_dir(src.join("client/advice")).unwrap().map(|entry| entry.unwrap().path()),
    );
    files
        .iter()
        .flat_map(|file| {
            let source = fs::read_to_string(file).unwrap();
            // What follows are the errors of rotate, for tests/cli/errors.rs.
            texts(source.split("pub(crate) fn check_new(").next().unwrap())
        })
        .filter(|text| text.contains(' '))
        .collect()
}

/// The string literals of a source file, without its comments and tests.
pub(crate) fn texts(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut texts = Vec::new();
    let mut chars = source.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '/' if chars.peek() == Some(&'/') => _ = chars.by_ref().find(|c| *c == '\n'),
            // A character: '"', '\'' or 'a'; a lifetime has no second quote.
            '\'' => {
                let mut ahead = chars.clone();
                let first = ahead.next();
                if first == Some('\\') || ahead.next() == Some('\'') {
                    if chars.next() == Some('\\') {
                        chars.next();
                    }
                    chars.find(|c| *c == '\'');
                }
            }
            '"' => {
                let mut text = String::new();
                while let Some(c) = chars.next() {
                    match c {
                        '"' => break,
                        '\\' => match chars.next() {
                            Some('n') => text.push('\n'),
                            Some('\n') => while chars.next_if(|c| c.is_whitespace()).is_some() {},
                            Some(c) => text.push(c),
                            None => {}
                        },
                        c => text.push(c),
                    }
                }
                texts.push(text);
            }
            _ => {}
        }
    }
    texts
}

/// Whether a text was made of this format: its pieces are there, in order.
pub(crate) fn is_in(format: &str, mut text: &str) -> bool {
    // Of `${NAME}` the outer brace is the shell's.
    let format = format.replace("{{{", "{").replace("}}", "}");
    let mut rest = &*format;
    loop {
        let (piece, after) = match rest.split_once('{') {
            Some((piece, after)) => (piece, after.split_once('}').map(|(_, after)| after)),
            None => (rest, None),
        };
        let Some(at) = text.find(piece) else { return false };
        text = &text[at + piece.len()..];
        match after {
            Some(after) => rest = after,
            None => return true,
        }
    }
}

/// Inside of `cck run` nothing but its end has another credential sent.
#[test]
fn a_session_is_left_by_ending_its_command() {
    let sandbox = Sandbox::new();
    sandbox.lay(CONFIG, SET.replace("@KEY", KEY));
    let bin = Path::new(&crate::sandbox::binary()).parent().unwrap().display().to_string();
    let path = format!("{bin}:/usr/bin:/bin");
    let script = "cck verify --json --expect config.primaryApiKey >report; read -r fix <fix; eval \"$fix\"; \
                  echo still here >stayed";
    let run = || {
        let args = ["run", "--key-env", "K", "--", "sh", "-c", script];
        sandbox.cck(&args).env("K", OTHER).env("PATH", &path).run().code(0)
    };
    fs::write(sandbox.project().join("fix"), ":\n").unwrap();
    run();
    let found = problems(&fs::read(sandbox.project().join("report")).unwrap());
    let fix = steps(found[0]["fix"].as_str().unwrap()).swap_remove(0);
    assert_eq!(
        (found[0]["code"].as_str(), &fix),
        (Some("key-ignored"), &Step::Command("exit".into()))
    );
    fs::remove_file(sandbox.project().join("stayed")).unwrap();
    fs::write(sandbox.project().join("fix"), "exit\n").unwrap();
    run();
    assert!(!sandbox.project().join("stayed").exists(), "the shell went on");
    sandbox.cck(&["verify", "--expect", "config.primaryApiKey"]).run().code(0);
}

/// tests/data/cases/k01: logging out in the client takes away what cck put there; the fix does not.
#[test]
fn the_fix_for_a_login_leaves_the_key_the_onboarding_and_the_approvals() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/cases");
    let text = fs::read_to_string(cases.join("k01-fix-that-destroys.json")).unwrap();
    let case: Value = serde_json::from_str(&text).unwrap();
    for item in case["items"].as_array().unwrap() {
        let sandbox = Sandbox::new();
        for (path, content) in item["state"]["home"].as_object().unwrap() {
            sandbox.lay(path, content.to_string());
        }
        let before = fs::read_to_string(sandbox.config()).unwrap();
        let verify =
            || sandbox.cck(&["verify", "--json", "--expect", "config.primaryApiKey"]).run();
        let report = verify().code(1).json();
        let fix = report["problems"][0]["fix"].as_str().unwrap();
        assert_eq!(report["problems"][0]["code"], "key-shadowed");
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", fix]).env_clear().env("HOME", sandbox.home());
        assert!(shell.env("PATH", "/usr/bin:/bin").status().unwrap().success(), "{fix}");
        verify().code(0);
        assert_eq!(fs::read_to_string(sandbox.config()).unwrap(), before);
    }
}

#[test]
fn what_is_said_of_another_config_is_to_be_run_for_that_one() {
    let s = Sandbox::new();
    let run = |args: &[&str]| {
        let ran = s.cck(args).env("K", KEY).env("ANTHROPIC_AUTH_TOKEN", "tok").run();
        format!("{}{}", ran.stdout, ran.stderr)
    };
    run(&["profile", "add", "a", "--key-env", "K"]);
    let file = s.lay("it's.json", ON).display().to_string();
    let quoted = format!("'{}'", file.replace('\'', r"'\''"));
    for (flag, name, shown) in [("--profile", "a", "a"), ("--config-file", &*file, &*quoted)] {
        let says = |args: &[&str], command: &str| {
            let said = run(&[args, &[flag, name]].concat());
            let advice = format!("{command} {flag} {shown}");
            assert!(said.contains(&advice), "{args:?}: {advice}\n{said}");
        };
        let with = |command: &[&'static str]| match flag {
            "--profile" => command.to_vec(),
            _ => [command, &["--key-env", "K"]].concat(),
        };
        says(&with(&["rotate"]), "write the first one with cck set-key");
        says(&with(&["set-key"]), "cck verify");
        says(&with(&["helper", "install"]), "cck unset-key --scrub");
        says(&["verify"], "cck verify --expect env.ANTHROPIC_AUTH_TOKEN");
        says(&with(&["helper", "install", "--remove-primary-key"]), "cck unset-key --scrub");
        says(&["helper", "remove"], "cck verify");
        let config = match flag {
            "--profile" => ".local/share/cck/profiles/a/.claude.json",
            _ => "it's.json",
        };
        says(&with(&["set-key"]), "cck verify");
        s.lay(config, SET);
        says(&["undo"], "cck undo --dry-run --force");
    }
}

#[test]
fn the_rules_that_hold_are_named_once() {
    let s = Sandbox::new();
    let ran = s.cck(&["verify"]).env(API_KEY, KEY).env("PATH", "/").run().code(1);
    let named = ran.stdout.matches("rules of").count();
    assert_eq!(named, 1, "{}", ran.stdout);
}
