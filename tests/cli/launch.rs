//! `cck verify --as LAUNCHER -- claude ARGS…`: the launch that is asked about.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::sandbox::{KEY, Sandbox, chmod};

fn modes(args: &[&str]) -> (Value, Option<i32>) {
    let sandbox = Sandbox::new();
    sandbox.lay(
        ".claude.json",
        format!(r#"{{"primaryApiKey":"{KEY}","hasCompletedOnboarding":true}}"#),
    );
    let args = [&["verify", "--json", "--client-version", "2.1.332"], args].concat();
    let ran = sandbox.cck(&args).run();
    (ran.json()["modes"].clone(), ran.code)
}

#[test]
fn the_command_line_chooses_the_mode_unless_the_option_does() {
    let has = |args: &[&str]| {
        let (modes, _) = modes(args);
        (modes.get("print").is_some(), modes.get("interactive").is_some())
    };
    assert_eq!(has(&[]), (true, true));
    assert_eq!(has(&["--", "claude", "-p", "hi"]), (true, false));
    assert_eq!(has(&["--", "claude"]), (false, true));
    assert_eq!(has(&["--mode", "all", "--", "claude", "-p"]), (true, true));
}

#[test]
fn a_command_line_that_the_client_refuses_sends_nothing() {
    let (modes, code) = modes(&["--", "claude", "-p", "hi", "--settings"]);
    assert_eq!((&modes["print"]["sends"], code), (&Value::Bool(false), Some(1)));
}

#[test]
fn a_refused_line_is_explained_without_its_values() {
    let sandbox = Sandbox::new();
    let value = format!("--nosuch={KEY}");
    for (line, reason) in [
        (&["-p", "hi", "--output-format", KEY][..], "--output-format does not take its value"),
        (&["-p", "hi", "--session-id", KEY], "--session-id does not take its value"),
        (&[&*value], "does not know the option --nosuch"),
        (&["--tmux"], "--tmux needs --worktree"),
        (&["udpate"], "`claude udpate` does not start a session"),
    ] {
        let args = [&["verify", "--client-version", "2.1.332", "--", "claude"], line].concat();
        let stdout = sandbox.cck(&args).run().stdout;
        let text = stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(reason) && !text.contains(KEY), "{line:?}: {stdout}");
    }
}

#[test]
fn the_installed_client_gives_the_version() {
    let sandbox = Sandbox::new();
    sandbox.lay(".claude.json", format!(r#"{{"primaryApiKey":"{KEY}"}}"#));
    let bin = sandbox.home().join("bin");
    let native = sandbox.lay(".local/share/claude/versions/2.1.200", "x");
    chmod(&native, 0o755);
    fs::create_dir(&bin).unwrap();
    let client = |args: &[&str]| {
        let path = format!("{}:/usr/bin:/bin", bin.display());
        let ran = sandbox.cck(&[&["verify", "--json"], args].concat()).env("PATH", path).run();
        (ran.json()["client"].clone(), ran.json()["problems"].to_string())
    };
    let (none, _) = client(&[]);
    assert!(none["version"].is_null() && none["note"].is_string(), "{none}");

    let link = bin.join("claude");
    symlink("nowhere", &link).unwrap();
    let (_, problems) = client(&[]);
    assert!(problems.contains("client-unusable"), "{problems}");

    fs::remove_file(&link).unwrap();
    symlink(&native, &link).unwrap();
    let (found, _) = client(&[]);
    let expected = json!({"version": "2.1.200", "installed_by": "native", "path": link,
                          "others": [], "note": null});
    assert_eq!(found, expected);
    // An option that this version does not know.
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let args = ["verify", "--json", "--", "claude", "--restricted"];
    let ran = sandbox.cck(&args).env("PATH", path).run();
    assert_eq!(ran.json()["modes"]["interactive"]["sends"], false);
    let (named, _) = client(&["--client-version", "2.1.332"]);
    assert_eq!((&named["version"], &named["installed_by"]), (&json!("2.1.332"), &Value::Null));
    // A program that is not there is a note.
    let (missing, _) = client(&["--", "./none/claude", "-p"]);
    assert!(missing["note"].as_str().unwrap().starts_with("not found"), "{missing}");
    let newer = sandbox.lay(".local/share/claude/versions/9.0.0", "x");
    chmod(&newer, 0o755);
    fs::remove_file(&link).unwrap();
    symlink(&newer, &link).unwrap();
    assert!(client(&[]).0["note"].as_str().unwrap().contains("newer"));
}

#[test]
fn what_settings_names_is_not_moved_away() {
    let sandbox = Sandbox::new();
    sandbox.lay(".claude.json", format!(r#"{{"primaryApiKey":"{KEY}"}}"#));
    let ran = sandbox.cck(&["verify", "--", "claude", "--settings", "/dev/zero", "-p"]).run();
    assert!(ran.stdout.contains("/dev/zero") && !ran.stdout.contains("mv "), "{}", ran.stdout);
}

/// Runs `cck verify --json` with these arguments and `~/bin` first on PATH: the codes of the problems, what is sent in print
/// mode. A run takes three seconds at most.
fn bounded(sandbox: &Sandbox, args: &[&str], mac: bool) -> (Vec<String>, Value) {
    let path = format!("{}:/usr/bin:/bin", sandbox.home().join("bin").display());
    let mut cck = sandbox.cck(&[&["verify", "--json"], args].concat()).env("PATH", path);
    if mac {
        cck = cck.env("CCK_PLATFORM", "macos").env("USER", "dev");
    }
    let start = Instant::now();
    let json = cck.run().json();
    // On a busy machine, too.
    assert!(start.elapsed() < Duration::from_secs(10), "{args:?}: {:?}", start.elapsed());
    let problems = json["problems"].as_array().unwrap();
    let codes = problems.iter().map(|problem| problem["code"].as_str().unwrap().to_owned());
    (codes.collect(), json["modes"]["print"]["x_api_key"].clone())
}

fn with_key() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.lay(".claude.json", format!(r#"{{"primaryApiKey":"{KEY}"}}"#));
    fs::create_dir(sandbox.home().join("bin")).unwrap();
    sandbox
}

#[test]
fn a_client_that_is_not_a_program_is_a_problem() {
    let sandbox = with_key();
    let client = sandbox.home().join("bin/claude");
    let lay = |how: &str| match how {
        "a broken link" => symlink("nowhere", &client).unwrap(),
        "a loop" => symlink("claude", &client).unwrap(),
        "a directory" => fs::create_dir(&client).unwrap(),
        "a device" => symlink("/dev/zero", &client).unwrap(),
        "a FIFO" => assert!(Command::new("mkfifo").arg(&client).status().unwrap().success()),
        _ => {
            fs::write(&client, "x").unwrap();
            chmod(&client, 0o000);
        }
    };
    for how in ["a broken link", "a loop", "a directory", "a FIFO", "unreadable", "a device"] {
        lay(how);
        let (problems, key) = bounded(&sandbox, &[], false);
        assert!(problems.iter().any(|code| code == "client-unusable"), "{how}: {problems:?}");
        assert_eq!(key, "config.primaryApiKey", "{how}");
        if how == "a directory" {
            fs::remove_dir(&client).unwrap();
        } else {
            fs::remove_file(&client).unwrap();
        }
    }
}

#[test]
fn a_word_that_names_no_program_is_a_note() {
    let sandbox = with_key();
    for word in ["", ".", "..", "/"] {
        let (problems, key) = bounded(&sandbox, &["--", word, "-p"], false);
        assert!(!problems.iter().any(|code| code == "client-unusable"), "{word}: {problems:?}");
        assert_eq!(key, "config.primaryApiKey", "{word}");
    }
}

#[test]
fn settings_that_cannot_be_read_and_options_without_a_value_are_problems() {
    let sandbox = with_key();
    let home = sandbox.home();
    let path = |name: &str| home.join(name).to_str().unwrap().to_owned();
    assert!(Command::new("mkfifo").arg(path("fifo")).status().unwrap().success());
    fs::File::create(path("large")).unwrap().set_len(1 << 30).unwrap();
    sandbox.lay("malformed", "{\"env\": ");
    sandbox.lay("empty", "");
    let wide: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_be_bytes).collect();
    fs::write(path("utf-16be"), wide).unwrap();
    symlink("loop", path("loop")).unwrap();
    let files = ["fifo", "large", "missing", "bin", "loop"].map(path);
    for value in files.iter().map(String::as_str).chain(["/dev/zero", "/dev/tty", "{", "{\"a\":"]) {
        for settings in [&["--settings", value][..], &[&*format!("--settings={value}")]] {
            let args = [&["--", "claude", "-p", "hi"], settings].concat();
            let (problems, key) = bounded(&sandbox, &args, false);
            // One problem, of one cause.
            assert_eq!(problems, ["launch-refused"], "{value}");
            assert!(key.is_null(), "{value}: {key}");
        }
    }
    for (file, expected) in [
        ("malformed", &["settings-malformed"][..]),
        ("empty", &[]),
        ("utf-16be", &["settings-malformed"]),
    ] {
        let args = ["--", "claude", "-p", "hi", "--settings", &path(file)];
        let (problems, key) = bounded(&sandbox, &args, false);
        assert_eq!(
            (&*problems, &key),
            (
                &*expected.iter().map(|code| (*code).to_owned()).collect::<Vec<_>>(),
                &json!("config.primaryApiKey")
            ),
            "{file}"
        );
    }
    for option in ["--settings", "--setting-sources", "--model", "--add-dir", "-n"] {
        let (problems, key) = bounded(&sandbox, &["--", "claude", "-p", "hi", option], false);
        assert!(problems.iter().any(|code| code == "launch-refused"), "{option}: {problems:?}");
        assert!(key.is_null(), "{option}: {key}");
    }
}

#[test]
fn a_security_that_does_not_answer_is_a_problem() {
    let scripts = [
        "trap '' TERM INT HUP; while :; do sleep 1; done",
        "exit 51",
        "kill -9 $$",
        "head -c 50000000 /dev/zero",
        "yes",
        "yes >&2 & echo $! >\"$HOME/pid\"; wait",
        "printf '\\377\\376'",
    ];
    let ask = |script: &str| {
        let sandbox = with_key();
        let security = sandbox.lay("bin/security", format!("#!/bin/sh\n{script}\n"));
        chmod(&security, 0o755);
        let (problems, key) = bounded(&sandbox, &[], true);
        assert!(problems.iter().any(|code| code == "keychain-failed"), "{script}: {problems:?}");
        assert_eq!(key, "config.primaryApiKey", "{script}");
        if !script.contains("pid") {
            return;
        }
        // What it has started ends with it.
        let pid = fs::read_to_string(sandbox.home().join("pid")).unwrap();
        let start = Instant::now();
        while Path::new("/proc").join(pid.trim()).exists() {
            assert!(start.elapsed() < Duration::from_secs(10), "{pid}");
        }
    };
    // Most of them are waited for.
    thread::scope(|scope| {
        for script in scripts {
            scope.spawn(move || ask(script));
        }
    });
}
