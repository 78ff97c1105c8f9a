//! What the kernel tells of processes, in `/proc`. Only Linux has that; elsewhere nothing is known, and nothing said.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The signals that this process ignores, one bit each. None where that cannot be known.
pub(crate) fn ignored() -> u64 {
    let status = file("self/status").unwrap_or_default();
    let mask = status.split_once("\nSigIgn:\t").and_then(|(_, rest)| rest.lines().next());
    mask.and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or(0)
}

/// A small file under `/proc`, in one read: those that ask for its size first take ten.
fn file(name: &str) -> Option<String> {
    let mut text = [0; 4096];
    // On Windows this would be a directory like any other.
    if cfg!(windows) {
        return None;
    }
    let read = File::open(Path::new("/proc").join(name)).ok()?.read(&mut text).ok()?;
    Some(String::from_utf8_lossy(&text[..read]).into_owned())
}
