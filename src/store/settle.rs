//! Writers that know no lock: what is half written is waited for, what is written too late is found.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::load::{self, Content, Snapshot};
use crate::disk::{self, Dir};
use crate::document::Document;

/// How long a file that is just being written by a program without a lock is given to become whole.
pub(crate) const SETTLE: Duration = Duration::from_millis(120);

/// Up to this size, a fresh file is parsed once more to see that it is whole.
pub(crate) const MAX_CHECKED: usize = 1 << 20;

/// What a writer has put into `old` since it was read. A program that does not know the lock may have had the file open
/// when it was replaced, and then writes into one that has no name any more.
pub(crate) fn written_since(old: &Snapshot, path: &Path) -> Option<Content> {
    let file = old.file.as_ref()?;
    let now = disk::stat(file).ok()?;
    if now.links > 0 || now.stamp() == old.stat.stamp() {
        return None;
    }
    settled(file, path)
}

/// The content of the file once it is whole; none if that takes too long.
pub(crate) fn settled(file: &File, path: &Path) -> Option<Content> {
    let whole = disk::wait(SETTLE, || {
        let bytes = load::contents(file, path)?;
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
    let load = if whole { load::load } else { load::load_outline };
    let mut last = None;
    let found = disk::wait(SETTLE, || {
        // An old file is what it is; only a fresh one is looked at twice. An outline is of a whole one.
        let is_settled = |file: &Snapshot| !is_recent(file) || file.whole().is_none_or(is_whole);
        match load(dir, name)? {
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

/// Whether the file was written in the last second.
pub(crate) fn is_recent(file: &Snapshot) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX) - file.stat.modified.0 <= 1
}
