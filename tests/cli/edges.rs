//! What the versions of the client differ in: each state was run with the last version before a change and the first
//! after it, or, where nothing changes, with an old and a new one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use cck::client::Client;
use cck::client::decision::Mode;
use cck::client::rules::RULES;
use serde::Deserialize;

use crate::truth::{Laid, Row, disagreement};

/// A state, and what the versions sent in it.
#[derive(Deserialize)]
struct Edge {
    case: String,
    /// The rules whose bounds it shows.
    #[serde(default)]
    rules: Vec<String>,
    state: Laid,
    /// Whether the terminal UI was run, and not `claude -p`.
    #[serde(default)]
    interactive: bool,
    /// The two headers by version: `-` none, `!` one without a credential. Then `asks`, where the UI asked about the key.
    seen: BTreeMap<String, Vec<String>>,
}

fn edges() -> Vec<Edge> {
    serde_json::from_str(include_str!("../data/edges.json")).unwrap()
}

#[test]
fn every_version_on_its_side_of_the_edge() {
    let mut wrong = Vec::new();
    for edge in &edges() {
        let mode = if edge.interactive { Mode::Interactive } else { Mode::Print };
        for (version, seen) in &edge.seen {
            let row = Row::seen(&edge.case, &edge.state, seen);
            let found = disagreement(&row, version.parse().unwrap(), mode);
            wrong.extend(found.map(|text| format!("{version}: {text}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Rules that these states do not show: of Windows, and of command lines (`tests/data/options.json`, on both sides).
const ELSEWHERE: [&str; 5] = [
    "RegistryIsRead",
    "ProgramDataIsIgnored",
    "RegistryIsMerged",
    "CommandIsPromptInPrint",
    "MistakenCommandEnds",
];

#[test]
fn every_bound_of_a_rule_was_seen_from_both_sides() {
    let mut seen: BTreeMap<String, BTreeSet<Client>> = BTreeMap::new();
    for edge in edges() {
        for rule in edge.rules {
            let versions = edge.seen.keys().map(|version| version.parse::<Client>().unwrap());
            seen.entry(rule).or_default().extend(versions);
        }
    }
    let mut wrong = Vec::new();
    for (_, name, _, from, until) in RULES {
        let versions = seen.remove(*name).unwrap_or_default();
        for bound in [Some(from), until.as_ref()].into_iter().flatten() {
            let both = versions.first() < Some(bound) && versions.last() >= Some(bound);
            if !both && !ELSEWHERE.contains(name) {
                wrong.push(format!("{name}: not seen on both sides of {bound:?}"));
            }
        }
    }
    wrong.extend(seen.into_keys().map(|name| format!("{name} is not a rule")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The table of the rules, as `docs/claude-code.md` has it.
fn table() -> String {
    let mut table = String::from("| since | until | rule | |\n|---|---|---|---|\n");
    for (_, name, sentence, from, until) in RULES {
        let until = until.map_or_else(String::new, |until| until.to_string());
        table += &format!("| {from} | {until} | {} | `{name}` |\n", sentence.trim());
    }
    table
}

#[test]
fn the_page_has_the_rules_as_they_are() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/claude-code.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once("<!-- rules:begin -->\n").unwrap();
    let (found, after) = rest.split_once("<!-- rules:end -->").unwrap();
    if std::env::var_os("CCK_WRITE_RULES").is_some() {
        let page = format!("{before}<!-- rules:begin -->\n{}<!-- rules:end -->{after}", table());
        fs::write(&path, page).unwrap();
        return;
    }
    assert_eq!(found, table(), "write it with CCK_WRITE_RULES=1 cargo test the_page_has_the_rules");
}
