//! The disk on Unix.

use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File, Permissions};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::{
    self, AtFlags, FileType, Mode, OFlags, RenameFlags, Timespec, Timestamps, UTIME_NOW, XattrFlags,
};
use rustix::io::{Errno, retry_on_intr};

use super::{Kind, Open, Rename, Stamp, Stat};

/// The errors for which the standard library has no kind.
pub(crate) const LOOP: i32 = Errno::LOOP.raw_os_error();
/// What opening a socket says.
pub(crate) const IS_SOCKET: i32 = Errno::NXIO.raw_os_error();
pub(crate) const IO: i32 = Errno::IO.raw_os_error();
pub(crate) const TOO_MANY_OPEN: [i32; 2] =
    [Errno::MFILE.raw_os_error(), Errno::NFILE.raw_os_error()];

/// Whether a file that is open can be replaced. Then it is kept open: who writes into it afterwards is seen.
pub(crate) const KEEPS_OPEN: bool = true;

pub(crate) struct Dir {
    file: File,
    pub path: PathBuf,
    /// One without read permission can be worked in, but not listed, locked or synced.
    readable: bool,
}

impl Dir {
    pub(crate) fn open(path: &Path) -> io::Result<Dir> {
        let open = |flags| {
            let flags = flags | OFlags::DIRECTORY | OFlags::CLOEXEC;
            retry_on_intr(|| fs::open(path, flags, Mode::empty())).map(File::from)
        };
        let path = path.to_path_buf();
        match open(OFlags::RDONLY) {
            Ok(file) => Ok(Dir { file, path, readable: true }),
            #[cfg(target_os = "linux")]
            Err(Errno::ACCESS) => Ok(Dir { file: open(OFlags::PATH)?, path, readable: false }),
            Err(errno) => Err(errno.into()),
        }
    }

    pub(crate) fn lockable(&self) -> Option<&File> {
        self.readable.then_some(&self.file)
    }

    pub(crate) fn stat(&self, name: &OsStr) -> io::Result<Stat> {
        let stat = retry_on_intr(|| fs::statat(&self.file, name, AtFlags::SYMLINK_NOFOLLOW))?;
        Ok(convert(&stat))
    }

    /// Opens the file `name`; a link in its place is not followed.
    pub(crate) fn open_file(&self, name: &OsStr, how: Open) -> io::Result<File> {
        open_at(&self.file, name.as_ref(), how)
    }

    pub(crate) fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        Ok(retry_on_intr(|| fs::unlinkat(&self.file, name, AtFlags::empty()))?)
    }

    pub(crate) fn make_dir(&self, name: &OsStr) -> io::Result<()> {
        Ok(retry_on_intr(|| fs::mkdirat(&self.file, name, Mode::RWXU))?)
    }

    pub(crate) fn remove_dir(&self, name: &OsStr) -> io::Result<()> {
        Ok(retry_on_intr(|| fs::unlinkat(&self.file, name, AtFlags::REMOVEDIR))?)
    }

    /// All names in the directory, without `.` and `..`. Not by the standard library, which panics if closing fails.
    pub(crate) fn list(&self) -> io::Result<Vec<OsString>> {
        if !self.readable {
            return Err(ErrorKind::PermissionDenied.into());
        }
        let entries = retry_on_intr(|| fs::Dir::read_from(&self.file))?;
        let names = entries.map(|entry| {
            let name = OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned();
            Ok((name != "." && name != "..").then_some(name))
        });
        names.filter_map(io::Result::transpose).collect()
    }

    pub(crate) fn rename(&self, from: &OsStr, to: &OsStr, how: Rename) -> io::Result<()> {
        let flags = match how {
            Rename::Replace => RenameFlags::empty(),
            Rename::IfNone => RenameFlags::NOREPLACE,
            Rename::Exchange => RenameFlags::EXCHANGE,
        };
        let result = retry_on_intr(|| fs::renameat_with(&self.file, from, &self.file, to, flags));
        Ok(match result {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) if how == Rename::Exchange => {
                return Err(ErrorKind::Unsupported.into());
            }
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) if how == Rename::IfNone => {
                retry_on_intr(|| fs::renameat(&self.file, from, &self.file, to))
            }
            result => result,
        }?)
    }

    pub(crate) fn touch(&self, name: &OsStr) -> io::Result<()> {
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let now = Timestamps { last_access: now, last_modification: now };
        Ok(fs::utimensat(&self.file, name, &now, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        if !self.readable {
            return Ok(());
        }
        match retry_on_intr(|| fs::fsync(&self.file)) {
            // Some file systems have nothing to sync in a directory.
            Err(Errno::INVAL | Errno::NOTSUP) => Ok(()),
            result => Ok(result?),
        }
    }
}

fn open_at(dir: impl AsFd, path: &Path, how: Open) -> io::Result<File> {
    let access = match how {
        Open::Read | Open::Follow => OFlags::RDONLY,
        Open::Write => OFlags::WRONLY,
        Open::New => OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL,
        Open::Make => OFlags::RDWR | OFlags::CREATE,
        Open::Append => OFlags::RDWR | OFlags::CREATE | OFlags::APPEND,
    };
    let links = if how == Open::Follow { OFlags::empty() } else { OFlags::NOFOLLOW };
    let flags = access | links | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    Ok(File::from(retry_on_intr(|| fs::openat(&dir, path, flags, mode))?))
}

pub(crate) fn open(path: &Path, how: Open) -> io::Result<File> {
    open_at(fs::CWD, path, how)
}

/// Makes the directory and those above it, for their owner alone.
pub(crate) fn make_dirs(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// What is at a path, links followed.
pub(crate) fn look(path: &Path) -> io::Result<Stat> {
    Ok(convert(&retry_on_intr(|| fs::stat(path))?))
}

pub(crate) fn stat(file: &File) -> io::Result<Stat> {
    Ok(convert(&retry_on_intr(|| fs::fstat(file))?))
}

#[allow(clippy::unnecessary_cast, reason = "the types differ between platforms")]
fn convert(stat: &fs::Stat) -> Stat {
    // A file from before 1970 counts as one of that year.
    let seconds = u64::try_from(stat.st_mtime as i64).unwrap_or_default();
    Stat {
        kind: match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Dir,
            FileType::Symlink => Kind::Link,
            FileType::Fifo => Kind::Fifo,
            FileType::Socket => Kind::Socket,
            _ => Kind::Device,
        },
        mode: stat.st_mode as u32 & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        links: stat.st_nlink as u64,
        stamp: Stamp {
            id: (stat.st_dev as u64, stat.st_ino as u64),
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            modified: UNIX_EPOCH + Duration::new(seconds, stat.st_mtime_nsec as u32),
        },
    }
}

/// Where a link leads; none if it is not a link, or nothing is there.
pub(crate) fn read_link(path: &Path) -> io::Result<Option<PathBuf>> {
    match retry_on_intr(|| fs::readlink(path, Vec::new())) {
        Ok(target) => Ok(Some(OsString::from_vec(target.into_bytes()).into())),
        Err(Errno::INVAL | Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Reads what stands at `at` into the buffer, and returns how much.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    file.read_at(buffer, at)
}

pub(crate) fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    file.write_all_at(bytes, at)
}

pub(crate) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode))
}

pub(crate) fn set_owner(file: &File, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    std::os::unix::fs::fchown(file, uid, gid)
}

/// Has the system write this part of the file to the disk, and does not wait for it.
#[cfg(target_os = "linux")]
pub(crate) fn start_writing(file: &File, range: Range<usize>) {
    // What is asked for is to forget the part, for which it must be on the disk: what is not is sent there, and stays.
    let length = std::num::NonZeroU64::new(range.len() as u64);
    let _ = fs::fadvise(file, range.start as u64, length, fs::Advice::DontNeed);
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn start_writing(_: &File, _: Range<usize>) {}

const ACL: &[u8] = b"system.posix_acl_access";

/// Copies the attributes that belong to a file rather than to its content. One that cannot be set is left out: the
/// key's place matters more than a tag.
pub(crate) fn copy_attributes(old: &File, new: &File) {
    let mut names = vec![0u8; fs::flistxattr_query(old).unwrap_or_default()];
    if names.is_empty() {
        return;
    }
    let length = fs::flistxattr(old, &mut names[..]).unwrap_or_default();
    for name in names[..length].split(|byte| *byte == 0) {
        let belongs = name.starts_with(b"user.") || name == ACL || name == b"security.selinux";
        if belongs && let Ok(size) = fs::fgetxattr_query(old, name) {
            let mut value = vec![0u8; size];
            let length = fs::fgetxattr(old, name, &mut value[..]).unwrap_or_default();
            if name == ACL {
                close_acl(&mut value);
            }
            let _ = fs::fsetxattr(new, name, &value[..length], XattrFlags::empty());
        }
    }
}

/// Keeps the entries of an access list and takes all effect from them, as `chmod 600` does: a file that could be read
/// by others for a moment could be opened in it.
pub(super) fn close_acl(acl: &mut [u8]) {
    /// The tags of the owner, and of a named user or group, whose permissions count only within the mask.
    const OWNER: u16 = 0x01;
    const NAMED: [u16; 2] = [0x02, 0x08];
    // A version of four bytes, then entries of tag, permissions and id: 2 + 2 + 4 bytes, little-endian.
    let Some(entries) = acl.get_mut(4..) else {
        return;
    };
    for entry in entries.chunks_exact_mut(8) {
        let tag = u16::from_le_bytes([entry[0], entry[1]]);
        if tag == OWNER {
            entry[2] &= 0b110;
        } else if !NAMED.contains(&tag) {
            entry[2..4].fill(0);
        }
    }
}

pub(super) fn name_from(bytes: Vec<u8>) -> OsString {
    OsString::from_vec(bytes)
}

pub(crate) fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

pub(crate) fn real(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    std::fs::canonicalize(path)
}
