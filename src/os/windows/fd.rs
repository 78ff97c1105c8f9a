//! Open files and directories. What is done in a directory goes by its path: there are no calls relative to a handle.

use std::fs::File;
use std::path::{Path, PathBuf};

/// An open file or directory.
pub(crate) struct OwnedFd {
    pub(super) file: File,
    pub(super) path: PathBuf,
}

/// The same, lent.
#[derive(Clone, Copy)]
pub(crate) struct BorrowedFd<'f> {
    pub(super) file: &'f File,
    /// Known of a directory.
    pub(super) path: Option<&'f Path>,
}

/// What is an open file or directory.
pub(crate) trait AsFd {
    /// Lends it.
    fn as_fd(&self) -> BorrowedFd<'_>;
}

impl AsFd for OwnedFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        BorrowedFd { file: &self.file, path: Some(&self.path) }
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        BorrowedFd { file: self, path: None }
    }
}

impl AsFd for BorrowedFd<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        *self
    }
}

impl<T: AsFd> AsFd for &T {
    fn as_fd(&self) -> BorrowedFd<'_> {
        (**self).as_fd()
    }
}

impl From<OwnedFd> for File {
    fn from(fd: OwnedFd) -> File {
        fd.file
    }
}
