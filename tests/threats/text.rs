//! Text from files and variables that is made to drive a terminal, or to be shown with a key in it.

use crate::holds_key;
use crate::sandbox::{KEY, OTHER, Ran, Sandbox};

/// Clears the screen, sets the window's title, hides text, turns it around.
const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;pwned\u{7}\u{9b}8m\u{202e}\u{200b}\r";

fn harmless(ran: &Ran, what: &str) {
    for text in [&ran.stdout, &ran.stderr] {
        let harmful =
            |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202e}' | '\u{200b}');
        assert!(!text.contains(harmful), "{what}: {text:?}");
    }
}

/// What a project says about itself comes to the terminal through verify.
#[test]
fn settings_of_a_project_drive_no_terminal() {
    let text = serde_json::to_string(HOSTILE).unwrap();
    let settings = format!(
        "{{\"apiKeyHelper\": {text}, \"env\": {{\"ANTHROPIC_BASE_URL\": {text}, \"ANTHROPIC_API_KEY\": {text}, \
         \"ANTHROPIC_PROFILE\": {text}, \"ANTHROPIC_CUSTOM_HEADERS\": {text}, {text}: {text}}}, {text}: 1}}"
    );
    for file in [".claude/settings.json", ".claude/settings.local.json"] {
        let sandbox = Sandbox::new();
        let path = sandbox.project().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        for content in [&settings, &format!("{{{text}: "), &format!("{{\"permissions\": {text}}}")]
        {
            std::fs::write(&path, content).unwrap();
            for args in [&["verify"][..], &["verify", "--json"], &[]] {
                harmless(&sandbox.cck(args).run(), &format!("{file} {args:?}"));
            }
        }
        sandbox.lay(".claude.json", &settings);
        sandbox.lay(".claude/settings.json", &settings);
        for args in [
            &["verify"][..],
            &["verify", "--json"],
            &["helper", "show"],
            &["helper", "show", "--json"],
            &[],
        ] {
            harmless(&sandbox.cck(args).run(), &format!("{file} {args:?}"));
        }
    }
}

#[test]
fn paths_and_values_drive_no_terminal() {
    let sandbox = Sandbox::new();
    let dir = sandbox.home().join(HOSTILE);
    let dir = dir.to_str().unwrap();
    let version = format!("1{HOSTILE}");
    let commands: [&[&str]; 10] = [
        &["set-key", "--stdin"],
        &["set-key", "--stdin", "--json"],
        &["set-key", "--stdin", "--dry-run", "--onboarding-version", &version],
        &["verify"],
        &["verify", "--json"],
        &["undo"],
        &["unset-key", "--scrub"],
        &["set-key", "--key-file", dir],
        &["set-key", HOSTILE],
        &["audit"],
    ];
    for args in commands {
        let ran = sandbox.cck(args).env("CLAUDE_CONFIG_DIR", dir).stdin(KEY).run();
        harmless(&ran, &format!("{args:?}"));
    }
    let config = sandbox.home().join(HOSTILE).join(".claude.json");
    assert!(config.exists(), "the name is the file's anyway");
}

#[test]
fn profiles_and_the_trail_drive_no_terminal() {
    let sandbox = Sandbox::new();
    let toml = HOSTILE.chars().map(|c| format!("\\u{:04X}", u32::from(c))).collect::<String>();
    sandbox.lay(
        ".config/cck/profiles.toml",
        format!(
            "[profiles.a]\nkey-command = \"echo x{toml}\"\ndescription = \"{toml}\"\ngroups = [\"{toml}\"]\n"
        ),
    );
    for args in
        [&["profile", "list"][..], &["profile", "list", "--json"], &["profile", "show", "a"]]
    {
        harmless(&sandbox.cck(args).run().code(0), &format!("{args:?}"));
    }
    let value = serde_json::to_string(HOSTILE).unwrap();
    let line = format!(
        "{{\"time\":{value},\"action\":{value},\"config\":{value},\"source\":null,\"old\":null,\"new\":null,\"user\":{value},\
         \"host\":{value},\"pid\":1,\"cck\":\"0\",\"outcome\":{value},\"prev\":\"{}\"}}\n",
        "0".repeat(64)
    );
    sandbox.lay(".local/state/cck/audit.jsonl", line);
    for args in [&["audit"][..], &["audit", "--json"], &["audit", "--check"]] {
        harmless(&sandbox.cck(args).run().code(0), &format!("{args:?}"));
    }
}

/// A key in a place that is shown: a helper's command, a path, an address.
#[test]
fn a_key_in_what_is_shown_is_cut_out() {
    let sandbox = Sandbox::new();
    let settings = format!(
        "{{\"apiKeyHelper\": \"echo {OTHER}\", \"env\": {{\"ANTHROPIC_BASE_URL\": \"https://user:{OTHER}@gateway/{OTHER}?k={OTHER}\"}}}}"
    );
    sandbox.lay(".claude/settings.json", settings);
    let path = sandbox.home().join(OTHER);
    for args in [
        &["helper", "show"][..],
        &["helper", "show", "--json"],
        &["helper", "install", "--key-env", "K"],
        &["verify"],
        &["verify", "--json"],
        &["verify", "--run-helper"],
        &[],
        &["set-key", "--stdin", "--config-file", path.to_str().unwrap()],
        &["set-key", "--stdin", "--json", "--config-file", path.to_str().unwrap()],
        &["set-key", "--key-file", path.to_str().unwrap()],
    ] {
        let ran = sandbox.cck(args).stdin(KEY).run();
        assert!(!holds_key(&ran.stdout) && !holds_key(&ran.stderr), "{args:?}: {ran:?}");
    }
}
