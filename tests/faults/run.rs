//! `cck run` under the same faults: wherever it ends, the next run removes what it has left of the key.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::machine::{KEY, Machine, Scenario};
use super::trace::{self, Call};
use super::{can_trace, faults, on_all_processors, scale};

const SCENARIO: Scenario = Scenario {
    name: "run",
    args: &[
        "run",
        "--key-env",
        "--",
        "sh",
        "-c",
        "grep -c primaryApiKey \"$CLAUDE_CONFIG_DIR/.claude.json\"",
    ],
    target: ".claude/settings.json",
    before: None,
    copies: &[],
    in_place: false,
};

/// A flag of strace that leaves out what cck starts, for a fault of the command would prove nothing of
/// cck. `cck run` has no other thread.
const ALONE: &str = "-q";

/// What the command prints when it has found the key.
const FOUND: &str = "1\n";

/// Longer than a directory without a lock is left to whoever makes it.
const AGE: Duration = Duration::from_secs(61);

/// What the points have left.
#[derive(Default)]
struct Left {
    directories: usize,
    without_lock: usize,
    with_key: usize,
    not_made: usize,
    wrong: Vec<String>,
}

#[test]
fn run() {
    if !can_trace() {
        return;
    }
    let scenario =
        Scenario { before: Some("{\n  \"model\": \"opus\"\n}\n".to_owned()), ..SCENARIO };
    let machine = Machine::new();
    machine.lay(&scenario);
    let clean = machine.run_with(ALONE, scenario.args, Some(""));
    assert_eq!((clean.status.code(), &*text(&clean.stdout)), (Some(0), FOUND));
    assert!(roots(&machine).is_empty());
    let calls = trace::calls(&record(&machine));
    let mut points: Vec<(Call, &str)> = calls.into_iter().flat_map(faults).collect();
    // The standard library panics where closing a directory fails, which no file system in memory does.
    points.retain(|(call, fault)| call.name != "close" || *fault == "SIGKILL");
    let points = scale::sample(points);

    let left = Mutex::new(Left::default());
    on_all_processors(&points, |machine, (call, fault)| {
        if let Err(what) = try_point(machine, &scenario, call, fault, &left) {
            let line = format!("{} #{} {fault}: {what}", call.name, call.nth);
            left.lock().unwrap().wrong.push(line);
        }
    });
    let left = left.into_inner().unwrap();
    println!(
        "{}: {} points tried, {} left a directory, {} of them without its lock, {} with the key; {} went wrong",
        scenario.name,
        points.len(),
        left.directories,
        left.without_lock,
        left.with_key,
        left.wrong.len()
    );
    assert!(left.wrong.is_empty(), "run:\n{}", left.wrong.join("\n"));
    // Else the points that matter were not among them.
    let is_whole = scale::scale() >= 1.0;
    assert!(
        !is_whole
            || left.without_lock > 0 && left.with_key > 0 && left.not_made * 10 < points.len()
    );
}

fn try_point(
    machine: &Machine,
    scenario: &Scenario,
    call: &Call,
    fault: &str,
    left: &Mutex<Left>,
) -> Result<(), String> {
    machine.lay(scenario);
    let run = machine.run_with(ALONE, scenario.args, Some(&call.injection(fault)));
    let stderr = text(&run.stderr);
    let check = |holds: bool, what: &str| match holds {
        true => Ok(()),
        false => Err(format!("{what}\n    {:?} {}{stderr}", run.status.code(), text(&run.stdout))),
    };
    let settings = machine.contents(scenario).remove(0).unwrap_or_default();
    check(Some(text(&settings)) == scenario.before, "the user's settings were changed")?;
    let roots = roots(machine);
    let files = machine.files_in(machine.runtime());
    let is_loose = |path: &PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o077 != 0;
    check(!roots.iter().chain(&files).any(is_loose), "others may look into what is left")?;
    let holds_key = |path: &&PathBuf| text(&fs::read(path).unwrap()).contains(KEY);
    let is_unfinished = |root: &&PathBuf| !root.join("lock").exists();
    check(
        !roots
            .iter()
            .filter(is_unfinished)
            .any(|root| machine.files_in(root).iter().any(|path| holds_key(&path))),
        "a directory that is only swept after a minute holds the key",
    )?;
    {
        let mut left = left.lock().unwrap();
        left.directories += roots.len();
        left.without_lock += roots.iter().filter(is_unfinished).count();
        left.with_key += usize::from(files.iter().any(|path| holds_key(&path)));
    }
    if fault != "SIGKILL" {
        match trace::injected(&record(machine)) {
            Some(injected) => judge(&run, &injected, !roots.is_empty())?,
            // How many calls there are depends on how soon the command ends.
            None => left.lock().unwrap().not_made += 1,
        }
    }

    for root in &roots {
        wait_for_command(root);
        let past = SystemTime::now() - AGE;
        fs::File::open(root).unwrap().set_modified(past).unwrap();
    }
    let next = machine.run(scenario.args, None);
    check(
        next.status.success() && text(&next.stdout) == FOUND,
        &format!("the next run fails: {}", text(&next.stderr)),
    )?;
    let names = machine.files_in(machine.runtime());
    check(
        names.is_empty() && self::roots(machine).is_empty(),
        &format!("the next run leaves {names:?}"),
    )
}

/// Waits until the command of a killed run has ended: until then its directory is left to it.
fn wait_for_command(root: &Path) {
    let note = fs::read_to_string(root.join("lock")).unwrap_or_default();
    let Some((pid, _)) = note.split_once(' ') else {
        return;
    };
    let stat = PathBuf::from(format!("/proc/{pid}/stat"));
    let start = Instant::now();
    while fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(start.elapsed() < Duration::from_secs(10), "the command {pid} goes on");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Whether a run in which a call failed tells the truth.
fn judge(run: &Output, injected: &str, is_left: bool) -> Result<(), String> {
    let (stdout, stderr) = (text(&run.stdout), text(&run.stderr));
    let check = |holds: bool, what: &str| match holds {
        true => Ok(()),
        false => {
            Err(format!("{what}\n    {injected}\n    {:?} {stdout}{stderr}", run.status.code()))
        }
    };
    let mute = injected.contains("write(2,");
    check(!stdout.contains(KEY) && !stderr.contains(KEY), "the key is shown")?;
    match run.status.code() {
        Some(0) => check(stdout == FOUND, "success, and the command has not found the key")?,
        Some(2 | 126 | 127) => check(
            stdout.is_empty() && (mute || stderr.contains("error: ")),
            "an exit code of cck's own without an error",
        )?,
        _ => check(false, "an exit code that is neither cck's nor the command's")?,
    }
    check(
        mute || stderr.contains("is still there") == is_left,
        "what is left is not told, or told and not left",
    )
}

/// The record of a run alone, with the process id that strace leaves out.
fn record(machine: &Machine) -> String {
    machine.trace(&SCENARIO).lines().map(|line| format!("1 {line}\n")).collect()
}

/// The directories of runs.
fn roots(machine: &Machine) -> Vec<PathBuf> {
    let entries = fs::read_dir(machine.runtime()).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
