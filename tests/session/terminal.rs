//! The real client's terminal UI under `cck run`, from a shell with job control.

use std::fs;
use std::path::Path;

use super::support::pty::{Terminal, is_prompt};
use super::support::sandbox;
use super::support::standin::{Standin, WORD};
use super::{Home, VERSION, client, key};

/// The states of the processes whose parent is this one, and those of their children: `T` is stopped.
fn states(parent: u32) -> Vec<(u32, char)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else {
            continue;
        };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let mut fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ');
        let state = fields.next().and_then(|state| state.chars().next());
        if let (Some(state), Some(Ok(above))) = (state, fields.next().map(str::parse::<u32>))
            && above == parent
        {
            found.push((pid, state));
        }
    }
    let below: Vec<_> = found.iter().flat_map(|(pid, _)| states(*pid)).collect();
    found.extend(below);
    found
}

/// The directories of runs in `base`, where the client has something of its own too.
fn runs(base: &Path) -> usize {
    let names = fs::read_dir(base).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().starts_with("cck-run-")).count()
}

/// In a trusted folder no dialog comes. Ctrl-Z in the UI gives the shell back, with cck stopped as the client is; `fg` goes on;
/// the message is sent with the key; Ctrl-C twice ends the client, and the shell sees its exit code.
#[test]
fn job_control_and_ctrl_c_work_as_without_cck() {
    if sandbox::entered_with(VERSION, "terminal::job_control_and_ctrl_c_work_as_without_cck") {
        return;
    }
    let client = client();
    let (home, standin, key) = (Home::new(), Standin::start(), key("tty"));
    fs::write(home.path("key"), &key).unwrap();
    let project = fs::canonicalize(home.path("project")).unwrap();
    let trust = format!(
        r#"{{"projects":{{"{}":{{"hasTrustDialogAccepted":true}}}}}}"#,
        project.to_str().unwrap()
    );
    fs::write(home.path("home").join(".claude.json"), trust).unwrap();
    let base = tempfile::Builder::new().prefix("cck-test-runtime-").tempdir_in("/dev/shm").unwrap();
    let mut command = home.command("setsid", &standin);
    command
        .args(["--ctty", "bash", "--norc", "--noprofile", "-i"])
        .env("TERM", "xterm-256color")
        .env("PS1", "shell> ")
        .env("XDG_RUNTIME_DIR", base.path())
        .env("CCK", env!("CARGO_BIN_EXE_cck"))
        .env("CLIENT", client.join(" "))
        .env("KEY", home.path("key"));
    let mut terminal = Terminal::start(command);
    let shell = terminal.id();
    let is_shell = |screen: &str| screen.trim_end().ends_with("shell>");
    let is_ui = |screen: &str| screen.lines().any(is_prompt);
    terminal.wait("the shell", is_shell);
    terminal.press(&["clear; $CCK run --key-file $KEY -- $CLIENT\r"]);
    terminal.wait("the prompt of the client", |screen| {
        assert!(!screen.to_lowercase().contains("trust"), "a dialog came:\n{screen}");
        is_ui(screen)
    });
    assert_eq!(runs(base.path()), 1);

    terminal.press(&["\x1a"]);
    terminal.wait("the shell, after Ctrl-Z", is_shell);
    let stopped = states(shell);
    assert!(
        stopped.len() >= 2 && stopped.iter().take(2).all(|(_, state)| *state == 'T'),
        "cck and the client are to be stopped: {stopped:?}\n{}",
        terminal.screen()
    );
    assert_eq!(runs(base.path()), 1);

    terminal.press(&["clear; fg\r"]);
    terminal.wait("the client, after fg", is_ui);
    terminal.press(&[WORD, "\r"]);
    terminal.wait("an answer", |screen| screen.contains("pong"));
    let sent = standin.message().expect("a message was sent");
    assert_eq!((sent.x_api_key.as_deref(), sent.authorization), (Some(key.as_str()), None));

    // Once is a question, twice is the end.
    terminal.press(&["\x03", "\x03"]);
    terminal.wait("the shell, after Ctrl-C", is_shell);
    terminal.press(&["echo code=$?\r"]);
    terminal.wait("the exit code", |screen| screen.contains("code=0"));
    assert_eq!(runs(base.path()), 0);
    assert_eq!(states(shell), []);
    println!("cck run: Ctrl-Z, fg and Ctrl-C work in the client's terminal UI");
}
