//! The promise of the disk under fault: every system call of a run in turn is the last one that it makes, or fails.
//!
//! `cargo test --test faults` runs it all and reports the number of points; it needs strace. Of a killed run, what must
//! hold is: the file has exactly the old or the new bytes, no file with a key can be read by others, and the next run
//! succeeds and leaves nothing behind. Of a run with a failed call also: its exit code and message tell the truth.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "these are tests; they lay files and report what they did"
)]

mod judge;
mod machine;
#[allow(dead_code, reason = "shared with the other tests")]
#[path = "../support/scale.rs"]
mod scale;
#[allow(dead_code, reason = "shared with the other tests")]
#[path = "../support/skip.rs"]
mod skip;
mod trace;

use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use judge::{Tried, try_point};
use machine::{Machine, OLD, Scenario};
use trace::Call;

/// What the calls that have to do with files may be answered.
const ERRORS: [&str; 6] = ["ENOSPC", "EIO", "EROFS", "EDQUOT", "EINTR", "EMFILE"];

/// The signals that end a run: at once, or as soon as a change has its records.
const SIGNALS: [&str; 3] = ["SIGKILL", "SIGTERM", "SIGINT"];

/// The calls that have to do with files.
const FILE_CALLS: [&str; 32] = [
    "open",
    "openat",
    "mkdir",
    "mkdirat",
    "stat",
    "lstat",
    "newfstatat",
    "fstat",
    "statx",
    "readlink",
    "readlinkat",
    "read",
    "pread64",
    "write",
    "writev",
    "pwrite64",
    "ftruncate",
    "fchmod",
    "fchown",
    "flistxattr",
    "fgetxattr",
    "fsetxattr",
    "fsync",
    "fdatasync",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "getdents64",
    "flock",
    "close",
];

#[test]
fn set_key_over_another_key() {
    torment(&Scenario {
        name: "set-key over another key",
        args: &["set-key"],
        before: Some(format!(
            "{{\n  \"numStartups\": 3,\n  \"primaryApiKey\": \"{OLD}\",\n  \"userID\": \"abc\"\n}}\n"
        )),
        target: ".claude.json",
        ..Scenario::default()
    });
}

/// A crash of the machine cannot be tried here, but its preconditions are seen: what takes the name is on the disk before,
/// and the name after, with the lock still held.
#[test]
fn what_is_written_is_made_durable_in_order() {
    if !can_trace() {
        return;
    }
    let machine = Machine::new();
    let scenario =
        Scenario { target: ".claude.json", before: Some("{}".to_owned()), ..Scenario::default() };
    machine.lay(&scenario);
    assert!(machine.run(&["set-key"], Some("")).status.success());
    let record = machine.trace(&scenario);
    let made = record.lines().find(|line| {
        line.contains("openat(") && line.contains("\".claude.json.cck-") && line.contains("O_EXCL")
    });
    let (dir, file) = made.unwrap().split_once("openat(").unwrap().1.split_once(", ").unwrap();
    let file = file.rsplit_once("= ").unwrap().1;
    // The records of the change are written in between, to files and directories of their own.
    let steps = [
        format!("write({file},"),
        format!("fsync({file})"),
        format!("renameat2({dir}, \".claude.json.cck-"),
        format!("fsync({dir})"),
        format!("unlinkat({dir}, \".claude.json.lock\""),
    ];
    let places = steps.map(|step| record.lines().position(|line| line.contains(&step)));
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?} {record}");
}

#[test]
fn set_key_in_place() {
    torment(&Scenario {
        name: "set-key in place",
        args: &["set-key"],
        before: Some(format!("{{\n  \"primaryApiKey\": \"{OLD}\",\n  \"userID\": \"abc\"\n}}\n")),
        target: ".claude.json",
        in_place: true,
        ..Scenario::default()
    });
}

#[test]
fn set_key_in_an_empty_home() {
    torment(&Scenario {
        name: "set-key in an empty home",
        args: &["set-key"],
        before: None,
        target: ".claude.json",
        ..Scenario::default()
    });
}

#[test]
fn unset_key() {
    torment(&Scenario {
        name: "unset-key",
        args: &["unset-key"],
        before: Some(format!("{{\"primaryApiKey\":\"{OLD}\",\"userID\":\"abc\"}}")),
        target: ".claude.json",
        ..Scenario::default()
    });
}

/// A copy as the client makes it.
const COPY: &str = ".claude/backups/.claude.json.backup.1764000000000";

#[test]
fn unset_key_scrub() {
    torment(&Scenario {
        name: "unset-key --scrub",
        args: &["unset-key", "--scrub"],
        before: Some(format!("{{\"primaryApiKey\":\"{OLD}\",\"userID\":\"abc\"}}")),
        target: ".claude.json",
        copies: &[COPY],
        ..Scenario::default()
    });
}

#[test]
fn rotate() {
    torment(&Scenario {
        name: "rotate",
        args: &["rotate"],
        // With all that set-key would add.
        before: Some(format!(
            "{{\n  \"primaryApiKey\": \"{OLD}\",\n  \"hasCompletedOnboarding\": true,\n  \
             \"lastOnboardingVersion\": \"2.1.330\",\n  \
             \"customApiKeyResponses\": {{\"approved\": [\"{}\"]}}\n}}\n",
            &OLD[OLD.len() - 20..]
        )),
        target: ".claude.json",
        copies: &[COPY],
        ..Scenario::default()
    });
}

#[test]
fn approve() {
    torment(&Scenario {
        name: "approve",
        args: &["approve"],
        before: Some(format!("{{\n\t\"primaryApiKey\": \"{OLD}\"\n}}")),
        target: ".claude.json",
        ..Scenario::default()
    });
}

#[test]
fn helper_install() {
    torment(&Scenario {
        name: "helper install",
        args: &["helper", "install", "--key-env", "ANTHROPIC_API_KEY"],
        before: Some("{\n  \"model\": \"opus\"\n}\n".to_owned()),
        target: ".claude/settings.json",
        ..Scenario::default()
    });
}

#[test]
fn profile_add() {
    torment(&Scenario {
        name: "profile add",
        args: &["profile", "add", "--replace", "acme", "--key-env", "ACME_KEY"],
        before: None,
        target: ".config/cck/profiles.toml",
        ..Scenario::default()
    });
}

/// Tries every point of the scenario, on all processors, and fails with the list of what went wrong.
fn torment(scenario: &Scenario) {
    if !can_trace() {
        return;
    }
    let machine = Machine::new();
    machine.lay(scenario);
    let clean = machine.run(scenario.args, Some(scenario.always()));
    assert!(clean.status.success(), "{}", String::from_utf8_lossy(&clean.stderr));
    let new = machine.contents(scenario);
    let before = scenario.before.as_ref().map(|text| text.clone().into_bytes());
    assert!(new.iter().all(|new| new.is_some() && *new != before));
    let calls = trace::calls(&machine.trace(scenario));
    let points: Vec<(Call, &str)> = scale::sample(calls.into_iter().flat_map(faults));

    let (wrong, not_made) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    on_all_processors(&points, |machine, (call, fault)| {
        match try_point(machine, scenario, call, fault, &new) {
            Tried::Fine => {}
            Tried::NotMade => _ = not_made.fetch_add(1, Ordering::Relaxed),
            Tried::Wrong(what) => {
                let line = format!("{} #{} {fault}: {what}", call.name, call.nth);
                wrong.lock().unwrap().push(line);
            }
        }
    });
    let (wrong, not_made) = (wrong.into_inner().unwrap(), not_made.into_inner());
    let (name, all) = (scenario.name, points.len());
    println!("{name}: {} points tried, {not_made} not, {} went wrong", all - not_made, wrong.len());
    assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
    assert!(not_made * 10 <= all, "{name}: {not_made} of {all} calls were not made");
}

/// Whether strace can run here; skips the test if not.
fn can_trace() -> bool {
    let run = Command::new("strace").arg("true").output();
    let can = run.is_ok_and(|run| run.status.success());
    if !can {
        skip::without("strace");
    }
    can
}

/// Tries each point, each processor on a machine of its own.
fn on_all_processors<T: Sync>(points: &[T], try_point: impl Fn(&Machine, &T) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let machine = Machine::new();
                while let Some(point) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    try_point(&machine, point);
                }
            });
        }
    });
}

/// What is done to a call: the process gets a signal at it; and if it has to do with files, it fails.
fn faults(call: Call) -> Vec<(Call, &'static str)> {
    let mut faults = SIGNALS.map(|signal| (call.clone(), signal)).to_vec();
    if call.is_own && FILE_CALLS.contains(&call.name.as_str()) {
        faults.extend(ERRORS.map(|error| (call.clone(), error)));
    }
    faults
}
