//! `cck unset-key`, `--scrub` and `cck undo`.

use std::fs;
use std::path::Path;

use crate::leaks::WINDOW;
use crate::sandbox::{KEY, OTHER, Sandbox, mode};

/// Every file below `dir` that holds a piece of `key`.
pub fn holders(dir: &Path, key: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holders(&path, key));
        } else if let Ok(bytes) = fs::read(&path) {
            let pieces = key.as_bytes().windows(WINDOW);
            if pieces.into_iter().any(|piece| bytes.windows(WINDOW).any(|window| window == piece)) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

fn config(key: &str) -> String {
    format!(
        "{{\n  \"theme\": \"dark\",\n  \"primaryApiKey\": \"{key}\",\n  \"hasCompletedOnboarding\": true\n}}\n"
    )
}

const WITHOUT: &str = "{\n  \"theme\": \"dark\",\n  \"hasCompletedOnboarding\": true\n}\n";

#[test]
fn the_member_goes_with_its_comma_and_undo_puts_it_back() {
    let sandbox = Sandbox::new();
    sandbox.lay(".claude.json", config(KEY));
    let ran = sandbox.cck(&["unset-key", "--dry-run"]).run().code(0);
    ran.out(&["would remove", "sk-ant-api03-…wxyz"]);
    assert_eq!(fs::read_to_string(sandbox.config()).unwrap(), config(KEY));

    sandbox
        .cck(&["unset-key"])
        .run()
        .code(0)
        .out(&["removed the key sk-ant-api03-…wxyz from", "Claude Code now sends no credential"]);
    assert_eq!(fs::read_to_string(sandbox.config()).unwrap(), WITHOUT);
    sandbox.cck(&["unset-key"]).run().code(0).out(&["nothing to change"]);

    sandbox.cck(&["undo"]).run().code(0).out(&["undid the unset-key", "+ primaryApiKey"]);
    let back: serde_json::Value =
        serde_json::from_slice(&fs::read(sandbox.config()).unwrap()).unwrap();
    assert_eq!(back["primaryApiKey"], KEY);
    // An undo is a change too.
    sandbox.cck(&["undo"]).run().code(0);
    assert_eq!(fs::read_to_string(sandbox.config()).unwrap(), WITHOUT);
}

#[test]
fn undo_restores_what_set_key_replaced_and_refuses_what_was_changed_since() {
    let sandbox = Sandbox::new();
    sandbox.cck(&["undo"]).run().code(1).out(&["nothing to undo"]);
    sandbox.lay(".claude.json", config(OTHER));
    sandbox.cck(&["set-key"]).stdin(KEY).run().code(0);
    let record = fs::read_dir(sandbox.home().join(".local/state/cck/undo"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    assert_eq!(mode(&record), 0o600);
    assert_eq!(mode(record.parent().unwrap()), 0o700);
    let record = fs::read_to_string(record).unwrap();
    assert!(record.contains(OTHER) && !record.contains(KEY), "only what was replaced is kept");

    let by_hand = fs::read_to_string(sandbox.config()).unwrap().replace("wxyz", "zzzz");
    sandbox.lay(".claude.json", &by_hand);
    sandbox.cck(&["undo"]).run().code(2).err(&["was changed after", "--force"]);
    assert_eq!(fs::read_to_string(sandbox.config()).unwrap(), by_hand);
    sandbox.cck(&["undo", "--force"]).run().code(0);
    assert_eq!(fs::read_to_string(sandbox.config()).unwrap(), config(OTHER));

    sandbox.cck(&["set-key"]).stdin(KEY).run().code(0);
    sandbox.lay(".claude.json", config(OTHER));
    sandbox.cck(&["undo", "--force"]).run().code(0).out(&["is undone already"]);
}

/// A value that is an object or a list is laid out like the rest of the file, and is still the one that was written.
#[test]
fn undo_takes_back_an_approval_however_the_file_is_laid_out() {
    for before in [
        config(KEY),
        format!("{{\"n\": 1e2,\r\n\t\"primaryApiKey\":\"{KEY}\", \"projects\":{{}}}}"),
        "{\"customApiKeyResponses\":{\"approved\":[\"a\"],\"rejected\":[ ]},\"x\":1}".to_owned(),
    ] {
        let sandbox = Sandbox::new();
        sandbox.lay(".claude.json", &before);
        let approve = || {
            let cck = sandbox.cck(&["approve", "--key-env", "K"]);
            cck.env("K", OTHER).run().code(0);
            fs::read_to_string(sandbox.config()).unwrap()
        };
        let approved = approve();
        assert_ne!(approved, before);
        sandbox.cck(&["undo"]).run().code(0);
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        let after = fs::read_to_string(sandbox.config()).unwrap();
        assert_eq!(value(&after), value(&before));
        // What someone else has changed since is not reverted.
        sandbox.lay(".claude.json", approve().replace("approved\"", "approved2\""));
        sandbox.cck(&["undo"]).run().code(2).err(&["was changed after"]);
    }
}

#[test]
fn scrub_takes_the_key_out_of_every_copy_and_leaves_the_rest() {
    let sandbox = Sandbox::new();
    sandbox.cck(&["set-key"]).stdin(OTHER).run().code(0);
    sandbox.cck(&["set-key"]).stdin(KEY).run().code(0);
    let copies = [
        ".claude/backups/.claude.json.backup.1764000000000",
        ".claude/backups/.claude.json.corrupted.1764000000001",
        ".claude.json.backup",
        ".claude.json.backup.1700000000000",
        ".claude.json.corrupted.1700000000001",
    ];
    for copy in copies {
        sandbox.lay(copy, config(KEY));
    }
    sandbox.lay(".claude/backups/.claude.json.backup.2", config(OTHER));
    let other = sandbox.lay(".claude.json.bak", "not the client's");
    let ran = sandbox.cck(&["unset-key", "--scrub"]).run().code(0);
    ran.out(&["backup.1764000000000", "corrupted.1764000000001", "~/.claude.json.backup", "undo"]);
    for copy in copies {
        assert_eq!(fs::read_to_string(sandbox.home().join(copy)).unwrap(), WITHOUT, "{copy}");
    }
    assert!(other.exists());
    assert_eq!(holders(&sandbox.home(), KEY), [""; 0]);
    assert_eq!(holders(&sandbox.home(), OTHER), [""; 0]);
    sandbox.cck(&["unset-key", "--scrub"]).run().code(0).out(&["no copy holds the key"]);
}

#[test]
fn a_malformed_copy_is_reported_and_left() {
    let sandbox = Sandbox::new();
    sandbox.lay(".claude.json", config(KEY));
    let broken = format!("{{\"primaryApiKey\": \"{KEY}\"");
    let copy = sandbox.lay(".claude/backups/.claude.json.corrupted.1", &broken);
    let report = sandbox.cck(&["unset-key", "--scrub", "--json"]).run().code(1).json();
    assert_eq!(report["scrubbed"]["left"][0]["path"], copy.to_str().unwrap());
    assert_eq!(fs::read_to_string(&copy).unwrap(), broken);
    // A copy that is broken and holds no key is none of our business.
    fs::write(&copy, "{").unwrap();
    sandbox.cck(&["unset-key", "--scrub"]).run().code(0);
}

#[test]
fn while_a_copy_is_left_the_record_of_the_key_is_too_and_the_next_run_removes_both() {
    let sandbox = Sandbox::new();
    sandbox.lay(".claude.json", config(KEY));
    let broken = format!("{{\"primaryApiKey\": \"{KEY}\"");
    let copy = sandbox.lay(".claude/backups/.claude.json.corrupted.1", &broken);
    let ran = sandbox.cck(&["unset-key", "--scrub"]).run().code(1);
    ran.out(&["left ~/.claude/backups/.claude.json.corrupted.1", "left ~/.local/state/cck/undo/"]);
    fs::write(&copy, broken + "}").unwrap();
    sandbox.cck(&["unset-key", "--scrub"]).run().code(0);
    assert_eq!(holders(&sandbox.home(), KEY), [""; 0]);
}

#[test]
fn records_that_cannot_be_listed_are_named() {
    let sandbox = Sandbox::new();
    sandbox.lay(".claude.json", config(KEY));
    sandbox.lay(".local/state/cck/undo", "");
    let ran = sandbox.cck(&["unset-key", "--scrub"]).run().code(1);
    ran.out(&["left ~/.local/state/cck/undo: it cannot be looked through"]);
}

#[test]
fn a_key_elsewhere_in_the_config_is_reported() {
    let sandbox = Sandbox::new();
    sandbox.lay(
        ".claude.json",
        format!("{{\"primaryApiKey\":\"{KEY}\",\"env\":{{\"ANTHROPIC_API_KEY\":\"{KEY}\"}}}}"),
    );
    sandbox
        .cck(&["unset-key", "--scrub"])
        .run()
        .code(1)
        .out(&["left ~/.claude.json", "somewhere else"]);
}

/// Scrubs the sandbox, whose config holds KEY.
fn scrub(sandbox: &Sandbox, code: i32) -> serde_json::Value {
    sandbox.lay(".claude.json", config(KEY));
    sandbox.cck(&["unset-key", "--scrub", "--json"]).run().code(code).json()["scrubbed"].clone()
}

fn long_ago(path: &Path) {
    let past = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    fs::File::options().write(true).open(path).unwrap().set_modified(past).unwrap();
}

#[test]
fn what_a_killed_client_has_left_goes_and_what_it_is_writing_stays() {
    for name in [".claude.json.tmp.2339.7f87923c613f", ".claude.json.tmp.2339.1764000000000"] {
        // Whole, or cut short in the middle of the key.
        let whole = config(KEY);
        for content in [&whole[..], &whole[..whole.find(KEY).unwrap() + 40]] {
            let sandbox = Sandbox::new();
            let temp = sandbox.lay(name, content);
            assert_eq!(scrub(&sandbox, 1)["left"][0]["path"], temp.to_str().unwrap());
            long_ago(&temp);
            assert_eq!(scrub(&sandbox, 0)["removed"][0], temp.to_str().unwrap());
            assert!(!temp.exists());
        }
        let sandbox = Sandbox::new();
        let temp = sandbox.lay(name, config(OTHER));
        long_ago(&temp);
        scrub(&sandbox, 0);
        assert!(temp.exists(), "it holds another key");
    }
}

#[test]
fn another_key_in_a_backup_and_what_a_link_leads_to_are_left_alone() {
    let sandbox = Sandbox::new();
    let other = sandbox.lay(".claude/backups/.claude.json.backup.1", config(OTHER));
    let elsewhere = sandbox.lay("elsewhere/config.json", config(KEY));
    let link = sandbox.home().join(".claude/backups/.claude.json.backup.2");
    std::os::unix::fs::symlink(&elsewhere, &link).unwrap();
    let mine = sandbox.lay(".claude/backups/notes.json", config(KEY));
    let report = scrub(&sandbox, 1);
    assert_eq!(fs::read_to_string(&other).unwrap(), config(OTHER));
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), config(KEY));
    assert_eq!(fs::read_to_string(&mine).unwrap(), config(KEY), "not a name of the client's");
    assert_eq!(report["others"][0], other.to_str().unwrap());
    let left: Vec<_> =
        report["left"].as_array().unwrap().iter().map(|left| &left["path"]).collect();
    assert_eq!(left, [link.to_str().unwrap(), mine.to_str().unwrap()]);
}

#[test]
fn a_copy_that_cannot_be_cleaned_is_named() {
    let utf16: Vec<u8> = config(KEY).bytes().flat_map(|byte| [byte, 0]).collect();
    let escaped = format!("{{\"x\": \"\\u0073{}\"}}", &KEY[1..]);
    let compressed = [b"\x1f\x8b\x08\x00".to_vec(), vec![7; 40]].concat();
    for (name, content, why) in [
        (".claude/backups/.claude.json.backup.1", utf16, "UTF-16"),
        (".claude/backups/.claude.json.backup.1", escaped.into_bytes(), "JSON escapes"),
        (".claude/backups/.claude.json.backup.1.gz", compressed.clone(), "compressed"),
        (".claude.json.gz", compressed, "compressed"),
        (".claude.json~", config(KEY).into_bytes(), "cck does not change it"),
        (
            ".claude/settings.json",
            format!("{{\"env\":{{\"K\":\"{KEY}\"}}}}").into_bytes(),
            "may send it",
        ),
    ] {
        let sandbox = Sandbox::new();
        let path = sandbox.lay(name, &content);
        let left = scrub(&sandbox, 1)["left"].clone();
        assert_eq!(left[0]["path"], path.to_str().unwrap(), "{left}");
        assert!(left[0]["why"].as_str().unwrap().contains(why), "{why}: {left}");
        assert_eq!(fs::read(path).unwrap(), content);
    }
    // The name of the field in escapes is still the field.
    let sandbox = Sandbox::new();
    let text = config(KEY).replace("primaryApiKey", "primaryApi\\u004bey");
    let path = sandbox.lay(".claude/backups/.claude.json.backup.1", text);
    scrub(&sandbox, 0);
    assert_eq!(fs::read_to_string(path).unwrap(), WITHOUT);
}

#[test]
fn kept_keys_and_records_of_other_configs_are_scrubbed_too() {
    let sandbox = Sandbox::new();
    let file = sandbox.lay("k", KEY);
    let command = format!("cat {}", file.display());
    sandbox.cck(&["get-key", "--key-command", &command, "--ttl", "600"]).run().code(0);
    fs::remove_file(file).unwrap();
    let other = sandbox.home().join("other.json");
    let other = ["--config-file", other.to_str().unwrap()];
    for key in [KEY, OTHER] {
        let args = [&["set-key"][..], &other].concat();
        sandbox.cck(&args).stdin(key).run().code(0);
    }
    assert!(!holders(sandbox.runtime(), KEY).is_empty(), "the key is kept, or this shows nothing");
    scrub(&sandbox, 0);
    assert_eq!(holders(sandbox.runtime(), KEY), [""; 0]);
    assert_eq!(holders(&sandbox.home(), KEY), [""; 0]);
}

#[test]
fn without_a_known_key_a_copy_that_holds_one_is_named() {
    let sandbox = Sandbox::new();
    let copy = sandbox.lay(".claude/backups/.claude.json.backup.1", config(OTHER));
    let ran = sandbox.cck(&["unset-key", "--scrub"]).run().code(1);
    ran.out(&["none to compare it with", ".claude.json.backup.1"]);
    assert_eq!(fs::read_to_string(copy).unwrap(), config(OTHER));
}

#[test]
fn what_undo_needs_is_kept_for_a_week() {
    let sandbox = Sandbox::new();
    sandbox.lay(".claude.json", config(OTHER));
    sandbox.cck(&["set-key"]).stdin(KEY).run().code(0);
    let dir = sandbox.home().join(".local/state/cck/undo");
    let record = fs::read_dir(dir).unwrap().next().unwrap().unwrap().path();
    let days = |n: u64| {
        let past = std::time::SystemTime::now() - std::time::Duration::from_secs(n * 24 * 60 * 60);
        fs::File::options().write(true).open(&record).unwrap().set_modified(past).unwrap();
    };
    days(6);
    sandbox.cck(&["approve"]).env("ANTHROPIC_API_KEY", KEY).run().code(0);
    sandbox.cck(&["undo"]).run().code(0).out(&["undid the approve"]);
    sandbox.cck(&["set-key"]).stdin(OTHER).run().code(0);
    days(8);
    // Any command that changes something clears it first.
    let file = sandbox.home().join("another.json");
    let args = ["set-key", "--config-file", file.to_str().unwrap()];
    sandbox.cck(&args).stdin(OTHER).run().code(0);
    assert!(!record.exists());
    sandbox.cck(&["undo"]).run().code(1).out(&["nothing to undo"]);
}

/// A session that was started before the change keeps the key that it read.
#[test]
fn running_sessions_are_counted_and_named() {
    let sandbox = Sandbox::new();
    sandbox.lay(".claude.json", config(OTHER));
    let client = sandbox.home().join("claude");
    crate::sandbox::copy_program("/bin/sleep", &client);
    let start = |home: &Path| {
        let mut command = std::process::Command::new(&client);
        command.arg("60").env_clear().env("HOME", home).spawn().unwrap()
    };
    let mut clients = [start(&sandbox.home()), start(Path::new("/elsewhere"))];
    let rotate = |args: &[&str]| {
        let args = [&["rotate", "--stdin"], args].concat();
        sandbox
            .cck(&args)
            .env("ANTHROPIC_ADMIN_KEY", "sk-ant-admin01-xxxxxxxxxxxxxxxxxxxx")
            .stdin(KEY)
            .run()
    };
    if cfg!(target_os = "linux") {
        let retire = rotate(&["--retire-old", "--admin-url", "http://127.0.0.1:9"]).code(2);
        retire.err(&["1 Claude Code session is running", "--yes"]);
        assert!(fs::read_to_string(sandbox.config()).unwrap().contains(OTHER));
        assert_eq!(rotate(&["--json", "--dry-run"]).code(0).json()["running"], 1);
        rotate(&[]).code(0).err(&["1 Claude Code session is running", "restarted", "cck helper"]);
        sandbox.cck(&["unset-key"]).run().code(0).err(&["1 Claude Code session is running"]);
    }
    for client in &mut clients {
        client.kill().unwrap();
        client.wait().unwrap();
    }
    assert_eq!(sandbox.cck(&["unset-key", "--json"]).run().code(0).json()["running"], 0);
}

/// The list is held against a trace of the client (tests/inject); here cck is held against the list.
#[test]
fn every_file_that_the_client_writes_the_key_to_is_scrubbed_or_named() {
    let list: serde_json::Value =
        serde_json::from_str(include_str!("../data/client-writes.json")).unwrap();
    for file in list["files"].as_array().unwrap() {
        let path = file["path"].as_str().unwrap();
        // What lies outside of the home is the machine's here, and no test lays files there.
        let Some(path) = path.strip_prefix("~/") else { continue };
        let numbers = [
            ("PID", "2339"),
            ("HEX", "7f87923c613f"),
            ("MS", "1764000000000"),
            ("TIME", "1764000000001"),
        ];
        let path = numbers.iter().fold(path.to_owned(), |path, (word, n)| path.replace(word, n));
        let sandbox = Sandbox::new();
        let copy = sandbox.lay(&path, config(KEY));
        long_ago(&copy);
        let report = scrub(&sandbox, 0);
        let how = file["scrub"].as_str().unwrap();
        assert_eq!(report[how][0], copy.to_str().unwrap(), "{path}: {report}");
        assert_eq!(holders(&sandbox.home(), KEY), [""; 0], "{path}");
    }
}

/// Before there was a broker, `cck run` had a config of its own, with the key, in the runtime directory.
#[test]
fn what_a_killed_run_has_left_is_removed_and_that_of_a_living_one_is_named() {
    let commands: [&[&str]; 2] = [&["unset-key", "--scrub"], &["rotate", "--key-env", "NEW"]];
    for command in commands {
        for lives in [false, true] {
            let sandbox = Sandbox::new();
            sandbox.lay(".claude.json", config(KEY));
            let run = sandbox.runtime().join("cck-run-3f2a");
            fs::create_dir_all(run.join("config")).unwrap();
            let copy = run.join("config/.claude.json");
            fs::write(&copy, config(KEY)).unwrap();
            fs::write(run.join("lock"), "").unwrap();
            let lock = fs::File::open(run.join("lock")).unwrap();
            if lives {
                lock.lock().unwrap();
            }
            let seen = sandbox.cck(&["verify", "--json"]).run().json();
            let problems = seen["problems"].as_array().unwrap();
            let named = problems.iter().find(|problem| problem["code"] == "key-in-backups");
            assert!(named.unwrap()["fix"].as_str().unwrap().contains("cck-run-3f2a"), "{seen}");
            let ran = sandbox.cck(command).env("NEW", OTHER).run().code(i32::from(lives));
            assert_eq!(run.exists(), lives, "{command:?} {ran:?}");
            let text = format!("{}{}", ran.stdout, ran.stderr);
            assert_eq!(text.contains(copy.to_str().unwrap()), lives, "{command:?} {ran:?}");
            if !lives {
                assert_eq!(holders(sandbox.runtime(), KEY), [""; 0]);
            }
        }
    }
}
