//! The port to the disk: what cck asks of a file system, with each system's way behind it.
//!
//! A directory is held open, so that every step works in the same one whatever its path comes to mean. Windows
//! has neither calls relative to a directory nor owners nor modes: its path stands for it, and everyone is one user.

mod acting;
mod error;
mod temp;
#[cfg(test)]
#[cfg(unix)]
mod tests;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek};
use std::path::{Component, Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

pub(crate) use acting::act_for;
pub(crate) use error::{interrupted, refused, what};
pub(crate) use system::{
    Dir, IS_SOCKET, KEEPS_OPEN, copy_attributes, look, make_dirs, open, read_link, real, set_mode,
    set_owner, start_writing, stat, user, write_at,
};
pub(crate) use temp::{Temp, beside, cut, sweep};

use crate::error::fail;

pub(crate) const NAME_MAX: usize = 255;

const MAX_LINKS: usize = 40;

const PAUSE: Duration = Duration::from_millis(20);

/// How a file is opened. None follows a link in the last part of the path, except `Follow`; none waits for a FIFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Open {
    Read,
    Follow,
    Write,
    /// Made new, for its owner alone; an error if there is something.
    New,
    /// For reading and writing; made for its owner alone if it is missing.
    Make,
    /// As `Make`; every write goes to the end.
    Append,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rename {
    /// In place of what has that name.
    Replace,
    /// Only if nothing has that name; where the file system cannot tell, as `Replace`.
    IfNone,
    /// The two change names; an error of kind `Unsupported` if the file system cannot do that.
    Exchange,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Dir,
    Link,
    #[cfg_attr(windows, allow(dead_code, reason = "it has none"))]
    Fifo,
    Socket,
    Device,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Stat {
    pub kind: Kind,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub links: u64,
    pub stamp: Stamp,
}

/// What tells one content of a file from another, without reading it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stamp {
    pub id: (u64, u64),
    pub size: u64,
    pub modified: SystemTime,
}

impl Stamp {
    /// How long ago the file was modified; nothing if that is in the future.
    pub(crate) fn age(&self) -> Duration {
        self.modified.elapsed().unwrap_or_default()
    }
}

/// Whether a file can be run. On Windows that depends on its name.
pub(crate) fn is_program(path: &Path) -> bool {
    let is_run = |stat: Stat| stat.kind == Kind::File && (cfg!(windows) || stat.mode & 0o111 != 0);
    look(path).is_ok_and(is_run)
}

/// Whether a name begins with a dot.
pub(crate) fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// What there is, if it is there.
pub(crate) fn if_any<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

pub(crate) fn entries(path: &Path) -> io::Result<Vec<PathBuf>> {
    let names = Dir::open(path)?.list()?;
    Ok(names.into_iter().map(|name| path.join(name)).collect())
}

/// Opens the directory, which is made for its owner alone if it is missing.
pub(crate) fn open_or_make(path: &Path) -> anyhow::Result<Dir> {
    let dir = if_any(Dir::open(path)).map_err(|e| refused(e, "open the directory", path))?;
    if let Some(dir) = dir {
        return Ok(dir);
    }
    make_dirs(path)
        .and_then(|()| Dir::open(path))
        .map_err(|error| refused(error, "make the directory", path))
}

/// Where the path leads when its last part is followed through symlinks, whether there is a file or not.
pub(crate) fn resolve(path: &Path) -> anyhow::Result<PathBuf> {
    let mut at = path.to_path_buf();
    for _ in 0..MAX_LINKS {
        match read_link(&at) {
            Ok(Some(target)) => at = at.parent().unwrap_or(Path::new("")).join(target),
            Ok(None) => return Ok(at),
            Err(error) => return Err(refused(error, "look up", &at)),
        }
    }
    Err(refused(io::Error::from_raw_os_error(system::LOOP), "look up", path))
}

pub(crate) fn split(path: &Path) -> anyhow::Result<(&Path, &OsStr)> {
    match (path.parent(), path.components().next_back()) {
        (Some(parent), Some(Component::Normal(name))) => {
            Ok((if parent.as_os_str().is_empty() { Path::new(".") } else { parent }, name))
        }
        _ => Err(fail(
            format!("{} is not a file name", path.display()),
            "name the file itself, for example ~/.claude.json",
        )),
    }
}

/// Asks `attempt` until it has an answer or the time is over, with pauses that grow.
pub(crate) fn wait<T, E>(
    timeout: Duration,
    mut attempt: impl FnMut() -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    let deadline = Instant::now() + timeout;
    let mut pause = Duration::from_millis(1);
    // Processes that pause for different times do not come in step.
    let spread = u32::from(std::process::id().to_le_bytes()[0]) + 192;
    loop {
        if let Some(answer) = attempt()? {
            return Ok(Some(answer));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        thread::sleep((pause * spread / 256).min(left));
        pause = (pause * 3 / 2).min(PAUSE);
    }
}

/// Waits for the lock of a file or an open directory; an error of kind `TimedOut` if another process held it all that time.
/// On a file system without locks it is taken to be locked.
pub(crate) fn lock(file: &File, timeout: Duration) -> io::Result<()> {
    let taken = wait(timeout, || match file.try_lock().map_err(io::Error::from) {
        Err(error) => match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::Interrupted => Ok(None),
            ErrorKind::Unsupported => Ok(Some(())),
            _ => Err(error),
        },
        Ok(()) => Ok(Some(())),
    })?;
    let held = "another process has held it for too long";
    taken.ok_or_else(|| io::Error::new(ErrorKind::TimedOut, held))
}

/// The content of a regular file of about `size` bytes; `None` if it has more than `max`.
pub(crate) fn read_up_to(mut file: &File, size: u64, max: u64) -> io::Result<Option<Vec<u8>>> {
    if size > max {
        return Ok(None);
    }
    // With room for one byte more, the end of a file that has not grown is seen without asking for memory.
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1);
    file.rewind()?;
    file.take(max + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= max).then_some(bytes))
}

/// The content of a small file; an error if it is anything else, so that a FIFO is not waited for.
pub(crate) fn read_file(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let file = open(path, Open::Follow)?;
    let stat = stat(&file)?;
    if stat.kind != Kind::File {
        return Err(io::Error::other("it is not a file"));
    }
    read_up_to(&file, stat.stamp.size, max)?.ok_or_else(|| ErrorKind::FileTooLarge.into())
}

/// The content of a small file as text, if it is that.
pub(crate) fn read_text(path: &Path, max: u64) -> Option<String> {
    String::from_utf8(read_file(path, max).ok()?).ok()
}

/// Reads what stands at `at`, until the buffer is full or the file ends, and returns how much that was.
pub(crate) fn fill(file: &File, buffer: &mut [u8], at: usize) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match system::read_at(file, &mut buffer[length..], (at + length) as u64) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

pub(crate) mod tools {
    const fn of(unix: &'static str, windows: &'static str) -> &'static str {
        if cfg!(windows) { windows } else { unix }
    }

    pub(crate) const LIST: &str = of("ls -l", "icacls");
    /// Shows a file or a directory, and not what is in it.
    pub(crate) const LOOK: &str = of("ls -ld", "dir /q");
    pub(crate) const MOVE: &str = of("mv", "move");
    pub(crate) const REMOVE: &str = of("rm", "del");
    pub(crate) const MAKE_DIR: &str = of("mkdir -p", "mkdir");
    pub(crate) const ROOM: &str = of("df -h", "dir");
    pub(crate) const CLIENTS: &str = of("ps ax | grep claude", "tasklist | findstr claude");
}
