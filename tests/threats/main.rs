//! The claims of docs/security.md, each tried as its attacker would. The document names these tests.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "these are tests; they lay files and stop where something is amiss"
)]

#[path = "../cli/sandbox.rs"]
#[allow(dead_code, reason = "shared with the other tests of the command line")]
mod sandbox;

mod files;
mod links;
mod memory;
mod others;
mod processes;
mod repository;
#[allow(dead_code, reason = "shared with the other tests")]
#[path = "../support/skip.rs"]
mod skip;
mod text;

use std::fs;
use std::path::Path;

use sandbox::{KEY, OTHER};

/// So many consecutive characters of a key are a leak.
const WINDOW: usize = 24;

/// Whether a piece of a key is in `text`.
fn holds_key(text: &str) -> bool {
    [KEY, OTHER]
        .iter()
        .any(|key| (0..=key.len() - WINDOW).any(|at| text.contains(&key[at..at + WINDOW])))
}

/// What is at a path, links not followed: enough to tell that nothing was changed.
fn look(path: &Path) -> (String, Vec<u8>) {
    let metadata = fs::symlink_metadata(path).unwrap();
    let content = if metadata.is_file() { fs::read(path).unwrap() } else { Vec::new() };
    (format!("{:?} {:?}", metadata.file_type(), metadata.permissions()), content)
}
