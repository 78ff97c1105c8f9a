//! cck's own small files, which no other program writes: whole, durable, for their owner alone.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use zeroize::Zeroizing;

use crate::error::fail;
use crate::os;
use crate::os::ext::{MetadataExt, OpenOptionsExt};
use crate::os::fs::OFlags;
use crate::os::tools::REMOVE;
use crate::store;

/// No file of cck's own is larger.
const MAX_BYTES: u64 = 1 << 30;

/// Puts `bytes` at `path` in one step, with mode 0600, in a directory that is made 0700 where it is missing. What a
/// killed run has left beside it is cleared away: it may hold a key.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    store::put(path, bytes)
}

/// Removes the file at `path`, and returns the path if there was one.
pub(crate) fn remove(path: &Path) -> anyhow::Result<Option<PathBuf>> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(Some(path.to_path_buf())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => {
            Err(anyhow::Error::new(error).context(format!("cannot remove {}", path.display())))
        }
    }
}

/// The content of a file that [`write()`] wrote; `None` where there is none. It tells cck what to do, so one that somebody
/// else owns or may write to is refused, and so is a link.
pub(crate) fn read(path: &Path) -> anyhow::Result<Option<Zeroizing<Vec<u8>>>> {
    let shown = path.display();
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file =
        match OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
        };
    let metadata = file.metadata().with_context(|| format!("cannot read {shown}"))?;
    let (owner, me) = (metadata.uid(), os::process::geteuid().as_raw());
    let problem = if !metadata.is_file() {
        "is not a file".to_owned()
    } else if owner != me && owner != 0 && me != 0 {
        format!("belongs to another user (uid {owner})")
    } else if metadata.mode() & 0o022 != 0 {
        format!("can be written by others (mode {:04o})", metadata.mode() & 0o7777)
    } else {
        let mut bytes = Zeroizing::new(Vec::new());
        file.take(MAX_BYTES)
            .read_to_end(&mut bytes)
            .with_context(|| format!("cannot read {shown}"))?;
        return Ok(Some(bytes));
    };
    Err(fail(
        format!("{shown} {problem}, and is not trusted"),
        format!("look at what is in it; if nothing needs it: {REMOVE} {shown}"),
    ))
}

/// Who else may put files into a directory, and by that choose what the client reads there; none where nobody may.
pub(crate) fn exposure(dir: &Path) -> Option<String> {
    let metadata = std::fs::metadata(dir).ok()?;
    let (owner, me) = (metadata.uid(), os::process::geteuid().as_raw());
    if owner != me && owner != 0 && me != 0 {
        Some(format!("belongs to another user (uid {owner})"))
    } else if metadata.mode() & 0o002 != 0 {
        Some(format!("can be written to by everybody (mode {:04o})", metadata.mode() & 0o7777))
    } else {
        None
    }
}
