//! A change that is killed or ended by a signal at any moment has its audit line, can be undone, and loses no key.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::sandbox::{KEY, OTHER, Sandbox};
use crate::support::scale;

/// Where the run is ended: a share of the time that one takes.
fn ended_at(args: &[&str], signal: Signal, after: Duration) -> Result<(), String> {
    let s = Sandbox::new();
    let before = format!("{{\"primaryApiKey\":\"{OTHER}\",\"hasCompletedOnboarding\":true}}");
    s.lay(".claude.json", &before);
    let settings = "{\"model\":\"x\"}";
    s.lay(".claude/settings.json", settings);
    let mut command = s.cck(args).env("K", KEY).env("ANTHROPIC_API_KEY", KEY).command();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let mut child = command.spawn().unwrap();
    thread::sleep(after);
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    let _ = kill_process(pid, signal);
    child.wait().unwrap();

    let read = |path: &str| fs::read_to_string(s.home().join(path)).unwrap();
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let changed = value(&read(".claude.json")) != value(&before)
        || value(&read(".claude/settings.json")) != value(settings);
    let trail =
        fs::read_to_string(s.home().join(".local/state/cck/audit.jsonl")).unwrap_or_default();
    let state = format!("{args:?} {signal:?} {after:?}: {}", read(".claude.json"));
    if changed && !trail.contains("\"started\"") {
        return Err(format!("no audit line: {state}"));
    }
    if changed && signal != Signal::KILL && !trail.contains("\"done\"") {
        return Err(format!("no last audit line: {state}\n{trail}"));
    }
    if args[0] == "rotate" {
        // Completed by the same command, which names the old key, and leaves nothing of it.
        let past = std::time::SystemTime::now() - Duration::from_secs(11);
        if let Ok(lock) = fs::File::open(s.home().join(".claude.json.lock")) {
            lock.set_modified(past).unwrap();
        }
        let ran = s.cck(args).env("K", KEY).run();
        let settled =
            ran.stdout.contains("revoke the old key") || ran.stdout.contains("nothing to rotate");
        let holders = crate::unset_key::holders(&s.home(), OTHER);
        if ran.code != Some(0) || !settled || !holders.is_empty() {
            return Err(format!("not completed: {state} {ran:?} {holders:?}"));
        }
        return Ok(());
    }
    if let Ok(lock) = fs::File::open(s.home().join(".claude.json.lock")) {
        lock.set_modified(std::time::SystemTime::now() - Duration::from_secs(11)).unwrap();
    }
    if let Ok(lock) = fs::File::open(s.home().join(".claude/settings.json.lock")) {
        lock.set_modified(std::time::SystemTime::now() - Duration::from_secs(11)).unwrap();
    }
    let undo = s.cck(&["undo"]).run();
    let restored = value(&read(".claude.json")) == value(&before)
        && value(&read(".claude/settings.json")) == value(settings);
    if undo.code != Some(i32::from(!changed)) || !restored {
        return Err(format!("not undone: {state} {undo:?}"));
    }
    Ok(())
}

#[test]
fn at_whatever_moment_a_change_ends_it_is_in_the_trail_and_can_be_undone() {
    let commands: [&[&str]; 5] = [
        &["set-key", "--key-env", "K"],
        &["unset-key"],
        &["approve"],
        &["helper", "install", "--key-env", "K", "--remove-primary-key"],
        &["rotate", "--key-env", "K"],
    ];
    let start = Instant::now();
    let s = Sandbox::new();
    s.cck(&["set-key", "--key-env", "K"]).env("K", KEY).run().code(0);
    let took = start.elapsed().max(Duration::from_millis(4)) * 3 / 2;
    let points = scale::part(70);
    let mut wrong = Vec::new();
    for (at, command) in commands.iter().cycle().take(points * commands.len()).enumerate() {
        for signal in [Signal::KILL, Signal::TERM, Signal::INT] {
            let share = (at / commands.len()) as f64 / points as f64;
            wrong.extend(ended_at(command, signal, took.mul_f64(share)).err());
        }
    }
    println!("{} points, {} wrong", points * commands.len() * 3, wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
