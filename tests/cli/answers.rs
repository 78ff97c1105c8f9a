//! The inputs that were once answered wrong, in tests/data/cases, each with the right answer.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use cck::client::Client;
use cck::client::decision::Mode;
use serde_json::{Value, json};

use crate::leaks::assert_keeps_keys;
use crate::sandbox::{KEY, Sandbox};
use crate::truth::{Row, disagreement};

fn items(file: &str) -> Vec<Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/cases").join(file);
    let case: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    case["items"].as_array().unwrap().clone()
}

/// What the client was seen to send, as a row of the truth.
fn row(item: &Value) -> Row {
    let header = |name: &str| match item["right"][name].as_str() {
        Some("(helper of --settings)") => json!("settings.flag.apiKeyHelper"),
        Some("(KEY of --settings)") => json!("settings.flag.env.ANTHROPIC_API_KEY"),
        _ => item["right"][name].clone(),
    };
    let row = json!({
        "id": item["id"], "state": item["state"], "sent": item["right"]["sends"],
        "x_api_key": header("x_api_key"), "authorization": header("authorization"),
        "approval_dialog": false,
    });
    serde_json::from_value(row).unwrap()
}

#[test]
fn what_the_client_was_seen_to_send_is_what_is_said() {
    let mut count = 0;
    let mut wrong = Vec::new();
    for file in [
        "k02-managed-force-login.json",
        "k03-host-managed-session.json",
        "k05-client-options.json",
        "k09-base-url.json",
    ] {
        for item in items(file).iter().filter(|item| item.get("state").is_some()) {
            let mode = match item["mode"].as_str() {
                Some("interactive") => Mode::Interactive,
                _ => Mode::Print,
            };
            for client in item["seen_in"].as_array().unwrap() {
                let client: Client = client.as_str().unwrap().parse().unwrap();
                wrong.extend(disagreement(&row(item), client, mode));
                count += 1;
            }
        }
    }
    assert!(wrong.is_empty() && count >= 30, "{count}: {}", wrong.join("\n"));
}

/// Lays the item's files, and asks about its environment.
fn verify(item: &Value) -> (Option<i32>, Value) {
    let sandbox = Sandbox::new();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    for (path, content) in item["home"].as_object().into_iter().flatten() {
        sandbox.lay(path, text(content));
    }
    let args = item["args"].as_array().cloned().unwrap_or_default();
    let args: Vec<&str> = args.iter().map(|arg| arg.as_str().unwrap()).collect();
    let mut cck = sandbox.cck(&[&["verify", "--json"], &args[..]].concat());
    for (name, value) in item["env"].as_object().into_iter().flatten() {
        cck = cck.env(name, text(value).replace("$HOME", sandbox.home().to_str().unwrap()));
    }
    let ran = cck.run();
    assert_keeps_keys(&ran.stdout, "stdout");
    (ran.code, ran.json()["problems"].clone())
}

fn has(problems: &Value, code: &str, words: &str) -> bool {
    problems.as_array().unwrap().iter().any(|problem| {
        problem["code"] == code && problem["message"].as_str().unwrap().contains(words)
    })
}

#[test]
fn a_value_of_the_wrong_kind_is_named_and_is_not_a_yes() {
    let rights = [
        ("key-as-token", "belongs in ANTHROPIC_API_KEY"),
        ("bearer-twice", "adds itself"),
        ("odd-oauth-token", "not an OAuth token"),
        ("odd-token", "not replaced"),
        ("odd-token", "placeholder"),
        ("helper-output", "JSON"),
        ("helper-output", "the word null"),
        ("helper-output", "placeholder"),
        ("odd-key-shape", "ends with `,`"),
        ("odd-key-shape", "blank"),
        ("odd-key-shape", "OAuth token"),
    ];
    let items = items("k08-verify-silent-on-kind.json");
    assert_eq!(items.len(), rights.len());
    for (item, (code, words)) in items.iter().zip(rights) {
        let (exit, problems) = verify(item);
        assert!(has(&problems, code, words), "{}: {problems:#}", item["id"]);
        assert_eq!(exit, Some(1), "{}", item["id"]);
    }
}

#[test]
fn an_address_that_leads_astray_is_named() {
    let codes = ["base-url-unusable", "base-url-unusable", "base-url-path", "unencrypted"];
    for (item, code) in items("k09-base-url.json").iter().zip(codes) {
        let mut item = item.clone();
        if item.get("state").is_some() {
            item["env"] = item["state"]["env"].clone();
            item["home"] = item["state"]["home"].clone();
        }
        let (exit, problems) = verify(&item);
        assert!(has(&problems, code, ""), "{}: {problems:#}", item["id"]);
        assert!(code != "base-url-unusable" || exit == Some(1), "{}", item["id"]);
    }
}

#[test]
fn a_key_that_nobody_reads_is_found() {
    let places = [
        "~/.claude.json holds a key, but CLAUDE_CONFIG_DIR",
        "~/.claude/.claude.json holds a key",
        "~/.claude/config.json holds a key",
        "~/.claude/settings.json has apiKey",
        "~/.claude.json has apiKeyHelper",
        "ANTRHOPIC_API_KEY in the environment",
        "CLAUDE_API_KEY in the environment",
    ];
    let items = items("k15-misplaced-key.json");
    assert_eq!(items.len(), places.len());
    for (item, place) in items.iter().zip(places) {
        let (_, problems) = verify(item);
        assert!(has(&problems, "misplaced-key", place), "{}: {problems:#}", item["id"]);
    }
    let (_, problems) = verify(&json!({}));
    assert!(!problems.to_string().contains("misplaced-key"), "{problems:#}");
}

#[test]
fn a_key_that_a_link_puts_into_a_git_work_tree_is_named() {
    let sandbox = Sandbox::new();
    let dotfiles = sandbox.home().join("dotfiles");
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        git.arg("-C").arg(&dotfiles).args(args).env("HOME", sandbox.home());
        git.stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    sandbox.lay("dotfiles/claude/.claude.json", "{}");
    sandbox.lay("dotfiles/claude/settings.json", "{}");
    if !git(&["init"]) || !git(&["add", "."]) {
        return crate::skip::without("git");
    }
    symlink("dotfiles/claude/.claude.json", sandbox.config()).unwrap();
    let tracked = "dotfiles/claude/.claude.json is tracked by git";
    sandbox.cck(&["set-key", "--stdin"]).stdin(KEY).run().code(0).err(&[tracked]);
    let named = |path: &str| {
        let ran = sandbox.cck(&["verify", "--json"]).run();
        has(&ran.json()["problems"], "tracked-by-git", path)
    };
    assert!(named("~/dotfiles/claude/.claude.json holds a credential"));

    // The directory of the settings is a link, or the settings are.
    let settings = json!({"env": {"ANTHROPIC_API_KEY": KEY}}).to_string();
    fs::write(dotfiles.join("claude/settings.json"), settings).unwrap();
    let claude = sandbox.home().join(".claude");
    symlink("dotfiles/claude", &claude).unwrap();
    assert!(named("~/dotfiles/claude/settings.json holds a credential"));
    fs::remove_file(&claude).unwrap();
    fs::create_dir(&claude).unwrap();
    symlink("../dotfiles/claude/settings.json", claude.join("settings.json")).unwrap();
    assert!(named("~/dotfiles/claude/settings.json holds a credential"));
}
