//! cck's own files, which no other program writes: the same promise, without the client's lock.
//!
//! Runs of cck exclude each other by a lock on the open directory, which ends with the process: a run that is killed
//! leaves none.

use std::os::fd::AsFd;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::dir::{self, Dir};
use super::replace::{self, Replaced, Site};
use super::{MAX_TRIES, Options, error, load, outrun};
use crate::document::signals::Section;

/// Puts `bytes` at `path` whatever is there, with mode 0600, in a directory that is made 0700 where it is missing.
///
/// # Errors
/// Where the file cannot be written. What was there then still is.
pub fn put(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let (parent, name) = dir::split(path)?;
    let section = Section::enter();
    let dir = dir::open_or_make(parent)?;
    lock(&dir, &section)?;
    replace::sweep(&dir, name);
    let site = Site {
        dir: &dir,
        name,
        locks: &[],
        section: &section,
    };
    for _ in 0..MAX_TRIES {
        let old = load::load(&dir, name)?;
        if let Replaced::Done(_) = replace::replace(&site, old.as_ref(), &[bytes.into()])? {
            return Ok(());
        }
    }
    Err(outrun(path))
}

/// Clears away what a killed run has left beside the file at `path`: it may hold a key.
pub fn tidy(path: &Path) {
    let section = Section::enter();
    if let Ok((parent, name)) = dir::split(path)
        && let Ok(dir) = Dir::open(parent)
        && lock(&dir, &section).is_ok()
    {
        replace::sweep(&dir, name);
    }
}

/// Waits for the other runs that write in this directory. The lock ends when the directory is closed.
fn lock(dir: &Dir, section: &Section) -> anyhow::Result<()> {
    let deadline = Instant::now() + Options::default().lock_timeout;
    loop {
        match rustix::fs::flock(dir.as_fd(), FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::INTR) => {}
            Err(errno @ Errno::WOULDBLOCK) if Instant::now() >= deadline => {
                return Err(error::disk(errno, "lock", dir.path()));
            }
            Err(Errno::WOULDBLOCK) if section.pending() => return Err(error::interrupted()),
            Err(Errno::WOULDBLOCK) => thread::sleep(Duration::from_millis(5)),
            // Not every file system has these locks; the replace itself needs none.
            Ok(()) | Err(_) => return Ok(()),
        }
    }
}
