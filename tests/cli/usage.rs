//! `cck usage` from outside, on a log that is laid; what runs write into it is in `--test broker`.

use crate::sandbox::Sandbox;

#[test]
fn what_was_used_is_summed_and_a_limit_is_an_exit_code() {
    let sandbox = Sandbox::new();
    let report = sandbox.cck(&["usage", "--json"]).run().code(0).json();
    assert_eq!((&report["rows"], &report["total"]["calls"]), (&serde_json::json!([]), &0.into()));
    sandbox.lay(".local/state/cck/calls.jsonl", "not a call\n");
    let ran = sandbox.cck(&["usage", "--json", "--fail", "1usd"]).run().code(0);
    ran.err(&["not calls", "cck audit --check"]);
}
