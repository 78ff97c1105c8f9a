//! Windows: the same names over the standard library, in as much as there is such a thing.
//!
//! There are no owners, modes and extended attributes here: a file has the access list of the directory that it is made
//! in, which in a user's profile is that user's, the system's and the administrators'. Everybody is taken to be one user,
//! whose files are private. Nor can a directory be locked or synced.

use std::path::{Path, PathBuf};

pub(crate) mod ext;
pub(crate) mod fd;
mod flags;
pub(crate) mod fs;
pub(crate) mod io;
mod stat;

/// Reading into what a vector has room for.
pub(crate) mod buffer {
    pub(crate) use super::io::spare_capacity;
}

/// Who runs this process.
pub(crate) mod process {
    /// A user, or a group.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Id(u32);

    /// The one there is. Not 0, which would be root's.
    pub(crate) const ME: u32 = 1;

    impl Id {
        /// Its number.
        pub(crate) fn as_raw(self) -> u32 {
            self.0
        }

        /// Whether it may do everything: never, as far as is known here.
        pub(crate) fn is_root(self) -> bool {
            false
        }

        /// The user of this number.
        pub(crate) fn from_raw(id: u32) -> Id {
            Id(id)
        }
    }

    /// The user in force.
    pub(crate) fn geteuid() -> Id {
        Id(ME)
    }
}

/// Whether a file may be run: that hangs on its name.
pub(crate) fn is_executable(_: &std::fs::Metadata) -> bool {
    true
}

/// Whether two paths lead to the same file.
pub(crate) fn is_same(one: &Path, other: &Path) -> bool {
    match (std::fs::canonicalize(one), std::fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// The path without links, as people write it: without the `\\?\` in front, which the client does not know.
pub(crate) fn real(path: impl AsRef<Path>) -> std::io::Result<PathBuf> {
    let path = std::fs::canonicalize(path)?;
    let plain = path.to_str().and_then(|text| match text.strip_prefix(r"\\?\UNC\") {
        Some(share) => Some(format!(r"\\{share}")),
        None => text.strip_prefix(r"\\?\").map(str::to_owned),
    });
    Ok(plain.map_or(path, PathBuf::from))
}

/// Whether standard input is NUL: a device that is no console.
pub(crate) fn holds_nothing(stdin: &std::io::Stdin) -> bool {
    winapi_util::file::typ(stdin).is_ok_and(|kind| kind.is_char())
}

/// A file that is not kept open: what is open cannot be replaced or removed on every file system.
pub(crate) struct Kept;

/// Closes the file.
pub(crate) fn keep(_: std::fs::File) -> Kept {
    Kept
}

/// What people type, as advice names it.
pub(crate) mod tools {
    /// Shows a file.
    pub(crate) const LIST: &str = "icacls";
    /// Shows a file or a directory, and not what is in it.
    pub(crate) const LOOK: &str = "dir /q";
    /// Renames a file.
    pub(crate) const MOVE: &str = "move";
    /// Removes a file.
    pub(crate) const REMOVE: &str = "del";
    /// Makes a directory, and those above it.
    pub(crate) const MAKE_DIR: &str = "mkdir";
    /// Shows how much room a disk has.
    pub(crate) const ROOM: &str = "dir";
    /// Shows the clients that run.
    pub(crate) const CLIENTS: &str = "tasklist | findstr claude";
}
