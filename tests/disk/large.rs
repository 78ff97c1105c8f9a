//! Configs so large that their long values go from file to file, and to the disk while they do.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use super::{Home, can_mount, key, text};

/// Several of the parts that are written at a time.
const SIZE: usize = 20 << 20;

/// A config with the key in its midst; the end is as given.
fn config(key: &str, end: &str) -> String {
    let mut text = String::with_capacity(SIZE + 1000);
    text.push_str("{\r\n  \"history\": [\r\n");
    let line = format!("    \"{}\\u00e9ä\\\"\",\r\n", "0123456789abcdef ".repeat(300));
    while text.len() < SIZE / 2 {
        text.push_str(&line);
    }
    text.push_str("    1.10\r\n  ],\r\n  \"primaryApiKey\": \"");
    text.push_str(key);
    text.push_str("\",\r\n  \"more\": [\r\n");
    while text.len() < SIZE {
        text.push_str(&line);
    }
    text.push_str("    1e400 ]");
    text.push_str(end);
    text
}

const REST: &str =
    ",\r\n  \"hasCompletedOnboarding\": true,\r\n  \"lastOnboardingVersion\": \"1.0.0\"\r\n}\r\n";

#[test]
fn of_a_large_config_only_the_key_changes() {
    let home = Home::new();
    home.lay(&config("sk-ant-api03-of-another-length", REST));
    for number in [1, 2] {
        let output = home.cck(&["set-key"], &key(number)).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(fs::read_to_string(home.config()).unwrap() == config(&key(number), REST));
    }
    assert_eq!(home.names(), [".claude.json"]);
    let broken = config(&key(2), ",}");
    home.lay(&broken);
    let output = home.cck(&["set-key"], &key(3)).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let line = broken.matches('\n').count() + 1;
    assert!(
        text(&output.stderr).contains(&format!("{line}:13: trailing comma")),
        "{}",
        text(&output.stderr)
    );
    assert!(fs::read_to_string(home.config()).unwrap() == broken);
}

#[test]
fn an_error_or_an_end_in_between_leaves_the_old_file() {
    if Command::new("strace").arg("--version").output().is_err() {
        return super::skip::without("strace");
    }
    let home = Home::new();
    let old = config(&key(1), REST);
    home.lay(&old);
    let faults = [
        ("fsync", "error=EIO:when=1", Some(2), None),
        // Past the outline, in the middle of the copy.
        ("pread64", "error=EIO:when=180", Some(2), None),
        ("write", "error=ENOSPC:when=20", Some(2), None),
        ("fadvise64", "signal=KILL:when=3", None, Some(9)),
    ];
    for (call, fault, code, signal) in faults {
        let cck = home.cck(&["set-key"], &key(2));
        let mut strace = Command::new("strace");
        strace
            .args(["-f", "-qq", "-o", "/dev/null", "-e"])
            .arg(format!("trace={call}"))
            .arg("-e")
            .arg(format!("inject={call}:{fault}"))
            .arg(cck.get_program())
            .args(cck.get_args())
            .env_clear()
            .envs(cck.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = strace.output().unwrap();
        assert_eq!(
            (output.status.code(), output.status.signal()),
            (code, signal),
            "{}",
            text(&output.stderr)
        );
        assert!(fs::read_to_string(home.config()).unwrap() == old, "{fault}");
        if code.is_some() {
            assert!(
                text(&output.stderr).contains("input/output error")
                    || text(&output.stderr).contains("no space left"),
                "{}",
                text(&output.stderr)
            );
            assert_eq!(home.names(), [".claude.json"]);
        }
    }
    let lock = home.path().join(".claude.json.lock");
    let _ = fs::remove_dir(lock);
    assert!(home.cck(&["set-key"], &key(3)).status().unwrap().success());
    assert_eq!(home.names(), [".claude.json"], "what the killed run has left is gone");
}

/// What is not in the outline is read after all: a long value to be edited, and the whole file where it is written in place.
#[test]
fn a_long_value_is_edited_and_a_large_file_written_in_place() {
    let home = Home::new();
    // Set by an earlier run of something else, and longer than what an outline has of a value.
    let long = format!("sk-ant-api03-{}", "x".repeat(100_000));
    let old = config(&long, REST);
    let new = old.replace(&long, &key(1));
    home.lay(&old);
    let output = home.cck(&["set-key"], &key(1)).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(fs::read_to_string(home.config()).unwrap() == new);
    if !can_mount() {
        return;
    }
    let bind = "mv $HOME/.claude.json $HOME/real; : > $HOME/.claude.json; mount --bind $HOME/real $HOME/.claude.json;";
    let run = home.in_namespace(&format!("{bind} $CCK unset-key; $CCK set-key"));
    assert!(run.status.success(), "{}", text(&run.stderr));
    let content = fs::read_to_string(home.path().join("real")).unwrap();
    assert!(content.contains(&key(1)) && content.len() == new.len());
    assert_eq!(home.names(), [".claude.json", "real"]);
}
