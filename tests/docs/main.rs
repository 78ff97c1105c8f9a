//! The documents against the program: what is generated is not stale, links lead somewhere, commands exist.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "these are tests"
)]

mod svg;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every document of the repository.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![root().to_path_buf()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                if !name.starts_with('.') && !["target", "node_modules", "dist"].contains(&name) {
                    dirs.push(path);
                }
            } else if name.ends_with(".md") {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn relative_links_lead_somewhere() {
    let mut count = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap();
            if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
                continue;
            }
            let target = document.parent().unwrap().join(path);
            assert!(target.exists(), "{}: {link} leads nowhere", document.display());
            count += 1;
        }
    }
    assert!(count > 5, "only {count} links were found");
}

/// Every `cck COMMAND` and `--flag` of the READMEs is one that the program knows.
#[test]
fn commands_in_the_readmes_exist() {
    let manual = Command::new(env!("CARGO_BIN_EXE_cck")).arg("man").output().unwrap().stdout;
    let manual = String::from_utf8(manual).unwrap().replace("\\-", "-");
    for name in ["README.md", "README.zh-CN.md"] {
        let text = fs::read_to_string(root().join(name)).unwrap();
        let mut count = 0;
        for words in text.split("cck ").skip(1) {
            let line = words.split(['\n', '`', '|']).next().unwrap();
            let mut words = line.split_whitespace();
            let command = words.next().unwrap_or_default();
            if !command.contains('-')
                && !["verify", "rotate", "approve", "undo", "audit", "run", "helper", "profile"]
                    .contains(&command)
            {
                continue;
            }
            assert!(manual.contains(&format!("cck {command}")), "{name}: cck {line}");
            for flag in words.take_while(|word| *word != "--").filter(|word| word.starts_with("--"))
            {
                let flag = flag.split('=').next().unwrap();
                assert!(manual.contains(flag), "{name}: cck {line}: no {flag}");
            }
            count += 1;
        }
        assert!(count > 10, "{name}: only {count} commands were found");
    }
}

/// The Chinese README has the same commands and tables as the English one.
#[test]
fn the_readmes_say_the_same() {
    let parts = |name: &str| {
        let text = fs::read_to_string(root().join(name)).unwrap();
        let blocks: Vec<String> = text
            .split("```sh\n")
            .skip(1)
            .map(|rest| rest.split("```").next().unwrap().to_owned())
            .collect();
        let headings = text.lines().filter(|line| line.starts_with("## ")).count();
        let rows = text.lines().filter(|line| line.starts_with('|')).count();
        (blocks, headings, rows)
    };
    assert_eq!(parts("README.md"), parts("README.zh-CN.md"));
}

/// The versions in the READMEs are those of docs/claude-code.md.
#[test]
fn tested_versions_are_the_observed_ones() {
    let observed = fs::read_to_string(root().join("docs/claude-code.md")).unwrap();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for version in ["2.0.77", "2.1.330", "2026-11-24"] {
        assert!(observed.contains(version) && readme.contains(version), "{version}");
    }
}

#[test]
fn the_picture_shows_what_verify_prints() {
    let home = tempfile::tempdir().unwrap();
    let key = format!("sk-ant-api03-{}AAAA", "x".repeat(76));
    let other = format!("sk-ant-api03-{}wxyz", "y".repeat(76));
    fs::write(home.path().join("key"), key).unwrap();
    let cck = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cck"));
        command
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", "/usr/bin:/bin")
            .current_dir(home.path());
        command
    };
    assert!(cck().args(["set-key", "--key-file", "key"]).status().unwrap().success());
    let output = cck()
        .arg("verify")
        .env("ANTHROPIC_API_KEY", other)
        .env("CLICOLOR_FORCE", "1")
        .env("TERM", "xterm")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("\u{1b}["), "no colour in {text:?}");
    let picture = svg::render("export ANTHROPIC_API_KEY=sk-ant-api03-…wxyz; cck verify", &text);
    let file = root().join("docs/verify.svg");
    if std::env::var_os("CCK_UPDATE").is_some() {
        fs::write(&file, &picture).unwrap();
    }
    assert!(
        fs::read_to_string(&file).is_ok_and(|old| old == picture),
        "docs/verify.svg is stale; CCK_UPDATE=1 cargo test --test docs draws it anew"
    );
}
