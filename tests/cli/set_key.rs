//! `cck set-key`: every source, what it reports, and what it refuses.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use crate::sandbox::{KEY, OTHER, Sandbox, binary, chmod, mode};

/// The key in the config, as the client would read it.
fn stored(sandbox: &Sandbox) -> Option<String> {
    let text = fs::read_to_string(sandbox.config()).ok()?;
    let config: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(config["hasCompletedOnboarding"], true);
    Some(config["primaryApiKey"].as_str()?.to_owned())
}

#[test]
fn each_source_gives_its_key_and_is_named_in_the_report() {
    let file = Sandbox::new().lay("key", KEY);
    let sandbox = Sandbox::new();
    let path = sandbox.lay("key file", format!("{KEY}\r\n"));
    let path = path.to_str().unwrap();
    let print = format!("cat '{path}'");
    assert!(!file.exists(), "a sandbox cleans up");
    let rows: [(&[&str], &str, &str); 8] = [
        (&["--key", KEY], "flag", "--key"),
        (&["--key-env"], "env", "ANTHROPIC_API_KEY"),
        (&["--key-env", "TEAM_KEY"], "env", "TEAM_KEY"),
        (&["--key-file", path], "file", "key file"),
        (&["--key-file", "-"], "stdin", "standard input"),
        (&["--key-command", &print], "command", "cat"),
        (&["--stdin"], "stdin", "standard input"),
        (&[], "stdin", "standard input"),
    ];
    for (args, kind, words) in rows {
        for json in [false, true] {
            let sandbox = Sandbox::new();
            let args: Vec<&str> =
                ["set-key"].iter().chain(args).chain(json.then_some(&"--json")).copied().collect();
            let mut cck = sandbox.cck(&args);
            match kind {
                "env" => cck = cck.env("ANTHROPIC_API_KEY", KEY).env("TEAM_KEY", KEY),
                "stdin" => cck = cck.stdin(format!("{KEY}\n")),
                _ => {}
            }
            let ran = cck.run().code(0);
            assert_eq!(stored(&sandbox).as_deref(), Some(KEY), "{args:?}");
            assert_eq!(mode(&sandbox.config()), 0o600);
            if json {
                let report = ran.json();
                assert_eq!(report["source"], kind);
                assert_eq!(report["hint"], "sk-ant-api03-…wxyz");
                assert_eq!(report["path"], sandbox.config().to_str().unwrap());
                assert_eq!(report["changes"].as_array().unwrap().len(), 3);
                assert_eq!((&report["created"], &report["changed"]), (&true.into(), &true.into()));
            } else if kind != "command" {
                ran.out(&[words, "sk-ant-api03-…wxyz", "~/.claude.json"]);
            }
        }
    }
}

#[test]
fn a_variable_alone_is_the_default_source() {
    let sandbox = Sandbox::new();
    sandbox
        .cck(&["set-key"])
        .env("ANTHROPIC_API_KEY", KEY)
        .run()
        .code(0)
        .out(&["ANTHROPIC_API_KEY"]);
    assert_eq!(stored(&sandbox).as_deref(), Some(KEY));
}

#[test]
fn two_sources_are_never_guessed_between() {
    let sandbox = Sandbox::new();
    let ran = sandbox.cck(&["set-key"]).env("ANTHROPIC_API_KEY", OTHER).stdin(KEY).run();
    ran.code(2).err(&["--key-env", "--stdin"]);
    assert_eq!(sandbox.names(), [""; 0]);
    sandbox
        .cck(&["set-key", "--stdin", "--key-env"])
        .stdin(KEY)
        .run()
        .code(2)
        .err(&["cannot be used with"]);
    sandbox.cck(&["set-key", "--stdin"]).env("ANTHROPIC_API_KEY", OTHER).stdin(KEY).run().code(0);
    assert_eq!(stored(&sandbox).as_deref(), Some(KEY));
    sandbox.cck(&["set-key", "--key-env"]).env("ANTHROPIC_API_KEY", OTHER).stdin(KEY).run().code(0);
    assert_eq!(stored(&sandbox).as_deref(), Some(OTHER));
}

#[test]
fn a_second_run_changes_nothing_and_says_so() {
    let sandbox = Sandbox::new();
    sandbox.cck(&["set-key"]).stdin(KEY).run().code(0);
    let before = fs::metadata(sandbox.config()).unwrap();
    sandbox.cck(&["set-key"]).stdin(KEY).run().code(0).out(&["already", "nothing"]);
    let report = sandbox.cck(&["set-key", "--json"]).stdin(KEY).run().code(0).json();
    assert_eq!(report["changed"], false);
    let after = fs::metadata(sandbox.config()).unwrap();
    assert_eq!(before.modified().unwrap(), after.modified().unwrap());
}

#[test]
fn a_dry_run_shows_the_members_and_writes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.cck(&["set-key", "--dry-run"]).stdin(KEY).run().code(0).out(&[
        "nothing was written",
        "+ primaryApiKey: \"sk-ant-api03-…wxyz\"",
        "+ hasCompletedOnboarding: true",
        "+ lastOnboardingVersion: \"0.2.107\"",
    ]);
    assert_eq!(sandbox.names(), [""; 0]);
    sandbox.lay(".claude.json", format!("{{\"primaryApiKey\":\"{OTHER}\"}}"));
    sandbox
        .cck(&["set-key", "--dry-run"])
        .stdin(KEY)
        .run()
        .code(0)
        .out(&["- primaryApiKey: \"sk-ant-api03-…abcd\""]);
    assert_eq!(
        fs::read_to_string(sandbox.config()).unwrap(),
        format!("{{\"primaryApiKey\":\"{OTHER}\"}}")
    );
}

#[test]
fn the_file_is_the_one_that_the_client_reads() {
    let sandbox = Sandbox::new();
    let dir = sandbox.home().join("made/here");
    sandbox.cck(&["set-key"]).env("CLAUDE_CONFIG_DIR", &dir).stdin(KEY).run().code(0);
    assert!(dir.join(".claude.json").exists() && !sandbox.config().exists());
    assert_eq!(mode(&dir), 0o700);
    // The directory is enough: a container need not have a home.
    sandbox
        .cck(&["set-key"])
        .env("CLAUDE_CONFIG_DIR", &dir)
        .unset("HOME")
        .env("XDG_STATE_HOME", sandbox.home().join("state"))
        .stdin(OTHER)
        .run()
        .code(0);
    assert!(fs::read_to_string(dir.join(".claude.json")).unwrap().contains(OTHER));

    let legacy = sandbox.lay(".claude/.config.json", "{}");
    sandbox.lay(".claude.json", "{}");
    sandbox.cck(&["set-key"]).stdin(KEY).run().code(0).out(&["note:", "~/.claude/.config.json"]);
    assert!(fs::read_to_string(&legacy).unwrap().contains(KEY));
    assert_eq!(fs::read_to_string(sandbox.config()).unwrap(), "{}");

    let named = sandbox.home().join("named.json");
    sandbox.cck(&["set-key", "--config-file", named.to_str().unwrap()]).stdin(KEY).run().code(0);
    assert!(fs::read_to_string(named).unwrap().contains(KEY));
}

#[test]
fn a_loose_file_is_made_private_and_a_strict_one_stays_strict() {
    for (before, after) in [(0o644, 0o600), (0o666, 0o600), (0o400, 0o400), (0o600, 0o600)] {
        let sandbox = Sandbox::new();
        chmod(&sandbox.lay(".claude.json", "{}"), before);
        sandbox.cck(&["set-key"]).stdin(KEY).run().code(0);
        assert_eq!(mode(&sandbox.config()), after, "{before:o}");
    }
}

#[test]
fn a_symlink_is_followed() {
    let sandbox = Sandbox::new();
    let target = sandbox.lay("dotfiles/claude.json", "{}");
    symlink("dotfiles/claude.json", sandbox.config()).unwrap();
    sandbox.cck(&["set-key"]).stdin(KEY).run().code(0);
    assert!(fs::symlink_metadata(sandbox.config()).unwrap().is_symlink());
    assert!(fs::read_to_string(target).unwrap().contains(KEY));
}

#[test]
fn a_key_that_is_none_is_refused() {
    let long = "x".repeat(70_000);
    for (input, word) in [
        ("", "empty"),
        ("  \n\t\n", "empty"),
        ("sk-ant-a\nsk-ant-b\n", "more than one line"),
        ("sk-ant-a\u{1b}[31m", "position 9"),
        ("sk-ant-é", "position 8"),
        ("sk-ant-sid01-xxxxxxxxxxxxxxxxxxxx", "session key"),
        ("sk-ant-oat01-xxxxxxxxxxxxxxxxxxxx", "CLAUDE_CODE_OAUTH_TOKEN"),
        ("sk-ant-admin01-xxxxxxxxxxxxxxxxxxxx", "Admin API key"),
        (&long, "64 KiB"),
    ] {
        let sandbox = Sandbox::new();
        sandbox.cck(&["set-key"]).stdin(input).run().code(2).err(&[word, "try:"]);
        assert_eq!(sandbox.names(), [""; 0], "{input:?}");
    }
    let sandbox = Sandbox::new();
    sandbox.cck(&["set-key"]).stdin(b"\xff\xfe".to_vec()).run().code(2).err(&["UTF-8"]);
    sandbox.cck(&["set-key"]).stdin("another-shape").run().code(2).err(&["--any-shape"]);
    let ran = sandbox.cck(&["set-key", "--any-shape"]).stdin("another-shape").run().code(0);
    assert_eq!(stored(&sandbox).as_deref(), Some("another-shape"));
    // Such a key could be guessed from its fingerprint.
    assert!(!ran.stdout.contains("sha256:"), "{ran:?}");
    let report = sandbox.cck(&["set-key", "--any-shape", "--json"]).stdin("another-shape").run();
    assert_eq!(report.code(0).json()["fingerprint"], "not shown");
    assert!(!sandbox.cck(&["audit"]).run().code(0).stdout.contains("sha256:"));
}

#[test]
fn a_source_that_fails_is_named_and_its_output_is_not() {
    let sandbox = Sandbox::new();
    let missing = sandbox.home().join("missing");
    let home = sandbox.home();
    let failing = format!("echo {}; exit 7", &KEY[..40]);
    let key = sandbox.lay("noise", KEY);
    let noise = format!("cat {} >&2; echo no-key", key.display());
    let rows: [(&[&str], &[&str]); 8] = [
        (&["--key-file", missing.to_str().unwrap()], &["missing", "No such file"]),
        (&["--key-file", home.to_str().unwrap()], &["directory"]),
        (&["--key-env", "NOT_SET"], &["NOT_SET is not set"]),
        (&["--key-command", "exit 7"], &["`exit 7`", "code 7"]),
        (&["--key-command", "true"], &["printed nothing"]),
        (&["--key-command", "sleep 30", "--timeout", "1"], &["in time"]),
        (&["--key-command", "no-such-command-here"], &["code 127"]),
        (&["--key-command", "yes"], &["64 KiB"]),
    ];
    let start = Instant::now();
    for (args, words) in rows {
        let args: Vec<&str> = ["set-key"].iter().chain(args).copied().collect();
        sandbox.cck(&args).run().code(2).err(words).err(&["try:"]);
    }
    assert!(start.elapsed() < Duration::from_secs(15), "a command that hangs is stopped");
    let ran = sandbox.cck(&["set-key", "--key-command", &failing]).run().code(2);
    assert!(!ran.stderr.contains(&KEY[..40]), "{ran:?}");
    // Standard error of the command is passed on: a store's own question has to be seen.
    sandbox.cck(&["set-key", "--key-command", &noise]).run().err(&[KEY]);
}

#[test]
fn an_open_key_file_gets_a_warning() {
    let sandbox = Sandbox::new();
    let file = sandbox.lay("key", KEY);
    chmod(&file, 0o644);
    let args = ["set-key", "--key-file", file.to_str().unwrap()];
    sandbox.cck(&args).run().code(0).err(&["warning:", "0644", "chmod 600"]);
}

#[test]
fn a_place_that_cannot_hold_the_config_is_an_error() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.config()).unwrap();
    sandbox.cck(&["set-key"]).stdin(KEY).run().code(2).err(&["directory", "try:"]);
    fs::remove_dir(sandbox.config()).unwrap();
    // A sparse file: 1 GiB and one byte, none of it read.
    let huge = fs::File::create(sandbox.config()).unwrap();
    huge.set_len((1 << 30) + 1).unwrap();
    sandbox.cck(&["set-key"]).stdin(KEY).run().code(2).err(&["1 GiB", "try:"]);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        sandbox.home().join("fifo"),
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .unwrap();
    let fifo = sandbox.home().join("fifo");
    let args = ["set-key", "--config-file", fifo.to_str().unwrap()];
    sandbox.cck(&args).stdin(KEY).run().code(2).err(&["named pipe", "try:"]);
}

#[test]
fn a_closed_or_full_standard_output_is_no_panic() {
    let sandbox = Sandbox::new();
    let closed = |command: &str| {
        let mut shell = std::process::Command::new("sh");
        shell.arg("-c").arg(command).arg(binary()).env_clear().env("HOME", sandbox.home());
        shell.env("ANTHROPIC_API_KEY", KEY).stdin(std::process::Stdio::null()).output().unwrap()
    };
    for (command, code) in [
        ("\"$0\" set-key >/dev/full", 1),
        ("\"$0\" set-key >&-", 0),
        ("\"$0\" set-key --json </dev/null | true", 0),
        ("\"$0\" set-key >/dev/full", 2),
        ("\"$0\" set-key >&- 2>&-", 0),
        ("\"$0\" set-keys 2>&-", 2),
    ] {
        let output = closed(command);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{command}: {stderr}");
        assert!(!stderr.contains("panicked"), "{command}: {stderr}");
    }
    assert_eq!(stored(&sandbox).as_deref(), Some(KEY));
}

#[test]
fn with_stdin_a_terminal_is_an_error() {
    // `script` gives the command a terminal for standard input.
    let sandbox = Sandbox::new();
    let command = format!("{} set-key --stdin", binary());
    let output = std::process::Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .env_clear()
        .env("HOME", sandbox.home())
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("terminal"), "{text}");
}

/// A key of a tenant must not go to the usual host because its settings cannot be edited.
#[test]
fn a_profile_gets_both_its_key_and_its_address_or_neither() {
    let sandbox = Sandbox::new();
    let add = ["profile", "add", "a", "--key-env", "K", "--base-url", "https://g.example"];
    sandbox.cck(&add).run().code(0);
    let dir = sandbox.home().join(".local/share/cck/profiles/a");
    let settings = sandbox.lay(".local/share/cck/profiles/a/settings.json", "{\"a\": }");
    let set = || sandbox.cck(&["set-key", "--profile", "a"]).env("K", KEY).run();
    set().code(2).err(&["settings.json:1:7"]);
    assert!(!dir.join(".claude.json").exists());
    // A config that cannot be edited leaves the settings as they were, whether it shows before or after.
    let lay = "{\"b\": 1}";
    fs::write(&settings, lay).unwrap();
    fs::create_dir(dir.join(".claude.json.lock")).unwrap();
    let args = ["set-key", "--profile", "a", "--lock-timeout", "0"];
    sandbox.cck(&args).env("K", KEY).run().code(2).err(&["holds the lock"]);
    assert_eq!(fs::read_to_string(&settings).unwrap(), lay);
    let trail = sandbox.cck(&["audit"]).run().code(0).stdout;
    for words in ["set-key   failed", "set-key   reverted"] {
        assert!(trail.contains(words), "{words}: {trail}");
    }
    fs::remove_dir(dir.join(".claude.json.lock")).unwrap();
    set().code(0);
    assert!(fs::read_to_string(&settings).unwrap().contains("https://g.example"));
    assert!(fs::read_to_string(dir.join(".claude.json")).unwrap().contains(KEY));
}

#[test]
fn a_place_that_is_a_slip_is_refused() {
    let sandbox = Sandbox::new();
    let repository = sandbox.project().join(".config.json");
    fs::write(&repository, "{}").unwrap();
    let set = |name: &str, value: &str| sandbox.cck(&["set-key"]).env(name, value).stdin(KEY).run();
    // As compose's `${CLAUDE_CONFIG_DIR:-}` makes it.
    set("CLAUDE_CONFIG_DIR", "").code(2).err(&[
        "CLAUDE_CONFIG_DIR is empty",
        ".config.json",
        "try:",
    ]);
    for relative in [".", "here", "./a/b"] {
        set("CLAUDE_CONFIG_DIR", relative).code(2).err(&["CLAUDE_CONFIG_DIR is relative"]);
    }
    let none = sandbox.home().join("none");
    set("HOME", none.to_str().unwrap()).code(2).err(&["does not exist", "set HOME"]);
    assert!(!none.exists() && !sandbox.project().join("here").exists());
    assert_eq!(fs::read_to_string(&repository).unwrap(), "{}");
    // Without a config in the directory, the client's is the one at home.
    fs::remove_file(&repository).unwrap();
    let helper = sandbox.cck(&["helper", "install", "--key-env", "K"]).env("CLAUDE_CONFIG_DIR", "");
    helper.env("K", KEY).run().code(2).err(&["settings.json would be a file of this directory"]);
    let backup = sandbox.project().join("backups/.claude.json.backup.1");
    fs::create_dir(backup.parent().unwrap()).unwrap();
    fs::write(&backup, format!("{{\"primaryApiKey\":\"{KEY}\"}}")).unwrap();
    set("CLAUDE_CONFIG_DIR", "").code(0);
    assert_eq!(stored(&sandbox).as_deref(), Some(KEY));
    sandbox.cck(&["unset-key", "--scrub"]).env("CLAUDE_CONFIG_DIR", "").run().code(0);
    assert!(fs::read_to_string(backup).unwrap().contains(KEY), "the project's file is left alone");
    for command in ["unset-key", "undo"] {
        let args = [command, "--config-file", "missing.json"];
        sandbox.cck(&args).run().code(2).err(&["does not exist", "missing.json"]);
    }
}

/// tests/data/cases/k12: with stow and the like, the config is a link into a repository.
#[test]
fn a_config_that_is_a_link_into_a_repository_gets_a_warning() {
    let sandbox = Sandbox::new();
    let file = sandbox.lay("dotfiles/claude/.claude.json", "{}");
    symlink(&file, sandbox.config()).unwrap();
    let git = |args: &[&str]| {
        let mut git = std::process::Command::new("git");
        git.arg("-C").arg(sandbox.home().join("dotfiles")).args(args).env("HOME", sandbox.home());
        assert!(git.output().unwrap().status.success(), "{args:?}");
    };
    git(&["init", "-q"]);
    let set = |key: &str| sandbox.cck(&["set-key"]).stdin(key).run().code(0);
    set(KEY).err(&["dotfiles/claude/.claude.json is not ignored by git"]);
    git(&["add", "claude/.claude.json"]);
    set(OTHER).err(&["dotfiles/claude/.claude.json is tracked by git", "next commit"]);
}

#[test]
fn the_command_in_an_error_does_what_it_says_whatever_the_path_is() {
    let sandbox = Sandbox::new();
    let config = sandbox.lay("x y;touch PWNED/.claude.json", "{ \"a\": ");
    let dir = config.parent().unwrap();
    let ran = sandbox.cck(&["set-key"]).env("CLAUDE_CONFIG_DIR", dir).stdin(KEY).run().code(2);
    let (_, command) = ran.stderr.trim_end().split_once("move it aside: ").unwrap();
    let mut shell = std::process::Command::new("sh");
    let status = shell.args(["-c", command]).current_dir(sandbox.home()).status().unwrap();
    assert!(status.success(), "{command}");
    assert!(dir.join(".claude.json.bad").exists() && !config.exists());
    assert!(!sandbox.home().join("PWNED").exists());
}
