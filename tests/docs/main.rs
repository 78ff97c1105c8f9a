//! The documents against the program: what is generated is not stale, links lead somewhere, commands exist.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "these are tests"
)]

mod svg;
#[path = "../broker/upstream.rs"]
#[allow(dead_code, reason = "shared with the tests of the broker")]
mod upstream;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use upstream::Upstream;

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

/// `.ci/readme` runs what is in a fence of `sh`; commands anywhere else would not be tried.
#[test]
fn blocks_of_commands_are_fenced() {
    let mut count = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        let mut fence = None;
        for pair in text.lines().collect::<Vec<_>>().windows(2) {
            let at = format!("{}: {:?}", document.display(), pair[1]);
            if let Some(language) = pair[1].strip_prefix("```") {
                fence = if fence.is_some() { None } else { Some(language) };
                assert!(["", "sh", "toml", "text"].contains(&language), "{at}");
                count += usize::from(fence == Some("sh"));
                assert!(fence.is_none() || fence != Some(""), "{at}");
            } else if fence.is_none() {
                assert!(!pair[0].is_empty() || !pair[1].starts_with("    "), "{at}");
            } else if fence != Some("sh") {
                assert!(!pair[1].starts_with("cck ") && !pair[1].starts_with("cargo "), "{at}");
            }
        }
    }
    assert!(count > 30, "only {count} blocks were found");
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

/// Every claim of docs/security.md names tests, and they exist.
#[test]
fn each_claim_about_security_has_a_test() {
    let mut tests = Vec::new();
    let mut dirs = vec![root().join("src"), root().join("tests")];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                let text = fs::read_to_string(path).unwrap();
                let after = text.split("#[test]\n").skip(1).filter_map(|after| {
                    let (_, after) = after.split_once("fn ")?;
                    after.split_once('(').map(|(name, _)| name.to_owned())
                });
                tests.extend(after);
            }
        }
    }
    let text = fs::read_to_string(root().join("docs/security.md")).unwrap();
    let mut count = 0;
    let mut in_claims = false;
    for line in text.lines() {
        in_claims = line.starts_with('|') && (in_claims || line.starts_with("| claim |"));
        if !in_claims || line.starts_with("| claim |") || line.starts_with("|---") {
            continue;
        }
        let cell = line.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let names: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test: {line}");
        for name in names {
            assert!(tests.iter().any(|test| test == name), "{name} is not a test: {line}");
        }
        count += 1;
    }
    assert!(count > 40, "only {count} claims were found");
}

/// Every `cck COMMAND` and `--flag` of the READMEs is one that the program knows.
#[test]
fn commands_in_the_readmes_exist() {
    let manual = Command::new(env!("CARGO_BIN_EXE_cck")).arg("man").output().unwrap().stdout;
    let manual = String::from_utf8(manual).unwrap().replace("\\-", "-");
    for name in ["README.md", "README.zh-CN.md", "docs/troubleshooting.md"] {
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

/// The Chinese README follows its own list of words, and breaks no line between Chinese characters.
#[test]
fn the_chinese_readme_is_written_as_chinese_is() {
    let text = fs::read_to_string(root().join("README.zh-CN.md")).unwrap();
    for word in ["成员", "租户", "遮住", "照管", "| 不需要"] {
        assert!(!text.contains(word), "{word}");
    }
    for word in ["字段", "配置档", "| 未测试 |"] {
        assert!(text.contains(word), "{word}");
    }
    let is_chinese =
        |c: char| ('\u{3000}'..='\u{9fff}').contains(&c) || ('\u{ff00}'..='\u{ffef}').contains(&c);
    let lines: Vec<&str> = text.lines().collect();
    for pair in lines.windows(2) {
        let end = pair[0].trim_end_matches(['*', '`', ')']).chars().next_back();
        let start = pair[1].trim_start_matches(['*', '`', '[']).chars().next();
        let broken = end.is_some_and(is_chinese) && start.is_some_and(is_chinese);
        assert!(!broken, "{pair:?}");
    }
    for line in lines {
        for link in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let english = link.ends_with(".md") && link != "README.md" || link.contains(".md#");
            assert!(!english || line.contains("英文") || line.starts_with("| [docs/"), "{line}");
        }
    }
}

/// Each page of docs/ is linked from the README and from the index.
#[test]
fn every_page_can_be_found() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let index = fs::read_to_string(root().join("docs/index.md")).unwrap();
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") {
            assert!(readme.contains(&format!("(docs/{name})")), "README: docs/{name}");
            assert!(name == "index.md" || index.contains(&format!("({name})")), "index: {name}");
        }
    }
}

/// Each symptom has a command that shows its cause.
#[test]
fn each_symptom_has_a_command_that_shows_its_cause() {
    let page = fs::read_to_string(root().join("docs/troubleshooting.md")).unwrap();
    let symptoms: Vec<&str> = page.split("\n## ").skip(1).collect();
    assert!(symptoms.len() >= 11, "{}", symptoms.len());
    for symptom in symptoms {
        let title = symptom.lines().next().unwrap();
        let cause = symptom.split("hows ").nth(1);
        let cause =
            cause.is_some_and(|cause| cause.contains("`cck ") || cause.contains("`security "));
        let fix = [
            "Fix:",
            "fix |",
            "Keep one.",
            "Use a source",
            "yours to change",
            "Set it once",
            "export ",
        ];
        assert!(cause && fix.iter().any(|word| symptom.contains(word)), "{title}");
    }
}

/// The newest version that was observed is in the READMEs, and so is the oldest of the 2.x ones.
#[test]
fn tested_versions_are_the_observed_ones() {
    let observed = fs::read_to_string(root().join("docs/claude-code.md")).unwrap();
    for name in ["README.md", "README.zh-CN.md"] {
        let readme = fs::read_to_string(root().join(name)).unwrap();
        for version in ["2.0.77", "2.1.330"] {
            assert!(observed.contains(version) && readme.contains(version), "{name}: {version}");
        }
    }
}

/// A home with a key in a file, and a client as npm installs it.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("key"), format!("sk-ant-api03-{}yzAA", "x".repeat(76))).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(home.path().join("key"), private).unwrap();
    let package = home.path().join("npm/lib/node_modules/@anthropic-ai/claude-code");
    fs::create_dir_all(&package).unwrap();
    fs::create_dir(home.path().join("npm/bin")).unwrap();
    let name = r#"{"name": "@anthropic-ai/claude-code", "version": "2.1.332"}"#;
    fs::write(package.join("package.json"), name).unwrap();
    // It says hello by one call, as the client would.
    let client = r#"#!/bin/sh
curl --silent --fail --noproxy '*' "$ANTHROPIC_BASE_URL/v1/messages" -H "authorization: Bearer $ANTHROPIC_AUTH_TOKEN" \
  -H 'content-type: application/json' -d '{"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": []}' >/dev/null &&
  echo 'Hello!'
"#;
    fs::write(package.join("cli.js"), client).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(package.join("cli.js"), mode).unwrap();
    let program = "../lib/node_modules/@anthropic-ai/claude-code/cli.js";
    std::os::unix::fs::symlink(program, home.path().join("npm/bin/claude")).unwrap();
    home
}

/// A program with nothing but this home, on a terminal of 80 columns with colours.
fn command(program: &str, home: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("HOME", home)
        .env("PATH", format!("{}:/usr/bin:/bin", home.join("npm/bin").display()))
        .env("COLUMNS", "80")
        .env("CLICOLOR_FORCE", "1")
        .env("TERM", "xterm")
        .current_dir(home);
    command
}

/// Draws the picture if CCK_UPDATE asks for it, and checks that it is this one.
fn check_picture(file: &str, session: &[(&str, String)]) {
    let picture = svg::render(session);
    let path = root().join(file);
    if std::env::var_os("CCK_UPDATE").is_some() {
        fs::write(&path, &picture).unwrap();
    }
    assert!(
        fs::read_to_string(&path).is_ok_and(|old| old == picture),
        "{file} is stale; CCK_UPDATE=1 cargo test --test docs draws it again"
    );
}

#[test]
fn the_picture_shows_what_verify_prints() {
    let home = home();
    let other = format!("sk-ant-api03-{}wxyz", "y".repeat(76));
    let output = |command: &mut Command| {
        let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
        assert!(text.contains("\u{1b}["), "no colour in {text:?}");
        text
    };
    let cck = |args: &[&str]| {
        let mut command = command(env!("CARGO_BIN_EXE_cck"), home.path());
        command.args(args);
        command
    };
    let set = output(&mut cck(&["set-key", "--key-file", "key"]));
    let yes = output(&mut cck(&["verify"]));
    let no = output(cck(&["verify"]).env("ANTHROPIC_API_KEY", other));
    assert!(yes.contains('✓') && no.contains('✗'), "{yes}{no}");
    // The table of sources is for the terminal; the picture ends with the fix.
    let no = no.split("\n\n").next().unwrap().to_owned();
    let session = [
        ("cck set-key --key-file key", set),
        ("cck verify", yes),
        ("export ANTHROPIC_API_KEY=sk-ant-api03-…wxyz; cck verify", no),
    ];
    check_picture("docs/verify.svg", &session);
}

#[test]
fn the_picture_shows_what_a_guarded_run_comes_to() {
    let home = home();
    fs::write(home.path().join(".claude.json"), r#"{"hasCompletedOnboarding": true}"#).unwrap();
    let upstream = Upstream::usual();
    let shown = "cck run --key-file key --budget 5usd/day -- claude -p 'say hello'";
    let line = shown.replacen("cck", env!("CARGO_BIN_EXE_cck"), 1);
    // The summary is for a terminal.
    let output = command("script", home.path())
        .args(["-qec", &line, "/dev/null"])
        .env("ANTHROPIC_BASE_URL", upstream.url())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap().replace('\r', "");
    assert!(output.status.success() && text.starts_with("Hello!\ncck: 1 call"), "{text}");
    assert_eq!(upstream.seen().len(), 1);
    check_picture("docs/run.svg", &[(shown, text)]);
}
