//! The real client under `cck run`, and with cck as its apiKeyHelper.
#![cfg(unix)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    reason = "a test lays files, reads its own settings and stops where something is amiss"
)]

#[path = "../support/mod.rs"]
mod support;
mod terminal;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use support::standin::{Standin, WORD};
use support::{install, sandbox};

const VERSION: &str = "2.1.330";

/// A key that no other test or run has.
fn key(what: &str) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
    format!("sk-ant-api03-{what}-{now:032}-{:08}-aaaabbbbccccddddeeeeffff", std::process::id())
}

/// The command of the client.
fn client() -> Vec<String> {
    install::command(VERSION).expect("it was installed")
}

/// A home and a project of their own.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Home {
        let home = Home(tempfile::tempdir().unwrap());
        for name in ["home", "project", "tmp"] {
            fs::create_dir(home.0.path().join(name)).unwrap();
        }
        home
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, program: &str, standin: &Standin) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"))
            .env("CLAUDE_CODE_TMPDIR", self.path("tmp"))
            .env("PATH", std::env::var("PATH").unwrap())
            .env("TERM", "xterm")
            .env("ANTHROPIC_BASE_URL", standin.url())
            .envs(
                [
                    "DISABLE_AUTOUPDATER",
                    "DISABLE_TELEMETRY",
                    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
                ]
                .map(|name| (name, "1")),
            )
            .current_dir(self.path("project"));
        command
    }

    /// `cck run --stdin FLAGS -- claude ARGS`, and whether it ended well.
    fn run(
        &self,
        flags: &[&str],
        client: &[String],
        args: &[&str],
        key: &str,
        standin: &Standin,
    ) -> bool {
        let mut child = self
            .command(env!("CARGO_BIN_EXE_cck"), standin)
            .args(["run", "--stdin"])
            .args(flags)
            .arg("--")
            .args(client)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(File::create(self.path("out")).unwrap())
            .stderr(File::create(self.path("err")).unwrap())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(key.as_bytes()).unwrap();
        let ended = support::client::ends_within(&mut child, Duration::from_secs(120));
        if !ended {
            support::client::stop(&mut child);
        }
        ended && child.wait().unwrap().success()
    }
}

/// Every file below `dir`, changed since `since`, that holds a piece of the key.
fn leaks(dir: &Path, key: &str, since: SystemTime, found: &mut Vec<String>) {
    // The random middle of the key: no other test has it.
    let piece = &key.as_bytes()[key.len() - 50..key.len() - 25];
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let Ok(metadata) = fs::symlink_metadata(entry.path()) else {
            continue;
        };
        if metadata.is_dir() {
            // What is mounted there, the root that this test runs in, is not looked through again.
            if fs::metadata(dir).is_ok_and(|above| above.dev() == metadata.dev()) {
                leaks(&entry.path(), key, since, found);
            }
        } else if metadata.is_file()
            && metadata.len() < 32 << 20
            && metadata.modified().is_ok_and(|time| time >= since)
            && fs::read(entry.path())
                .unwrap_or_default()
                .windows(piece.len())
                .any(|part| part == piece)
        {
            found.push(entry.path().display().to_string());
        }
    }
}

#[test]
fn a_run_sends_the_key_and_leaves_no_byte_of_it() {
    if sandbox::entered_with(VERSION, "a_run_sends_the_key_and_leaves_no_byte_of_it") {
        return;
    }
    let client = client();
    let (home, standin, key) = (Home::new(), Standin::start(), key("one"));
    let since = SystemTime::now() - Duration::from_secs(1);
    assert!(
        home.run(&[], &client, &["-p", WORD], &key, &standin),
        "{}",
        fs::read_to_string(home.path("err")).unwrap()
    );
    let sent = standin.message().expect("a message was sent");
    assert_eq!((sent.x_api_key.as_deref(), sent.authorization), (Some(key.as_str()), None));
    let mut found = Vec::new();
    for dir in [home.0.path(), Path::new("/tmp"), Path::new("/dev/shm")] {
        leaks(dir, &key, since, &mut found);
    }
    assert_eq!(found, [""; 0], "the key is left in files");
    println!("cck run: the client sent the key, and left it nowhere");
}

#[test]
fn ten_runs_at_once_do_not_mix() {
    if sandbox::entered_with(VERSION, "ten_runs_at_once_do_not_mix") {
        return;
    }
    let client = client();
    // One home for all: that is where they could meet.
    let home = Home::new();
    std::thread::scope(|scope| {
        for i in 0..10 {
            let (home, client) = (&home, &client);
            scope.spawn(move || {
                let (standin, key) = (Standin::start(), key(&format!("n{i}")));
                assert!(home.run(&[], client, &["-p", WORD], &key, &standin), "run {i}");
                let keys: Vec<_> = standin
                    .requests()
                    .into_iter()
                    .filter_map(|request| request.x_api_key)
                    .collect();
                assert!(
                    !keys.is_empty() && keys.iter().all(|sent| *sent == key),
                    "run {i}: {keys:?}"
                );
            });
        }
    });
    println!("cck run: ten at once, ten keys, none mixed");
}

#[test]
fn a_conversation_is_resumed() {
    if sandbox::entered_with(VERSION, "a_conversation_is_resumed") {
        return;
    }
    let client = client();
    let (home, standin, key) = (Home::new(), Standin::start(), key("keep"));
    let id = "0b8ffd3c-58a4-4c6e-9d0a-6d1f3c2b1a00";
    let run = |flags: &[&str], args: &[&str]| home.run(flags, &client, args, &key, &standin);
    assert!(run(&[], &["-p", WORD, "--session-id", id]));
    assert!(
        run(&[], &["-p", WORD, "--resume", id]),
        "{}",
        fs::read_to_string(home.path("err")).unwrap()
    );
    println!("cck run: --resume works");
}

#[test]
fn a_rotated_key_is_sent_after_the_next_refresh() {
    if sandbox::entered_with(VERSION, "a_rotated_key_is_sent_after_the_next_refresh") {
        return;
    }
    let client = client();
    let (home, standin, old, new) = (Home::new(), Standin::start(), key("old"), key("new"));
    let source = home.path("source");
    fs::write(&source, &old).unwrap();
    let install = ["helper", "install", "--key-command", &format!("cat {}", source.display())]
        .map(str::to_owned);
    let installed =
        home.command(env!("CARGO_BIN_EXE_cck"), &standin).args(install).output().unwrap();
    assert!(installed.status.success());
    let settings = home.path("home").join(".claude/settings.json");
    let before = fs::read(&settings).unwrap();

    let mut child = home
        .command(&client[0], &standin)
        .args(&client[1..])
        .args([
            "-p",
            "--input-format",
            "stream-json",
            "--output-format",
            "stream-json",
            "--verbose",
        ])
        .env("CLAUDE_CODE_API_KEY_HELPER_TTL_MS", "200")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(File::create(home.path("err")).unwrap())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut ask = || {
        let line = format!(r#"{{"type":"user","message":{{"role":"user","content":"{WORD}"}}}}"#);
        writeln!(stdin, "{line}").unwrap();
        while let Some(Ok(line)) = lines.next() {
            if line.contains(r#""type":"result""#) {
                return standin.message().unwrap().x_api_key.unwrap();
            }
        }
        panic!("the client ended: {}", fs::read_to_string(home.path("err")).unwrap());
    };
    assert_eq!(ask(), old);
    fs::write(&source, &new).unwrap();
    // A refresh may be under way, and the request after it is the one that has the new key.
    let start = Instant::now();
    let mut sent = old.clone();
    while sent != new && start.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(400));
        sent = ask();
    }
    drop(stdin);
    support::client::ends_within(&mut child, Duration::from_secs(20));
    support::client::stop(&mut child);
    assert_eq!(sent, new);
    assert_eq!(fs::read(&settings).unwrap(), before, "no file was edited");
    println!("apiKeyHelper: the rotated key was sent {:?} after the rotation", start.elapsed());
}
