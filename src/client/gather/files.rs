//! Reads one file, whatever is in its place. IO only.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

use super::super::state::{Attributes, FileState, Reading};
use crate::os;
use crate::os::ext::{FileTypeExt, MetadataExt, OpenOptionsExt};
use crate::store;

/// A file with more bytes than this is not read: it is the longest text that the client's JavaScript engine can hold
/// (V8: 2^29 - 24 characters).
pub(crate) const MAX_BYTES: u64 = (1 << 29) - 24;

/// Reads a file. Never waits: a FIFO is opened without blocking and not read.
pub(crate) fn read(path: &Path) -> (FileState, Vec<u8>) {
    let (mut state, file) = look(path);
    let nothing = Vec::new();
    let Some((file, size)) = file else {
        return (state, nothing);
    };
    let (reading, bytes) = match store::up_to(&file, size, MAX_BYTES) {
        Ok(Some(bytes)) if bytes.is_empty() => (Reading::Empty, nothing),
        Ok(Some(bytes)) => (Reading::Read, bytes),
        Ok(None) => (Reading::TooLarge(size), nothing),
        Err(errno) => (unreadable(&errno.into()), nothing),
    };
    state.reading = reading;
    (state, bytes)
}

/// Opens a file, and gives it and its size if it is one that can be read.
pub(crate) fn look(path: &Path) -> (FileState, Option<(File, u64)>) {
    let mut state =
        FileState { path: path.to_path_buf(), reading: Reading::Read, attributes: None };
    let found = open(path).and_then(|file| file.metadata().map(|metadata| (file, metadata)));
    let (file, metadata) = match found {
        Ok(found) => found,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                state.attributes = fs::metadata(path).ok().map(|metadata| attributes_of(&metadata));
            }
            state.reading = unreadable(&error);
            return (state, None);
        }
    };
    state.attributes = Some(attributes_of(&metadata));
    let kind = metadata.file_type();
    if kind.is_file() {
        return (state, Some((file, metadata.len())));
    }
    state.reading = Reading::NotAFile(if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    });
    (state, None)
}

/// What the file system says about a file that is not looked into.
pub(crate) fn attributes_only(path: &Path) -> FileState {
    FileState {
        path: path.to_path_buf(),
        reading: Reading::Read,
        attributes: fs::metadata(path).ok().map(|metadata| attributes_of(&metadata)),
    }
}

fn open(path: &Path) -> io::Result<File> {
    let nonblock = os::fs::OFlags::NONBLOCK | os::fs::OFlags::NOCTTY;
    OpenOptions::new().read(true).custom_flags(nonblock.bits().cast_signed()).open(path)
}

fn attributes_of(metadata: &fs::Metadata) -> Attributes {
    Attributes { mode: metadata.mode() & 0o7777, owner: metadata.uid(), size: metadata.len() }
}

/// Why the client cannot read it.
pub(crate) fn unreadable(error: &io::Error) -> Reading {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Reading::Missing,
        // What opening a socket says.
        _ if error.raw_os_error() == Some(os::io::Errno::NXIO.raw_os_error()) => {
            Reading::NotAFile("a socket")
        }
        _ => Reading::Unreadable(error.to_string()),
    }
}
