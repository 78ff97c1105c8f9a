//! `cck approve` and `--revoke`.

use std::fs;

use crate::sandbox::{KEY, Sandbox};

fn responses(sandbox: &Sandbox) -> serde_json::Value {
    let config: serde_json::Value =
        serde_json::from_slice(&fs::read(sandbox.config()).unwrap()).unwrap();
    config["customApiKeyResponses"].clone()
}

#[test]
fn an_approval_is_given_and_taken_back() {
    let sandbox = Sandbox::new();
    let suffix = &KEY[KEY.len() - 20..];
    sandbox.lay(
        ".claude.json",
        format!("{{\n  \"customApiKeyResponses\": {{\n    \"approved\": [],\n    \"rejected\": [\n      \"{suffix}\"\n    ]\n  }}\n}}\n"),
    );
    let approve = |args: &[&str]| {
        let args: Vec<&str> = ["approve"].iter().chain(args).copied().collect();
        sandbox.cck(&args).env("ANTHROPIC_API_KEY", KEY).run().code(0)
    };
    approve(&["--dry-run"]).out(&["would be approved"]);
    approve(&[]).out(&["is now approved", "sk-ant-api03-…wxyz"]);
    let text = fs::read_to_string(sandbox.config()).unwrap();
    let laid_out = format!(
        "{{\n  \"customApiKeyResponses\": {{\n    \"approved\": [\n      \"{suffix}\"\n    ],\n    \"rejected\": []\n  }}\n}}\n"
    );
    assert_eq!(text, laid_out, "the file's own style");
    approve(&[]).out(&["already"]);
    assert_eq!(approve(&["--json"]).json()["changed"], false);
    approve(&["--revoke"]).out(&["no longer approved"]);
    assert_eq!(responses(&sandbox), serde_json::json!({"approved": [], "rejected": []}));
    assert!(
        !fs::read_to_string(sandbox.home().join(".local/state/cck/audit.jsonl"))
            .unwrap()
            .contains(suffix)
    );
}

#[test]
fn without_a_key_there_is_nothing_to_approve() {
    let sandbox = Sandbox::new();
    // A slip in the path makes no config.
    let ran = sandbox.cck(&["approve", "--config-file", "slip.json"]).env("ANTHROPIC_API_KEY", KEY);
    ran.run().code(2).err(&["slip.json does not exist", "--config-file"]);
    assert!(!sandbox.project().join("slip.json").exists());
    let ran = sandbox.cck(&["approve"]).run().code(2);
    let ran = ran.err(&["ANTHROPIC_API_KEY is not set", "try: export ANTHROPIC_API_KEY"]);
    // It has no other flag for a source.
    for flag in ["--key-file", "--key-command", "--stdin"] {
        assert!(!ran.stderr.contains(flag), "{ran:?}");
    }
    sandbox
        .cck(&["approve", "--key-env", "TEAM"])
        .env("TEAM", "")
        .run()
        .code(2)
        .err(&["TEAM is empty"]);
    assert_eq!(sandbox.names(), [""; 0]);
}
