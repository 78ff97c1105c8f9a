//! A project that comes with a repository: its configuration is whatever its author wrote into `.git`.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::sandbox::{KEY, Sandbox};

/// A project with a key in its settings, so that verify asks git about them, and a repository around it.
fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    let settings = sandbox.project().join(".claude/settings.local.json");
    fs::create_dir_all(settings.parent().unwrap()).unwrap();
    fs::write(&settings, format!("{{\"env\": {{\"ANTHROPIC_API_KEY\": \"{KEY}\"}}}}")).unwrap();
    git(&sandbox, &["init", "-q"]);
    sandbox
}

fn git(sandbox: &Sandbox, args: &[&str]) -> bool {
    let git = Command::new("git")
        .args(args)
        .env_clear()
        .env("HOME", sandbox.home())
        .env("PATH", "/usr/bin:/bin")
        .current_dir(sandbox.project())
        .status();
    git.expect("these tests need git").success()
}

/// Every program that a repository's configuration or hooks can name is the same: one that leaves a mark.
#[test]
fn a_hostile_repository_runs_nothing() {
    let sandbox = project();
    let mark = sandbox.home().join("mark");
    let program = sandbox.lay("program", format!("#!/bin/sh\ntouch '{}'\n", mark.display()));
    crate::sandbox::chmod(&program, 0o755);
    let program = program.to_str().unwrap();
    for name in [
        "core.fsmonitor",
        "core.pager",
        "core.editor",
        "core.askPass",
        "core.sshCommand",
        "core.gitProxy",
        "core.alternateRefsCommand",
        "credential.helper",
        "diff.external",
        "filter.x.clean",
        "filter.x.smudge",
        "filter.x.process",
        "remote.origin.uploadpack",
        "pager.ls-files",
        "pager.check-ignore",
        "alias.ls-files",
        "alias.check-ignore",
        "gpg.program",
    ] {
        assert!(git(&sandbox, &["config", name, program]));
    }
    for (name, value) in [
        ("core.pager", "true"),
        ("remote.origin.url", "."),
        ("remote.origin.promisor", "true"),
        ("protocol.allow", "always"),
    ] {
        assert!(git(&sandbox, &["config", name, value]));
    }
    let hooks = sandbox.project().join(".git/hooks");
    fs::create_dir_all(&hooks).unwrap();
    for hook in [
        "post-index-change",
        "pre-commit",
        "fsmonitor-watchman",
        "post-checkout",
        "reference-transaction",
    ] {
        fs::copy(program, hooks.join(hook)).unwrap();
    }
    fs::write(sandbox.project().join(".gitattributes"), "* filter=x diff=x\n").unwrap();
    git(&sandbox, &["add", "-f", ".gitattributes"]);
    git(&sandbox, &["status"]);
    assert!(mark.exists(), "the repository is not hostile at all");
    fs::remove_file(&mark).unwrap();

    for args in [&["verify"][..], &["verify", "--json"], &["set-key", "--stdin"], &[]] {
        let ran = sandbox.cck(args).stdin(KEY).run();
        assert!(matches!(ran.code, Some(0 | 1)), "{args:?}: {ran:?}");
        assert!(!mark.exists(), "{args:?} ran a program of the repository");
    }
}

/// Parts of a repository as pipes that nobody writes to: git would wait for ever.
#[test]
fn a_repository_of_pipes_hangs_nothing() {
    for part in [
        ".git/config",
        ".git/index",
        ".git/HEAD",
        ".git/info/exclude",
        ".gitignore",
        ".claude/.gitignore",
        ".git",
    ] {
        let sandbox = project();
        let path = sandbox.project().join(part);
        remove(&path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .unwrap();
        let start = Instant::now();
        let ran = sandbox.cck(&["verify"]).run();
        assert!(matches!(ran.code, Some(0 | 1)), "{part}: {ran:?}");
        assert!(start.elapsed() < Duration::from_secs(15), "{part} took {:?}", start.elapsed());
    }
}

/// A repository names a pipe as its list of what is ignored.
#[test]
fn a_pipe_as_the_list_of_what_git_ignores_is_given_up_soon() {
    let sandbox = project();
    let pipe = sandbox.project().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    let config = sandbox.project().join(".git/config");
    let text = fs::read_to_string(&config).unwrap_or_default();
    let text = format!("{text}\n[core]\n\texcludesFile = {}\n", pipe.display());
    fs::write(&config, text).unwrap();
    let took = || {
        let start = Instant::now();
        let ran = sandbox.cck(&["verify"]).run();
        assert!(matches!(ran.code, Some(0 | 1)), "{ran:?}");
        start.elapsed()
    };
    // The best of three: the machine may be busy.
    let took = (0..3).map(|_| took()).min().unwrap();
    assert!(took < Duration::from_secs(2), "took {took:?}");
}

fn remove(path: &Path) {
    let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
}

/// verify takes a helper to succeed and does not run it, no matter who names it.
#[test]
fn a_helper_of_the_project_is_run_only_if_asked_for() {
    let sandbox = Sandbox::new();
    let mark = sandbox.home().join("mark");
    let settings = sandbox.project().join(".claude/settings.json");
    fs::create_dir_all(settings.parent().unwrap()).unwrap();
    fs::write(settings, format!("{{\"apiKeyHelper\": \"touch {}\"}}", mark.display())).unwrap();
    for args in
        [&["verify"][..], &["verify", "--json"], &["set-key", "--stdin"], &["helper", "show"], &[]]
    {
        sandbox.cck(args).stdin(KEY).run();
        assert!(!mark.exists(), "{args:?} ran the helper");
    }
    sandbox.cck(&["verify", "--run-helper"]).run();
    assert!(!mark.exists(), "the folder is not trusted");
    sandbox.cck(&["verify", "--run-helper=project"]).run();
    assert!(mark.exists());
}

/// A project that says where the API is would get the key of anyone who checks it there.
#[test]
fn a_project_that_is_not_trusted_gets_no_key_by_its_address() {
    let sandbox = Sandbox::new();
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let settings = sandbox.project().join(".claude/settings.json");
    fs::create_dir_all(settings.parent().unwrap()).unwrap();
    let address = format!("http://{}", server.local_addr().unwrap());
    fs::write(&settings, format!("{{\"env\": {{\"ANTHROPIC_BASE_URL\": \"{address}\"}}}}"))
        .unwrap();
    sandbox.lay(
        ".claude.json",
        format!("{{\"primaryApiKey\": \"{KEY}\", \"hasCompletedOnboarding\": true}}"),
    );
    for args in [
        &["verify", "--online"][..],
        &["verify", "--online", "--json"],
        &["rotate", "--stdin", "--online"],
    ] {
        let ran = sandbox.cck(args).stdin(crate::sandbox::OTHER).run();
        let said = format!("{}{}", ran.stdout, ran.stderr)
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        assert!(said.contains("have not trusted"), "{args:?}: {ran:?}");
        assert!(server.accept().is_err(), "{args:?} asked the project's host");
    }
    // Once it is trusted, as in the client, its word counts.
    let project = fs::canonicalize(sandbox.project()).unwrap();
    sandbox.lay(
        ".claude.json",
        format!(
            "{{\"primaryApiKey\": \"{KEY}\", \"hasCompletedOnboarding\": true, \
             \"projects\": {{\"{}\": {{\"hasTrustDialogAccepted\": true}}}}}}",
            project.display()
        ),
    );
    server.set_nonblocking(false).unwrap();
    let answer = std::thread::spawn(move || drop(server.accept().unwrap()));
    sandbox.cck(&["verify", "--online"]).run();
    answer.join().unwrap();
}
