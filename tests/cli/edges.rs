//! What the versions of the client differ in: each state was run with the last version before a change and the first
//! after it, or, where nothing changes, with an old and a new one.

use std::collections::BTreeMap;

use cck::client::decision::Mode;
use serde::Deserialize;

use crate::truth::{Laid, Row, disagreement};

/// A state, and what the versions sent in it.
#[derive(Deserialize)]
struct Edge {
    rule: String,
    state: Laid,
    /// Whether the terminal UI was run, and not `claude -p`.
    #[serde(default)]
    interactive: bool,
    /// The two headers by version: `-` none, `!` one without a credential. Then `asks`, where the UI asked about the key.
    seen: BTreeMap<String, Vec<String>>,
}

#[test]
fn every_version_on_its_side_of_the_edge() {
    let edges: Vec<Edge> = serde_json::from_str(include_str!("../data/edges.json")).unwrap();
    let mut wrong = Vec::new();
    for edge in &edges {
        let mode = if edge.interactive { Mode::Interactive } else { Mode::Print };
        for (version, seen) in &edge.seen {
            let row = Row::seen(&edge.rule, &edge.state, seen);
            let found = disagreement(&row, version.parse().unwrap(), mode);
            wrong.extend(found.map(|text| format!("{version}: {text}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
