//! No key where it has no business: standard output, standard error, looser files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;

use crate::sandbox::{KEY, OTHER, Ran, Sandbox};

/// So many consecutive characters of a key are a leak.
pub const WINDOW: usize = 24;

/// Checks that no piece of a key is in `text`.
#[track_caller]
pub fn assert_keeps_keys(text: &str, what: &str) {
    for key in [KEY, OTHER] {
        for at in 0..=key.len() - WINDOW {
            assert!(!text.contains(&key[at..at + WINDOW]), "{what} shows a piece of a key: {text}");
        }
    }
}

/// Checks that no file below `dir` that others may read holds a piece of a key.
pub fn assert_files_keep_keys(dir: &Path) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            assert_files_keep_keys(&path);
        } else if metadata.is_file() && metadata.permissions().mode() & 0o077 != 0 {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            assert_keeps_keys(&text, &path.display().to_string());
        }
    }
}

fn check(ran: &Ran, args: &[&str]) {
    assert_keeps_keys(&ran.stdout, &format!("stdout of {args:?}"));
    assert_keeps_keys(&ran.stderr, &format!("stderr of {args:?}"));
}

/// Configs that make every error path of an edit, and those that hold a key already.
fn configs() -> Vec<String> {
    let mut configs: Vec<String> =
        ["", "{}", "[]", "{\"a\":", "\u{feff}{\n}\n"].map(String::from).into();
    configs.push(format!("{{\"primaryApiKey\": \"{OTHER}\"}}"));
    configs.push(format!("{{\"primaryApiKey\": \"{OTHER}"));
    configs.push(format!("{{\"primaryApiKey\": [\"{OTHER}\"]}}"));
    configs.push(format!("\"{OTHER}\""));
    configs.push(format!("{{\"{OTHER}\": 1, \"env\": {{\"ANTHROPIC_API_KEY\": \"{OTHER}\"}}}}"));
    configs
}

#[test]
fn no_command_shows_a_key() {
    let sources: [&[&str]; 4] =
        [&["--stdin"], &["--key-env"], &["--key", KEY], &["--key-command", "printenv KEY"]];
    let show = |config: &str, source: &[&str]| {
        for flags in [&[][..], &["--json"], &["--dry-run"], &["--dry-run", "--json"]] {
            let sandbox = Sandbox::new();
            sandbox.lay(".claude.json", config);
            let args: Vec<&str> = ["set-key"].iter().chain(source).chain(flags).copied().collect();
            let cck = sandbox.cck(&args).env("ANTHROPIC_API_KEY", KEY).env("KEY", KEY);
            check(&cck.stdin(KEY).run(), &args);
            assert_files_keep_keys(&sandbox.home());
        }
    };
    for config in configs() {
        // Each waits for the disk most of its time.
        thread::scope(|scope| {
            let config = config.as_str();
            for source in sources {
                scope.spawn(move || show(config, source));
            }
        });
    }
}

/// Every other command that reads or edits the config, in a home where keys are in all the places that they can be in.
#[test]
fn no_command_that_looks_after_a_key_shows_it() {
    let commands: [&[&str]; 12] = [
        &[],
        &["verify", "--run-helper"],
        &["verify", "--run-helper", "--json"],
        &["approve"],
        &["approve", "--revoke", "--json"],
        &["rotate", "--stdin"],
        &["rotate", "--stdin", "--json"],
        &["undo", "--force"],
        &["unset-key", "--dry-run"],
        &["unset-key", "--scrub", "--json"],
        &["audit"],
        &["audit", "--json"],
    ];
    for config in configs() {
        let sandbox = Sandbox::new();
        sandbox.lay(".claude.json", &config);
        sandbox.lay(".claude/backups/.claude.json.backup.1", &config);
        let settings = format!(
            "{{\"apiKeyHelper\": \"echo {OTHER}\", \"env\": {{\"ANTHROPIC_AUTH_TOKEN\": \"{OTHER}\"}}}}"
        );
        sandbox.lay(".claude/settings.json", settings);
        for args in commands {
            let cck = sandbox
                .cck(args)
                .env("ANTHROPIC_API_KEY", OTHER)
                .env("CLAUDE_CODE_OAUTH_TOKEN", KEY);
            check(&cck.stdin(KEY).run(), args);
        }
        assert_files_keep_keys(&sandbox.home());
    }
}

#[test]
fn no_usage_error_shows_a_key() {
    let equals = format!("--key={KEY}");
    let typo = format!("--kye={KEY}");
    let rows: [&[&str]; 10] = [
        &[KEY],
        &["set-key", KEY],
        &["set-key", &typo],
        &["set-key", "--kye", KEY],
        &["set-key", "--key", KEY, "--stdin"],
        &["set-key", &equals, "--no-such-flag"],
        &["set-key", "--key-env", "A", KEY],
        &["set-key", "--timeout", KEY],
        &["set-key", "--json", "--", KEY],
        &["set-key", "--key-env", KEY],
    ];
    for args in rows {
        let sandbox = Sandbox::new();
        let ran = sandbox.cck(args).run().code(2);
        check(&ran, args);
    }
}

#[test]
fn a_key_with_a_slip_in_it_is_not_shown() {
    for input in [
        format!("{KEY}\n{OTHER}"),
        format!("{KEY} {OTHER}"),
        format!("{KEY}\u{7}"),
        format!("“{KEY}”"),
    ] {
        let sandbox = Sandbox::new();
        for args in
            [&["set-key", "--key-env"][..], &["set-key", "--stdin"], &["set-key", "--key", &input]]
        {
            let ran = sandbox
                .cck(args)
                .env("ANTHROPIC_API_KEY", &input)
                .stdin(input.as_bytes())
                .run()
                .code(2);
            check(&ran, args);
        }
    }
}

/// Where a key comes from by a profile, and where it goes without a trace in any report.
#[test]
fn no_tenant_sees_a_key_in_a_report() {
    let s = Sandbox::new();
    let file = s.lay("key", KEY);
    let command = format!("cat {}", file.display());
    for args in [
        &["profile", "add", "p", "--key-command", &command][..],
        &["profile", "list", "--json"],
        &["profile", "show", "p"],
        &["helper", "install", "--profile", "p", "--json"],
        &["helper", "show", "--profile", "p"],
        &["set-key", "--profile", "p", "--json"],
        &["helper", "install", "--profile", "p", "--remove-primary-key"],
        &["verify", "--profile", "p", "--run-helper", "--json"],
        &["verify", "--profile", "p", "--run-helper"],
        &["run", "--profile", "p", "--verbose", "--", "true"],
        &["run", "--profile", "p", "--", "false"],
        &["run", "--profile", "p", "--", "no-such-command"],
        &["run", "--profile", "p", "--", "echo", KEY],
        &["run", "--profile", "p", "--dry-run", "--", "true"],
        &["profile", "add", KEY, "--key-env", "K"],
        &["profile", "add", "q", "--key-command", KEY],
        &["profile", "show", KEY],
        &["get-key", "--profile", KEY],
        &["get-key", KEY],
        &["helper", "install", "--key-file", KEY],
        &["helper", "remove", "--profile", "p"],
        &["profile", "remove", "p"],
    ] {
        check(&s.cck(args).env("ANTHROPIC_AUTH_TOKEN", OTHER).run(), args);
    }
    assert_files_keep_keys(&s.home());
}
