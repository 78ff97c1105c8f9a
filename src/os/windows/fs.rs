//! Files and directories.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use super::Kept;
use super::fd::{AsFd, BorrowedFd, OwnedFd};
use super::io::{Errno, Result, errno};

pub(crate) use super::flags::{AtFlags, Mode, OFlags, RenameFlags, XattrFlags};
pub(crate) use super::process::{Id as Gid, Id as Uid};
pub(crate) use super::stat::{FileType, Stat};

/// FILE_FLAG_BACKUP_SEMANTICS: without it, directories cannot be opened.
const BACKUP_SEMANTICS: u32 = 0x0200_0000;

/// FILE_FLAG_OPEN_REPARSE_POINT: a link is opened itself.
const OPEN_REPARSE_POINT: u32 = 0x0020_0000;

/// FILE_WRITE_ATTRIBUTES.
const WRITE_ATTRIBUTES: u32 = 0x100;

/// How often and for how long what another process is just letting go of is waited for.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(3);

/// The working directory, for calls that want a directory.
pub(crate) struct Cwd;

/// See [`Cwd`].
pub(crate) const CWD: Cwd = Cwd;

/// The flags for the system's own call. A directory can always be opened, so that it can be told what it is.
pub(super) fn native(flags: OFlags) -> u32 {
    if flags.contains(OFlags::NOFOLLOW) {
        BACKUP_SEMANTICS | OPEN_REPARSE_POINT
    } else {
        BACKUP_SEMANTICS
    }
}

/// Opens a file or a directory.
pub(crate) fn open(path: impl AsRef<Path>, flags: OFlags, _: Mode) -> Result<OwnedFd> {
    let path = path.as_ref();
    let (writes, reads_too) = (flags.contains(OFlags::WRONLY), flags.contains(OFlags::RDWR));
    let file = OpenOptions::new()
        .read(!writes || reads_too)
        .write(writes || reads_too)
        .create(flags.contains(OFlags::CREATE))
        .create_new(flags.contains(OFlags::CREATE | OFlags::EXCL))
        .custom_flags(native(flags))
        .open(path)
        .map_err(errno)?;
    let is_dir = || file.metadata().is_ok_and(|metadata| metadata.is_dir());
    if flags.contains(OFlags::DIRECTORY) && !is_dir() {
        return Err(Errno::NOTDIR);
    }
    Ok(OwnedFd { file, path: path.to_path_buf() })
}

/// Opens a file in a directory.
pub(crate) fn openat(dir: impl AsFd, name: &OsStr, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
    open(within(&dir.as_fd(), name), flags, mode)
}

fn within(dir: &BorrowedFd<'_>, name: impl AsRef<Path>) -> PathBuf {
    dir.path.unwrap_or(Path::new("")).join(name)
}

/// What a file in a directory is; a link is a link.
pub(crate) fn statat(dir: impl AsFd, name: &OsStr, _: AtFlags) -> Result<Stat> {
    let file = OpenOptions::new()
        .access_mode(0)
        .custom_flags(BACKUP_SEMANTICS | OPEN_REPARSE_POINT)
        .open(within(&dir.as_fd(), name))
        .map_err(errno)?;
    Stat::of_file(&file).map_err(errno)
}

/// What a file is, links followed.
pub(crate) fn stat(path: &Path) -> Result<Stat> {
    fs::metadata(path).map(|metadata| Stat::of(&metadata)).map_err(errno)
}

/// What an open file is.
pub(crate) fn fstat(file: impl AsFd) -> Result<Stat> {
    Stat::of_file(file.as_fd().file).map_err(errno)
}

/// Removes a file or an empty directory.
pub(crate) fn unlinkat(dir: impl AsFd, name: &OsStr, flags: AtFlags) -> Result<()> {
    let path = within(&dir.as_fd(), name);
    if flags.contains(AtFlags::REMOVEDIR) { fs::remove_dir(path) } else { fs::remove_file(path) }
        .map_err(errno)
}

/// Makes a directory. One that is just being removed, and is open somewhere, keeps its name for a moment, and this is
/// refused until it is gone.
pub(crate) fn mkdirat(dir: impl AsFd, name: &OsStr, _: Mode) -> Result<()> {
    let path = within(&dir.as_fd(), name);
    let mut tries = 0;
    loop {
        match fs::create_dir(&path).map_err(errno) {
            Err(Errno::ACCESS) if fs::symlink_metadata(&path).is_ok() => return Err(Errno::EXIST),
            Err(Errno::ACCESS) if tries < TRIES => {
                tries += 1;
                thread::sleep(PAUSE);
            }
            result => return result,
        }
    }
}

/// Renames a file over whatever is there. What another program has open for a moment (a search index, a scanner) refuses
/// that until it is closed.
pub(crate) fn renameat(from: impl AsFd, old: &OsStr, to: impl AsFd, new: &OsStr) -> Result<()> {
    const SHARING_VIOLATION: i32 = 32;
    let (old, new) = (within(&from.as_fd(), old), within(&to.as_fd(), new));
    let mut tries = 0;
    loop {
        match fs::rename(&old, &new) {
            Err(error)
                if tries < TRIES
                    && (error.raw_os_error() == Some(SHARING_VIOLATION)
                        || error.kind() == ErrorKind::PermissionDenied) =>
            {
                tries += 1;
                thread::sleep(PAUSE);
            }
            result => return result.map_err(errno),
        }
    }
}

/// Renames a file. That nothing is replaced cannot be asked for.
pub(crate) fn renameat_with(
    from: impl AsFd,
    old: &OsStr,
    to: impl AsFd,
    new: &OsStr,
    flags: RenameFlags,
) -> Result<()> {
    if flags.contains(RenameFlags::NOREPLACE) {
        return Err(Errno::INVAL);
    }
    renameat(from, old, to, new)
}

/// Where a link leads.
pub(crate) struct Link(PathBuf);

impl Link {
    /// The path, as [`super::ext::OsStringExt`] takes it.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0.into_os_string().into_encoded_bytes()
    }
}

/// Where a link leads; INVAL where it is none.
pub(crate) fn readlink(path: &Path, _: Vec<u8>) -> Result<Link> {
    if !fs::symlink_metadata(path).map_err(errno)?.is_symlink() {
        return Err(Errno::INVAL);
    }
    fs::read_link(path).map(Link).map_err(errno)
}

/// The names in a directory.
pub(crate) fn names(dir: impl AsFd) -> Result<Vec<OsString>> {
    fs::read_dir(within(&dir.as_fd(), ""))
        .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect())
        .map_err(errno)
}

/// Changes nothing.
pub(crate) fn fchmod(_: impl AsFd, _: Mode) -> Result<()> {
    Ok(())
}

/// Changes nothing.
pub(crate) fn fchown(_: impl AsFd, _: Option<Uid>, _: Option<Gid>) -> Result<()> {
    Ok(())
}

/// Changes nothing.
pub(crate) fn chownat(_: Cwd, _: &Path, _: Option<Uid>, _: Option<Gid>, _: AtFlags) -> Result<()> {
    Ok(())
}

/// Makes what is written of a file durable. A directory cannot be asked to be.
pub(crate) fn fsync(file: impl AsFd) -> Result<()> {
    let fd = file.as_fd();
    if fd.path.is_some() {
        return Ok(());
    }
    fd.file.sync_all().map_err(errno)
}

/// Makes what is written of a file durable.
pub(crate) fn fdatasync(file: &File) -> Result<()> {
    file.sync_data().map_err(errno)
}

/// Cuts a file off, or fills it up.
pub(crate) fn ftruncate(file: &File, length: u64) -> Result<()> {
    file.set_len(length).map_err(errno)
}

/// How a lock is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FlockOperation {
    /// Waits.
    LockExclusive,
    /// Does not wait.
    NonBlockingLockExclusive,
    /// Gives it back.
    Unlock,
}

/// Locks a file until it is closed. NOTSUP for a directory.
pub(crate) fn flock(file: impl AsFd, operation: FlockOperation) -> Result<()> {
    let fd = file.as_fd();
    if fd.file.metadata().map_err(errno)?.is_dir() {
        return Err(Errno::NOTSUP);
    }
    match operation {
        FlockOperation::LockExclusive => fd.file.lock().map_err(errno),
        FlockOperation::Unlock => fd.file.unlock().map_err(errno),
        FlockOperation::NonBlockingLockExclusive => match fd.file.try_lock() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => Err(Errno::WOULDBLOCK),
            Err(TryLockError::Error(error)) => Err(errno(error)),
        },
    }
}

/// A moment.
#[derive(Clone, Copy)]
#[allow(missing_docs, reason = "as on Unix")]
pub(crate) struct Timespec {
    pub tv_sec: i64,
    pub tv_nsec: i64,
}

/// The times of a file.
#[derive(Clone, Copy)]
#[allow(missing_docs, reason = "as on Unix")]
pub(crate) struct Timestamps {
    pub last_access: Timespec,
    pub last_modification: Timespec,
}

/// In place of a time: this moment.
pub(crate) const UTIME_NOW: i64 = -1;

/// Says that a file or directory was changed just now, the only time that is asked for.
pub(crate) fn utimensat(dir: impl AsFd, name: &OsStr, _: &Timestamps, _: AtFlags) -> Result<()> {
    let file = OpenOptions::new()
        .access_mode(WRITE_ATTRIBUTES)
        .custom_flags(BACKUP_SEMANTICS | OPEN_REPARSE_POINT)
        .open(within(&dir.as_fd(), name))
        .map_err(errno)?;
    file.set_modified(SystemTime::now()).map_err(errno)
}

/// None.
pub(crate) fn flistxattr_query(_: &Kept) -> Result<usize> {
    Err(Errno::NOTSUP)
}

/// None.
pub(crate) fn flistxattr(_: &Kept, _: &mut [u8]) -> Result<usize> {
    Err(Errno::NOTSUP)
}

/// None.
pub(crate) fn fgetxattr_query(_: &Kept, _: &[u8]) -> Result<usize> {
    Err(Errno::NOTSUP)
}

/// None.
pub(crate) fn fgetxattr(_: &Kept, _: &[u8], _: &mut [u8]) -> Result<usize> {
    Err(Errno::NOTSUP)
}

/// None.
pub(crate) fn fsetxattr(_: &File, _: &[u8], _: &[u8], _: XattrFlags) -> Result<()> {
    Err(Errno::NOTSUP)
}
