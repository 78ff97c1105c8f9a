//! Reads a file, within bounds, and remembers what it looked like.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

use super::dir::Dir;
use super::error;
use super::outline::Outline;
use crate::error::fail;
use crate::os;
use crate::os::buffer::spare_capacity;
use crate::os::fd::AsFd;
use crate::os::fs::{FileType, Mode, OFlags, Stat};
use crate::os::io::{Errno, retry_on_intr};

/// A larger file is refused: the largest that users report has 0.24 GB.
pub(crate) const MAX_BYTES: u64 = 1 << 30;

/// From this size on, an outline pays.
const LARGE: u64 = 4 << 20;

/// The clock that a kernel stamps files by ticks a hundred times a second or more often; Linux tells how often.
const TICK: Duration = Duration::from_millis(12);

/// Some file systems keep whole seconds, or every other one.
const COARSE_TICK: Duration = Duration::from_secs(3);

/// What was read of a file.
pub(crate) enum Content {
    /// All.
    Whole(Vec<u8>),
    /// Not the inside of its long values.
    Outline(Outline),
}

/// A file as it was read.
pub(crate) struct Snapshot {
    /// Its content.
    pub content: Content,
    /// The file, still open: a writer that had it open before a replace writes into this one.
    pub file: os::Kept,
    /// What it looked like once it was read.
    pub stat: Stat,
}

impl Snapshot {
    /// The whole content, if it was read.
    pub(crate) fn whole(&self) -> Option<&[u8]> {
        match &self.content {
            Content::Whole(bytes) => Some(bytes),
            Content::Outline(_) => None,
        }
    }
}

/// What tells one content of a file from another, without reading it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stamp {
    file: (u64, u64),
    size: i64,
    mtime: (i64, i64),
}

impl Stamp {
    /// The stamp in a stat.
    #[allow(clippy::unnecessary_cast, reason = "the types differ between platforms")]
    pub(crate) fn of(stat: &Stat) -> Stamp {
        Stamp {
            file: (stat.st_dev as u64, stat.st_ino as u64),
            size: stat.st_size as i64,
            mtime: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
        }
    }
}

/// Reads the file `name` in `dir` whole; `None` where there is none.
pub(crate) fn load(dir: &Dir, name: &OsStr) -> anyhow::Result<Option<Snapshot>> {
    let Some(file) = open(dir, name)? else {
        return Ok(None);
    };
    whole(file, &dir.path().join(name)).map(Some)
}

/// Reads the file in outline, if it is large and can be read so.
pub(crate) fn load_outline(dir: &Dir, name: &OsStr) -> anyhow::Result<Option<Snapshot>> {
    let Some(file) = open(dir, name)? else {
        return Ok(None);
    };
    let path = dir.path().join(name);
    let before = stat(&file, &path)?;
    // Where a file that is open cannot be replaced, an outline would be of one that is closed.
    if cfg!(unix)
        && u64::try_from(before.st_size).is_ok_and(|size| (LARGE..=MAX_BYTES).contains(&size))
        && FileType::from_raw_mode(before.st_mode) == FileType::RegularFile
        && will_show_changes(&before)
        && let Some(outline) = Outline::read(&file)
        && Stamp::of(&stat(&file, &path)?) == Stamp::of(&before)
    {
        return Ok(Some(Snapshot {
            content: Content::Outline(outline),
            file: os::keep(file),
            stat: before,
        }));
    }
    whole(file, &path).map(Some)
}

fn open(dir: &Dir, name: &OsStr) -> anyhow::Result<Option<File>> {
    let path = dir.path().join(name);
    // A FIFO without a writer would keep an ordinary open waiting.
    match dir.open_file(name, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()) {
        Ok(fd) => Ok(Some(File::from(fd))),
        Err(Errno::NOENT) => Ok(None),
        Err(Errno::NXIO) => Err(not_regular(&path, "a socket")),
        Err(errno) => Err(error::disk(errno, "open", &path)),
    }
}

fn whole(file: File, path: &Path) -> anyhow::Result<Snapshot> {
    let content = Content::Whole(contents(&file, path)?);
    let stat = stat(&file, path)?;
    let file = os::keep(file);
    Ok(Snapshot { content, file, stat })
}

/// Waits until the tick of the clock has passed in which the file was written last: whatever is written to it from then on
/// changes its stamp. Whether that was soon.
#[allow(clippy::unnecessary_cast, reason = "the types differ between platforms")]
fn will_show_changes(stat: &Stat) -> bool {
    let Ok(seconds) = u64::try_from(stat.st_mtime as i64) else {
        return false;
    };
    let nanos = stat.st_mtime_nsec as u32;
    let tick = if nanos == 0 { COARSE_TICK } else { tick() };
    let passed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos) + tick;
    match passed.duration_since(SystemTime::now()) {
        Ok(left) if left <= TICK => {
            thread::sleep(left);
            true
        }
        left => left.is_err(),
    }
}

#[cfg(target_os = "linux")]
fn tick() -> Duration {
    use rustix::time::{ClockId, clock_getres};
    Duration::try_from(clock_getres(ClockId::RealtimeCoarse)).unwrap_or(TICK)
}

#[cfg(not(target_os = "linux"))]
fn tick() -> Duration {
    TICK
}

fn stat(file: &File, path: &Path) -> anyhow::Result<Stat> {
    retry_on_intr(|| os::fs::fstat(file)).map_err(|errno| error::disk(errno, "look at", path))
}

/// The whole content of an open file. It is read anew where it changes meanwhile.
pub(crate) fn contents(file: &File, path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut before = stat(file, path)?;
    let kind = match FileType::from_raw_mode(before.st_mode) {
        FileType::RegularFile => None,
        FileType::Directory => Some("a directory"),
        FileType::Fifo => Some("a named pipe"),
        FileType::Socket => Some("a socket"),
        _ => Some("a device"),
    };
    if let Some(kind) = kind {
        return Err(not_regular(path, kind));
    }
    let mut tries = 0;
    loop {
        let size = u64::try_from(before.st_size).unwrap_or_default();
        let bytes = read_all(file, size, path)?;
        let after = stat(file, path)?;
        tries += 1;
        if Stamp::of(&before) == Stamp::of(&after) || tries == 10 {
            return Ok(bytes);
        }
        before = after;
    }
}

fn read_all(file: &File, size: u64, path: &Path) -> anyhow::Result<Vec<u8>> {
    up_to(file, size, MAX_BYTES).map_err(|errno| error::disk(errno, "read", path))?.ok_or_else(
        || {
            fail(
                format!("{} is larger than {} GiB", path.display(), MAX_BYTES >> 30),
                "the client cannot use such a file either: move it aside, or cut its history down",
            )
        },
    )
}

/// The content of a regular file of about `size` bytes; `None` where it has more than `max`.
pub(crate) fn up_to(file: &File, size: u64, max: u64) -> Result<Option<Vec<u8>>, Errno> {
    if size > max {
        return Ok(None);
    }
    // One byte more than expected: a full buffer then means that the file has grown.
    let expected = usize::try_from(size).unwrap_or(usize::MAX).saturating_add(1);
    let mut bytes = Vec::with_capacity(expected);
    loop {
        if bytes.len() == bytes.capacity() {
            bytes.reserve(64 * 1024);
        }
        let at = bytes.len() as u64;
        match retry_on_intr(|| os::io::pread(file.as_fd(), spare_capacity(&mut bytes), at))? {
            0 => return Ok(Some(bytes)),
            _ if bytes.len() as u64 > max => return Ok(None),
            _ => {}
        }
    }
}

/// Reads what stands at `at`, until the buffer is full or the file ends, and returns how much that was.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], at: usize) -> Result<usize, Errno> {
    let mut length = 0;
    while length < buffer.len() {
        let from = (at + length) as u64;
        match retry_on_intr(|| os::io::pread(file.as_fd(), &mut buffer[length..], from))? {
            0 => break,
            read => length += read,
        }
    }
    Ok(length)
}

fn not_regular(path: &Path, kind: &str) -> anyhow::Error {
    fail(
        format!("{} is {kind}, not a file", path.display()),
        "name another file with --config-file, or move it out of the way",
    )
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_is_read_up_to_the_bound_whatever_size_was_expected() {
        let content: Vec<u8> = (0..200_000u32).map(|number| number as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&content).unwrap();
        let size = content.len() as u64;
        for expected in [0, 1, size - 1, size, size + 1] {
            for (max, is_read) in [(size + 5, true), (size + 1, true), (size - 1, false)] {
                let read = up_to(&file, expected, max).unwrap();
                assert_eq!(read.as_ref() == Some(&content), is_read, "{expected} of at most {max}");
                assert_eq!(read.is_some(), is_read);
            }
        }
        assert_eq!(up_to(&file, size, size).unwrap().as_ref(), Some(&content));
        assert_eq!(up_to(&file, size, size - 1).unwrap(), None);
    }
}
