//! The disk on Windows.
//!
//! It has neither owners nor modes nor extended attributes: a file has the access list of the directory that it is made
//! in, which in a user's profile is that user's, the system's and the administrators'. Everyone is taken to be one user,
//! whose files are private. Nor can a directory be locked or synced.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::windows::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use super::{Kind, Open, Rename, Stamp, Stat};

/// ERROR_CANT_RESOLVE_FILENAME, ERROR_IO_DEVICE, ERROR_TOO_MANY_OPEN_FILES and ERROR_NO_SYSTEM_RESOURCES.
pub(crate) const LOOP: i32 = 1921;
/// There are none with a name.
pub(crate) const IS_SOCKET: i32 = i32::MIN;
pub(crate) const IO: i32 = 1117;
pub(crate) const TOO_MANY_OPEN: [i32; 2] = [4, 1450];

/// What is open cannot be replaced or removed on every file system.
pub(crate) const KEEPS_OPEN: bool = false;

/// FILE_FLAG_BACKUP_SEMANTICS: directories can be opened, too.
const BACKUP_SEMANTICS: u32 = 0x0200_0000;
/// FILE_FLAG_OPEN_REPARSE_POINT: a link is opened itself.
const OPEN_REPARSE_POINT: u32 = 0x0020_0000;
const WRITE_ATTRIBUTES: u32 = 0x100;
const SHARING_VIOLATION: i32 = 32;

/// The number of the one user there is. Not 0, which would be root's.
const ME: u32 = 1;

/// A file that was just closed or removed may still be in use by a virus scanner.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(3);

pub(crate) struct Dir {
    pub path: PathBuf,
}

impl Dir {
    pub(crate) fn open(path: &Path) -> io::Result<Dir> {
        if !fs::metadata(path)?.is_dir() {
            return Err(ErrorKind::NotADirectory.into());
        }
        Ok(Dir { path: path.to_path_buf() })
    }

    pub(crate) fn lockable(&self) -> Option<&File> {
        None
    }

    pub(crate) fn stat(&self, name: &OsStr) -> io::Result<Stat> {
        let flags = BACKUP_SEMANTICS | OPEN_REPARSE_POINT;
        let file =
            OpenOptions::new().access_mode(0).custom_flags(flags).open(self.path.join(name))?;
        stat(&file)
    }

    pub(crate) fn open_file(&self, name: &OsStr, how: Open) -> io::Result<File> {
        open(&self.path.join(name), how)
    }

    pub(crate) fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    /// Makes a directory. One that is just being removed refuses, and is soon gone.
    pub(crate) fn make_dir(&self, name: &OsStr) -> io::Result<()> {
        let path = self.path.join(name);
        patiently(|| match fs::create_dir(&path) {
            Err(error)
                if error.kind() == ErrorKind::PermissionDenied
                    && fs::symlink_metadata(&path).is_ok() =>
            {
                Err(ErrorKind::AlreadyExists.into())
            }
            result => result,
        })
    }

    pub(crate) fn remove_dir(&self, name: &OsStr) -> io::Result<()> {
        fs::remove_dir(self.path.join(name))
    }

    pub(crate) fn list(&self) -> io::Result<Vec<OsString>> {
        fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    pub(crate) fn rename(&self, from: &OsStr, to: &OsStr, how: Rename) -> io::Result<()> {
        if how == Rename::Exchange {
            return Err(ErrorKind::Unsupported.into());
        }
        patiently(|| fs::rename(self.path.join(from), self.path.join(to)))
    }

    pub(crate) fn touch(&self, name: &OsStr) -> io::Result<()> {
        let file = OpenOptions::new()
            .access_mode(WRITE_ATTRIBUTES)
            .custom_flags(BACKUP_SEMANTICS | OPEN_REPARSE_POINT)
            .open(self.path.join(name))?;
        file.set_modified(SystemTime::now())
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Tries again for a moment what another program keeps from being done.
fn patiently(mut call: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    for _ in 0..TRIES {
        match call() {
            Err(error)
                if error.raw_os_error() == Some(SHARING_VIOLATION)
                    || error.kind() == ErrorKind::PermissionDenied =>
            {
                thread::sleep(PAUSE);
            }
            result => return result,
        }
    }
    call()
}

pub(crate) fn open(path: &Path, how: Open) -> io::Result<File> {
    let links = if how == Open::Follow { 0 } else { OPEN_REPARSE_POINT };
    let mut options = OpenOptions::new();
    options.custom_flags(BACKUP_SEMANTICS | links);
    match how {
        Open::Read | Open::Follow => options.read(true),
        Open::Write => options.write(true),
        Open::New => options.write(true).create_new(true),
        Open::Make => options.read(true).write(true).create(true).truncate(false),
        Open::Append => options.read(true).append(true).create(true),
    };
    options.open(path)
}

pub(crate) fn make_dirs(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

pub(crate) fn look(path: &Path) -> io::Result<Stat> {
    Ok(convert(&fs::metadata(path)?))
}

pub(crate) fn stat(file: &File) -> io::Result<Stat> {
    let mut stat = convert(&file.metadata()?);
    // Not every file system can tell.
    if let Ok(known) = winapi_util::file::information(file) {
        stat.stamp.id = (known.volume_serial_number(), known.file_index());
        stat.links = known.number_of_links();
    }
    Ok(stat)
}

fn convert(metadata: &fs::Metadata) -> Stat {
    let kind = metadata.file_type();
    Stat {
        kind: match kind {
            _ if kind.is_symlink() => Kind::Link,
            _ if kind.is_dir() => Kind::Dir,
            _ if kind.is_file() => Kind::File,
            _ => Kind::Device,
        },
        mode: match metadata.permissions().readonly() {
            _ if kind.is_dir() => 0o700,
            true => 0o400,
            false => 0o600,
        },
        uid: ME,
        gid: ME,
        links: 1,
        stamp: Stamp {
            id: (0, metadata.creation_time()),
            size: metadata.len(),
            modified: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
        },
    }
}

pub(crate) fn read_link(path: &Path) -> io::Result<Option<PathBuf>> {
    match super::if_any(fs::symlink_metadata(path))? {
        Some(metadata) if metadata.is_symlink() => fs::read_link(path).map(Some),
        _ => Ok(None),
    }
}

pub(crate) fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    file.seek_read(buffer, at)
}

pub(crate) fn write_at(mut file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    file.seek(SeekFrom::Start(at))?;
    file.write_all(bytes)
}

pub(crate) fn set_mode(_: &File, _: u32) -> io::Result<()> {
    Ok(())
}

pub(crate) fn set_owner(_: &File, _: Option<u32>, _: Option<u32>) -> io::Result<()> {
    Ok(())
}

pub(crate) fn copy_attributes(_: &File, _: &File) {}

pub(crate) fn start_writing(_: &File, _: Range<usize>) {}

/// A name from bytes that are a part of one, of which the last character may be cut off.
pub(super) fn name_from(bytes: Vec<u8>) -> OsString {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

pub(crate) fn user() -> u32 {
    ME
}

/// The path without links, as people write it: without the `\\?\` in front, which the client does not know.
pub(crate) fn real(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    let path = fs::canonicalize(path)?;
    let plain = path.to_str().and_then(|text| match text.strip_prefix(r"\\?\UNC\") {
        Some(share) => Some(format!(r"\\{share}")),
        None => text.strip_prefix(r"\\?\").map(str::to_owned),
    });
    Ok(plain.map_or(path, PathBuf::from))
}
