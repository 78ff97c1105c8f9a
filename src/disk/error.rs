//! What the disk refused, as people read it: which file, which operation, what to do.

use std::io::{self, ErrorKind};
use std::path::Path;

use super::system::{IO, LOOP, TOO_MANY_OPEN};
use super::tools::{LIST, LOOK, MAKE_DIR, ROOM};
use crate::error::{Failure, fail};
use crate::shell;

/// The error for `operation` ("read", "make the lock") on `path`; its cause stays in the chain.
pub(crate) fn refused(error: io::Error, operation: &str, path: &Path) -> anyhow::Error {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let [dir, shown] = [dir, path].map(|path| shell::word(path.display()));
    let simple = |text: &str| text.to_owned();
    let advice = match (error.kind(), error.raw_os_error()) {
        (ErrorKind::PermissionDenied, _) => {
            format!("check who owns it and what they may do: {LOOK} {dir} {shown}")
        }
        (ErrorKind::ReadOnlyFilesystem, _) => simple(
            "it is mounted read-only: set CLAUDE_CONFIG_DIR to a directory that can be written, or name another file",
        ),
        (ErrorKind::ResourceBusy, _) => simple(
            "it is a mount, which cannot be taken over or replaced: mount the directory around it instead",
        ),
        (ErrorKind::StorageFull, _) => {
            format!("free some space on the disk ({ROOM} {dir}) and run it again")
        }
        (ErrorKind::QuotaExceeded, _) => {
            simple("your disk quota is used up: free some space and run it again")
        }
        (ErrorKind::FileTooLarge, _) => {
            simple("the file is larger than this shell (ulimit -f) or file system allows")
        }
        (ErrorKind::NotADirectory, _) => {
            let file = path.ancestors().find(|part| part.exists()).unwrap_or(path);
            let file = shell::word(file.display());
            format!("a part of the path is a file, not a directory: {LOOK} {file}")
        }
        (ErrorKind::NotFound, _) => format!("make the directory: {MAKE_DIR} {dir}"),
        (ErrorKind::InvalidFilename, _) => simple("give the file a shorter name"),
        (ErrorKind::Interrupted, _) => simple("a signal came in between; run it again"),
        (_, Some(code)) if TOO_MANY_OPEN.contains(&code) => {
            simple("too many files are open: raise the limit (ulimit -n)")
        }
        (_, Some(IO)) => {
            simple("the disk reports an error: look at dmesg before you write anything more to it")
        }
        (_, Some(LOOP)) => format!("its symbolic links lead in a circle: {LIST} {shown}"),
        _ => format!("look at the file and its directory: {LOOK} {dir} {shown}"),
    };
    let problem = format!("cannot {operation} {}: {}", path.display(), what(&error));
    anyhow::Error::new(error).context(Failure { problem, advice })
}

/// The system's words for an error, without its number.
pub(crate) fn what(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}

pub(crate) fn interrupted() -> anyhow::Error {
    fail("interrupted by a signal; nothing was changed", "run it again")
}
