//! What the errors of the commands say to do: each command in an advice is run as it is printed, in the state that
//! produced it, and then what failed succeeds.
//!
//! Every advice in src that has a command in it has to be printed by a row, or be listed with the reason why it is not.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::advice::{is_in, texts};
use crate::keychain::SECURITY;
use crate::sandbox::{KEY, OTHER, Sandbox, chmod};

/// What comes of the command in an advice.
#[derive(Clone, Copy, PartialEq)]
enum What {
    /// What failed succeeds then.
    Fixes,
    /// It succeeds, and shows what the user needs to know.
    Shows,
}
use What::{Fixes, Shows};

/// What is done in HOME before, the command that fails, where in its advice the command begins and ends, and its use.
struct Row(&'static str, &'static str, [&'static str; 2], What);

const ROWS: &[Row] = &[
    Row(
        "touch locked",
        "CCK_PLATFORM=macos cck set-key --keychain",
        ["run this again: ", ""],
        Fixes,
    ),
    Row("", "cck profile add a --key-env K --base-url nowhere", ["", " shows"], Shows),
    Row(
        "cck profile add a --key-env K",
        "cck profile add a --key-env L",
        ["; ", " shows it"],
        Shows,
    ),
    Row(
        "cck profile add acme --key-env K",
        "cck set-key --profile acne",
        ["? ", " shows them all"],
        Shows,
    ),
    Row("cck profile add acme --key-env K", "cck set-key --profile zz", ["", " shows the"], Shows),
    Row("cck profile add acme --key-env K", "cck profile remove zz", ["", " shows the"], Shows),
    Row("", "cck set-key --profile team", ["none yet: ", ""], Shows),
    Row("echo '{}' > .claude.json", "cck rotate", ["the first one with ", ";"], Fixes),
    Row(
        "cck set-key; sed -i s/CANARY/SECOND/ .claude.json",
        "cck undo",
        ["look at it with `", "`"],
        Shows,
    ),
    Row(
        "cck set-key; chmod 666 .local/state/cck/undo/*",
        "cck undo || [ $? = 1 ]",
        ["then: ", ""],
        Fixes,
    ),
    Row(
        "mkdir -p .config/cck; echo > .config/cck/profiles.toml; chmod 666 .config/cck/profiles.toml",
        "cck profile add a --key-env K",
        ["then: ", ""],
        Fixes,
    ),
    Row(
        "mkdir d; cck profile add a --key-env K --config-dir ~/d; chmod 777 d",
        "cck set-key --profile a </dev/null",
        ["alone (", ")"],
        Fixes,
    ),
    Row("touch .claude.json.lock", "cck set-key", ["if nothing needs it: ", ""], Fixes),
    Row(
        "",
        "cck set-key sk-ant-api03-0123456789abcdefghijklmnopqrstuvwxyz",
        ["stdin: ", ""],
        Shows,
    ),
    Row("", "cck verify --expect session", ["", ""], Shows),
    Row("cck set-key", "cck verify --expect nonsense", ["an id that ", " lists"], Shows),
    Row("ln -s .claude.json .claude.json", "cck set-key", ["circle: ", ""], Shows),
    Row(
        "mkdir d; touch f",
        "CLAUDE_CONFIG_DIR=~/f/x cck set-key",
        ["not a directory: ", ""],
        Shows,
    ),
];

/// Advice with a command that no row runs, and why.
const NOT_RUN: [(&str, &str); 14] = [
    (
        "{NAME_ONE}, or a profile",
        "only on a terminal; the rows with a profile that does not exist have the command",
    ),
    (
        "leave one of them out; cck profile add",
        "names a command, and what it would be given is the user's",
    ),
    ("choose a plain word: cck profile add acme", "an example"),
    ("export it as ANTHROPIC_ADMIN_KEY", "names a command"),
    ("set TMPDIR to a directory", "names two commands"),
    ("run cck as that user", "USER is to be filled in; tests/disk/acting.rs is about the rest"),
    ("end it (", "tests/disk/contention.rs has the writer"),
    (
        "security show-keychain-info",
        "shows what is wrong with a Keychain; no stand-in refuses this way",
    ),
    ("have it looked up", "an example"),
    ("check who owns it", "shows the owners; no file is closed to root"),
    ("free some space", "shows the room; tests/broker/failures.rs has a full disk"),
    ("look at the file and its directory", "for what no row can produce"),
    ("make the directory", "cck makes them itself; left for a directory that goes at that moment"),
    ("print the key's field alone", "an example"),
];

#[test]
fn each_command_in_the_advice_of_an_error_works_as_it_is_printed() {
    let (mut wrong, mut printed) = (Vec::new(), BTreeSet::new());
    for Row(before, fails, [start, end], what) in ROWS {
        let sandbox = Sandbox::new();
        for (name, text) in [("security", SECURITY), ("sudo", "#!/bin/sh\nexec \"$@\"\n")] {
            chmod(&sandbox.lay(&format!("bin/{name}"), text), 0o755);
        }
        let cck = sandbox.home().join("bin/cck");
        std::os::unix::fs::symlink(crate::sandbox::binary(), cck).unwrap();
        sandbox.lay("given", KEY);
        let made = shell(&sandbox, &format!("cd ~; {before}"));
        if !made.status.success() {
            wrong.push(format!("`{before}`: {made:?}"));
            continue;
        }
        let ran = shell(&sandbox, fails);
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        let advice = said.lines().find_map(|line| line.strip_prefix("  try: ")).unwrap_or_default();
        printed.insert(advice.to_owned());
        let from = advice.split_once(start).map_or("", |(_, rest)| rest);
        let command =
            if end.is_empty() { from } else { from.split_once(end).map_or("", |it| it.0) };
        if ran.status.success() || command.is_empty() {
            wrong.push(format!("`{fails}`: no command in {said:?}"));
            continue;
        }
        let pasted = shell(&sandbox, command);
        let again = shell(&sandbox, fails);
        if !pasted.status.success() || (*what == Fixes && !again.status.success()) {
            wrong.push(format!("`{fails}`: `{command}` {pasted:?}, then {again:?}"));
        }
    }
    let not_run = |advice: &String| NOT_RUN.iter().any(|(start, _)| advice.starts_with(start));
    for advice in with_commands().iter().filter(|advice| !not_run(advice)) {
        if !printed.iter().any(|text| is_in(advice, text)) {
            wrong.push(format!("no row prints {advice:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// A script in the project, with cck on PATH and a key on its standard input.
fn shell(sandbox: &Sandbox, script: &str) -> Output {
    let own = sandbox.cck(&[]).command();
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script]).env_clear().current_dir(sandbox.project());
    for (name, value) in own.get_envs() {
        shell.env(name, value.unwrap());
    }
    shell.env("PATH", format!("{}/bin:/usr/bin:/bin", sandbox.home().display()));
    shell.env("USER", "root").env("K", OTHER);
    shell.stdin(fs::File::open(sandbox.home().join("given")).unwrap()).output().unwrap()
}

/// The advice in src that has a command in it.
fn with_commands() -> BTreeSet<String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut files, mut found) = (Vec::new(), BTreeSet::new());
    crate::words::walk(&src, &mut files);
    for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "rs")) {
        let source = fs::read_to_string(file).unwrap();
        let own = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
        // What a table or a match chooses from is not in the call.
        let is_table = file.ends_with("key/shape.rs") || file.ends_with("disk/error.rs");
        let calls: Vec<&str> = if is_table { vec![own] } else { calls(own) };
        found.extend(calls.into_iter().flat_map(texts).filter(|text| has_command(text)));
    }
    assert!(found.len() >= 20, "{found:?}");
    found
}

/// What stands in the parentheses of each `fail(…)`, from its second argument on.
fn calls(source: &str) -> Vec<&str> {
    let mut calls = Vec::new();
    for (at, _) in source.match_indices("fail(") {
        let (mut depth, mut in_text, mut escaped, mut second) = (0_usize, false, false, None);
        for (offset, c) in source[at + 4..].char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' if in_text => escaped = true,
                '"' => in_text = !in_text,
                _ if in_text => {}
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth -= 1,
                ',' if depth == 1 && second.is_none() => second = Some(at + 4 + offset),
                _ => {}
            }
            if depth == 0 {
                calls.extend(second.map(|second| &source[second..at + 4 + offset]));
                break;
            }
        }
    }
    calls
}

/// Whether a program is named where a command could begin, with what it is given.
fn has_command(text: &str) -> bool {
    const PROGRAMS: [&str; 16] = [
        "cck",
        "sudo",
        "chmod",
        "chown",
        "mkdir",
        "rm",
        "mv",
        "ls",
        "git",
        "export",
        "unset",
        "security",
        "{LOOK}",
        "{LIST}",
        "{MAKE_DIR}",
        "{REMOVE}",
    ];
    const COMMANDS: [&str; 11] = [
        "set-key",
        "verify",
        "unset-key",
        "rotate",
        "approve",
        "undo",
        "audit",
        "get-key",
        "helper",
        "profile",
        "run",
    ];
    // What begins a command: the text itself, or one of these.
    let words = text.split(' ').map(|word| word.trim_start_matches(['(', '`'])).collect::<Vec<_>>();
    words.windows(2).any(|pair| {
        PROGRAMS.contains(&pair[0])
            && match pair[0] {
                "cck" => COMMANDS.contains(&pair[1].trim_end_matches(['`', ';'])),
                _ => !["", "it", "it,"].contains(&pair[1]),
            }
    })
}

#[test]
fn a_line_break_in_a_path_makes_no_line_of_its_own() {
    let s = Sandbox::new();
    let file = s.home().join("x\nerror: forged");
    let file = file.to_str().unwrap();
    let stderr = s.cck(&["set-key", "--key-file", file]).run().code(2).stderr;
    assert_eq!(stderr.lines().count(), 2, "{stderr}");
    let stdout = s.cck(&["set-key", "--stdin", "--config-file", file]).stdin(KEY).run().stdout;
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
}
