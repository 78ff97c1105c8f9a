//! What is known of a file.

use std::fs::{File, Metadata};
use std::os::windows::fs::MetadataExt;
use std::time::SystemTime;

use super::process::ME;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileType {
    /// A file.
    RegularFile,
    /// A directory.
    Directory,
    /// A link.
    Symlink,
    /// Never.
    Fifo,
    /// Never.
    Socket,
    /// A device.
    Unknown,
}

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const LINK: u32 = 0o120_000;

impl FileType {
    /// The kind in a mode.
    pub(crate) fn from_raw_mode(mode: u32) -> FileType {
        match mode & 0o170_000 {
            DIRECTORY => FileType::Directory,
            REGULAR => FileType::RegularFile,
            LINK => FileType::Symlink,
            _ => FileType::Unknown,
        }
    }
}

/// What is known of a file, by the names of Unix.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "as on Unix")]
pub(crate) struct Stat {
    pub st_dev: u64,
    /// Where that is not known, the time that the file was made at.
    pub st_ino: u64,
    pub st_mode: u32,
    pub st_nlink: u64,
    pub st_uid: u32,
    pub st_gid: u32,
    pub st_size: i64,
    pub st_mtime: i64,
    pub st_mtime_nsec: i64,
}

impl Stat {
    /// What is known of an open file.
    pub(crate) fn of_file(file: &File) -> std::io::Result<Stat> {
        let stat = Stat::of(&file.metadata()?);
        Ok(match winapi_util::file::information(file) {
            Ok(known) => Stat {
                st_dev: known.volume_serial_number(),
                st_ino: known.file_index(),
                st_nlink: known.number_of_links(),
                ..stat
            },
            // Not every file system can tell.
            Err(_) => stat,
        })
    }

    /// What the standard library tells of a file.
    pub(crate) fn of(metadata: &Metadata) -> Stat {
        let kind = metadata.file_type();
        let private = if metadata.permissions().readonly() { 0o400 } else { 0o600 };
        let st_mode = if kind.is_symlink() {
            LINK | 0o777
        } else if kind.is_dir() {
            DIRECTORY | 0o700
        } else if kind.is_file() {
            REGULAR | private
        } else {
            private
        };
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let modified = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Stat {
            st_dev: 0,
            st_ino: metadata.creation_time(),
            st_mode,
            st_nlink: 1,
            st_uid: ME,
            st_gid: ME,
            st_size: i64::try_from(metadata.len()).unwrap_or(i64::MAX),
            st_mtime: i64::try_from(modified.as_secs()).unwrap_or(i64::MAX),
            st_mtime_nsec: i64::from(modified.subsec_nanos()),
        }
    }
}
