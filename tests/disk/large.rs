//! Configs so large that a second thread helps to read, check and write them.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use super::{Home, key, text};

/// More than two of the pieces that are written at a time.
const SIZE: usize = 70 << 20;

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
fn an_error_or_an_end_in_the_second_thread_leaves_the_old_file() {
    if Command::new("strace").arg("--version").output().is_err() {
        eprintln!("skipped: no strace");
        return;
    }
    let home = Home::new();
    let old = config(&key(1), REST);
    home.lay(&old);
    for (fault, code, signal) in [("error=EIO", Some(2), None), ("signal=KILL", None, Some(9))] {
        let cck = home.cck(&["set-key"], &key(2));
        let mut strace = Command::new("strace");
        strace
            .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e"])
            .arg(format!("inject=fdatasync:{fault}:when=1"))
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
                text(&output.stderr).contains("input/output error"),
                "{}",
                text(&output.stderr)
            );
            assert_eq!(home.names(), [".claude.json"]);
        }
    }
    let lock = home.path().join(".claude.json.lock");
    let _ = fs::remove_dir(lock);
    assert!(home.cck(&["set-key"], &key(3)).status().unwrap().success());
    assert_eq!(
        home.names(),
        [".claude.json"],
        "what the killed run has left is gone"
    );
}
