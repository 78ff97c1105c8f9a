//! Not a test: the last line of `cargo test`, which says what was skipped. Cargo runs the targets by name.
#![allow(clippy::disallowed_macros, clippy::unwrap_used, clippy::disallowed_methods)]

#[cfg(unix)]
use std::collections::BTreeMap;

#[cfg(unix)]
#[allow(dead_code, reason = "shared with the tests")]
#[path = "../support/skip.rs"]
mod skip;

#[cfg(unix)]
fn main() {
    // Asked by what lists tests, and by `cargo test NAME`.
    if std::env::args().len() > 1 {
        return;
    }
    let notes = std::fs::read_to_string(skip::notes()).unwrap_or_default();
    let _ = std::fs::remove_file(skip::notes());
    let mut skipped = BTreeMap::<&str, Vec<&str>>::new();
    for (why, test) in notes.lines().filter_map(|line| line.split_once('\t')) {
        skipped.entry(why).or_default().push(test);
    }
    let count: usize = skipped.values().map(Vec::len).sum();
    let reasons: Vec<String> =
        skipped.iter().map(|(why, tests)| format!("{why}: {}", tests.join(", "))).collect();
    match count {
        0 => println!("\nNo test was skipped."),
        count => println!("\nSkipped {count} ({}).", reasons.join("; ")),
    }
}

#[cfg(not(unix))]
fn main() {}
