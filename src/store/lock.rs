//! The client's lock: a directory `<config>.lock`, as the npm package proper-lockfile makes it (2.1.330, observed 2026-11).
//!
//! Making the directory takes the lock, its mtime is refreshed while it is held, and without a refresh for 10 s it is
//! stale and may be taken over. The client gives up on a fresh one after about 2.5 s and then writes without it, so it
//! is to be held for milliseconds.

#[cfg(test)]
#[cfg(unix)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::dir::Dir;
use super::error;
use crate::error::fail;
use crate::os;
use crate::os::ext::{OsStrExt, OsStringExt};
use crate::os::fd::AsFd;
use crate::os::fs::{
    AtFlags, FileType, FlockOperation, Mode, Stat, Timespec, Timestamps, UTIME_NOW,
};
use crate::os::io::Errno;
use crate::os::tools::REMOVE;
use crate::signals::Section;

/// Without a refresh for so long, a lock is stale.
pub(crate) const STALE: Duration = Duration::from_secs(10);

/// How often a held lock is refreshed: well within [`STALE`].
const REFRESH: Duration = Duration::from_secs(2);

/// The longest pause between two attempts.
const PAUSE: Duration = Duration::from_millis(20);

/// The longest file name that file systems take.
const NAME_MAX: usize = 255;

/// A lock that is held. Dropping it releases it.
pub(crate) struct Lock {
    shared: Arc<Shared>,
    refresher: Option<JoinHandle<()>>,
}

struct Shared {
    dir: Arc<Dir>,
    name: OsString,
    state: Mutex<State>,
    released: Condvar,
}

/// What the lock directory looked like when it was last made or refreshed.
struct State {
    seen: Seen,
    released: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    ino: u64,
    mtime: (i64, i64),
}

impl Seen {
    #[allow(clippy::unnecessary_cast, reason = "the types differ between platforms")]
    fn of(stat: &Stat) -> Seen {
        Seen { ino: stat.st_ino as u64, mtime: (stat.st_mtime as i64, stat.st_mtime_nsec as i64) }
    }

    /// How long ago the lock was refreshed.
    fn age(&self) -> Duration {
        let secs = Duration::from_secs(u64::try_from(self.mtime.0).unwrap_or_default());
        let at = UNIX_EPOCH
            + secs
            + Duration::from_nanos(u64::try_from(self.mtime.1).unwrap_or_default());
        SystemTime::now().duration_since(at).unwrap_or_default()
    }
}

/// The name of the lock of the file `name`. Too long a name is cut: the client cannot lock such a file at all, but
/// two runs of cck still exclude each other.
pub(crate) fn lock_name(name: &OsStr) -> OsString {
    let mut bytes = name.as_bytes().to_vec();
    bytes.truncate(NAME_MAX - ".lock".len());
    bytes.extend_from_slice(b".lock");
    OsString::from_vec(bytes)
}

impl Lock {
    /// Takes the lock of the file `name` in `dir`, and waits up to `timeout` for whoever holds it.
    pub(crate) fn take(
        dir: &Arc<Dir>,
        name: &OsStr,
        timeout: Duration,
        section: &Section,
    ) -> anyhow::Result<Lock> {
        let name = lock_name(name);
        let path = dir.path().join(&name);
        let deadline = Instant::now() + timeout;
        let mut pause = Duration::from_millis(1);
        loop {
            let held = match attempt(dir, &name) {
                Ok(Attempt::Taken(seen)) => return Ok(Lock::hold(Arc::clone(dir), name, seen)),
                Ok(Attempt::Held(held)) => held,
                Ok(Attempt::NoDirectory) => return Err(not_a_lock(&path)),
                Err(errno) => return Err(error::disk(errno, "make the lock", &path)),
            };
            if section.pending() {
                return Err(error::interrupted());
            }
            if Instant::now() >= deadline {
                return Err(busy(&path, held, timeout));
            }
            // Waiters that pause for different times do not come in step.
            let spread = u32::from(std::process::id().to_le_bytes()[0]) + 192;
            thread::sleep(
                (pause * spread / 256).min(deadline.saturating_duration_since(Instant::now())),
            );
            pause = (pause * 3 / 2).min(PAUSE);
        }
    }

    fn hold(dir: Arc<Dir>, name: OsString, seen: Seen) -> Lock {
        let state = Mutex::new(State { seen, released: false });
        let shared = Arc::new(Shared { dir, name, state, released: Condvar::new() });
        let refreshed = Arc::clone(&shared);
        // Without the thread the lock may go stale under a slow disk; the check before the replace finds that out.
        let refresher =
            thread::Builder::new().name("lock".into()).spawn(move || refreshed.refresh()).ok();
        Lock { shared, refresher }
    }

    /// Whether the lock is still ours: a process that was stopped for long may have lost it.
    pub(crate) fn is_held(&self) -> bool {
        self.shared.is_ours(&self.shared.state())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.released = true;
        // Tried again where the disk refuses. What cannot be removed goes stale, but beside a backup nobody takes it over.
        for _ in 0..2 {
            if self.shared.is_ours(&state) && self.shared.dir.remove_dir(&self.shared.name).is_ok()
            {
                break;
            }
        }
        drop(state);
        self.shared.released.notify_all();
        if let Some(refresher) = self.refresher.take() {
            let _ = refresher.join();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_ours(&self, state: &State) -> bool {
        self.dir.stat(&self.name).is_ok_and(|stat| Seen::of(&stat) == state.seen)
    }

    /// Refreshes the lock until it is released or lost.
    fn refresh(&self) {
        let mut state = self.state();
        // The thread may start only when the lock is released already, with nobody left to wake it.
        while !state.released {
            let woken = self.released.wait_timeout(state, REFRESH);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
            if state.released || !self.is_ours(&state) {
                return;
            }
            let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
            let now = Timestamps { last_access: now, last_modification: now };
            // A refresh that fails is tried again with the next one, still before the lock is stale.
            let _ =
                os::fs::utimensat(self.dir.as_fd(), &self.name, &now, AtFlags::SYMLINK_NOFOLLOW);
            if let Ok(stat) = self.dir.stat(&self.name) {
                state.seen = Seen::of(&stat);
            }
        }
    }
}

enum Attempt {
    Taken(Seen),
    Held(Seen),
    NoDirectory,
}

fn attempt(dir: &Dir, name: &OsStr) -> Result<Attempt, Errno> {
    if let Some(seen) = make(dir, name)? {
        return Ok(Attempt::Taken(seen));
    }
    let found = match look(dir, name)? {
        Some(Attempt::Held(found)) if found.age() >= STALE => found,
        Some(other) => return Ok(other),
        // Released between the two calls.
        None => return attempt_again(dir, name),
    };
    // Two that find the same stale lock must not remove each other's fresh one: they queue here, and look again.
    let _queue = match os::fs::flock(dir.as_fd(), FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Some(Queue(dir)),
        Err(Errno::WOULDBLOCK) => return Ok(Attempt::Held(found)),
        // Not every file system can; the window that is left is that of the client's own protocol.
        Err(_) => None,
    };
    match look(dir, name)? {
        Some(Attempt::Held(now)) if now == found => match dir.remove_dir(name) {
            Ok(()) | Err(Errno::NOENT) => attempt_again(dir, name),
            Err(errno) => Err(errno),
        },
        Some(other) => Ok(other),
        None => attempt_again(dir, name),
    }
}

/// One more attempt, for a lock that was just seen to be free.
fn attempt_again(dir: &Dir, name: &OsStr) -> Result<Attempt, Errno> {
    let unknown = Attempt::Held(Seen { ino: 0, mtime: (0, 0) });
    match make(dir, name)? {
        Some(seen) => Ok(Attempt::Taken(seen)),
        None => Ok(look(dir, name)?.unwrap_or(unknown)),
    }
}

/// Makes the lock directory; `None` where it exists.
fn make(dir: &Dir, name: &OsStr) -> Result<Option<Seen>, Errno> {
    match os::io::retry_on_intr(|| os::fs::mkdirat(dir.as_fd(), name, Mode::RWXU)) {
        Ok(()) => match dir.stat(name) {
            Ok(stat) => Ok(Some(Seen::of(&stat))),
            Err(errno) => dir.remove_dir(name).and(Err(errno)),
        },
        Err(Errno::EXIST) => Ok(None),
        Err(errno) => Err(errno),
    }
}

fn look(dir: &Dir, name: &OsStr) -> Result<Option<Attempt>, Errno> {
    match dir.stat(name) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
            Ok(Some(Attempt::Held(Seen::of(&stat))))
        }
        Ok(_) => Ok(Some(Attempt::NoDirectory)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// The turn to take a stale lock over; dropping it lets the next one have a look.
struct Queue<'d>(&'d Dir);

impl Drop for Queue<'_> {
    fn drop(&mut self) {
        let _ = os::fs::flock(self.0.as_fd(), FlockOperation::Unlock);
    }
}

fn not_a_lock(path: &Path) -> anyhow::Error {
    let path = path.display();
    fail(
        format!("{path} is in the place of the lock, but is no directory"),
        format!("look at what it is; if nothing needs it: {REMOVE} {path}"),
    )
}

fn busy(path: &Path, held: Seen, timeout: Duration) -> anyhow::Error {
    let path = path.display();
    let (age, waited) = (held.age().as_secs_f32(), timeout.as_secs_f32());
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
