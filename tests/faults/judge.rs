//! What is to be true after each point.

use std::process::Output;

use super::machine::{KEY, Machine, OLD, Scenario};
use super::trace::{self, Call};

/// What became of a point.
pub enum Tried {
    Fine,
    /// The run did not make the call: it makes others where other processes have come or gone, which it looks at.
    NotMade,
    Wrong(String),
}

/// How often a point is tried whose call is not made.
const TRIES: usize = 3;

/// Tries one point: the run with the fault, and the run after it. `new` is what a run without one makes of the files.
pub fn try_point(
    machine: &Machine,
    scenario: &Scenario,
    call: &Call,
    fault: &str,
    new: &[Option<Vec<u8>>],
) -> Tried {
    for _ in 0..TRIES {
        match try_once(machine, scenario, call, fault, new) {
            Ok(true) => return Tried::Fine,
            Ok(false) => {}
            Err(what) => return Tried::Wrong(what),
        }
    }
    Tried::NotMade
}

/// Whether the call was made; an error if what is to be true then is not.
fn try_once(
    machine: &Machine,
    scenario: &Scenario,
    call: &Call,
    fault: &str,
    new: &[Option<Vec<u8>>],
) -> Result<bool, String> {
    machine.lay(scenario);
    let run = machine
        .run(scenario.args, Some(&format!("{} {}", scenario.always(), call.injection(fault))));
    let record = machine.trace(scenario);
    if trace::injected(&record).is_some_and(|line| line.contains("/proc/self/exe")) {
        // A run that cannot learn its own path names itself otherwise in what it writes.
        return Ok(true);
    }
    // A run without the fault is judged as any other, and its point tried again.
    let is_made = fault.starts_with("SIG") || trace::injected(&record).is_some();
    if !is_made && !run.status.success() {
        return Err(format!(
            "a run without the fault fails: {}",
            String::from_utf8_lossy(&run.stderr)
        ));
    }
    let stderr = String::from_utf8_lossy(&run.stderr).into_owned();
    let check = |holds: bool, what: &str| {
        if holds { Ok(()) } else { Err(format!("{what}\n    {stderr}")) }
    };

    let contents = machine.contents(scenario);
    let before = scenario.before.as_ref().map(|text| text.clone().into_bytes());
    let is_whole = contents.iter().zip(new).all(|(now, new)| *now == before || now == new);
    check(
        is_whole || (scenario.in_place && machine.has_recovery(scenario)),
        "a file holds neither the old nor the new bytes",
    )?;
    let exposed = machine.exposed(scenario);
    check(exposed.is_empty(), &format!("others may read the key in {exposed:?}"))?;
    let is_new = contents[0] == new[0] && contents[0] != before;
    if !is_made {
        check(contents == new, "a run without the fault does not give the new bytes")?;
    } else if !fault.starts_with("SIG") {
        judge(machine, scenario, &run, contents[0] == new[0])?;
    } else {
        if fault != "SIGKILL" {
            let litter = machine.litter();
            check(litter.is_empty(), &format!("a signal leaves {litter:?}"))?;
        }
        check(!is_new || machine.is_logged(scenario), "a change without an audit line")?;
    }

    machine.age_locks();
    if fault.starts_with("SIG") && is_new && scenario.is_undoable() {
        let undo = machine.run(&["undo", "--dry-run"], None);
        let said = String::from_utf8_lossy(&undo.stdout).into_owned();
        check(
            undo.status.success() && said.contains("would"),
            &format!(
                "a change that cannot be undone: {said}{}",
                String::from_utf8_lossy(&undo.stderr)
            ),
        )?;
    }
    let next = machine.run(scenario.args, None);
    let said = String::from_utf8_lossy(&next.stderr).into_owned();
    check(
        next.status.success(),
        &format!("the next run fails: {}{said}", String::from_utf8_lossy(&next.stdout)),
    )?;
    check(machine.contents(scenario) == new, "the next run does not give the new bytes")?;
    let litter = [machine.litter(), machine.pending()].concat();
    check(litter.is_empty(), &format!("the next run leaves {litter:?}"))?;
    check_gone(machine, scenario)?;
    Ok(is_made)
}

/// Whether the old key is nowhere, if the scenario is to see to that.
fn check_gone(machine: &Machine, scenario: &Scenario) -> Result<(), String> {
    let traces = machine.traces();
    if scenario.copies.is_empty() || traces.is_empty() {
        Ok(())
    } else {
        Err(format!("the old key is still in {traces:?}"))
    }
}

/// Whether a run in which a call failed tells the truth and cleans up.
fn judge(machine: &Machine, scenario: &Scenario, run: &Output, is_new: bool) -> Result<(), String> {
    let stderr = String::from_utf8_lossy(&run.stderr);
    let stdout = String::from_utf8_lossy(&run.stdout);
    let record = machine.trace(scenario);
    let Some(injected) = trace::injected(&record) else {
        return Err("the call was not made this time".into());
    };
    let explained = |what: String| {
        format!("{what}\n    {injected}\n    {:?} {stdout}{stderr}", run.status.code())
    };
    let check = |holds: bool, what: &str| {
        if holds { Ok(()) } else { Err(explained(what.to_owned())) }
    };
    check(
        ![KEY, OLD].iter().any(|key| stdout.contains(key) || stderr.contains(key)),
        "the key is shown",
    )?;
    check(!stderr.contains("interrupted by a signal"), "a signal is blamed for it")?;
    // What cannot be said to a stream that fails is told by the code alone.
    let mute = injected.contains("write(1,") || injected.contains("write(2,");
    match run.status.code() {
        Some(0) => {
            check(is_new, "success without the new content")?;
            check(machine.pending().is_empty(), "success with a record of what is left")?;
            check_gone(machine, scenario).map_err(explained)?;
        }
        // A copy that could not be cleaned is named.
        Some(1) if !scenario.copies.is_empty() => {
            check(is_new, "a remainder without the new content")?;
            check(
                mute || stdout.contains("left ")
                    || stderr.contains("left to do")
                    || stderr.contains("to complete it")
                    || stderr.contains(" is left: "),
                "an exit code of 1 without what is left",
            )?;
        }
        // The change is in place, and something after it failed.
        Some(1) => {
            check(is_new, "an exit code of 1 without a change")?;
            check(mute || stderr.contains("error: "), "an exit code of 1 without an error")?;
        }
        Some(2) => {
            check(!is_new, "an exit code of 2, and something was changed")?;
            check(mute || stderr.contains("error: "), "an exit code of 2 without an error")?;
            check(mute || stderr.contains("  try: "), "an error without what to do")?;
            check(
                is_new || machine.pending().is_empty(),
                "a record of a rotation that has not begun",
            )?;
        }
        _ => check(false, "another exit code than 0, 1 or 2")?,
    }
    // The call that fails may be the one that would have cleaned up.
    let litter = machine.litter();
    let is_excused = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        injected.contains(&format!("\"{name}\""))
            || injected.contains(&*format!("\"{}\"", path.display()))
    };
    check(litter.iter().all(is_excused), &format!("it leaves {litter:?}"))
}
