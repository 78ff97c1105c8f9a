//! Unix: all of it is there, and only named here.

use std::path::{Path, PathBuf};

pub(crate) use std::os::fd;

pub(crate) use rustix::{io, process, system};

/// Files and directories by their descriptors.
pub(crate) mod fs {
    use std::ffi::{OsStr, OsString};
    use std::os::unix::ffi::OsStrExt;

    pub(crate) use rustix::fs::*;

    use super::fd::AsFd;
    use super::io::{Result, retry_on_intr};

    /// The names in a directory.
    pub(crate) fn names(dir: impl AsFd) -> Result<Vec<OsString>> {
        let entries = retry_on_intr(|| Dir::read_from(&dir))?;
        entries
            .map(|entry| Ok(OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned()))
            .collect()
    }

    /// Makes what is written of a file durable. This system has no cheaper way than the full one.
    #[cfg(target_vendor = "apple")]
    pub(crate) fn fdatasync(file: impl AsFd) -> Result<()> {
        fsync(file)
    }
}

/// What Unix adds to the standard library's own types.
pub(crate) mod ext {
    pub(crate) use std::os::unix::ffi::OsStrExt;
    pub(crate) use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
}

/// Whether a file may be run.
pub(crate) fn is_executable(metadata: &std::fs::Metadata) -> bool {
    ext::MetadataExt::mode(metadata) & 0o111 != 0
}

/// Whether two paths lead to the same file.
pub(crate) fn is_same(one: &Path, other: &Path) -> bool {
    use ext::MetadataExt;

    match (std::fs::metadata(one), std::fs::metadata(other)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

/// The path without links.
pub(crate) fn real(path: impl AsRef<Path>) -> std::io::Result<PathBuf> {
    std::fs::canonicalize(path)
}

/// Whether the descriptor is `/dev/null`, or closed.
pub(crate) fn holds_nothing(descriptor: impl fd::AsFd) -> bool {
    use ext::MetadataExt;

    let device =
        descriptor.as_fd().try_clone_to_owned().and_then(|fd| std::fs::File::from(fd).metadata());
    match (device, std::fs::metadata("/dev/null")) {
        (Ok(it), Ok(null)) => it.rdev() == null.rdev() && it.ino() == null.ino(),
        (Err(_), _) => true,
        _ => false,
    }
}

/// A file that stays open: so it is seen when somebody writes into it after it has lost its name, and a lock on it is held.
pub(crate) type Kept = std::fs::File;

/// Keeps the file open.
pub(crate) fn keep(file: std::fs::File) -> Kept {
    file
}

/// What people type, as advice names it.
pub(crate) mod tools {
    /// Shows a file.
    pub(crate) const LIST: &str = "ls -l";
    /// Shows a file or a directory, and not what is in it.
    pub(crate) const LOOK: &str = "ls -ld";
    /// Renames a file.
    pub(crate) const MOVE: &str = "mv";
    /// Removes a file.
    pub(crate) const REMOVE: &str = "rm";
    /// Makes a directory, and those above it.
    pub(crate) const MAKE_DIR: &str = "mkdir -p";
    /// Shows how much room a disk has.
    pub(crate) const ROOM: &str = "df -h";
    /// Shows the clients that run.
    pub(crate) const CLIENTS: &str = "ps ax | grep claude";
}
