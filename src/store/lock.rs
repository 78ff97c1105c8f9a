//! The client's lock: a directory `<config>.lock`, as the npm package proper-lockfile makes it (2.1.330, observed 2026-11).
//!
//! Making the directory takes the lock, its mtime is refreshed while it is held, and without a refresh for 10 s it is
//! stale and may be taken over. The client gives up on a fresh one after about 2.5 s and then writes without it, so it
//! is to be held for milliseconds. A large file on a slow disk takes longer: the lock is refreshed while that is written.

#[cfg(test)]
#[cfg(unix)]
mod tests;

use std::cell::Cell;
use std::ffi::{OsStr, OsString};
use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::disk::tools::REMOVE;
use crate::disk::{self, Dir, Kind, Stamp};
use crate::error::fail;
use crate::shell::word;
use crate::signals::HeldSignals;

/// Without a refresh for so long, a lock is stale.
pub(crate) const STALE: Duration = Duration::from_secs(10);

/// How often a held lock is refreshed: well within [`STALE`].
const REFRESH: Duration = Duration::from_secs(2);

/// A lock that is held. Dropping it releases it.
pub(crate) struct Lock {
    dir: Rc<Dir>,
    name: OsString,
    /// What the lock directory looked like when it was last made or refreshed, and when that was.
    seen: Cell<Stamp>,
    refreshed: Cell<Instant>,
}

/// The name of the lock of the file `name`. Too long a name is cut: the client cannot lock such a file at all, but
/// two runs of cck still exclude each other.
pub(crate) fn lock_name(name: &OsStr) -> OsString {
    let mut name = disk::cut(name, disk::NAME_MAX - ".lock".len());
    name.push(".lock");
    name
}

impl Lock {
    /// Takes the lock of the file `name` in `dir`, and waits up to `timeout` for its holder.
    pub(crate) fn take(
        dir: &Rc<Dir>,
        name: &OsStr,
        timeout: Duration,
        held: &HeldSignals,
    ) -> anyhow::Result<Lock> {
        let name = lock_name(name);
        let path = dir.path.join(&name);
        let mut watch = Watch::default();
        let taken = disk::wait(timeout, || match attempt(dir, &name, &mut watch) {
            Ok(None) if held.pending() => Err(disk::interrupted()),
            Ok(taken) => Ok(taken),
            Err(error) if error.kind() == ErrorKind::NotADirectory => Err(fail(
                format!("{} is where the lock should be, but is not a directory", path.display()),
                format!(
                    "look at what it is; if nothing needs it: {REMOVE} {}",
                    word(path.display())
                ),
            )),
            Err(error) => Err(disk::refused(error, "make the lock", &path)),
        })?;
        let seen = Cell::new(taken.ok_or_else(|| busy(&path, watch.age(), timeout))?);
        Ok(Lock { dir: Rc::clone(dir), name, seen, refreshed: Cell::new(Instant::now()) })
    }

    /// Whether the lock is still ours: a process that was stopped for long may have lost it.
    pub(crate) fn is_held(&self) -> bool {
        self.dir.stat(&self.name).is_ok_and(|stat| stat.stamp == self.seen.get())
    }

    /// Refreshes the lock if that is due and it is still ours.
    pub(crate) fn refresh(&self) {
        if self.refreshed.get().elapsed() < REFRESH || !self.is_held() {
            return;
        }
        self.refreshed.set(Instant::now());
        // A refresh that fails is tried again with the next one, still before the lock is stale.
        let _ = self.dir.touch(&self.name);
        if let Ok(stat) = self.dir.stat(&self.name) {
            self.seen.set(stat.stamp);
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Tried again where the disk refuses. What cannot be removed goes stale, but beside a backup nobody takes it over.
        let _ = (0..2).any(|_| self.is_held() && self.dir.remove_dir(&self.name).is_ok());
    }
}

/// The lock of another as it was first seen in this form. One that stays the same for [`STALE`] is stale whatever its
/// mtime says: the clock that set it may be ahead.
#[derive(Default)]
struct Watch(Option<(Stamp, Instant)>);

impl Watch {
    fn is_stale(&mut self, found: Stamp) -> bool {
        let known = self.0.filter(|(seen, _)| *seen == found);
        let (_, since) = *self.0.insert(known.unwrap_or_else(|| (found, Instant::now())));
        found.age() >= STALE || since.elapsed() >= STALE
    }

    fn age(&self) -> Duration {
        self.0.map(|(seen, _)| seen.age()).unwrap_or_default()
    }
}

/// Makes the lock, or takes a stale one over; `None` where another holds it.
fn attempt(dir: &Dir, name: &OsStr, watch: &mut Watch) -> io::Result<Option<Stamp>> {
    if let Some(made) = make(dir, name)? {
        return Ok(Some(made));
    }
    let found = match look(dir, name)? {
        Some(found) if watch.is_stale(found) => found,
        Some(_) => return Ok(None),
        // Released between the two calls.
        None => return make(dir, name),
    };
    // Two that find the same stale lock must not remove each other's fresh one: they queue here, and look again. Not
    // every file system can; the window that is left is that of the client's own protocol.
    let queue = dir.lockable();
    if matches!(queue.map(File::try_lock), Some(Err(TryLockError::WouldBlock))) {
        return Ok(None);
    }
    let taken = take_over(dir, name, found);
    queue.map(File::unlock);
    taken
}

fn take_over(dir: &Dir, name: &OsStr, stale: Stamp) -> io::Result<Option<Stamp>> {
    if let Some(now) = look(dir, name)? {
        if now != stale {
            return Ok(None);
        }
        disk::if_any(dir.remove_dir(name))?;
    }
    make(dir, name)
}

fn make(dir: &Dir, name: &OsStr) -> io::Result<Option<Stamp>> {
    match dir.make_dir(name) {
        Ok(()) => match dir.stat(name) {
            Ok(stat) => Ok(Some(stat.stamp)),
            Err(error) => dir.remove_dir(name).and(Err(error)),
        },
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(None),
        Err(error) => Err(error),
    }
}

/// What the lock looks like; an error if something else is in its place.
fn look(dir: &Dir, name: &OsStr) -> io::Result<Option<Stamp>> {
    match disk::if_any(dir.stat(name))? {
        Some(stat) if stat.kind != Kind::Dir => Err(ErrorKind::NotADirectory.into()),
        found => Ok(found.map(|stat| stat.stamp)),
    }
}

fn busy(path: &Path, age: Duration, timeout: Duration) -> anyhow::Error {
    let path = path.display();
    let (age, waited) = (age.as_secs_f32(), timeout.as_secs_f32());
    fail(
        format!(
            "another process holds the lock {path} (refreshed {age:.1} s ago; waited {waited:.1} s)"
        ),
        format!(
            "try again when Claude Code has finished writing; a lock left by a crash is taken over after {} s",
            STALE.as_secs()
        ),
    )
}
