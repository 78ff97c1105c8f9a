//! Completion scripts in the shells that they are for, and the manual page under the programs that read such pages.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "these are tests"
)]

#[allow(dead_code, reason = "shared with the other tests")]
#[path = "../support/skip.rs"]
mod skip;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const PROFILES: &str =
    "[profiles.acme]\nkey-env = \"ACME_KEY\"\n\n[profiles.globex]\nkey-env = \"GLOBEX_KEY\"\n";

/// Whether the program is there. If not, the test is skipped.
fn has(program: &str) -> bool {
    let there = ["/usr/bin", "/bin"].iter().any(|dir| Path::new(dir).join(program).exists());
    if !there {
        skip::without(program);
    }
    there
}

/// Runs a program with cck first in its PATH and a HOME with two profiles; returns what it printed.
fn run(program: &str, args: &[&str], input: &str) -> (bool, String) {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir_all(home.path().join(".config/cck")).unwrap();
    let file = home.path().join(".config/cck/profiles.toml");
    fs::write(&file, PROFILES).unwrap();
    let bin = Path::new(env!("CARGO_BIN_EXE_cck")).parent().unwrap();
    let mut child = Command::new(program)
        .args(args)
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
        .env("TERM", "dumb")
        .env("LC_ALL", "C.UTF-8")
        .env("MANWIDTH", "100")
        .env("COLUMNS", "80")
        .current_dir(home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

fn page() -> String {
    run(env!("CARGO_BIN_EXE_cck"), &["man"], "").1
}

#[test]
fn bash_completes() {
    let complete = |line: &str| {
        let script = format!(
            "source <(cck completions bash); words=({line} ''); unset 'words[-1]'; COMP_WORDS=(\"${{words[@]}}\"); \
             COMP_CWORD=$((${{#words[@]}} - 1)); COMP_TYPE=9; \
             _clap_complete_cck cck \"${{COMP_WORDS[COMP_CWORD]}}\" ''; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        );
        run("bash", &["--norc", "-c", &script], "").1
    };
    assert_eq!(complete("cck set").trim(), "set-key");
    assert_eq!(complete("cck verify --jso").trim(), "--json");
    assert_eq!(complete("cck profile show a").trim(), "acme");
    let all = complete("cck profile remove ''");
    let all: Vec<&str> = all.lines().collect();
    assert!(all.contains(&"acme") && all.contains(&"globex"), "{all:?}");
}

#[test]
fn fish_completes() {
    if !has("fish") {
        return;
    }
    let complete = |line: &str| {
        let script = format!("cck completions fish | source; complete -C '{line}'");
        run("fish", &["--no-config", "-c", &script], "").1
    };
    assert!(complete("cck set").starts_with("set-key\t"));
    assert!(complete("cck profile show ").contains("globex"));
}

#[test]
fn zsh_completes() {
    if !has("zsh") {
        return;
    }
    // Only a shell on a terminal completes: zsh runs another one on a pseudo-terminal and presses TAB in it.
    let complete = |line: &str, wanted: &str| {
        let script = format!(
            r#"zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z 'PS1=; unset zle_bracketed_paste; autoload -U compinit; compinit -u -D; source <(cck completions zsh); echo ready$((1+1))'
zpty -r z before '*ready2*'
zpty -n -w z $'{line}\t'
zpty -r z after '*{wanted}*'
print -r -- "$after"
zpty -d z"#
        );
        run("timeout", &["30", "zsh", "-f", "-c", &script], "").1
    };
    for (line, wanted) in [
        ("cck set-", "set-key "),
        ("cck profile show gl", "globex "),
        ("cck completions --he", "--help "),
    ] {
        let got = complete(line, wanted);
        assert!(got.contains(wanted), "{line}: {got:?}");
    }
}

#[test]
fn a_script_for_every_shell() {
    for (shell, word) in [
        ("bash", "complete -o"),
        ("zsh", "compdef"),
        ("fish", "complete --"),
        ("powershell", "Register-ArgumentCompleter"),
        ("elvish", "edit:completion"),
    ] {
        let (ok, script) = run(env!("CARGO_BIN_EXE_cck"), &["completions", shell], "");
        assert!(
            ok && script.contains(word) && script.contains("_CCK_COMPLETE"),
            "{shell}: {script}"
        );
    }
}

#[test]
fn mandoc_finds_nothing_to_complain_of() {
    if !has("mandoc") {
        return;
    }
    let (_, complaints) = run("mandoc", &["-T", "lint", "-W", "warning"], &page());
    assert_eq!(complaints, "");
}

#[test]
fn man_shows_the_page() {
    if !has("man") {
        return;
    }
    let (ok, text) = run("man", &["--warnings", "-P", "cat", "-l", "-"], &page());
    assert!(ok, "{text}");
    for words in
        ["cck - ", "--key-file FILE", "cck profile add", "EXIT STATUS", "pass show anthropic"]
    {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    assert!(!text.contains("warning:"), "{text}");
}

/// The help of every command, at the size of a small terminal.
#[test]
fn help_fits_a_screen() {
    let mut commands = vec![vec![]];
    let mut seen = 0;
    while let Some(command) = commands.pop() {
        let args: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
        let (ok, text) = run(env!("CARGO_BIN_EXE_cck"), &args, "");
        assert!(ok, "{text}");
        assert!(text.lines().count() <= 32, "{args:?}: {} lines\n{text}", text.lines().count());
        seen += 1;
        let below = text.lines().skip_while(|line| *line != "Commands:").skip(1);
        // A description that is too long for its line goes on in the next, further in.
        let names =
            below.take_while(|line| line.starts_with("  ")).filter(|line| !line.starts_with("   "));
        for line in names {
            let name = line.split_whitespace().next().unwrap().to_owned();
            if name == "help" {
                continue;
            }
            commands.push(command.iter().cloned().chain([name]).collect());
        }
    }
    assert!(seen > 10, "{seen} commands were found");
}
