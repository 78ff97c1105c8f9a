//! Reads a file, within bounds, and remembers what it looked like.

use std::ffi::OsStr;
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

use super::outline::Outline;
use crate::disk::{self, Dir, KEEPS_OPEN, Kind, Open, Stat};
use crate::error::fail;

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
    pub file: Option<File>,
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
    if KEEPS_OPEN
        && (LARGE..=MAX_BYTES).contains(&before.size)
        && before.kind == Kind::File
        && will_show_changes(&before)
        && let Some(outline) = Outline::read(&file)
        && stat(&file, &path)?.stamp() == before.stamp()
    {
        return Ok(Some(Snapshot {
            content: Content::Outline(outline),
            file: Some(file),
            stat: before,
        }));
    }
    whole(file, &path).map(Some)
}

fn open(dir: &Dir, name: &OsStr) -> anyhow::Result<Option<File>> {
    let path = dir.path().join(name);
    match dir.open_file(name, Open::Read) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(_) if dir.stat(name).is_ok_and(|stat| stat.kind == Kind::Socket) => {
            Err(not_regular(&path, "a socket"))
        }
        Err(error) => Err(disk::refused(error, "open", &path)),
    }
}

fn whole(file: File, path: &Path) -> anyhow::Result<Snapshot> {
    let content = Content::Whole(contents(&file, path)?);
    let stat = stat(&file, path)?;
    Ok(Snapshot { content, file: KEEPS_OPEN.then_some(file), stat })
}

/// Waits until the tick of the clock has passed in which the file was written last: whatever is written to it from then on
/// changes its stamp. Whether that was soon.
fn will_show_changes(stat: &Stat) -> bool {
    let (seconds, nanos) = stat.modified;
    let Ok(seconds) = u64::try_from(seconds) else {
        return false;
    };
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
    disk::stat(file).map_err(|error| disk::refused(error, "look at", path))
}

/// The whole content of an open file. It is read anew where it changes meanwhile.
pub(crate) fn contents(file: &File, path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut before = stat(file, path)?;
    let kind = match before.kind {
        Kind::File => None,
        Kind::Dir => Some("a directory"),
        Kind::Fifo => Some("a named pipe"),
        Kind::Socket => Some("a socket"),
        Kind::Link | Kind::Device => Some("a device"),
    };
    if let Some(kind) = kind {
        return Err(not_regular(path, kind));
    }
    let mut tries = 0;
    loop {
        let bytes = read_all(file, before.size, path)?;
        let after = stat(file, path)?;
        tries += 1;
        if before.stamp() == after.stamp() || tries == 10 {
            return Ok(bytes);
        }
        before = after;
    }
}

fn read_all(file: &File, size: u64, path: &Path) -> anyhow::Result<Vec<u8>> {
    let read = disk::read_up_to(file, size, MAX_BYTES);
    read.map_err(|error| disk::refused(error, "read", path))?.ok_or_else(|| {
        fail(
            format!("{} is larger than {} GiB", path.display(), MAX_BYTES >> 30),
            "the client cannot use such a file either: move it aside, or cut its history down",
        )
    })
}

fn not_regular(path: &Path, kind: &str) -> anyhow::Error {
    fail(
        format!("{} is {kind}, not a file", path.display()),
        "move it away; if it is a mount, make the file on the host first, or mount a directory and set CLAUDE_CONFIG_DIR to it",
    )
}
