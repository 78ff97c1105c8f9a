//! What the disk refused, as people read it: which file, which operation, what to do.

#[cfg(test)]
#[cfg(unix)]
mod tests;

use std::path::Path;

use crate::document::Malformed;
use crate::error::{Failure, fail};
use crate::os::io::Errno;
use crate::os::tools::{LIST, LOOK, MAKE_DIR, MOVE, ROOM};

/// The error for `operation` ("read", "make the lock") on `path`; its cause is the `errno`.
pub(crate) fn disk(errno: Errno, operation: &str, path: &Path) -> anyhow::Error {
    let shown = path.display();
    let dir =
        path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new(".")).display();
    let advice = match errno {
        Errno::ACCESS | Errno::PERM => {
            format!("check who owns it and what they may do: {LOOK} {dir} {shown}")
        }
        Errno::ROFS => {
            "the file system is mounted read-only: mount it for writing, or name another file"
                .to_owned()
        }
        Errno::NOSPC => format!("free some space on the disk ({ROOM} {dir}) and run it again"),
        Errno::DQUOT => "your disk quota is used up: free some space and run it again".to_owned(),
        Errno::FBIG => {
            "the file is larger than this shell (ulimit -f) or file system allows".to_owned()
        }
        Errno::MFILE | Errno::NFILE => {
            "too many files are open: raise the limit (ulimit -n)".to_owned()
        }
        Errno::IO => {
            "the disk reports an error: look at dmesg before you write anything more to it"
                .to_owned()
        }
        Errno::LOOP => format!("its symbolic links lead in a circle: {LIST} {shown}"),
        Errno::NOTDIR => format!("a part of the path is a file, not a directory: {LOOK} {dir}"),
        Errno::NOENT => format!("make the directory: {MAKE_DIR} {dir}"),
        Errno::NAMETOOLONG => "give the file a shorter name".to_owned(),
        Errno::INTR => "a signal came in between; run it again".to_owned(),
        _ => format!("look at the file and its directory: {LOOK} {dir} {shown}"),
    };
    let problem = format!("cannot {operation} {shown}: {}", what(errno));
    anyhow::Error::new(errno).context(Failure { problem, advice })
}

/// The error number in words, without Rust's "(os error N)".
pub(crate) fn what(errno: Errno) -> String {
    let text = std::io::Error::from(errno).to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}

/// The error for content that cannot be edited.
pub(crate) fn malformed(path: &Path, malformed: &Malformed) -> anyhow::Error {
    let shown = path.display();
    let problem = match malformed {
        Malformed::Syntax { .. } => format!("{shown}:{malformed}"),
        Malformed::NotAnObject { path } if path.is_empty() => format!("{shown}:{malformed}"),
        _ => format!("{shown}: {malformed}"),
    };
    let advice = match malformed {
        Malformed::NotUtf8 { .. } => {
            format!("convert it to UTF-8, or move it aside: {MOVE} {shown} {shown}.bad")
        }
        _ => {
            format!(
                "mend it there, or move it aside: {MOVE} {shown} {shown}.bad (the file was not changed)"
            )
        }
    };
    fail(problem, advice)
}

/// The error where a signal came before anything was changed.
pub(crate) fn interrupted() -> anyhow::Error {
    fail("interrupted by a signal; nothing was changed", "run it again")
}
