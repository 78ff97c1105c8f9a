//! The recorded launches and Macs: what real clients sent, against what `cck verify` says of the same launch. The binary is
//! asked, in namespaces of its own: a state has files in `/etc`, in another home, in the Keychain.

use std::collections::BTreeSet;
use std::process::Stdio;

use serde::Deserialize;
use serde_json::Value;

use crate::sandbox::binary;
use crate::support::standin::Standin;
use crate::support::world::{State, World};
use crate::support::{sandbox, scale};

/// The recorded rows that are not answered right yet, `FILE ID` a line. A row on the list that passes fails the test, so that
/// the list only shrinks: CCK_SHRINK_PENDING=1 takes such rows off.
const PENDING: &str = include_str!("../data/truth-pending.txt");

macro_rules! files {
    ($($name:literal,)*) => {
        /// The files of these rows, with what is in them.
        pub const FILES: &[(&str, &str)] = &[$(($name, include_str!(concat!("../data/truth/", $name)))),*];
    };
}

files! {
    "launch-2026-11-26.json",
    "launch-2026-11-27.json",
    "launch-observed.json",
    "launch.json",
    "mac-2.0.77-print.json",
    "mac-2.1.112-interactive.json",
    "mac-2.1.112-print.json",
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    client: String,
    #[serde(default)]
    mode: String,
    rows: Vec<Row>,
}

/// A recorded launch, and what the client did.
#[derive(Deserialize)]
struct Row {
    id: Value,
    client: Option<String>,
    mode: Option<String>,
    state: State,
    sent: bool,
    x_api_key: Option<String>,
    authorization: Option<String>,
    approval_dialog: bool,
    /// What it takes to know the answer, such as an answer of a server.
    needs: Option<String>,
}

#[test]
fn the_recorded_launches_are_answered_as_the_client_acted() {
    if sandbox::entered("recorded::the_recorded_launches_are_answered_as_the_client_acted") {
        return;
    }
    let (mut all, mut skipped) = (0, 0);
    let mut tried = BTreeSet::new();
    let mut wrong = Vec::new();
    for (name, text) in FILES {
        let file: File =
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        // The many rows on both sides of each change are tried in part, except in the gate.
        let rows: Vec<&Row> = if name.contains("observed") {
            scale::sample(&file.rows)
        } else {
            file.rows.iter().collect()
        };
        for row in rows {
            all += 1;
            let id = row.id.as_str().map_or_else(|| row.id.to_string(), str::to_owned);
            tried.insert(format!("{name} {id}"));
            if row.state.needs_namespaces() && !sandbox::can_manage() {
                skipped += 1;
            } else if let Some(how) = disagreement(row, &file) {
                wrong.push((format!("{name} {id}"), how));
            }
        }
    }
    let found: BTreeSet<&str> = wrong.iter().map(|(id, _)| &**id).collect();
    let pending: BTreeSet<&str> = PENDING.lines().filter(|line| tried.contains(*line)).collect();
    eprintln!(
        "{} of {} recorded launches agree, {skipped} skipped, {} pending",
        all - skipped - wrong.len(),
        all - skipped,
        pending.len()
    );
    let mut failures: Vec<String> = wrong
        .iter()
        .filter(|(id, _)| !pending.contains(&**id))
        .map(|(id, how)| format!("{id}: {how}"))
        .collect();
    if skipped == 0 && std::env::var_os("CCK_SHRINK_PENDING").is_some() {
        let is_kept = |line: &&str| found.contains(line) || !pending.contains(line);
        let kept: String =
            PENDING.lines().filter(is_kept).map(|line| format!("{line}\n")).collect();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/truth-pending.txt");
        std::fs::write(path, kept).unwrap();
    } else if skipped == 0 {
        let right = pending.difference(&found);
        failures.extend(right.map(|id| format!("{id} is right now: take it off the list")));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn disagreement(row: &Row, file: &File) -> Option<String> {
    let world = World::lay(&row.state);
    let client = row.client.as_deref().unwrap_or(&file.client);
    let mode = row.mode.as_deref().unwrap_or(&file.mode);
    let mut words = vec![binary()];
    let fixed = ["verify", "--json", "--run-helper=project", "--mode", mode, "--client-version"];
    words.extend(fixed.map(str::to_owned));
    words.push(client.to_owned());
    let _standin = row.needs.is_some().then(|| {
        words.push("--online".into());
        Standin::serve(&world)
    });
    if !row.state.args.is_empty() {
        words.extend(["--".into(), "claude".into()]);
        words.extend(world.args());
        if mode == "print" {
            words.extend(["-p".into(), "ping".into()]);
        }
    }
    let output = sandbox::command(&words, &world, "http://127.0.0.1:18080")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let Ok(json) = serde_json::from_slice::<Value>(&output.stdout) else {
        return Some(format!("cck {}", String::from_utf8_lossy(&output.stderr).trim()));
    };
    let answer = &json["modes"][mode];
    // A header that carries no credential is as none.
    let header = |value: Option<&str>| value.filter(|id| *id != "invalid").map(str::to_owned);
    let asks = answer["dialogs"]
        .as_array()
        .is_some_and(|dialogs| dialogs.iter().any(|dialog| dialog == "approve_env_key"));
    let said = (
        answer["sends"].as_bool(),
        header(answer["x_api_key"].as_str()),
        header(answer["authorization"].as_str()),
        asks,
    );
    let seen = (
        Some(row.sent),
        header(row.x_api_key.as_deref()),
        header(row.authorization.as_deref()),
        row.approval_dialog,
    );
    (said != seen).then(|| format!("cck said {said:?}, the client did {seen:?}"))
}
