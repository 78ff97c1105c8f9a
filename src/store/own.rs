//! cck's own files, which no other program writes: the same promise, without the client's lock.
//!
//! Runs of cck exclude each other by a lock on the open directory, which ends with the process: a run that is killed
//! leaves none.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::dir::{self, Dir};
use super::outline::Piece;
use super::replace::{self, Replaced, Site};
use super::{MAX_TRIES, Options, error, load, outrun};
use crate::os;
use crate::os::fd::AsFd;
use crate::os::fs::FlockOperation;
use crate::os::io::Errno;
use crate::signals::{self, Section};

/// Puts `bytes` at `path` whatever is there, with mode 0600, in a directory that is made 0700 where it is missing.
pub(crate) fn put(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let (parent, name) = dir::split(path)?;
    let section = signals::hold();
    let dir = dir::open_or_make(parent)?;
    lock(&dir, &section)?;
    replace::sweep(&dir, name);
    let site = Site { dir: &dir, name, locks: &[], section: &section };
    for _ in 0..MAX_TRIES {
        let old = load::load(&dir, name)?;
        let pieces = [Piece::Bytes(bytes)];
        let replaced = replace::replace(&site, old.as_ref(), &pieces, &mut || Ok(()))?;
        if let Replaced::Done(_) = replaced {
            return Ok(());
        }
    }
    Err(outrun(path))
}

/// Clears away what a killed run has left beside the file at `path`: it may hold a key.
pub(crate) fn tidy(path: &Path) {
    let section = signals::hold();
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
        match os::fs::flock(dir.as_fd(), FlockOperation::NonBlockingLockExclusive) {
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

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs::File;

    use super::*;

    /// A directory that another run is writing in, and a file in it.
    fn busy() -> (tempfile::TempDir, File, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let held = File::open(dir.path()).unwrap();
        rustix::fs::flock(&held, FlockOperation::NonBlockingLockExclusive).unwrap();
        let path = dir.path().join("record");
        (dir, held, path)
    }

    #[test]
    fn another_run_in_the_directory_is_waited_for() {
        let (_dir, held, path) = busy();
        let held_for = Duration::from_millis(60);
        let start = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(held_for);
                rustix::fs::flock(&held, FlockOperation::Unlock).unwrap();
            });
            put(&path, b"one").unwrap();
        });
        assert!(start.elapsed() >= held_for);
        put(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
    }

    #[test]
    fn another_run_in_the_directory_is_not_waited_for_without_end() {
        let (dir, _held, path) = busy();
        let start = Instant::now();
        let error = put(&path, b"one").unwrap_err();
        assert!(start.elapsed() >= Options::default().lock_timeout);
        assert!(
            error.to_string().starts_with(&format!("cannot lock {}", dir.path().display())),
            "{error}"
        );
        assert!(!path.exists());
    }
}
