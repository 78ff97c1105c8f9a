//! `cck get-key`: every source, every way that a command can fail, and the cache.

use std::fs;
use std::time::{Duration, Instant};

use crate::sandbox::{KEY, OTHER, Sandbox, mode, runtime};

#[test]
fn the_key_alone_is_printed() {
    let s = Sandbox::new();
    let file = s.lay("k", format!("{KEY}\n"));
    let line = format!("{KEY}\n");
    let ran = s.cck(&["get-key", "--key-file", file.to_str().unwrap()]).run().code(0);
    assert_eq!((ran.stdout, ran.stderr), (line.clone(), String::new()));
    let command = format!("cat {}", file.display());
    assert_eq!(s.cck(&["get-key", "--key-command", &command]).run().code(0).stdout, line);
    assert_eq!(s.cck(&["get-key"]).env("ANTHROPIC_API_KEY", KEY).run().code(0).stdout, line);
    assert_eq!(s.cck(&["get-key", "--stdin"]).stdin(KEY).run().code(0).stdout, line);
    s.cck(&["profile", "add", "p", "--key-file", file.to_str().unwrap()]).run().code(0);
    assert_eq!(
        s.cck(&["get-key", "--profile", "p"]).env("ANTHROPIC_API_KEY", OTHER).run().code(0).stdout,
        line
    );
}

#[test]
fn a_command_that_goes_wrong_is_told_and_its_output_is_not() {
    let s = Sandbox::new();
    for (command, word) in [
        (format!("echo {KEY}; exit 3"), "exited with code 3"),
        (format!("echo {KEY}; kill -9 $$"), "signal 9"),
        ("sleep 60".into(), "did not finish in time"),
        (format!("echo {KEY}; exec sleep 60"), "did not finish in time"),
        ("head -c 1000000000 /dev/zero".into(), "more than 64 KiB"),
        ("true".into(), "printed nothing"),
        (format!("echo {KEY}; echo {KEY}"), "more than one line"),
        ("printf '\\377\\376'".into(), "not UTF-8"),
    ] {
        let script = s.lay("script", format!("#!/bin/sh\n{command}\n"));
        let line = format!("exec sh {}", script.display());
        s.cck(&["profile", "add", "p", "--key-command", &line, "--timeout", "1", "--replace"])
            .run()
            .code(0);
        let start = Instant::now();
        let ran = s.cck(&["get-key", "--profile", "p"]).run().code(2).err(&[word]);
        assert!(start.elapsed() < Duration::from_secs(10), "{command}");
        assert!(!ran.stderr.contains(KEY) && ran.stdout.is_empty(), "{ran:#?}");
    }
}

#[test]
fn a_command_may_talk_and_leave_a_child_behind() {
    let s = Sandbox::new();
    let file = s.lay("k", KEY);
    let command = format!("echo unlocking >&2; sleep 60 2>/dev/null & cat {}", file.display());
    let start = Instant::now();
    let ran = s.cck(&["get-key", "--key-command", &command]).run();
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!((ran.code, ran.stdout), (Some(0), format!("{KEY}\n")));
}

#[test]
fn a_command_is_asked_once_for_as_long_as_the_ttl() {
    let (s, run) = (Sandbox::new(), runtime());
    let file = s.lay("k", KEY);
    let command =
        format!("echo x >> {}/asked; sleep 0.2; cat {}", s.home().display(), file.display());
    let get = |ttl: &[&str]| {
        let args = [&["get-key", "--key-command", &command], ttl].concat();
        s.cck(&args).env("XDG_RUNTIME_DIR", run.path())
    };
    std::thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| {
                assert_eq!(get(&["--ttl", "60"]).run().code(0).stdout, format!("{KEY}\n"));
            });
        }
    });
    let asked = || fs::read_to_string(s.home().join("asked")).unwrap().lines().count();
    assert_eq!(asked(), 1);
    s.lay("k", OTHER);
    assert_eq!(get(&["--ttl", "60"]).run().code(0).stdout, format!("{KEY}\n"));
    assert_eq!(
        get(&[]).run().code(0).stdout,
        format!("{OTHER}\n"),
        "without --ttl nothing is cached"
    );
    let dirs: Vec<_> =
        fs::read_dir(run.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(dirs.len(), 1);
    assert_eq!(mode(&dirs[0]), 0o700);
    for file in fs::read_dir(&dirs[0]).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
}

/// A store's answer depends on the environment: AWS_PROFILE, VAULT_ADDR and the like.
#[test]
fn what_is_kept_is_kept_for_one_environment() {
    let (s, run) = (Sandbox::new(), runtime());
    s.lay("dev", KEY);
    s.lay("prod", OTHER);
    let command = format!("cat {}/$AWS_PROFILE", s.home().display());
    let get = |profile: &str, terminal: &str| {
        let cck = s.cck(&["get-key", "--key-command", &command, "--ttl", "60"]);
        let cck = cck.env("XDG_RUNTIME_DIR", run.path()).env("AWS_PROFILE", profile);
        cck.env("TERM", terminal).run().code(0).stdout
    };
    assert_eq!(get("dev", "a"), format!("{KEY}\n"));
    assert_eq!(get("prod", "a"), format!("{OTHER}\n"));
    s.lay("dev", "gone");
    assert_eq!(get("dev", "b"), format!("{KEY}\n"), "another terminal is the same environment");
}
