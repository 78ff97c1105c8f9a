//! `cck verify --as LAUNCHER -- claude ARGS…`: the launch that is asked about.

use std::fs;
use std::os::unix::fs::symlink;

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
