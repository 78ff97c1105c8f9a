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

/// When a process was started, as its kernel tells it; with the process id it names a process for good.
pub(crate) fn start_time(pid: u32) -> Option<String> {
    let stat = file(&format!("{pid}/stat"))?;
    // The second field is the program's name in parentheses and may hold anything; the time is the 22nd.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    (state != "Z").then(|| fields.nth(18).map(str::to_owned))?
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
