//! Writers that know no lock: what is half written is waited for, what is written too late is found.

use std::ffi::OsStr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::dir::Dir;
use super::load::{self, Content, Snapshot};
use crate::document::Document;

/// How long a file that is just being written by somebody without a lock is given to become whole.
pub(crate) const SETTLE: Duration = Duration::from_millis(120);

/// Up to this size, a fresh file is parsed once more to see that it is whole.
pub(crate) const MAX_CHECKED: usize = 1 << 20;

/// What a writer has put into `old` since it was read. A program that does not know the lock may have had the file open
/// when it was replaced, and then writes into one that has no name any more.
#[cfg(unix)]
pub(crate) fn written_since(old: &Snapshot, path: &Path) -> Option<Content> {
    let is_written = || {
        let now = crate::os::fs::fstat(&old.file).ok()?;
        (now.st_nlink == 0 && load::Stamp::of(&now) != load::Stamp::of(&old.stat)).then_some(())
    };
    is_written()?;
    let deadline = Instant::now() + SETTLE;
    loop {
        let bytes = load::contents(&old.file, path).ok()?;
        if is_whole(&bytes) {
            return Some(Content::Whole(bytes));
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(windows)]
pub(crate) fn written_since(_: &Snapshot, _: &Path) -> Option<Content> {
    // No longer open: see `os::keep`.
    None
}

/// Reads the file. What is just being written by a program that truncates first is given a moment to become whole:
/// half of it would be malformed, and none of it would count as a new file.
pub(crate) fn load_settled(
    dir: &Dir,
    name: &OsStr,
    whole: bool,
) -> anyhow::Result<Option<Snapshot>> {
    let load = if whole { load::load } else { load::load_outline };
    let deadline = Instant::now() + SETTLE;
    loop {
        let Some(file) = load(dir, name)? else {
            return Ok(None);
        };
        // An old file is what it is; only a fresh one is looked at twice. An outline is of a whole one.
        if !is_recent(&file) || Instant::now() >= deadline || file.whole().is_none_or(is_whole) {
            return Ok(Some(file));
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Whether the content can be worked with and is not empty.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    // The end tells most halves from a whole without a second look at hundreds of megabytes.
    let end = bytes.trim_ascii_end();
    end.ends_with(b"}") && (end.len() > MAX_CHECKED || Document::parse(bytes).is_ok())
}

/// Whether the file was written in the last second.
#[allow(clippy::unnecessary_cast, reason = "the type differs between platforms")]
pub(crate) fn is_recent(file: &Snapshot) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX) - file.stat.st_mtime as i64 <= 1
}
