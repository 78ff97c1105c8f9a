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
use std::io::{self, ErrorKind};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::disk::tools::REMOVE;
use crate::disk::{self, Dir, Kind, Stat};
use crate::error::fail;
use crate::shell;
use crate::signals::Section;

/// Without a refresh for so long, a lock is stale.
pub(crate) const STALE: Duration = Duration::from_secs(10);

/// How often a held lock is refreshed: well within [`STALE`].
const REFRESH: Duration = Duration::from_secs(2);

/// A lock that is held. Dropping it releases it.
pub(crate) struct Lock {
    dir: Rc<Dir>,
    name: OsString,
    /// What the lock directory looked like when it was last made or refreshed, and when that was.
    seen: Cell<Seen>,
    refreshed: Cell<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    id: (u64, u64),
    modified: (i64, u32),
}

impl Seen {
    fn of(stat: &Stat) -> Seen {
        Seen { id: stat.id, modified: stat.modified }
    }

    /// How long ago the lock was refreshed.
    fn age(&self) -> Duration {
        let seconds = u64::try_from(self.modified.0).unwrap_or_default();
        let at = UNIX_EPOCH + Duration::new(seconds, self.modified.1);
        SystemTime::now().duration_since(at).unwrap_or_default()
    }
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
        section: &Section,
    ) -> anyhow::Result<Lock> {
        let name = lock_name(name);
        let path = dir.path().join(&name);
        let mut watch = Watch::default();
        let taken = disk::wait(timeout, || match attempt(dir, &name, &mut watch) {
            Ok(Attempt::Taken(seen)) => Ok(Some(seen)),
            Ok(Attempt::Held) if section.pending() => Err(disk::interrupted()),
            Ok(Attempt::Held) => Ok(None),
            Ok(Attempt::NoDirectory) => Err(not_a_lock(&path)),
            Err(error) => Err(disk::refused(error, "make the lock", &path)),
        })?;
        let seen = Cell::new(taken.ok_or_else(|| busy(&path, watch.age(), timeout))?);
        Ok(Lock { dir: Rc::clone(dir), name, seen, refreshed: Cell::new(Instant::now()) })
    }

    /// Whether the lock is still ours: a process that was stopped for long may have lost it.
    pub(crate) fn is_held(&self) -> bool {
        self.dir.stat(&self.name).is_ok_and(|stat| Seen::of(&stat) == self.seen.get())
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
            self.seen.set(Seen::of(&stat));
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
struct Watch(Option<(Seen, Instant)>);

impl Watch {
    fn is_stale(&mut self, found: Seen) -> bool {
        match self.0 {
            Some((seen, since)) if seen == found => {
                found.age() >= STALE || since.elapsed() >= STALE
            }
            _ => {
                self.0 = Some((found, Instant::now()));
                found.age() >= STALE
            }
        }
    }

    fn age(&self) -> Duration {
        self.0.map(|(seen, _)| seen.age()).unwrap_or_default()
    }
}

enum Attempt {
    Taken(Seen),
    Held,
    NoDirectory,
}

fn attempt(dir: &Dir, name: &OsStr, watch: &mut Watch) -> io::Result<Attempt> {
    if let Some(seen) = make(dir, name)? {
        return Ok(Attempt::Taken(seen));
    }
    let found = match look(dir, name)? {
        Some(Look::Lock(found)) if watch.is_stale(found) => found,
        Some(Look::Lock(_)) => return Ok(Attempt::Held),
        Some(Look::Other) => return Ok(Attempt::NoDirectory),
        // Released between the two calls.
        None => return attempt_again(dir, name),
    };
    // Two that find the same stale lock must not remove each other's fresh one: they queue here, and look again.
    let _queue = match dir.lockable().map(|lockable| (lockable, lockable.try_lock())) {
        Some((lockable, Ok(()))) => Some(Queue(lockable)),
        Some((_, Err(std::fs::TryLockError::WouldBlock))) => return Ok(Attempt::Held),
        // Not every file system can; the window that is left is that of the client's own protocol.
        _ => None,
    };
    match look(dir, name)? {
        Some(Look::Lock(now)) if now == found => match dir.remove_dir(name) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => attempt_again(dir, name),
        },
        Some(Look::Lock(_)) => Ok(Attempt::Held),
        Some(Look::Other) => Ok(Attempt::NoDirectory),
        None => attempt_again(dir, name),
    }
}

/// One more attempt, for a lock that was just seen to be free.
fn attempt_again(dir: &Dir, name: &OsStr) -> io::Result<Attempt> {
    Ok(make(dir, name)?.map_or(Attempt::Held, Attempt::Taken))
}

/// Makes the lock directory; `None` where it exists.
fn make(dir: &Dir, name: &OsStr) -> io::Result<Option<Seen>> {
    match dir.make_dir(name) {
        Ok(()) => match dir.stat(name) {
            Ok(stat) => Ok(Some(Seen::of(&stat))),
            Err(error) => dir.remove_dir(name).and(Err(error)),
        },
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is in the lock's place.
enum Look {
    Lock(Seen),
    Other,
}

fn look(dir: &Dir, name: &OsStr) -> io::Result<Option<Look>> {
    match dir.stat(name) {
        Ok(stat) if stat.kind == Kind::Dir => Ok(Some(Look::Lock(Seen::of(&stat)))),
        Ok(_) => Ok(Some(Look::Other)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The turn to take a stale lock over; dropping it lets the next one have a look.
struct Queue<'d>(&'d std::fs::File);

impl Drop for Queue<'_> {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

fn not_a_lock(path: &Path) -> anyhow::Error {
    let word = shell::word(path.display());
    fail(
        format!("{} is where the lock should be, but is not a directory", path.display()),
        format!("look at what it is; if nothing needs it: {REMOVE} {word}"),
    )
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
