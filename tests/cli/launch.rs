//! `cck verify --as LAUNCHER -- claude ARGS…`: the launch that is asked about.

use serde_json::Value;

use crate::sandbox::{KEY, Sandbox};

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
