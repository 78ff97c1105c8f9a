//! `cck run`: what the command sees, what it must not see, and that nothing is left.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::sandbox::{KEY, OTHER, Sandbox, binary, chmod, runtime};

fn left(run: &tempfile::TempDir) -> usize {
    fs::read_dir(run.path()).unwrap().count()
}

/// A sandbox with a key file and a runtime directory, and the arguments of a run.
struct Runner {
    s: Sandbox,
    run: tempfile::TempDir,
    file: String,
}

impl Runner {
    fn new() -> Runner {
        let s = Sandbox::new();
        let file = s.lay("key", KEY).to_str().unwrap().to_owned();
        Runner { s, run: runtime(), file }
    }

    fn cck(&self, flags: &[&str], command: &[&str]) -> crate::sandbox::Cck {
        let args = [&["run", "--key-file", &self.file], flags, &["--"], command].concat();
        self.s.cck(&args).env("XDG_RUNTIME_DIR", self.run.path())
    }

    /// A run that is under way: `sh -c script` has printed `ready`.
    fn start(&self, script: &str) -> Child {
        let cck = self.cck(&[], &["sh", "-c", script]).command();
        // What the tests were started with (`nohup`, a shell's `&`) may ignore signals, and children inherit that.
        let mut command = Command::new("env");
        command
            .arg(DEFAULT_SIGNALS)
            .arg(cck.get_program())
            .args(cck.get_args())
            .env_clear()
            .envs(cck.get_envs().filter_map(|(name, value)| Some((name, value?))));
        if let Some(dir) = cck.get_current_dir() {
            command.current_dir(dir);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        child.stdout = Some(stdout.into_inner());
        child
    }
}

/// Has `env` undo what was ignored.
const DEFAULT_SIGNALS: &str = "--default-signal=INT,HUP,TERM,QUIT";

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn the_command_gets_the_least_config_in_a_private_directory() {
    let r = Runner::new();
    let script = "cat $CLAUDE_CONFIG_DIR/.claude.json; stat -c %a $CLAUDE_CONFIG_DIR $CLAUDE_CONFIG_DIR/.claude.json; \
                  echo $CLAUDE_CONFIG_DIR; ls -A $CLAUDE_CONFIG_DIR";
    let out = r.cck(&[], &["sh", "-c", script]).run().code(0).stdout;
    let mut lines = out.lines();
    let config: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!(config["primaryApiKey"], KEY);
    assert_eq!(config["hasCompletedOnboarding"], true);
    assert_eq!(config["projects"], serde_json::Value::Null);
    assert_eq!((lines.next(), lines.next()), (Some("700"), Some("600")));
    assert!(Path::new(lines.next().unwrap()).starts_with(r.run.path()));
    assert_eq!(lines.collect::<Vec<_>>(), [".claude.json"]);
    assert_eq!(left(&r.run), 0);
    assert_eq!(r.s.names(), ["key"]);

    let trusted = r
        .cck(&["--trust"], &["sh", "-c", "cat $CLAUDE_CONFIG_DIR/.claude.json"])
        .run()
        .code(0)
        .json();
    let project = fs::canonicalize(r.s.project()).unwrap();
    assert_eq!(trusted["projects"][project.to_str().unwrap()]["hasTrustDialogAccepted"], true);
}

#[test]
fn the_exit_status_is_the_commands() {
    let r = Runner::new();
    r.cck(&[], &["sh", "-c", "exit 7"]).run().code(7);
    r.cck(&[], &["sh", "-c", "kill -9 $$"]).run().code(137);
    r.cck(&[], &["sh", "-c", "kill -SEGV $$"]).run().code(139);
    r.cck(&[], &["no-such-command"]).run().code(127).err(&["no-such-command", "not found"]);
    let plain = r.s.lay("plain", "");
    r.cck(&[], &[plain.to_str().unwrap()]).run().code(126).err(&["not executable"]);
    r.cck(&[], &["/"]).run().code(126);
    r.s.cck(&["run", "--key-file", "none", "--", "true"]).run().code(2).err(&["key file"]);
    r.s.cck(&["run", "--key-file", "none"]).run().code(2).err(&["COMMAND"]);
    r.cck(&["--base-url", "nonsense"], &["true"]).run().code(2).err(&["base URL"]);
    assert_eq!(left(&r.run), 0);
}

#[test]
fn what_would_shadow_the_key_is_left_out_and_the_key_is_nowhere_else() {
    let r = Runner::new();
    r.s.lay(
        ".claude/settings.json",
        format!(
            r#"{{ "model": "m", "apiKeyHelper": "h", "env": {{ "ANTHROPIC_AUTH_TOKEN": "t", "B": "2", "K": "{KEY}" }} }}"#
        ),
    );
    let script = "cat $CLAUDE_CONFIG_DIR/settings.json; env; tr '\\0' ' ' </proc/$$/cmdline; echo; tr '\\0' ' ' </proc/$PPID/cmdline";
    let ran = r
        .cck(&["--verbose", "--base-url", "http://127.0.0.1:9"], &["sh", "-c", script])
        .env("ANTHROPIC_API_KEY", OTHER)
        .env("ANTHROPIC_AUTH_TOKEN", "t")
        .env("CLAUDE_CODE_OAUTH_TOKEN", "t")
        .env("CLAUDE_CODE_USE_BEDROCK", "1")
        .env("ANTHROPIC_CUSTOM_HEADERS", "x-api-key: z")
        .env("MY_KEY", KEY)
        .env("KEEP_ME", "1")
        .run()
        .code(0)
        .out(&[
            r#"{ "model": "m", "env": { "B": "2" } }"#,
            "KEEP_ME=1",
            "ANTHROPIC_BASE_URL=http://127.0.0.1:9",
        ]);
    for gone in [KEY, OTHER, "AUTH_TOKEN", "OAUTH", "BEDROCK", "HEADERS", "MY_KEY"] {
        assert!(!ran.stdout.contains(gone), "{gone} in {ran:#?}");
    }
    ran.err(&[
        "environment: ANTHROPIC_API_KEY",
        "environment: MY_KEY",
        "environment: CLAUDE_CODE_USE_BEDROCK",
        "settings: apiKeyHelper",
        "settings: env.ANTHROPIC_AUTH_TOKEN",
    ]);
    let quiet = r.cck(&[], &["true"]).env("ANTHROPIC_API_KEY", OTHER).run().code(0);
    assert_eq!(quiet.stderr, "");
    let ran = r.cck(&[], &["echo", KEY]).run().code(2).err(&["holds the key"]);
    assert!(!ran.stderr.contains(KEY));
    r.s.lay(".claude/settings.json", "{");
    r.cck(&[], &["true"]).run().code(0).err(&["left out"]);
}

#[test]
fn signals_reach_the_command_and_the_directory_goes() {
    let r = Runner::new();
    for (sent, name) in
        [(Signal::TERM, "TERM"), (Signal::HUP, "HUP"), (Signal::INT, "INT"), (Signal::USR1, "USR1")]
    {
        // The command has its say on how it ends.
        let child = r.start(&format!(
            "trap 'echo {name}; exit 3' {name}; echo ready; while :; do sleep 0.02; done"
        ));
        assert_eq!(left(&r.run), 1);
        signal(&child, sent);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{name}\n"));
        assert_eq!(left(&r.run), 0);
        let mut child = r.start("echo ready; exec sleep 60");
        signal(&child, sent);
        assert_eq!(child.wait().unwrap().code(), Some(128 + sent.as_raw()));
        assert_eq!(left(&r.run), 0);
    }
}

#[test]
fn ctrl_c_reaches_the_command_once() {
    let r = Runner::new();
    if !Path::new("/usr/bin/script").exists() {
        return crate::skip::without("script");
    }
    let line = format!(
        "env {DEFAULT_SIGNALS} {} run --key-file {} -- sh -c 'trap \"echo INTERRUPTED\" INT; echo ready; sleep 0.5; sleep 0.5; echo end'",
        &binary(),
        r.file
    );
    let mut script = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .env("XDG_RUNTIME_DIR", r.run.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(script.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("ready") {
        line.clear();
        assert!(stdout.read_line(&mut line).unwrap() > 0);
    }
    script.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
    let rest: Vec<String> = stdout.lines().map(Result::unwrap).collect();
    script.wait().unwrap();
    let text = rest.join("\n");
    assert_eq!(text.matches("INTERRUPTED").count(), 1, "{text}");
    assert!(text.contains("end"), "{text}");
    assert_eq!(left(&r.run), 0);
}

#[test]
fn a_command_that_stops_itself_stops_cck_too() {
    let r = Runner::new();
    let mut child = r.start("echo ready; sleep 0.1; kill -STOP $$; exit 5");
    let state = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        stat.rsplit_once(") ").unwrap().1.starts_with('T')
    };
    let start = Instant::now();
    while !state() {
        assert!(start.elapsed() < Duration::from_secs(10), "cck never stopped");
        std::thread::sleep(Duration::from_millis(10));
    }
    signal(&child, Signal::CONT);
    assert_eq!(child.wait().unwrap().code(), Some(5));
}

#[test]
fn what_a_killed_cck_leaves_is_swept_by_the_next_and_the_living_are_not() {
    let r = Runner::new();
    let alive = r.start("echo ready; exec sleep 60");
    let mut killed = r.start("echo ready; exec sleep 60");
    let noted = || {
        let roots = fs::read_dir(r.run.path()).unwrap();
        roots
            .filter(|root| {
                let lock = root.as_ref().unwrap().path().join("lock");
                fs::read(lock).is_ok_and(|note| !note.is_empty())
            })
            .count()
    };
    while noted() < 2 {
        std::thread::sleep(Duration::from_millis(5));
    }
    signal(&killed, Signal::KILL);
    assert_eq!(killed.wait().unwrap().signal(), Some(9));
    assert_eq!(left(&r.run), 2);
    r.cck(&[], &["true"]).run().code(0);
    assert_eq!(left(&r.run), 2, "the command of the killed one still lives in its directory");
    for note in fs::read_dir(r.run.path()).unwrap() {
        let root = note.unwrap().path();
        let pid: i32 = fs::read_to_string(root.join("lock"))
            .unwrap()
            .split(' ')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let parent = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let parent =
            parent.rsplit_once(") ").unwrap().1.split(' ').nth(1).unwrap().parse::<u32>().unwrap();
        if parent != alive.id() {
            kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
        }
    }
    let start = Instant::now();
    while left(&r.run) > 1 && start.elapsed() < Duration::from_secs(5) {
        r.cck(&[], &["true"]).run().code(0);
    }
    assert_eq!(left(&r.run), 1, "the living one stays");
    signal(&alive, Signal::TERM);
    alive.wait_with_output().unwrap();
    assert_eq!(left(&r.run), 0);
}

#[test]
fn conversations_are_kept_only_if_asked_for() {
    let r = Runner::new();
    let project = fs::canonicalize(r.s.project()).unwrap();
    let name: String = project
        .to_str()
        .unwrap()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let dir = format!("$CLAUDE_CONFIG_DIR/projects/{name}");
    let write = format!(
        "mkdir -p {dir}; echo more >> {dir}/a.jsonl; echo {{}} > $CLAUDE_CONFIG_DIR/other.json"
    );
    r.cck(&[], &["sh", "-c", &write]).run().code(0);
    assert_eq!(r.s.names(), ["key"]);
    for times in 1..=2 {
        r.cck(&["--keep-sessions"], &["sh", "-c", &write]).run().code(0);
        let kept =
            fs::read_to_string(r.s.home().join(".claude/projects").join(&name).join("a.jsonl"))
                .unwrap();
        assert_eq!(kept, "more\n".repeat(times));
    }
    assert!(!r.s.home().join(".claude/other.json").exists());
}

#[test]
fn ten_at_once_do_not_mix() {
    let r = Runner::new();
    std::thread::scope(|scope| {
        for i in 0..10 {
            let r = &r;
            scope.spawn(move || {
                let key = format!("{}{i:04}", &KEY[..KEY.len() - 4]);
                let script = "sleep 0.1; cat $CLAUDE_CONFIG_DIR/.claude.json";
                let ran =
                    r.s.cck(&["run", "--stdin", "--", "sh", "-c", script])
                        .env("XDG_RUNTIME_DIR", r.run.path());
                assert_eq!(ran.stdin(key.clone()).run().code(0).json()["primaryApiKey"], key);
            });
        }
    });
    assert_eq!(left(&r.run), 0);
}

#[test]
fn a_profile_lends_its_settings_and_address() {
    let r = Runner::new();
    r.s.cck(&["profile", "add", "p", "--key-file", &r.file, "--base-url", "https://p.example"])
        .run()
        .code(0);
    r.s.lay(".claude/settings.json", "{\"model\":\"mine\"}");
    r.s.lay(".local/share/cck/profiles/p/settings.json", "{\"model\":\"theirs\"}");
    let script = "cat $CLAUDE_CONFIG_DIR/settings.json; echo $ANTHROPIC_BASE_URL";
    let ran =
        r.s.cck(&["run", "--profile", "p", "--", "sh", "-c", script])
            .env("XDG_RUNTIME_DIR", r.run.path());
    ran.run().code(0).out(&["theirs", "https://p.example"]);
}

#[test]
fn a_project_with_a_credential_of_its_own_is_told() {
    let r = Runner::new();
    let dir = r.s.project().join(".claude");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("settings.json"), "{}").unwrap();
    assert_eq!(r.cck(&[], &["true"]).run().code(0).stderr, "");
    fs::write(dir.join("settings.json"), "{\"apiKeyHelper\": \"echo x\"}").unwrap();
    r.cck(&[], &["true"])
        .env("ANTHROPIC_AUTH_TOKEN", "t")
        .run()
        .code(0)
        .err(&["settings.project.apiKeyHelper is in force"]);
}

/// Where neither place is in memory, as root can arrange in a mount namespace.
#[test]
fn a_key_on_a_disk_is_told() {
    let r = Runner::new();
    let line = "mount --bind \"$HOME\" /dev/shm && exec \"$@\"";
    let probe = Command::new("unshare")
        .args(["-m", "sh", "-c", line, "sh", "true"])
        .env("HOME", r.s.home())
        .status();
    let on_disk = Command::new("stat")
        .args(["-f", "-c", "%T"])
        .arg(std::env::temp_dir())
        .output()
        .unwrap()
        .stdout;
    if !probe.is_ok_and(|status| status.success()) || on_disk.starts_with(b"tmpfs") {
        return crate::skip::without_root();
    }
    chmod(&r.s.home(), 0o700);
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", line, "sh", &binary(), "run", "--key-file", &r.file, "--", "true"])
        .env("HOME", r.s.home())
        .env_remove("XDG_RUNTIME_DIR")
        .env("TMPDIR", r.s.project())
        .output()
        .unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains("the key is on the disk"));
    assert_eq!(fs::read_dir(r.s.project()).unwrap().count(), 0);
}
