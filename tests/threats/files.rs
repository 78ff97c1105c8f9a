//! Files made to hang, to exhaust or to confuse.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::holds_key;
use crate::sandbox::{KEY, OTHER, Sandbox, chmod};

fn fifo(path: &Path) {
    use rustix::fs::{CWD, FileType, mknodat};
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    mknodat(CWD, path, FileType::Fifo, 0o600.into(), 0).unwrap();
}

fn huge(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    // Sparse: it takes no room.
    File::create(path).unwrap().set_len(1 << 40).unwrap();
}

/// Every file that cck reads of a project or a home, as a pipe that nobody writes to and as a terabyte: each command
/// ends, and soon.
#[test]
fn a_pipe_or_a_terabyte_in_place_of_a_file_hangs_nothing() {
    let files = [
        "home/.claude.json",
        "home/.claude/settings.json",
        "home/.claude/.credentials.json",
        "home/.claude/.config.json",
        "home/.claude/backups/.claude.json.backup.1",
        "home/.claude.json.backup",
        "home/.config/cck/profiles.toml",
        "home/.local/state/cck/audit.jsonl",
        "project/.claude/settings.json",
        "project/.claude/settings.local.json",
    ];
    let commands: [&[&str]; 8] = [
        &["verify"],
        &["verify", "--json"],
        &["set-key", "--stdin"],
        &["unset-key", "--scrub"],
        &["undo"],
        &["audit", "--check"],
        &["profile", "list"],
        &[],
    ];
    for file in files {
        for plant in [fifo, huge] {
            let sandbox = Sandbox::new();
            plant(&sandbox.home().parent().unwrap().join(file));
            for args in commands {
                let start = Instant::now();
                let ran = sandbox.cck(args).stdin(KEY).run();
                assert!(ran.code.is_some(), "{file} {args:?}: {ran:?}");
                assert!(!ran.stderr.contains("panicked"), "{file} {args:?}: {ran:?}");
                let took = start.elapsed();
                assert!(took < Duration::from_secs(20), "{file} {args:?} took {took:?}");
            }
        }
    }
}

/// Depth costs no stack, and text that is not UTF-8 or not JSON costs an error.
#[test]
fn deep_and_broken_files_are_no_crash() {
    let deep = format!("{{\"a\": {}{}}}", "[".repeat(200_000), "]".repeat(200_000));
    let objects = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    for content in
        [deep.as_bytes(), objects.as_bytes(), b"{\"a\": \"\xff\"}", b"\0", b"{\"a\": \"\\ud800\"}"]
    {
        for file in [".claude.json", ".claude/settings.json", ".claude/.credentials.json"] {
            let sandbox = Sandbox::new();
            sandbox.lay(file, content);
            for args in [&["verify"][..], &["set-key"], &["unset-key", "--scrub"]] {
                let ran = sandbox.cck(args).stdin(KEY).run();
                assert!(matches!(ran.code, Some(0..=2)), "{file} {args:?}: {:?}", ran.code);
            }
        }
    }
}

/// A file of profiles is run: anyone who may write to it would run commands as the user.
#[test]
fn profiles_that_others_may_write_are_refused() {
    let sandbox = Sandbox::new();
    let ran = sandbox.home().join("ran");
    let text = format!("[profiles.acme]\nkey-command = 'touch {}; printenv K'\n", ran.display());
    let file = sandbox.lay(".config/cck/profiles.toml", text);
    for mode in [0o666, 0o620, 0o602] {
        chmod(&file, mode);
        for args in
            [&["helper", "install", "--profile", "acme"][..], &["get-key", "--profile", "acme"]]
        {
            let ran = sandbox.cck(args).run().code(2);
            ran.err(&["can be written by others"]);
        }
    }
    assert!(!ran.exists(), "the command of such a file was run");
    chmod(&file, 0o600);
    sandbox.cck(&["get-key", "--profile", "acme"]).env("K", KEY).run().code(0).out(&[KEY]);
}

/// A profile's name becomes a directory's, and its address a setting.
#[test]
fn hostile_profiles_reach_nothing() {
    for text in [
        "[profiles.\"../../x\"]\nkey-env = 'K'\n".to_owned(),
        "[profiles.\"a/b\"]\nkey-env = 'K'\n".to_owned(),
        "[profiles.a]\nkey-env = 'K; touch x'\n".to_owned(),
        "[profiles.a]\nkey-env = 'K'\nconfig-dir = '../x'\n".to_owned(),
        "[profiles.a]\nkey-env = 'K'\nbase-url = 'https://u:p@evil'\n".to_owned(),
        "[profiles.a]\nkey-env = 'K'\nbase-url = \"https://x\\nANTHROPIC_X: y\"\n".to_owned(),
        format!("[profiles.a]\nkey-command = 'echo {OTHER}'\n"),
        format!("[profiles.a]\nkey-env = '{OTHER}'\n"),
        format!("[profiles.a\nkey-command = 'echo {OTHER}'\n"),
        format!("[profiles.a]\n'{OTHER}' = 1\n"),
        "[profiles.a]\nkey-env = 'K'\nunknown = 1\n".to_owned(),
    ] {
        let sandbox = Sandbox::new();
        sandbox.lay(".config/cck/profiles.toml", &text);
        for args in
            [&["profile", "list"][..], &["profile", "show", "a"], &["get-key", "--profile", "a"]]
        {
            let ran = sandbox.cck(args).env("K", KEY).run().code(2);
            assert!(!holds_key(&ran.stdout) && !holds_key(&ran.stderr), "{text}: {ran:?}");
        }
        assert!(!sandbox.config().exists() && !sandbox.project().join("x").exists());
    }
}
