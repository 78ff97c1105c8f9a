//! What is typed: what is not a key is refused by every command, and nothing changes; a word that people try leads to the
//! command that they mean.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::leaks::assert_keeps_keys;
use crate::sandbox::{KEY, OTHER, Sandbox};

/// The values that were seen to be given in place of a key.
fn values() -> Vec<String> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/cases");
    let mut values = Vec::new();
    for file in ["k06-rotate-to-no-key.json", "k07-set-key-of-no-key.json"] {
        let text = fs::read_to_string(dir.join(file)).unwrap();
        let case: Value = serde_json::from_str(&text).unwrap();
        let items = case["items"].as_array().unwrap();
        assert!(items.len() > 10, "{file}");
        values.extend(items.iter().map(|item| item["stdin"].as_str().unwrap().to_owned()));
    }
    for more in ["abc", "sk-proj-0123456789abcdefghijklmnopqrstuvwxyz0123456789", "${KEY}", "<key>"]
    {
        values.push(more.to_owned());
    }
    values.sort();
    values.dedup();
    values
}

/// What the error must name, by what is in the value.
fn word(value: &str) -> &'static str {
    match value {
        _ if value.starts_with('"') => "quotes",
        _ if value.starts_with('{') => "JSON",
        _ if value.contains("KEY=") => "assignment",
        "null" => "the word null",
        "undefined" => "the word undefined",
        _ if value.starts_with("op://") => "reference to a secret",
        _ if value.starts_with("${") => "variable that was not replaced",
        _ if value.contains("***") || value.ends_with("...") => "masked",
        _ if value.contains("your") || value.contains('<') => "placeholder",
        _ if value.starts_with("sk-proj-") => "another provider",
        _ if value.starts_with("sk-ant-sid") => "session key",
        _ if value.ends_with(',') => "ends with `,`",
        _ if value.ends_with(';') => "ends with `;`",
        _ => "not an Anthropic API key",
    }
}

#[test]
fn what_is_not_a_key_is_refused_and_named_as_what_it_is() {
    let config = format!("{{\"primaryApiKey\":\"{OTHER}\"}}");
    let commands: [&[&str]; 6] = [
        &["set-key", "--stdin"],
        &["rotate", "--stdin"],
        &["get-key", "--stdin"],
        &["run", "--stdin", "--", "touch", "ran"],
        &["approve", "--key-env", "K"],
        &["helper", "install", "--key-env", "K"],
    ];
    for value in values() {
        for args in commands {
            let sandbox = Sandbox::new();
            sandbox.lay(".claude.json", &config);
            let ran = sandbox.cck(args).env("K", &value).stdin(value.as_bytes()).run();
            let ran = ran.code(2).err(&[word(&value), "try:"]);
            assert_eq!(ran.stderr.lines().count(), 2, "{ran:?}");
            assert_eq!(ran.stdout, "");
            assert_keeps_keys(&ran.stderr, &format!("{args:?}"));
            assert_eq!(fs::read_to_string(sandbox.config()).unwrap(), config, "{value} {args:?}");
            assert_eq!(sandbox.names(), [".claude.json"], "{value} {args:?}");
            assert!(!sandbox.project().join("ran").exists());
        }
    }
}

#[test]
fn the_key_of_a_gateway_is_taken_when_asked() {
    let gateway = "9f1c2d3e-gateway";
    let s = Sandbox::new();
    s.cck(&["set-key", "--any-shape"]).stdin(OTHER).run().code(0);
    s.cck(&["rotate", "--stdin", "--any-shape"]).stdin(gateway).run().code(0);
    assert!(fs::read_to_string(s.config()).unwrap().contains(gateway));
    s.cck(&["approve", "--any-shape"]).env("ANTHROPIC_API_KEY", gateway).run().code(0);
    let args = ["helper", "install", "--key-env", "K", "--any-shape"];
    s.cck(&args).env("K", gateway).run().code(0).out(&["--any-shape"]);
    s.cck(&["profile", "add", "g", "--key-env", "K", "--any-shape"]).run().code(0);
    let ran = s.cck(&["get-key", "--profile", "g"]).env("K", gateway).run().code(0);
    assert_eq!(ran.stdout.trim(), gateway);
    s.cck(&["profile", "add", "h", "--key-env", "K"]).run().code(0);
    s.cck(&["get-key", "--profile", "h"]).env("K", gateway).run().code(2);
}

/// The command line of a shell is everyone's to see.
#[test]
fn a_key_is_not_taken_for_a_command() {
    let s = Sandbox::new();
    for command in [KEY.to_owned(), format!("echo {KEY}")] {
        for args in
            [&["set-key", "--key-command", &command][..], &["get-key", "--key-command", &command]]
        {
            let ran = s.cck(args).run().code(2).err(&["not the key", "--stdin"]);
            assert_keeps_keys(&ran.stderr, "--key-command");
        }
    }
    assert_eq!(s.names(), [""; 0]);
}

#[test]
fn a_key_file_that_gives_nothing_is_not_waited_for_without_end() {
    let s = Sandbox::new();
    let fifo = s.home().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    let start = Instant::now();
    let args = ["set-key", "--key-file", fifo.to_str().unwrap(), "--timeout", "1"];
    s.cck(&args).run().code(2).err(&["returned nothing within 1 s", "try:"]);
    assert!(start.elapsed() < Duration::from_secs(10));
    // A pipe that does give a key is as good as a file.
    let path = fifo.clone();
    let writer = std::thread::spawn(move || fs::write(path, KEY));
    s.cck(&["set-key", "--key-file", fifo.to_str().unwrap()]).run().code(0);
    writer.join().unwrap().unwrap();
}

#[test]
fn what_people_type_leads_to_the_command() {
    for (typed, command) in [
        ("status", "verify"),
        ("doctor", "verify"),
        ("login", "set-key"),
        ("logout", "unset-key"),
        ("exec", "run"),
        ("profile ls", "profile list"),
        ("profile rm", "profile remove"),
    ] {
        let words: Vec<&str> = typed.split(' ').chain(["--help"]).collect();
        let usage = format!("Usage: cck {command} ");
        Sandbox::new().cck(&words).run().code(0).out(&[&usage]);
    }
    let help = Sandbox::new().cck(&["--help"]).run().stdout;
    assert!(!help.contains("status") && !help.contains("login"), "{help}");
}
