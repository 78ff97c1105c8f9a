//! Errors by their number, and reading and writing at a place.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::os::windows::fs::FileExt;

use super::fd::AsFd;

/// An error of the system, by the number that Windows has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(i32);

/// What the system answers.
pub(crate) type Result<T> = std::result::Result<T, Errno>;

impl Errno {
    /// ERROR_ACCESS_DENIED.
    pub(crate) const ACCESS: Errno = Errno(5);
    /// ERROR_BUSY.
    pub(crate) const BUSY: Errno = Errno(170);
    /// ERROR_CANCELLED.
    pub(crate) const CANCELED: Errno = Errno(1223);
    /// ERROR_DISK_QUOTA_EXCEEDED.
    pub(crate) const DQUOT: Errno = Errno(1295);
    /// ERROR_ALREADY_EXISTS.
    pub(crate) const EXIST: Errno = Errno(183);
    /// ERROR_FILE_TOO_LARGE.
    pub(crate) const FBIG: Errno = Errno(223);
    /// ERROR_OPERATION_ABORTED.
    pub(crate) const INTR: Errno = Errno(995);
    /// ERROR_INVALID_PARAMETER.
    pub(crate) const INVAL: Errno = Errno(87);
    /// ERROR_IO_DEVICE.
    pub(crate) const IO: Errno = Errno(1117);
    /// ERROR_CANT_RESOLVE_FILENAME.
    pub(crate) const LOOP: Errno = Errno(1921);
    /// ERROR_TOO_MANY_OPEN_FILES.
    pub(crate) const MFILE: Errno = Errno(4);
    /// The error of a file name that is too long.
    pub(crate) const NAMETOOLONG: Errno = Errno(206);
    /// ERROR_NO_SYSTEM_RESOURCES.
    pub(crate) const NFILE: Errno = Errno(1450);
    /// ERROR_FILE_NOT_FOUND.
    pub(crate) const NOENT: Errno = Errno(2);
    /// ERROR_DISK_FULL.
    pub(crate) const NOSPC: Errno = Errno(112);
    /// ERROR_INVALID_FUNCTION.
    pub(crate) const NOSYS: Errno = Errno(1);
    /// ERROR_DIRECTORY.
    pub(crate) const NOTDIR: Errno = Errno(267);
    /// ERROR_NOT_SUPPORTED.
    pub(crate) const NOTSUP: Errno = Errno(50);
    /// ERROR_INVALID_NETNAME: no answer to an open of a file here.
    pub(crate) const NXIO: Errno = Errno(1214);
    /// ERROR_PRIVILEGE_NOT_HELD.
    pub(crate) const PERM: Errno = Errno(1314);
    /// ERROR_WRITE_PROTECT.
    pub(crate) const ROFS: Errno = Errno(19);
    /// ERROR_FILE_INVALID.
    pub(crate) const STALE: Errno = Errno(1006);
    /// ERROR_LOCK_VIOLATION.
    pub(crate) const WOULDBLOCK: Errno = Errno(33);
    /// ERROR_NOT_SAME_DEVICE.
    pub(crate) const XDEV: Errno = Errno(17);

    /// The number in an error of the standard library, where it has one. Of several that mean the same, it is one.
    pub(crate) fn from_io_error(error: &io::Error) -> Option<Errno> {
        let number = error.raw_os_error()?;
        Some(Errno(match number {
            // A part of the path is missing; the path is none; the network's names for it.
            3 | 53 | 67 | 161 => Errno::NOENT.0,
            80 => Errno::EXIST.0,
            39 => Errno::NOSPC.0,
            number => number,
        }))
    }

    /// The number.
    pub(crate) fn raw_os_error(self) -> i32 {
        self.0
    }
}

/// The number in an error; IO where it has none.
pub(super) fn errno(error: io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.0)
    }
}

impl std::fmt::Display for Errno {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        io::Error::from(*self).fmt(f)
    }
}

impl std::error::Error for Errno {}

/// Does it once: no signal comes in between here.
pub(crate) fn retry_on_intr<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    call()
}

/// What can be read into.
pub(crate) trait Buffer {
    /// Has it filled by `read`, as far as that goes, and returns how far.
    fn fill(self, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<usize>;
}

impl Buffer for &mut [u8] {
    fn fill(self, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
        read(self)
    }
}

/// What a vector has room for.
pub(crate) struct Spare<'v>(&'v mut Vec<u8>);

/// Reads behind what is in the vector, as far as it has room.
pub(crate) fn spare_capacity(vector: &mut Vec<u8>) -> Spare<'_> {
    Spare(vector)
}

impl Buffer for Spare<'_> {
    fn fill(self, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
        let length = self.0.len();
        self.0.resize(self.0.capacity(), 0);
        let read = read(&mut self.0[length..]);
        self.0.truncate(length + *read.as_ref().unwrap_or(&0));
        read
    }
}

/// Reads what stands at `at`.
pub(crate) fn pread(file: impl AsFd, buffer: impl Buffer, at: u64) -> Result<usize> {
    let file = file.as_fd().file;
    buffer.fill(|bytes| file.seek_read(bytes, at)).map_err(errno)
}

/// Writes to the place `at`.
pub(crate) fn pwrite(file: impl AsFd, bytes: &[u8], at: u64) -> Result<usize> {
    file.as_fd().file.seek_write(bytes, at).map_err(errno)
}

/// Writes the pieces, or some of them.
pub(crate) fn writev(mut file: &File, pieces: &[IoSlice<'_>]) -> Result<usize> {
    file.write_vectored(pieces).map_err(errno)
}
