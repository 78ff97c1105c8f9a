//! The promise of the disk under fault: every system call of a run in turn is the last one that it makes, or fails.
//!
//! `cargo test --test faults` runs it all and reports the number of points; it needs strace. Of a killed run, what must
//! hold is: the file has exactly the old or the new bytes, no file with a key can be read by others, and the next run
//! succeeds and leaves nothing behind. Of a run with a failed call also: its exit code and message tell the truth.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "these are tests; they lay files and report what they did"
)]

mod machine;
mod trace;

use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use machine::{KEY, Machine, OLD, Scenario};
use trace::Call;

/// What the calls that have to do with files may be answered.
const ERRORS: [&str; 6] = ["ENOSPC", "EIO", "EROFS", "EDQUOT", "EINTR", "EMFILE"];

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
    });
}

#[test]
fn set_key_in_an_empty_home() {
    torment(&Scenario {
        name: "set-key in an empty home",
        args: &["set-key"],
        before: None,
        target: ".claude.json",
    });
}

#[test]
fn unset_key() {
    torment(&Scenario {
        name: "unset-key",
        args: &["unset-key"],
        before: Some(format!("{{\"primaryApiKey\":\"{OLD}\",\"userID\":\"abc\"}}")),
        target: ".claude.json",
    });
}

#[test]
fn approve() {
    torment(&Scenario {
        name: "approve",
        args: &["approve"],
        before: Some(format!("{{\n\t\"primaryApiKey\": \"{OLD}\"\n}}")),
        target: ".claude.json",
    });
}

#[test]
fn helper_install() {
    torment(&Scenario {
        name: "helper install",
        args: &["helper", "install", "--key-env", "ANTHROPIC_API_KEY"],
        before: Some("{\n  \"model\": \"opus\"\n}\n".to_owned()),
        target: ".claude/settings.json",
    });
}

#[test]
fn profile_add() {
    torment(&Scenario {
        name: "profile add",
        args: &["profile", "add", "--replace", "acme", "--key-env", "ACME_KEY"],
        before: None,
        target: ".config/cck/profiles.toml",
    });
}

/// Tries every point of the scenario, on all processors, and fails with the list of what went wrong.
fn torment(scenario: &Scenario) {
    if !Command::new("strace")
        .arg("true")
        .output()
        .is_ok_and(|run| run.status.success())
    {
        println!("SKIPPED {}: strace cannot run here", scenario.name);
        return;
    }
    let machine = Machine::new();
    machine.lay(scenario);
    let clean = machine.run(scenario, Some(""));
    assert!(
        clean.status.success(),
        "{}",
        String::from_utf8_lossy(&clean.stderr)
    );
    let new = machine.content(scenario).unwrap();
    assert_ne!(
        Some(&new),
        scenario
            .before
            .as_ref()
            .map(|text| text.clone().into_bytes())
            .as_ref()
    );
    let calls = trace::calls(&std::fs::read_to_string(machine.record()).unwrap());
    let points: Vec<(Call, &str)> = calls.into_iter().flat_map(faults).collect();

    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let machine = Machine::new();
                while let Some((call, fault)) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(what) = try_point(&machine, scenario, call, fault, &new) {
                        let line = format!("{} #{} {fault}: {what}", call.name, call.nth);
                        wrong.lock().unwrap().push(line);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    println!(
        "{}: {} points tried, {} went wrong",
        scenario.name,
        points.len(),
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}:\n{}", scenario.name, wrong.join("\n"));
}

/// What is done to a call: the process is killed at it; and where it has to do with files, it fails.
fn faults(call: Call) -> Vec<(Call, &'static str)> {
    let mut faults = vec![(call.clone(), "SIGKILL")];
    if call.is_own && FILE_CALLS.contains(&call.name.as_str()) {
        faults.extend(ERRORS.map(|error| (call.clone(), error)));
    }
    faults
}

fn try_point(
    machine: &Machine,
    scenario: &Scenario,
    call: &Call,
    fault: &str,
    new: &[u8],
) -> Result<(), String> {
    machine.lay(scenario);
    let (name, nth) = (&call.name, call.nth);
    let run = match fault {
        "SIGKILL" => machine.run(scenario, Some(&format!("{name}:signal=KILL:when={nth}"))),
        error => machine.run(scenario, Some(&format!("{name}:error={error}:when={nth}"))),
    };
    let record = std::fs::read_to_string(machine.record()).unwrap();
    if trace::injected(&record).is_some_and(|line| line.contains("/proc/self/exe")) {
        // A run that cannot learn its own path names itself otherwise in what it writes.
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&run.stderr).into_owned();
    let check = |holds: bool, what: &str| {
        if holds {
            Ok(())
        } else {
            Err(format!("{what}\n    {stderr}"))
        }
    };

    let content = machine.content(scenario);
    let is_old = content == scenario.before.as_ref().map(|text| text.clone().into_bytes());
    let is_new = content.as_deref() == Some(new);
    check(
        is_old || is_new,
        "the file holds neither the old nor the new bytes",
    )?;
    let exposed = machine.exposed(scenario);
    check(
        exposed.is_empty(),
        &format!("others may read the key in {exposed:?}"),
    )?;
    if fault != "SIGKILL" {
        judge(machine, &run, is_new)?;
    }

    machine.age_locks();
    let next = machine.run(scenario, None);
    let said = String::from_utf8_lossy(&next.stderr).into_owned();
    check(next.status.success(), &format!("the next run fails: {said}"))?;
    check(
        machine.content(scenario).as_deref() == Some(new),
        "the next run does not give the new bytes",
    )?;
    let litter = machine.litter();
    check(litter.is_empty(), &format!("the next run leaves {litter:?}"))
}

/// Whether a run in which a call failed tells the truth and cleans up.
fn judge(machine: &Machine, run: &Output, is_new: bool) -> Result<(), String> {
    let stderr = String::from_utf8_lossy(&run.stderr);
    let record = std::fs::read_to_string(machine.record()).unwrap();
    let Some(injected) = trace::injected(&record) else {
        return Err("the call was not made this time".into());
    };
    let check = |holds: bool, what: &str| {
        if holds {
            Ok(())
        } else {
            Err(format!(
                "{what}\n    {injected}\n    {:?} {stderr}",
                run.status.code()
            ))
        }
    };
    let output = [&run.stdout[..], &run.stderr[..]].concat();
    check(
        ![KEY, OLD]
            .iter()
            .any(|key| String::from_utf8_lossy(&output).contains(key)),
        "the key is shown",
    )?;
    // What cannot be said to a stream that fails is told by the code alone.
    let mute = injected.contains("write(1,") || injected.contains("write(2,");
    match run.status.code() {
        Some(0) => check(is_new, "success without the new content")?,
        Some(2) => {
            check(
                mute || stderr.contains("error: "),
                "an exit code of 2 without an error",
            )?;
            check(mute || stderr.contains("  try: "), "an error without what to do")?;
        }
        _ => check(false, "another exit code than 0 or 2")?,
    }
    // The call that fails may be the one that would have cleaned up.
    let litter = machine.litter();
    let is_excused = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        injected.contains(&format!("\"{name}\"")) || injected.contains(&*format!("\"{}\"", path.display()))
    };
    check(litter.iter().all(is_excused), &format!("it leaves {litter:?}"))
}
