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
    sandbox.cck(&["undo"]).run().code(1).out(&["knows no change"]);
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
        // What somebody else has changed since is not taken back.
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
    sandbox.cck(&["unset-key", "--scrub"]).run().code(0).out(&["no copy holds a key"]);
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
