//! Reads a file, within bounds, and remembers what it looked like. Writers that know no lock are reckoned with: what is
//! half written is waited for, what is written too late is found.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

use super::outline::Outline;
use crate::disk::{self, Dir, KEEPS_OPEN, Kind, Open, Stat};
use crate::document::Document;
use crate::error::fail;

/// A larger file is refused: the largest that users report has 0.24 GB.
pub(crate) const MAX_BYTES: u64 = 1 << 30;

const LARGE: u64 = 4 << 20;

/// The clock that a kernel stamps files by ticks a hundred times a second or more often.
const TICK: Duration = Duration::from_millis(12);

/// Some file systems keep whole seconds, or every other one.
const COARSE_TICK: Duration = Duration::from_secs(3);

/// How long a file that is just being written by a program without a lock is given to become whole.
pub(crate) const SETTLE: Duration = Duration::from_millis(120);

/// Up to this size, a fresh file is parsed once more to see that it is whole.
pub(crate) const MAX_CHECKED: usize = 1 << 20;

pub(crate) enum Content {
    Whole(Vec<u8>),
    /// Not the inside of its long values.
    Outline(Outline),
}

pub(crate) struct Snapshot {
    pub content: Content,
    /// The file, still open: a writer that had it open before a replace writes into this one.
    pub file: Option<File>,
    pub stat: Stat,
}

impl Snapshot {
    pub(crate) fn whole(&self) -> Option<&[u8]> {
        match &self.content {
            Content::Whole(bytes) => Some(bytes),
            Content::Outline(_) => None,
        }
    }
}

/// Reads the file `name` in `dir`, a large one in outline unless it has to be `whole`; `None` where there is none.
pub(crate) fn load(dir: &Dir, name: &OsStr, whole: bool) -> anyhow::Result<Option<Snapshot>> {
    let Some(file) = open(dir, name)? else { return Ok(None) };
    let path = dir.path.join(name);
    // Where a file that is open cannot be replaced, an outline would be of one that is closed.
    if KEEPS_OPEN && !whole {
        let stat = look(&file, &path)?;
        if (LARGE..=MAX_BYTES).contains(&stat.stamp.size)
            && stat.kind == Kind::File
            && will_show_changes(&stat)
            && let Some(outline) = Outline::read(&file)
            && look(&file, &path)?.stamp == stat.stamp
        {
            let content = Content::Outline(outline);
            return Ok(Some(Snapshot { content, file: Some(file), stat }));
        }
    }
    let content = Content::Whole(contents(&file, &path)?);
    let stat = look(&file, &path)?;
    Ok(Some(Snapshot { content, file: KEEPS_OPEN.then_some(file), stat }))
}

fn open(dir: &Dir, name: &OsStr) -> anyhow::Result<Option<File>> {
    let path = dir.path.join(name);
    match disk::if_any(dir.open_file(name, Open::Read)) {
        Err(_) if dir.stat(name).is_ok_and(|stat| stat.kind == Kind::Socket) => {
            Err(not_regular(&path, "a socket"))
        }
        opened => opened.map_err(|error| disk::refused(error, "open", &path)),
    }
}

/// Waits until the tick of the clock has passed in which the file was written last: whatever is written to it from then on
/// changes its stamp. Whether that was soon.
fn will_show_changes(stat: &Stat) -> bool {
    let modified = stat.stamp.modified;
    let since = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let tick = if since.subsec_nanos() == 0 { COARSE_TICK } else { TICK };
    match (modified + tick).duration_since(SystemTime::now()) {
        Ok(left) if left <= TICK => {
            thread::sleep(left);
            true
        }
        left => left.is_err(),
    }
}

fn look(file: &File, path: &Path) -> anyhow::Result<Stat> {
    disk::stat(file).map_err(|error| disk::refused(error, "look at", path))
}

/// The whole content of an open file. It is read anew where it changes meanwhile.
fn contents(file: &File, path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut before = look(file, path)?;
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
    for tries in 1.. {
        let read = disk::read_up_to(file, before.stamp.size, MAX_BYTES);
        let bytes = read.map_err(|error| disk::refused(error, "read", path))?;
        let Some(bytes) = bytes else { break };
        let after = look(file, path)?;
        if before.stamp == after.stamp || tries == 10 {
            return Ok(bytes);
        }
        before = after;
    }
    Err(fail(
        format!("{} is larger than {} GiB", path.display(), MAX_BYTES >> 30),
        "the client cannot use such a file either: move it aside, or cut its history down",
    ))
}

fn not_regular(path: &Path, kind: &str) -> anyhow::Error {
    fail(
        format!("{} is {kind}, not a file", path.display()),
        "move it away; if it is a mount, make the file on the host first, or mount a directory and set CLAUDE_CONFIG_DIR to it",
    )
}

/// What a writer has put into `old` since it was read. A program that does not know the lock may have had the file open
/// when it was replaced, and then writes into one that has no name any more.
pub(crate) fn written_since(old: &Snapshot, path: &Path) -> Option<Content> {
    let file = old.file.as_ref()?;
    let now = disk::stat(file).ok()?;
    if now.links > 0 || now.stamp == old.stat.stamp {
        return None;
    }
    let whole = disk::wait(SETTLE, || {
        let bytes = contents(file, path)?;
        anyhow::Ok(is_whole(&bytes).then_some(Content::Whole(bytes)))
    });
    whole.ok()?
}

/// Reads the file. What is just being written by a program that truncates first is given a moment to become whole:
/// half of it would be malformed, and none of it would count as a new file.
pub(crate) fn load_settled(
    dir: &Dir,
    name: &OsStr,
    whole: bool,
) -> anyhow::Result<Option<Snapshot>> {
    let mut last = None;
    let found = disk::wait(SETTLE, || {
        // An old file is what it is; only a fresh one is looked at twice. An outline is of a whole one.
        let is_settled = |file: &Snapshot| !is_recent(file) || file.whole().is_none_or(is_whole);
        match load(dir, name, whole)? {
            Some(file) if !is_settled(&file) => {
                last = Some(file);
                anyhow::Ok(None)
            }
            file => Ok(Some(file)),
        }
    });
    Ok(found?.unwrap_or(last))
}

/// Whether the content can be worked with and is not empty.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    // The end tells most halves from a whole without a second look at hundreds of megabytes.
    let end = bytes.trim_ascii_end();
    end.ends_with(b"}") && (end.len() > MAX_CHECKED || Document::parse(bytes).is_ok())
}

/// Whether the file was written in the last second, or, of a file system that keeps whole ones, in the one before.
pub(crate) fn is_recent(file: &Snapshot) -> bool {
    file.stat.stamp.age() < Duration::from_secs(2)
}
