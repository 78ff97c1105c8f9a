//! The real client after cck has written its config: it sends exactly that key, and nothing of an old one is left.
#![cfg(unix)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    reason = "a test lays files, reads its own settings and stops where something is amiss"
)]

#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;
use support::client::{Client, Sent};
use support::world::{State, World};

const VERSION: &str = "2.1.330";
const KEY: &str =
    "sk-ant-api03-INJECTaaaaBBBBccccDDDDeeeeFFFFggggHHHHiiiiJJJJkkkkLLLLmmmmNNNN-ooooPPPPwxyz";
const OTHER: &str =
    "sk-ant-api03-EARLIERqqqqRRRRssssTTTTuuuuVVVVwwwwXXXXyyyyZZZZ00001111222233-33444455abcd";

/// The client, if it can be installed.
fn client() -> Option<Client> {
    match Client::new(VERSION) {
        Ok(client) => Some(client),
        Err(error) => {
            support::skip::without(&format!("client {VERSION} ({error})"));
            None
        }
    }
}

fn state(env: &[(&str, &str)], home: &[(&str, serde_json::Value)]) -> State {
    State {
        env: env.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        home: home.iter().map(|(path, value)| ((*path).into(), value.clone())).collect(),
        ..State::default()
    }
}

/// Runs cck in the world, with `key` on standard input.
fn cck(world: &World, args: &[&str], key: &str) -> String {
    let env: BTreeMap<String, String> = world.state.env.clone();
    let mut child = Command::new(env!("CARGO_BIN_EXE_cck"))
        .args(args)
        .env_clear()
        .env("HOME", world.home())
        .env("PATH", std::env::var("PATH").unwrap())
        .envs(env.iter().map(|(name, value)| (name, world.expand(value))))
        .current_dir(world.project())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads no key closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(key.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    assert!(output.status.success(), "cck {args:?}: {text}");
    text
}

#[track_caller]
fn assert_sends(sent: &Sent, key: &str) {
    let got = (sent.x_api_key.as_deref(), sent.authorization.as_deref());
    assert_eq!(got, (Some(key), None), "{sent:#?}");
}

#[test]
fn on_an_empty_home_the_client_sends_exactly_that_key() {
    let Some(client) = client() else { return };
    let world = World::lay(&State::default());
    cck(&world, &["set-key", "--stdin"], KEY);
    assert_sends(&client.print(&world), KEY);
    assert_sends(&client.interactive(&world), KEY);
}

#[test]
fn on_a_home_that_the_client_has_used_only_the_named_members_change() {
    let Some(client) = client() else { return };
    let world = World::lay(&State::default());
    let config = world.home().join(".claude.json");
    cck(&world, &["set-key", "--stdin"], OTHER);
    assert_sends(&client.print(&world), OTHER);
    let used = fs::read_to_string(&config).unwrap();
    assert!(
        used.contains("userID") || used.contains("projects"),
        "the client has written its config: {used}"
    );

    cck(&world, &["set-key", "--stdin"], KEY);
    assert_eq!(
        fs::read_to_string(&config).unwrap(),
        used.replace(OTHER, KEY),
        "nothing but the key has changed"
    );
    assert_sends(&client.print(&world), KEY);
}

#[test]
fn with_a_config_dir_the_client_sends_exactly_that_key() {
    let Some(client) = client() else { return };
    let world = World::lay(&state(&[("CLAUDE_CONFIG_DIR", "$HOME/elsewhere")], &[]));
    cck(&world, &["set-key", "--stdin"], KEY);
    assert!(world.home().join("elsewhere/.claude.json").exists());
    assert_sends(&client.print(&world), KEY);
}

#[test]
fn an_approved_key_of_the_environment_is_used_without_a_question() {
    let Some(client) = client() else { return };
    let config = json!({"hasCompletedOnboarding": true, "lastOnboardingVersion": "0.2.107", "theme": "dark"});
    let before = state(&[("ANTHROPIC_API_KEY", KEY)], &[(".claude.json", config)]);
    let asked = client.interactive(&World::lay(&before));
    assert!(asked.dialogs.contains(&"approve_env_key"), "without an approval it asks: {asked:#?}");

    let world = World::lay(&before);
    cck(&world, &["approve"], "");
    let sent = client.interactive(&world);
    assert!(!sent.dialogs.contains(&"approve_env_key"), "{sent:#?}");
    assert_sends(&sent, KEY);
}

/// Every file below `dir` that holds any 24 consecutive characters of `key`.
fn holders(dir: &Path, key: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holders(&path, key));
        } else if let Ok(bytes) = fs::read(&path) {
            let holds = key
                .as_bytes()
                .windows(24)
                .any(|piece| memchr::memmem::find(&bytes, piece).is_some());
            found.extend(holds.then(|| path.display().to_string()));
        }
    }
    found
}

/// A home in which the client has worked with `OTHER` and made its backups.
fn with_backups(client: &Client) -> World {
    let world = World::lay(&State::default());
    cck(&world, &["set-key", "--stdin"], OTHER);
    for _ in 0..2 {
        assert_sends(&client.print(&world), OTHER);
    }
    let backups = world.home().join(".claude/backups");
    assert!(
        !holders(&backups, OTHER).is_empty(),
        "the client's backups hold the key, or this test shows nothing"
    );
    world
}

#[test]
fn after_a_rotation_nothing_of_the_old_key_is_left() {
    let Some(client) = client() else { return };
    let world = with_backups(&client);
    cck(&world, &["rotate", "--stdin"], KEY);
    assert_eq!(holders(&world.home(), OTHER), [""; 0]);
    assert_sends(&client.print(&world), KEY);
}

#[test]
fn after_a_scrub_nothing_of_the_key_is_left() {
    let Some(client) = client() else { return };
    let world = with_backups(&client);
    cck(&world, &["unset-key", "--scrub"], "");
    assert_eq!(holders(&world.home(), OTHER), [""; 0]);
    let sent = client.print(&world);
    assert!(sent.x_api_key.is_none(), "{sent:#?}");
}

/// The newest client that is known.
const NEWEST: &str = "2.1.332";

/// The name with what differs from run to run as PID, HEX and MS.
fn pattern(path: &str) -> String {
    let mut parts: Vec<String> = path.split('.').map(str::to_owned).collect();
    if let Some(at) = parts.iter().position(|part| part == "tmp").filter(|at| at + 2 < parts.len())
    {
        (parts[at + 1], parts[at + 2]) = ("PID".into(), "HEX".into());
    } else if let Some(last) = parts.last_mut().filter(|last| last.parse::<u64>().is_ok()) {
        *last = "MS".into();
    }
    parts.join(".")
}

/// What counts as a copy of the key comes from what the client does, not from what is thought of.
#[test]
fn every_file_that_the_newest_client_writes_the_key_to_is_in_the_list() {
    let strace = Command::new("strace").arg("true").stderr(Stdio::null()).status();
    if !strace.is_ok_and(|status| status.success()) {
        return support::skip::without("strace");
    }
    let client = match Client::new(NEWEST) {
        Ok(client) => client,
        Err(error) => return support::skip::without(&format!("client {NEWEST} ({error})")),
    };
    let list: serde_json::Value =
        serde_json::from_str(include_str!("../data/client-writes.json")).unwrap();
    let known: Vec<&str> = list["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["path"].as_str().unwrap())
        .collect();
    let world = World::lay(&State::default());
    cck(&world, &["set-key", "--stdin"], KEY);
    let log = world.root().join("trace");
    assert_sends(&client.traced(&log).print(&world), KEY);

    let home = world.home();
    let mut written = std::collections::BTreeSet::new();
    for line in fs::read_to_string(&log).unwrap().lines().filter(|line| line.contains(&KEY[..40])) {
        // `PID write(7</path>, "…`: a socket is not a file.
        let Some((path, _)) = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'))
        else {
            continue;
        };
        if path.starts_with('/') {
            let path = path
                .strip_prefix(home.to_str().unwrap())
                .map_or(path.into(), |rest| format!("~{rest}"));
            written.insert(pattern(&path));
        }
    }
    // What it copies inside the kernel is seen afterwards.
    for path in holders(&home, KEY) {
        let path = path.strip_prefix(home.to_str().unwrap()).unwrap();
        written.insert(pattern(&format!("~{path}")));
    }
    written.remove("~/.claude.json");
    assert!(written.len() > 1, "the trace shows temporary files and a backup: {written:?}");
    assert!(
        written.contains("~/.claude.json.tmp.PID.HEX"),
        "the trace shows the config: {written:?}"
    );
    let unknown: Vec<_> = written.iter().filter(|path| !known.contains(&path.as_str())).collect();
    assert!(unknown.is_empty(), "not in tests/data/client-writes.json: {unknown:?}");
}
